import path from 'node:path';

// What the bench and the process of a worker say to each other. That process is a worker and nothing else, so that its CPU is
// the worker's.

export const BENCH_TASKS = path.resolve(import.meta.dirname, '../tasks');

export interface WorkerStart {
  side: 'raw' | 'ours' | 'dbos';
  url: string;
  readerUrl: string;
  home: string;
  concurrency: number;
  /** 0: none. */
  localQueueSize: number;
  /** After this many starts it says `ran`. */
  jobs: number;
  postmaster: number;
}

export interface WorkerUsage {
  /** At the first job's start, by the clock of the machine. */
  startedAtMs: number;
  /** The cluster's CPU at that moment. */
  clusterMs: number;
  /** Of the worker, from that moment to this. */
  workerMs: number;
  peakMb: number;
  /** From the `at` of each payload to its start. */
  waitsMs: number[];
}

export type ToWorker = { kind: 'start'; start: WorkerStart } | { kind: 'usage' } | { kind: 'stop' };
export type FromWorker =
  | { kind: 'loaded' }
  | { kind: 'ready' }
  | { kind: 'ran' }
  | { kind: 'usage'; usage: WorkerUsage };
