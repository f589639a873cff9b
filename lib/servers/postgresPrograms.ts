import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors/index.ts';
import type { Account } from './account.ts';
import { plainEnv, runCommand } from './command.ts';
import { libraryEnv } from './daemon.ts';
import { expandStar, isExecutable, onPath } from './programs.ts';

/** The oldest major that the SQL of this project is tried on. */
export const OLDEST_POSTGRES = 15;

export interface PostgresPrograms {
  origin: 'installed' | 'unpacked';
  binDir: string;
  libraryPath: string | null;
  major: number;
  version: string;
}

/** Debian, Red Hat's PGDG, Alpine, Homebrew (Apple silicon, Intel, Linux); what is on PATH goes before them. */
const FOLDERS = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/usr/libexec/postgresql*',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
  '/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin',
];

const SERVER = ['postgres', 'initdb'];
const CLIENT = ['psql', 'pg_dump'];

/** What is installed, the one on PATH first and then the newest first; and why others do not serve. */
export async function installedPostgres(
  account: Account | null,
): Promise<{ usable: PostgresPrograms[]; rejected: string[] }> {
  const first = onPath('postgres') ?? onPath('initdb');
  // Often a link into the folder where its companions are.
  const onPathDir = first && path.dirname(realpathSync(first));
  const binDirs = new Set([onPathDir, ...FOLDERS.flatMap(expandStar)].filter((dir) => dir !== null));
  const rejected: string[] = [];
  const usable: PostgresPrograms[] = [];
  for (const binDir of binDirs) {
    if (!SERVER.every((name) => isExecutable(path.join(binDir, name)))) continue;
    try {
      const programs = await inspectPostgres(binDir, 'installed', null, account);
      if (programs.major >= OLDEST_POSTGRES) usable.push(programs);
      else rejected.push(`${binDir} is PostgreSQL ${programs.version}, which is older than ${OLDEST_POSTGRES}`);
    } catch (error) {
      rejected.push(`${binDir} cannot be run: ${messageOf(error)}`);
    }
  }
  const rank = (programs: PostgresPrograms) =>
    programs.binDir === onPathDir ? Number.POSITIVE_INFINITY : programs.major;
  return { usable: usable.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a))), rejected };
}

/** Runs it as the account that will run the server, so that what cannot run is found before it is chosen. */
export async function inspectPostgres(
  binDir: string,
  origin: PostgresPrograms['origin'],
  libraryPath: string | null,
  account: Account | null,
): Promise<PostgresPrograms> {
  const env = plainEnv(libraryEnv(libraryPath));
  const shown = await runCommand(path.join(binDir, 'postgres'), ['--version'], { account, env, timeoutMs: 10_000 });
  const version = /(\d+)(\.\d+|\w*)/.exec(shown)?.[0];
  if (!version) throw new Error(`no version in: ${shown.trim()}`);
  return { origin, binDir, libraryPath, major: Number.parseInt(version, 10), version };
}

export const hasClients = (binDir: string) => CLIENT.every((name) => isExecutable(path.join(binDir, name)));

/**
 * For a configured server: clients of its major or the next newer, because pg_dump refuses a server newer than itself. Every
 * verb comes by here, so a folder that names its major is believed, and what is on PATH (Debian's is a script that takes longer than
 * most verbs) is run only where no folder has that very major; a backup looks again.
 */
export async function clientFolder(serverMajor: number): Promise<string | null> {
  const folders = FOLDERS.flatMap(expandStar).filter(hasClients);
  const named = folders.map((folder) => ({
    folder,
    major: Number(/(?:postgresql[/@]?|pgsql-)(\d+)/.exec(folder)?.[1]),
  }));
  const same = named.find(({ major }) => major === serverMajor);
  if (same) return same.folder;
  const dump = onPath('pg_dump');
  const found = await Promise.all(
    [...named, ...(dump ? [{ folder: path.dirname(dump), major: Number.NaN }] : [])]
      .filter(({ folder }) => hasClients(folder))
      .map(async ({ folder, major }) => ({ folder, major: major || (await dumpMajor(folder)) })),
  );
  return found.filter(({ major }) => major >= serverMajor).sort((a, b) => a.major - b.major)[0]?.folder ?? null;
}

async function dumpMajor(folder: string): Promise<number> {
  const shown = await runCommand(path.join(folder, 'pg_dump'), ['--version'], { timeoutMs: 10_000 });
  return Number(/(\d+)/.exec(shown)?.[1] ?? 0);
}

/** A library in shared_preload_libraries that is not there stops the server, so it is looked for first. */
export async function hasLibrary(programs: PostgresPrograms, name: string, account: Account | null): Promise<boolean> {
  const { binDir, libraryPath } = programs;
  const folders = ['../lib', '../lib/postgresql', '../lib64/pgsql', '../lib/pgsql'].map((relative) =>
    path.join(binDir, relative),
  );
  const config = path.join(binDir, 'pg_config');
  if (isExecutable(config)) {
    const env = plainEnv(libraryEnv(libraryPath));
    folders.unshift((await runCommand(config, ['--pkglibdir'], { account, env, timeoutMs: 10_000 })).trim());
  }
  return folders.some(
    (folder) => existsSync(path.join(folder, `${name}.so`)) || existsSync(path.join(folder, `${name}.dylib`)),
  );
}
