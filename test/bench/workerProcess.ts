import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { workerFlags } from '../../lib/workers/v8Flags.ts';
import type { FromWorker, ToWorker, WorkerStart, WorkerUsage } from './worker/protocol.ts';

const MAIN = path.join(import.meta.dirname, 'worker/main.ts');
const LIMIT_MS = 120_000;

export interface WorkerProcess {
  readonly pid: number;
  /** Resolves when the worker has started. It may be at work before. */
  start: (options: WorkerStart) => Promise<void>;
  /** Resolves when the expected number of jobs has started; their ends may not be committed yet. */
  ran: () => Promise<void>;
  usage: () => Promise<WorkerUsage>;
  stop: () => Promise<void>;
}

/** A process with all its imports done, that waits for its start. */
export async function spawnWorker(profileFolder?: string): Promise<WorkerProcess> {
  const child = fork(MAIN, {
    execArgv: [
      // As the launcher starts every process of ours, and so this one.
      ...process.execArgv,
      ...workerFlags(),
      ...(profileFolder ? ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`] : []),
    ],
  });
  const heard = listen(child);
  const say = (message: ToWorker) => void child.send(message);
  await heard('loaded');
  return {
    pid: child.pid!,
    start: async (start) => {
      say({ kind: 'start', start });
      await heard('ready');
    },
    ran: async () => void (await heard('ran')),
    usage: async () => {
      say({ kind: 'usage' });
      return (await heard('usage')).usage;
    },
    stop: async () => {
      const ended = once(child, 'exit');
      say({ kind: 'stop' });
      const [code] = await ended;
      if (code !== 0) throw new Error(`a worker ended with ${code}`);
    },
  };
}

/** Each message is kept until it is waited for, because a fast worker is done before anybody asks. */
function listen(child: ChildProcess) {
  const kept: FromWorker[] = [];
  let wake: () => void = () => {};
  let ended: string | undefined;
  child.on('message', (message: FromWorker) => {
    kept.push(message);
    wake();
  });
  child.on('exit', (code, signal) => {
    ended = `a worker ended with ${signal ?? code}`;
    wake();
  });
  return async <Kind extends FromWorker['kind']>(kind: Kind): Promise<Extract<FromWorker, { kind: Kind }>> => {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const at = kept.findIndex((message) => message.kind === kind);
      if (at >= 0) return kept.splice(at, 1)[0] as Extract<FromWorker, { kind: Kind }>;
      if (ended) throw new Error(`${ended} before it said "${kind}"`);
      if (Date.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`a worker did not say "${kind}" within ${LIMIT_MS / 1000} s`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
}
