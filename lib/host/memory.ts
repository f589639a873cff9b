import { readFile } from 'node:fs/promises';

export interface MemorySample {
  readonly total_bytes: number;
  /** What programs can have without swapping: MemAvailable, not what is merely free. */
  readonly available_bytes: number;
  readonly used_percent: number;
  readonly swap_total_bytes: number;
  readonly swap_used_bytes: number;
}

/**
 * From /proc/meminfo; systeminformation, which answers with what is free when that file is hidden, serves other systems.
 *
 * @throws when a figure is missing.
 */
export async function sampleMemory(): Promise<MemorySample> {
  const { total, available, swaptotal, swapused } = process.platform === 'linux' ? await meminfo() : await portable();
  return {
    total_bytes: total,
    available_bytes: available,
    used_percent: Math.round(((total - available) / total) * 1000) / 10,
    swap_total_bytes: swaptotal,
    swap_used_bytes: swapused,
  };
}

async function meminfo() {
  const text = await readFile('/proc/meminfo', 'utf8');
  const figure = (name: string) => {
    const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    if (kibibytes === undefined) throw new Error(`/proc/meminfo has no ${name}`);
    return Number(kibibytes) * 1024;
  };
  return {
    total: figure('MemTotal'),
    available: figure('MemAvailable'),
    swaptotal: figure('SwapTotal'),
    swapused: figure('SwapTotal') - figure('SwapFree'),
  };
}

async function portable() {
  const { mem } = (await import('systeminformation')).default;
  return await mem();
}
