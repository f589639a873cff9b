import { existsSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors/index.ts';
import { plainEnv, runCommand } from './command.ts';
import { libraryEnv } from './daemon.ts';
import { writeOwnedFile } from './ownedFiles.ts';
import type { PostgresPrograms } from './postgresPrograms.ts';
import { dataFolder } from './postmaster.ts';
import { openWorkFolder, type StartContext } from './startContext.ts';

const INITDB_LIMIT_MS = 60_000;

/** The major that made the data; null where there is no whole cluster, however much a killed initdb left. */
export function clusterMajor(dataDir: string): number | null {
  if (!existsSync(path.join(dataDir, 'global', 'pg_control'))) return null;
  return Number.parseInt(readFileSync(path.join(dataDir, 'PG_VERSION'), 'utf8'), 10);
}

/** Settings that an operator may change with `alter system`; those that identify the server are on its command line. */
const INITIAL_SETTINGS = `
# In place of what initdb found on this machine: the zone of the command line goes before it, and this one is built in.
timezone = 'GMT'
log_timezone = 'GMT'
shared_buffers = 128MB
max_connections = 200
`;

/** Makes the cluster beside its place and renames it there: what is in its place is whole. */
export async function createCluster(context: StartContext, programs: PostgresPrograms): Promise<void> {
  const dataDir = dataFolder(context.path);
  context.progress(`Creating a private PostgreSQL ${programs.version}`);
  const work = openWorkFolder(context);
  try {
    const passwordFile = path.join(work.path(), 'password');
    writeOwnedFile(passwordFile, `${context.passwords.postgres}\n`, context.account);
    const fresh = await initdb(context, programs, work.path(), passwordFile);
    // Written by the account itself: root appends to no file in a folder of another user.
    const args = ['-c', 'cat >> "$0"', path.join(fresh, 'postgresql.conf')];
    await runCommand('/bin/sh', args, {
      account: context.account,
      input: INITIAL_SETTINGS,
      timeoutMs: 10_000,
      signal: context.signal,
    });
    // Without pg_control it is no cluster and holds nobody's data, yet it is not ours to delete.
    if (existsSync(dataDir)) renameSync(dataDir, `${dataDir}.incomplete-${Date.now()}`);
    renameSync(fresh, dataDir);
  } finally {
    await work.remove();
  }
}

/** C.UTF-8 sorts bytewise and still knows letters; where the system lacks it, plain C does. */
async function initdb(
  context: StartContext,
  programs: PostgresPrograms,
  work: string,
  passwordFile: string,
): Promise<string> {
  const failures: unknown[] = [];
  for (const locale of ['C.UTF-8', 'C']) {
    const fresh = path.join(work, `data-${locale}`);
    const args = ['-D', fresh, '-U', 'postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
    args.push(`--locale=${locale}`, '--lc-messages=C', '--data-checksums', '--no-instructions');
    if (!context.durable) args.push('--no-sync');
    try {
      await runCommand(path.join(programs.binDir, 'initdb'), args, {
        account: context.account,
        cwd: work,
        env: plainEnv(libraryEnv(programs.libraryPath)),
        timeoutMs: INITDB_LIMIT_MS,
        signal: context.signal,
      });
      return fresh;
    } catch (error) {
      context.signal?.throwIfAborted();
      failures.push(error);
      if (!/locale/i.test(messageOf(error))) break;
    }
  }
  throw failures[0];
}

/**
 * Gives the superuser the password of the passwords' file, when that was lost or replaced. Single-user mode asks for
 * no password; it needs the data's owner and a server that is stopped.
 */
export async function resetSuperuserPassword(context: StartContext, programs: PostgresPrograms): Promise<void> {
  context.progress('Giving the private PostgreSQL the password of the passwords file');
  const dataDir = dataFolder(context.path);
  await runCommand(path.join(programs.binDir, 'postgres'), ['--single', '-D', dataDir, 'postgres'], {
    account: context.account,
    cwd: dataDir,
    env: plainEnv(libraryEnv(programs.libraryPath)),
    input: `alter role postgres with password '${context.passwords.postgres}'\n`,
    timeoutMs: 30_000,
    signal: context.signal,
  });
}
