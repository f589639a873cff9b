import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { CODE_ROOT } from '../lib/config/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { workerFlags } from '../lib/workers/v8Flags.ts';
import type { CrewNews } from './crew.ts';

export interface SupervisedProcess {
  /** Resolves at the first "ready", rejects when the process ends before it. */
  ready: Promise<{ faults: { file: string; message: string }[] }>;
  pid: () => number | undefined;
  /** What it needs is there again: where it waits for its next start, it starts now. */
  startNow: () => void;
  stop: () => Promise<void>;
}

/** A process that has not said "ready" by then hangs. */
const START_LIMIT_MS = 60_000;
const RESTART_MS = { first: 100, max: 30_000 };
/** A process that worked this long has started well: the next restart is quick again. */
const STEADY_MS = 60_000;

/**
 * Runs a verb (`crew`) as a child process and starts it again whenever it ends, with a growing
 * pause, so that one crash costs a second and a crash loop costs nothing. Exit code 78 (configuration) is not retried.
 *
 * @param what how it is called in what is said of it: `the worker`.
 */
export function superviseProcess(
  what: string,
  args: readonly string[],
  {
    logFd,
    logFile,
    stopLimitMs,
    onChange,
    onNews = () => undefined,
  }: {
    logFd: number;
    logFile: string;
    stopLimitMs: number;
    onChange: (line: string) => void;
    /** Whatever else it tells of itself. */
    onNews?: (news: CrewNews) => void;
  },
): SupervisedProcess {
  let child: ChildProcess | undefined;
  let stopping = false;
  let pause = RESTART_MS.first;
  let restartTimer: NodeJS.Timeout | undefined;
  let ended: Promise<void> = Promise.resolve();
  const ready = Promise.withResolvers<{ faults: { file: string; message: string }[] }>();
  ready.promise.catch(() => undefined);
  const late = setTimeout(() => {
    ready.reject(
      new OpenClawError('E_WORKER_START', `${what} was not ready after ${START_LIMIT_MS / 1000} s`, {
        remedy: 'look into the log: a task file may hang while it is loaded',
      }),
    );
  }, START_LIMIT_MS);
  late.unref();

  const start = () => {
    restartTimer = undefined;
    const startedAt = performance.now();
    const running = fork(path.join(CODE_ROOT, 'cli/main.ts'), [...args], {
      stdio: ['ignore', logFd, logFd, 'ipc'],
      execArgv: [...process.execArgv, ...workerFlags()],
      // By its name, so that it follows a rotation; the descriptor takes what a crash says.
      env: { ...process.env, OPENCLAW_LOG_FILE: logFile },
      // A group of its own: Ctrl-C at the terminal reaches only `up`, which then stops its workers in order.
      detached: true,
    });
    child = running;
    running.on('message', (news: CrewNews) => {
      if (news.ready) ready.resolve({ faults: news.faults ?? [] });
      onNews(news);
    });
    ended = new Promise((resolve) => {
      running.once('exit', (code, signal) => {
        child = undefined;
        resolve();
        if (stopping) return;
        ready.reject(
          new OpenClawError('E_WORKER_START', `${what} ended (${signal ?? `code ${code}`}) before it was ready`, {
            remedy: 'the end of the log says why',
            exitCode: code ?? EXIT.failed,
          }),
        );
        if (code === 78) return onChange(`${what} refuses its configuration and is not started again; see the log`);
        if (performance.now() - startedAt > STEADY_MS) pause = RESTART_MS.first;
        onChange(`${what} ended (${signal ?? `code ${code}`}); it is started again in ${pause} ms`);
        restartTimer = setTimeout(start, pause);
        pause = Math.min(pause * 2, RESTART_MS.max);
      });
      running.once('error', (error) => onChange(`${what} could not be started: ${error.message}`));
    });
  };
  start();

  return {
    ready: ready.promise,
    pid: () => child?.pid,
    startNow: () => {
      if (!restartTimer || stopping) return;
      clearTimeout(restartTimer);
      pause = RESTART_MS.first;
      start();
    },
    stop: async () => {
      stopping = true;
      clearTimeout(restartTimer);
      child?.kill('SIGTERM');
      // It has its own limit; this one is for a process that does not get to it (stopped, or blocked in a task).
      const forced = setTimeout(() => child?.kill('SIGKILL'), stopLimitMs);
      await ended;
      clearTimeout(forced);
    },
  };
}
