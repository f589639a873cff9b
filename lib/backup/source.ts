import path from 'node:path';
import type { Config } from '../config/index.ts';
import { DATABASE } from '../db/index.ts';
import { libpqConnection } from '../db/libpq.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { libraryEnv } from '../servers/daemon.ts';
import { findRunningServers, type PostgresServer } from '../servers/index.ts';
import { installedPostgres } from '../servers/postgresPrograms.ts';
import { isExecutable } from '../servers/programs.ts';
import { runProgram } from './program.ts';
import { withDatabase } from './scratch.ts';

/** The database that is backed up, and the programs of its own major version. */
export interface BackupSource {
  readonly server: PostgresServer;
  readonly database: string;
  /** As a role that reads every row of every table. Holds a password. */
  readonly url: string;
  /** Another database of the server, as a role that may create and drop databases. */
  readonly adminUrlFor: (database: string) => string;
  readonly programs: PostgresTools;
}

export interface PostgresTools {
  readonly dump: string;
  readonly restore: string;
  readonly env: Record<string, string>;
  readonly version: string;
}

/** @throws E_NOT_RUNNING (75), E_NO_PG_DUMP, E_PG_DUMP_VERSION (78). */
export async function openSource(config: Config): Promise<BackupSource> {
  const { postgres: server } = await findRunningServers({
    layout: config.layout,
    databaseUrl: config.databaseUrl,
    redisUrl: config.redisUrl,
  });
  if (!server) {
    throw new OpenClawError('E_NOT_RUNNING', `no Postgres runs for ${config.home}`, {
      remedy: 'openclaw up --detach',
      exitCode: EXIT.tempfail,
    });
  }
  const isPrivate = server.origin !== 'configured';
  const url = isPrivate ? server.urlFor('openclaw_backup', DATABASE) : (config.databaseAdminUrl ?? server.adminUrl);
  const database = isPrivate ? DATABASE : decodeURIComponent(new URL(libpqConnection(url).target).pathname.slice(1));
  const adminUrlFor = (name: string) => (isPrivate ? server.urlFor('postgres', name) : withDatabase(url, name));
  return { server, database, url, adminUrlFor, programs: await toolsOf(server) };
}

/**
 * A dump of an older pg_dump is refused by the server, one of a newer may hold what this server cannot read back: only
 * the server's own major version will do, and there is no second way that takes its place without a word.
 */
export async function toolsOf(server: PostgresServer): Promise<PostgresTools> {
  const major = server.version.split('.')[0];
  const remedy = `install the client of PostgreSQL ${major}: apt-get install postgresql-client-${major}`;
  const folder = server.binDir;
  const [dump, restore] = ['pg_dump', 'pg_restore'].map((name) => path.join(folder ?? '', name)) as [string, string];
  if (!folder || !isExecutable(dump) || !isExecutable(restore)) {
    throw new OpenClawError('E_NO_PG_DUMP', `there is no pg_dump for this server (PostgreSQL ${server.version})`, {
      remedy,
      exitCode: EXIT.config,
    });
  }
  const said = await runProgram(dump, ['--version'], { env: server.env, timeoutMs: 20_000 });
  const version = /(\d+)(\.\d+|\w*)/.exec(said)?.[0] ?? said.trim();
  if (version.split(/[.a-z]/)[0] !== major) {
    throw new OpenClawError('E_PG_DUMP_VERSION', 'pg_dump has not the major version of the server', {
      value: `pg_dump ${version} (${dump}), server ${server.version}`,
      expected: `pg_dump ${major}`,
      remedy,
      exitCode: EXIT.config,
    });
  }
  return { dump, restore, env: server.env, version };
}

/** For reading an archive while no server runs: the newest pg_restore reads the dumps of all before it. */
export async function installedTools(): Promise<PostgresTools> {
  const { usable } = await installedPostgres(null);
  const newest = usable
    .sort((a, b) => b.major - a.major)
    .find(({ binDir }) => isExecutable(path.join(binDir, 'pg_restore')));
  if (!newest) {
    throw new OpenClawError('E_NO_PG_DUMP', 'no pg_restore is installed, and no server runs whose own could serve', {
      remedy: 'openclaw up --detach, or: apt-get install postgresql-client',
      exitCode: EXIT.config,
    });
  }
  const { binDir, libraryPath, version } = newest;
  return {
    dump: path.join(binDir, 'pg_dump'),
    restore: path.join(binDir, 'pg_restore'),
    env: libraryEnv(libraryPath),
    version,
  };
}
