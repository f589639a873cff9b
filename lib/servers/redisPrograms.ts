import path from 'node:path';
import { messageOf } from '../errors/index.ts';
import type { Account } from './account.ts';
import { plainEnv, runCommand } from './command.ts';
import { libraryEnv } from './daemon.ts';
import { isExecutable, onPath } from './programs.ts';

export interface RedisPrograms {
  origin: 'installed' | 'unpacked';
  program: string;
  libraryPath: string | null;
  version: string;
}

/** Valkey, which some distributions have in Redis's place, speaks the same protocol. */
const NAMES = ['redis-server', 'valkey-server'];
/** Not on everybody's PATH. */
const MORE_FOLDERS = ['/usr/sbin', '/opt/homebrew/bin', '/usr/local/bin', '/home/linuxbrew/.linuxbrew/bin'];

export async function installedRedis(
  account: Account | null,
): Promise<{ usable: RedisPrograms | null; rejected: string[] }> {
  const rejected: string[] = [];
  for (const name of NAMES) {
    const program = onPath(name, MORE_FOLDERS);
    if (!program) continue;
    try {
      return { usable: await inspectRedis(program, 'installed', null, account), rejected };
    } catch (error) {
      rejected.push(`${program} cannot be run: ${messageOf(error)}`);
    }
  }
  return { usable: null, rejected };
}

export const redisIn = (binDir: string) => NAMES.map((name) => path.join(binDir, name)).find(isExecutable) ?? null;

export async function inspectRedis(
  program: string,
  origin: RedisPrograms['origin'],
  libraryPath: string | null,
  account: Account | null,
): Promise<RedisPrograms> {
  const shown = await runCommand(program, ['--version'], {
    account,
    env: plainEnv(libraryEnv(libraryPath)),
    timeoutMs: 10_000,
  });
  const version = /\bv=(\d[\d.]*)/.exec(shown)?.[1];
  if (!version) throw new Error(`no version in: ${shown.trim()}`);
  return { origin, program, libraryPath, version };
}
