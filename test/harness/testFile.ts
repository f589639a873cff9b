import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';

export interface FileResult {
  passed: number;
  failed: number;
  skipped: number;
  ms: number;
  /** Why the file as a whole failed, beside or instead of its tests. */
  fault: string | null;
  output: string;
}

export interface FileOptions {
  timeoutMs: number;
  env: NodeJS.ProcessEnv;
  /** Told the process group while it runs, so that an interrupted run can end it. */
  onGroup: (group: number, running: boolean) => void;
}

const OUTPUT_LIMIT = 1 << 20;
/** A process that a test leaves behind may hold the output open; what it writes later is nobody's result. */
const DRAIN_MS = 2_000;

/** Runs one test file as a process group of its own, which ends with it. */
export async function runTestFile(file: string, { timeoutMs, env, onGroup }: FileOptions): Promise<FileResult> {
  const start = performance.now();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
    detached: true,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: string[] = [];
  let size = 0;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      size += chunk.length;
      if (size <= OUTPUT_LIMIT) chunks.push(chunk);
    });
  }
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = new Promise<string | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      resolve(code === 0 ? null : signal ? `ended by ${signal}` : `exited with ${code}`),
    );
  });
  const group = child.pid;
  if (group !== undefined) onGroup(group, true);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    if (group !== undefined) endGroup(group);
  }, timeoutMs);
  let how: string | null;
  try {
    how = await ended;
    if (group !== undefined) endGroup(group);
    await Promise.race([closed, sleep(DRAIN_MS)]);
  } finally {
    clearTimeout(timer);
    if (group !== undefined) onGroup(group, false);
  }
  child.stdout.destroy();
  child.stderr.destroy();
  const output = stripVTControlCharacters(chunks.join(''));
  const exit = timedOut ? `timed out after ${timeoutMs / 1000} s` : how;
  return { ...judge(output, exit), ms: performance.now() - start, output };
}

export function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * The counts of uvu's summary. A file that ended badly without a failed test, or that reports no test at all, counts as
 * one failure: silence is not success.
 */
export function judge(
  output: string,
  exit: string | null,
): Pick<FileResult, 'passed' | 'failed' | 'skipped' | 'fault'> {
  const sum = (label: string) =>
    [...output.matchAll(new RegExp(`^ {2}${label}: +(\\d+)$`, 'gm'))].reduce(
      (total, match) => total + Number(match[1]),
      0,
    );
  const passed = sum('Passed');
  const skipped = sum('Skipped');
  const failed = sum('Total') - passed;
  if (failed > 0) return { passed, failed, skipped, fault: exit === 'exited with 1' ? null : exit };
  if (exit) return { passed, failed: 1, skipped, fault: exit };
  if (passed + skipped === 0) return { passed, failed: 1, skipped, fault: 'reports no tests' };
  return { passed, failed, skipped, fault: null };
}
