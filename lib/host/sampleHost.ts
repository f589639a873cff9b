import { statfs } from 'node:fs/promises';
import os from 'node:os';
import { messageOf } from '../errors/index.ts';
import { type ListeningSocket, listeningSockets } from './listeningSockets.ts';
import { type MemorySample, sampleMemory } from './memory.ts';
import { osName } from './osName.ts';

export interface DiskSample {
  readonly path: string;
  readonly total_bytes: number;
  /** For an ordinary user: without what is reserved for root. */
  readonly available_bytes: number;
  /** As df counts it: of what an ordinary user could use. */
  readonly used_percent: number;
}

export interface ProcessSample {
  readonly pid: number;
  /** Without arguments, which may hold secrets. */
  readonly name: string;
  readonly rss_bytes: number;
}

/** What was read of this host; a part that could not be is null, and `unavailable` says why. */
export interface HostSample {
  /** ISO 8601, UTC; of this host's clock. */
  readonly taken_at: string;
  readonly system: {
    readonly hostname: string;
    readonly os: string;
    readonly kernel: string;
    readonly arch: string;
    readonly uptime_seconds: number;
  } | null;
  readonly cpu: {
    readonly count: number;
    readonly load_1m: number;
    readonly load_5m: number;
    readonly load_15m: number;
  } | null;
  readonly memory: MemorySample | null;
  readonly disks: readonly DiskSample[] | null;
  readonly listening: readonly ListeningSocket[] | null;
  /** The five with the most memory, the largest first. */
  readonly largest_processes: readonly ProcessSample[] | null;
  /** `part: reason`. */
  readonly unavailable: readonly string[];
}

export interface SampleOptions {
  /** Folders whose file systems are measured. Default: `/`. */
  paths?: readonly string[];
  /** For all parts together. Default: 5000 ms. */
  timeoutMs?: number;
  /** Without processes and sockets, whose lists cost a hundred times the rest: for whoever looks every few seconds. Default: false. */
  brief?: boolean;
}

const LARGEST = 5;

/**
 * Real figures of this host. Never fails and never waits longer than `timeoutMs`: parts are read side by side, and one
 * that fails or hangs (a dead network disk) is null with its reason.
 */
export async function sampleHost({
  paths = ['/'],
  timeoutMs = 5000,
  brief = false,
}: SampleOptions = {}): Promise<HostSample> {
  const unavailable: string[] = [];
  const read = async <T>(part: string, reader: () => Promise<T>): Promise<T | null> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([reader(), late]);
    } catch (error) {
      unavailable.push(`${part}: ${messageOf(error)}`);
      return null;
    } finally {
      clearTimeout(timer);
    }
  };

  const [system, cpu, memory, disks, listening, largest] = await Promise.all([
    read('system', sampleSystem),
    read('cpu', sampleCpu),
    read('memory', sampleMemory),
    Promise.all([...new Set(paths)].map((path) => read(`disk ${path}`, () => sampleDisk(path)))),
    brief ? null : read('listening', listeningSockets),
    brief ? null : read('largest_processes', sampleProcesses),
  ]);
  const readable = disks.filter((disk) => disk !== null);
  return {
    taken_at: new Date().toISOString(),
    system,
    cpu,
    memory,
    disks: readable.length > 0 ? readable : null,
    listening,
    largest_processes: largest,
    unavailable,
  };
}

async function sampleSystem() {
  return {
    hostname: os.hostname(),
    os: await osName(),
    kernel: os.release(),
    arch: os.arch(),
    uptime_seconds: Math.round(os.uptime()),
  };
}

async function sampleCpu() {
  const [load_1m = 0, load_5m = 0, load_15m = 0] = os.loadavg().map((load) => Math.round(load * 100) / 100);
  return { count: os.cpus().length || os.availableParallelism(), load_1m, load_5m, load_15m };
}

async function sampleDisk(path: string): Promise<DiskSample> {
  const { bsize, blocks, bfree, bavail } = await statfs(path);
  const used = blocks - bfree;
  return {
    path,
    total_bytes: blocks * bsize,
    available_bytes: bavail * bsize,
    used_percent: used + bavail > 0 ? Math.round((used / (used + bavail)) * 1000) / 10 : 0,
  };
}

/** systeminformation repeats its last list for half a second. */
async function sampleProcesses(): Promise<ProcessSample[]> {
  const { processes } = (await import('systeminformation')).default;
  const { list } = await processes();
  // It answers with nothing where `ps` is not installed.
  if (list.length === 0) throw new Error('ps shows no processes; is it installed?');
  return list
    .toSorted((a, b) => b.memRss - a.memRss)
    .slice(0, LARGEST)
    .map(({ pid, name, memRss }) => ({ pid, name, rss_bytes: memRss * 1024 }));
}
