import { readdirSync, readFileSync } from 'node:fs';

/** A clock tick of /proc/<pid>/stat: USER_HZ is 100 on every Linux that Node runs on. */
const TICK_MS = 10;

interface Usage {
  ppid: number;
  /** Of the process itself. */
  ownMs: number;
  /** Of its children that have ended and were waited for. */
  endedMs: number;
}

/**
 * CPU, in ms, that a whole Postgres cluster has used: the postmaster, its children that live, and what has ended (a
 * session's CPU goes over to the postmaster when it ends). Only differences of it mean something.
 */
export function clusterCpuMs(postmaster: number): number {
  let total = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const usage = usageOf(Number(name));
    if (!usage) continue;
    if (Number(name) === postmaster || usage.ppid === postmaster) total += usage.ownMs + usage.endedMs;
  }
  return total;
}

function usageOf(pid: number): Usage | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // It has ended since the folder was read.
    return undefined;
  }
  // The second field, the name, may hold blanks and parentheses; what follows it begins with the third.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (field: number) => Number(fields[field - 3]);
  return {
    ppid: ticks(4),
    ownMs: (ticks(14) + ticks(15)) * TICK_MS,
    endedMs: (ticks(16) + ticks(17)) * TICK_MS,
  };
}

/** CPU, in ms, of one process. */
export function processCpuMs(pid: number): number {
  return usageOf(pid)?.ownMs ?? 0;
}

/** Resident memory of a process now. */
export function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

export const childrenOf = (parent: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && usageOf(Number(name))?.ppid === parent)
    .map(Number);

export interface MachineCpu {
  totalMs: number;
  /** Of all processes but this one, its ended children, and the cluster: whatever else the machine does. */
  othersMs: number;
}

/** Only differences of it mean something. A machine that is busy with others makes every ratio smaller than it is. */
export function machineCpu(postmaster: number): MachineCpu {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!;
  const [user, nice, system, idle, ioWait, irq, softIrq, steal] = line
    .split(/\s+/)
    .slice(1)
    .map((ticks) => Number(ticks) * TICK_MS);
  const busyMs = user! + nice! + system! + irq! + softIrq! + steal!;
  const own = usageOf(process.pid)!;
  return {
    totalMs: busyMs + idle! + ioWait!,
    othersMs: busyMs - own.ownMs - own.endedMs - clusterCpuMs(postmaster),
  };
}

/** CPU, in ms, of this process, its ended children and the cluster. Only differences of it mean something. */
export function spentCpuMs(postmaster: number): number {
  const own = usageOf(process.pid)!;
  return own.ownMs + own.endedMs + clusterCpuMs(postmaster);
}

/** ms of a clock that all processes of this machine share. */
export function clockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
