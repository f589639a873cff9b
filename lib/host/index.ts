export type { ListeningSocket } from './listeningSockets.ts';
export type { MemorySample } from './memory.ts';
export { type DiskSample, type HostSample, type ProcessSample, type SampleOptions, sampleHost } from './sampleHost.ts';
