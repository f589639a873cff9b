import { clockMs, clusterCpuMs } from '../cpu.ts';
import type { WorkerUsage } from './protocol.ts';

// Both sides' task tells it of every start. Work is counted from the first one: what a process does before (imports, its
// start) is done once in a worker's life.

let expected = 0;
let postmaster = 0;
let onRan: () => void = () => {};
let count = 0;
let first: { atMs: number; clusterMs: number; cpu: NodeJS.CpuUsage } | undefined;
const waitsMs: number[] = [];

export function expectJobs(jobs: number, pid: number, done: () => void): void {
  expected = jobs;
  postmaster = pid;
  onRan = done;
}

export function jobStarted(payload: unknown): void {
  const { at } = payload as { at?: number };
  if (at !== undefined) waitsMs.push(clockMs() - at);
  if (first === undefined) {
    const clusterMs = clusterCpuMs(postmaster);
    first = { clusterMs, cpu: process.cpuUsage(), atMs: clockMs() };
  }
  count++;
  if (count === expected) onRan();
}

export function usage(): WorkerUsage {
  if (!first) throw new Error('no job has started');
  const { user, system } = process.cpuUsage(first.cpu);
  return {
    startedAtMs: first.atMs,
    clusterMs: first.clusterMs,
    workerMs: (user + system) / 1000,
    peakMb: process.resourceUsage().maxRSS / 1024,
    waitsMs,
  };
}
