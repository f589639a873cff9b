import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { lastLines, plainEnv } from './command.ts';
import type { Launched } from './launched.ts';
import { giveTo } from './ownedFiles.ts';
import type { StartContext } from './startContext.ts';

/** A start that takes longer than this is an error, not a wait. */
export const START_LIMIT_MS = 30_000;

export interface Daemon {
  pid: number;
  /** null while it runs. */
  ended(): string | null;
  /** What it wrote to its log since this start. */
  output(): string;
}

export function libraryEnv(libraryPath: string | null): Record<string, string> {
  return libraryPath ? { LD_LIBRARY_PATH: libraryPath } : {};
}

/**
 * Starts a server in its own session with its output in a log file: it outlives this process, however that ends. The
 * log is opened here and inherited, because the servers' account may have no way into the logs' folder.
 */
export async function spawnDaemon(
  context: StartContext,
  name: string,
  launched: Launched,
  program: string,
  args: string[],
  cwd: string,
): Promise<Daemon> {
  const file = path.join(context.logs, `${name}.log`);
  const log = openSync(file, 'a+', 0o600);
  let child: ChildProcess;
  let start: number;
  try {
    giveTo(file, context.account);
    start = fstatSync(log).size;
    child = spawn(program, args, {
      detached: true,
      cwd,
      env: plainEnv(libraryEnv(launched.libraryPath)),
      stdio: ['ignore', log, log],
      ...(context.account ? { uid: context.account.uid, gid: context.account.gid } : {}),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
  } finally {
    closeSync(log);
  }
  child.unref();
  return {
    pid: child.pid!,
    ended: () => {
      if (child.exitCode !== null) return `exited with ${child.exitCode}`;
      return child.signalCode ? `was ended by ${child.signalCode}` : null;
    },
    output: () => readFrom(file, start),
  };
}

const OUTPUT_LIMIT = 64 << 10;

function readFrom(file: string, start: number): string {
  const log = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(OUTPUT_LIMIT);
    const from = Math.max(start, fstatSync(log).size - OUTPUT_LIMIT);
    return buffer.toString('utf8', 0, readSync(log, buffer, 0, OUTPUT_LIMIT, from));
  } finally {
    closeSync(log);
  }
}

export interface StartFailure {
  code: 'E_POSTGRES_START' | 'E_REDIS_START';
  what: string;
  output: string;
  logFile: string;
  /** It still runs and may yet come up. */
  pending?: boolean;
}

/** The end of the log is in the error, because it holds the reason. */
export function startFailure({ code, what, output, logFile, pending = false }: StartFailure): OpenClawError {
  return new OpenClawError(code, what, {
    faults: lastLines(output, 12).split('\n').filter(Boolean),
    remedy: pending
      ? `start again: what runs by then is used (its log is ${logFile})`
      : `read ${logFile}, remove the cause and start again`,
    exitCode: pending ? EXIT.tempfail : EXIT.failed,
  });
}
