import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OpenClawError } from '../errors/index.ts';
import { scrub } from '../log/index.ts';
import { plainEnv } from '../servers/command.ts';

export interface ProgramOptions {
  /** Added to the safe part of this process's environment. */
  env: Record<string, string>;
  timeoutMs: number;
  signal?: AbortSignal;
  input?: Readable;
  /** The program may end before it has read all of its input. */
  mayStopReading?: boolean;
  output?: Writable;
}

const KILL_AFTER_MS = 5_000;
const STDERR_LIMIT = 8_192;
const STDOUT_LIMIT = 16 << 20;

/**
 * Runs a program whose input and output flow through this process, so that it ends (SIGPIPE) when this process does.
 * Answers with its standard output where no `output` takes it.
 *
 * @throws E_PROGRAM with the end of what it said on standard error.
 */
export async function runProgram(program: string, args: readonly string[], options: ProgramOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, { env: plainEnv(options.env), stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_LIMIT);
  });
  if (!options.output)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-STDOUT_LIMIT);
    });
  let timedOut = false;
  const end = () => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
  };
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, options.timeoutMs);
  options.signal?.addEventListener('abort', end, { once: true });
  const closed = new Promise<{ code: number | null; killedBy: string | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killedBy) => resolve({ code, killedBy }));
  });
  closed.catch(() => undefined);
  try {
    const output = options.output ? pipeline(child.stdout, options.output) : undefined;
    // A disk that is full must not leave the program waiting for a reader.
    output?.catch(end);
    const [fed, written, result] = await Promise.allSettled([feed(child.stdin, options), output, closed]);
    options.signal?.throwIfAborted();
    if (result.status === 'rejected')
      throw failed(program, `could not be started: ${result.reason.message}`, result.reason);
    if (written.status === 'rejected' && !timedOut) throw written.reason;
    const { code, killedBy } = result.value;
    if (timedOut) throw failed(program, `took longer than ${options.timeoutMs / 1000} s`);
    if (code !== 0)
      throw failed(
        program,
        `${killedBy ? `was ended by ${killedBy}` : `exited with ${code}`}: ${scrub(stderr.trim())}`,
      );
    if (fed.status === 'rejected') throw fed.reason;
    return stdout;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', end);
  }
}

async function feed(stdin: Writable, { input, mayStopReading }: ProgramOptions): Promise<void> {
  if (!input) {
    stdin.on('error', () => undefined);
    stdin.end();
    return;
  }
  try {
    await pipeline(input, stdin);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(mayStopReading && (code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE'))) throw error;
  }
}

function failed(program: string, how: string, cause?: unknown): OpenClawError {
  return new OpenClawError('E_PROGRAM', `${program.split('/').at(-1)} ${how}`, { cause });
}
