import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { CODE_ROOT } from '../lib/config/index.ts';
import type { PoolName } from '../lib/tasks/types.ts';

export interface SupervisedWorker {
  /** Resolves at the first "ready", rejects when the process ends before it. */
  ready: Promise<{ faults: { file: string; message: string }[] }>;
  pid: () => number | undefined;
  stop: () => Promise<void>;
}

const RESTART_MS = { first: 500, max: 30_000 };
/** A process that worked this long has started well: the next restart is quick again. */
const STEADY_MS = 60_000;

/**
 * Runs `openclaw worker <pools>` as a child process and starts it again whenever it ends, with a growing pause, so that
 * one crash costs a second and a crash loop costs nothing. Exit code 78 (configuration) is not retried.
 */
export function superviseWorker(
  pools: readonly PoolName[],
  logFd: number,
  onChange: (line: string) => void,
): SupervisedWorker {
  let child: ChildProcess | undefined;
  let stopping = false;
  let pause = RESTART_MS.first;
  let restartTimer: NodeJS.Timeout | undefined;
  let ended: Promise<void> = Promise.resolve();
  const ready = Promise.withResolvers<{ faults: { file: string; message: string }[] }>();
  ready.promise.catch(() => undefined);

  const start = () => {
    const startedAt = Date.now();
    const running = fork(path.join(CODE_ROOT, 'cli/main.ts'), ['worker', ...pools], {
      stdio: ['ignore', logFd, logFd, 'ipc'],
      execArgv: process.execArgv,
      // A group of its own: Ctrl-C at the terminal reaches only `up`, which then stops its workers in order.
      detached: true,
    });
    child = running;
    running.on('message', (message: { ready?: boolean; faults?: { file: string; message: string }[] }) => {
      if (message.ready) ready.resolve({ faults: message.faults ?? [] });
    });
    ended = new Promise((resolve) => {
      running.once('exit', (code, signal) => {
        child = undefined;
        resolve();
        if (stopping) return;
        ready.reject(new Error(`the worker ended (${signal ?? `code ${code}`}) before it was ready`));
        if (code === 78) return onChange('the worker refuses its configuration and is not started again; see the log');
        if (Date.now() - startedAt > STEADY_MS) pause = RESTART_MS.first;
        onChange(`the worker ended (${signal ?? `code ${code}`}); it is started again in ${pause} ms`);
        restartTimer = setTimeout(start, pause);
        pause = Math.min(pause * 2, RESTART_MS.max);
      });
      running.once('error', (error) => onChange(`the worker could not be started: ${error.message}`));
    });
  };
  start();

  return {
    ready: ready.promise,
    pid: () => child?.pid,
    stop: async () => {
      stopping = true;
      clearTimeout(restartTimer);
      child?.kill('SIGTERM');
      await ended;
    },
  };
}
