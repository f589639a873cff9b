export { missionOf } from './runtime.ts';
export { activeSegments, runSegment, type SegmentResult } from './segment.ts';
export { type CheckpointWriter, createWriter } from './writer.ts';
