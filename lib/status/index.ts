export { type MissionStatus, type Snapshot, takeSnapshot, type WorkerStatus } from './snapshot.ts';
export { statusLines } from './text.ts';
