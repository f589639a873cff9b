import { spawn } from 'node:child_process';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { runCommandLine } from '../../cli/commandLine.ts';
import { CODE_ROOT } from '../../lib/config/index.ts';

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `bin/openclaw` as a person's shell would, with nobody at its standard input. */
export function openclaw(args: readonly string[], env: Record<string, string>): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(CODE_ROOT, 'bin/openclaw'), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const result = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      result.stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      result.stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...result }));
  });
}

let turn: Promise<unknown> = Promise.resolve();

/** The same command line in this process, one at a time: a process of its own costs a second of a core. */
export function inThisProcess(args: readonly string[], env: Record<string, string>): Promise<CliResult> {
  const mine = turn.then(() => captured(args, env));
  turn = mine.catch(() => undefined);
  return mine;
}

async function captured(args: readonly string[], env: Record<string, string>): Promise<CliResult> {
  const said = { stdout: '', stderr: '' };
  const was = { env: process.env, exitCode: process.exitCode, isTTY: process.stdin.isTTY };
  const writes = { stdout: process.stdout.write, stderr: process.stderr.write };
  process.env = { ...env };
  process.exitCode = undefined;
  process.stdin.isTTY = false;
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (chunk: string | Uint8Array) => {
      said[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    };
  }
  try {
    await runCommandLine(args);
    return { code: Number(process.exitCode ?? 0), ...said };
  } finally {
    process.stdout.write = writes.stdout;
    process.stderr.write = writes.stderr;
    process.env = was.env;
    process.exitCode = was.exitCode;
    process.stdin.isTTY = was.isTTY;
  }
}

/** Arguments, the exit code, and what standard error says. */
export type Refusals = readonly [args: string[], code: number, says: RegExp][];

/** A person's terminal: whatever a verb says, it shows no stack. */
export function terminal(env: () => Record<string, string>) {
  const cli = async (...args: string[]): Promise<CliResult> => {
    const result = await inThisProcess(args, env());
    assert.not.match(result.stdout + result.stderr, /^\s+at .+:\d+:\d+|node:internal|E_UNEXPECTED/m, args.join(' '));
    return result;
  };
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cli(...args);
    assert.is(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  };
  const json = async (...args: string[]) => JSON.parse(await ok(...args, '--json'));
  const refused = async (args: string[], code: number, says: RegExp): Promise<string> => {
    const result = await cli(...args);
    assert.is(result.code, code, `${args.join(' ')}: ${result.stdout}${result.stderr}`);
    assert.match(result.stderr, says, args.join(' '));
    return result.stderr;
  };
  const allRefused = async (refusals: Refusals): Promise<void> => {
    for (const each of refusals) await refused(...each);
  };
  return { cli, ok, json, refused, allRefused };
}
