import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const hasProc = existsSync('/proc/self/stat');

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    // ESRCH: the process ended between opening and reading.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** Whether the number is taken, be it by a zombie. */
export function isTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return true;
    throw error;
  }
}

/** A zombie is dead: where process 1 reaps nobody (a container), it would be waited for without end. */
export function isAlive(pid: number): boolean {
  if (!isTaken(pid)) return false;
  if (!hasProc) return true;
  const stat = readProc(pid, 'stat');
  return stat === null || !/^\d+ \(.*\) [ZX]/s.test(stat);
}

/**
 * The words of the command line, which every user may read: in a container root may not follow `/proc/<pid>/cwd` of
 * another user's process.
 */
export function commandLine(pid: number): string[] | null {
  if (!isAlive(pid)) return null;
  if (hasProc) {
    const words = readProc(pid, 'cmdline')?.split('\0').filter(Boolean);
    return words && words.length > 0 ? words : null;
  }
  const shown = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8', timeout: 5000 });
  const text = shown.status === 0 ? shown.stdout.trim() : '';
  return text ? text.split(/\s+/) : null;
}

export async function waitForExit(pid: number, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (isAlive(pid)) {
    if (performance.now() >= deadline) return false;
    await sleep(20);
  }
  return true;
}

/** Sends each signal in turn until the process is gone; false when it outlived the last. */
export async function endProcess(
  pid: number,
  steps: readonly [signal: NodeJS.Signals, waitMs: number][],
): Promise<boolean> {
  for (const [signal, waitMs] of steps) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true;
      throw error;
    }
    if (await waitForExit(pid, waitMs)) return true;
  }
  return false;
}
