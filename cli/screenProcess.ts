import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { CODE_ROOT } from '../lib/config/index.ts';

const RESTART_MS = { first: 1000, max: 60_000 };
const STOP_LIMIT_MS = 5000;
/** As bin/openclaw gives them to a screen: it is open all day, and a large young space would only grow. */
export const SCREEN_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=128'];

/** Runs `openclaw dashboard` beside the workers and starts it again with a growing pause; without it everything else goes on. */
export function superviseScreen({ logFd, onChange }: { logFd: number; onChange: (line: string) => void }): {
  stop: () => Promise<void>;
} {
  let child: ChildProcess | undefined;
  let stopping = false;
  let pause = RESTART_MS.first;
  let timer: NodeJS.Timeout | undefined;
  let ended: Promise<void> = Promise.resolve();
  const start = () => {
    const running = fork(path.join(CODE_ROOT, 'cli/main.ts'), ['dashboard'], {
      stdio: ['ignore', logFd, logFd, 'ipc'],
      execArgv: [...process.execArgv, ...SCREEN_FLAGS],
      // Ctrl-C at the terminal reaches only `up`.
      detached: true,
    });
    child = running;
    running.on('message', (message: { ready?: boolean; port?: number }) => {
      if (!message.ready) return;
      pause = RESTART_MS.first;
      onChange(`the screen is served by SSH on port ${message.port}`);
    });
    running.on('error', (error) => onChange(`the screen could not be started: ${error.message}`));
    ended = new Promise((resolve) => {
      running.once('exit', (code, signal) => {
        child = undefined;
        resolve();
        if (stopping || code === 78) return;
        if (pause === RESTART_MS.first)
          onChange(`the screen by SSH ended (${signal ?? `code ${code}`}; the log says why) and is tried again`);
        timer = setTimeout(start, pause);
        timer.unref();
        pause = Math.min(pause * 2, RESTART_MS.max);
      });
    });
  };
  start();
  return {
    stop: async () => {
      stopping = true;
      clearTimeout(timer);
      child?.kill('SIGTERM');
      const forced = setTimeout(() => child?.kill('SIGKILL'), STOP_LIMIT_MS);
      await ended;
      clearTimeout(forced);
    },
  };
}
