import { spawn } from 'node:child_process';
import { OpenClawError } from '../errors/index.ts';
import type { Account } from './account.ts';

export interface CommandOptions {
  timeoutMs: number;
  account?: Account | null;
  cwd?: string;
  /** The whole environment; without it, the safe part of this process's own. */
  env?: Record<string, string>;
  input?: string;
  signal?: AbortSignal;
}

const OUTPUT_LIMIT = 4 << 20;

/** What a server or tool may see of our environment: no PG* or OPENCLAW_* setting, and messages in English. */
export function plainEnv(extra: Record<string, string> = {}): Record<string, string> {
  const searched = [process.env.PATH, '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];
  return { PATH: searched.filter(Boolean).join(':'), LC_ALL: 'C', ...extra };
}

/**
 * Runs a command to its end and returns its standard output. It is in its own process group, so that at the time limit
 * or an abort its children (apt's download methods, initdb's postgres) end with it.
 */
export async function runCommand(program: string, args: readonly string[], options: CommandOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const { account, cwd, input, signal, timeoutMs, env = plainEnv() } = options;
  const identity = account ? { uid: account.uid, gid: account.gid } : {};
  const child = spawn(program, args, {
    detached: true,
    env,
    cwd: cwd ?? '/',
    ...identity,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-OUTPUT_LIMIT);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-OUTPUT_LIMIT);
  });
  // A program that ends without reading its input (EPIPE) is judged by its exit code.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');

  let timedOut = false;
  const endGroup = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup();
  }, timeoutMs);
  signal?.addEventListener('abort', endGroup, { once: true });
  try {
    const { code, killedBy } = await new Promise<{ code: number | null; killedBy: string | null }>(
      (resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code, killedBy) => resolve({ code, killedBy }));
      },
    );
    signal?.throwIfAborted();
    if (code === 0) return stdout;
    const how = timedOut
      ? `took longer than ${timeoutMs / 1000} s`
      : killedBy
        ? `was ended by ${killedBy}`
        : `exited with ${code}`;
    throw new OpenClawError('E_COMMAND', `${program} ${how}: ${lastLines(stderr || stdout, 8)}`, {
      value: code ?? killedBy,
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', endGroup);
  }
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
