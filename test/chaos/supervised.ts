import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { CODE_ROOT } from '../../lib/config/index.ts';

const RESTART_MS = 500;

/** A process of ours that is started again whenever it ends, as a unit with Restart=always is. Its channel ends it with this process. */
export function supervised(verb: readonly string[], env: Record<string, string>) {
  let child: ChildProcess | undefined;
  let stopping = false;
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    child = spawn(path.join(CODE_ROOT, 'bin/openclaw'), verb, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.once('exit', () => {
      child = undefined;
      if (!stopping) timer = setTimeout(start, RESTART_MS);
    });
  };
  start();
  return {
    /** @returns false where it is just being started. */
    kill: (): boolean => child?.kill('SIGKILL') ?? false,
    stop: async (): Promise<void> => {
      stopping = true;
      clearTimeout(timer);
      const running = child;
      if (!running) return;
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGTERM');
      await ended;
    },
  };
}
