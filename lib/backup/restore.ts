import path from 'node:path';
import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { commandLineActor, DATABASE, prepareDatabase } from '../db/index.ts';
import { libpqConnection } from '../db/libpq.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { configuredPostgres } from '../servers/configured.ts';
import type { PostgresServer } from '../servers/index.ts';
import { findRunningServers } from '../servers/index.ts';
import { readIdentity, verifyNamed } from './named.ts';
import { isEncrypted } from './names.ts';
import { restoreDatabase, tablesIn } from './restoreDatabase.ts';
import { type FilesRestored, restoreFiles } from './restoreFiles.ts';
import { asAdmin, dropScratch, makeScratch } from './scratch.ts';
import { toolsOf } from './source.ts';

export interface RestoreOptions {
  config: Config;
  db: Queryable;
  file: string;
  /** A URL, or the name of a database of this home's private server. Undefined: only the files. */
  into?: string | undefined;
  /** Undefined: only the database. */
  filesInto?: string | undefined;
  force: boolean;
  identityFile?: string | undefined;
  signal: AbortSignal;
  say: (line: string) => void;
}

export interface Restored {
  readonly rows: number | null;
  readonly database: string | null;
  /** Where the database is now that stood in this place. */
  readonly before: string | null;
  readonly files: FilesRestored | null;
}

/** Verifies the archive whole, then restores what was asked for. Nothing is touched while the archive has a fault. */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { file, config, say, signal } = options;
  say('verifying the archive');
  const verified = await verifyNamed(options);
  if (!verified.manifest) {
    throw new OpenClawError('E_IDENTITY', `${path.basename(file)} is encrypted, and no identity is given`, {
      remedy: 'give the file with the AGE-SECRET-KEY-… line: --identity <file>',
      exitCode: EXIT.usage,
    });
  }
  const identity = isEncrypted(file) ? readIdentity(config, options.identityFile) : undefined;
  const archive = { file, identity, manifest: verified.manifest, contents: verified.contents, signal };
  const database = options.into === undefined ? null : await restoreInto(options.into, archive, options);
  const files =
    options.filesInto === undefined
      ? null
      : await restoreFiles(file, options.filesInto, { force: options.force, identity, signal });
  return { rows: database?.rows ?? null, database: database?.name ?? null, before: database?.before ?? null, files };
}

type Archive = Pick<Parameters<typeof restoreDatabase>[0], 'file' | 'identity' | 'manifest' | 'contents' | 'signal'>;

async function restoreInto(into: string, archive: Archive, options: RestoreOptions) {
  if (!/^postgres(ql)?:\/\//.test(into)) return restorePrivate(into, archive, options);
  const server = await configuredPostgres(into);
  const found = await tablesIn(into);
  if (found.length > 0) {
    if (!options.force) throw notEmpty(libpqConnection(into).target, found);
    await empty(into);
  }
  options.say('restoring the database');
  const rows = await restoreDatabase({ ...archive, tools: await toolsOf(server), url: into });
  return { rows, name: libpqConnection(into).target, before: null };
}

/** On this home's own server: beside the database that stands there, which then gives way under another name. */
async function restorePrivate(name: string, archive: Archive, { config, force, say }: RestoreOptions) {
  if (!/^[a-z_][a-z0-9_]{0,40}$/.test(name)) {
    throw new OpenClawError('E_ARGUMENT', `"${name}" is neither a URL nor the name of a database`, {
      expected: 'postgres://..., or a name of small letters, digits and _',
      exitCode: EXIT.usage,
    });
  }
  const { postgres: server } = await findRunningServers({
    layout: config.layout,
    databaseUrl: config.databaseUrl,
    redisUrl: config.redisUrl,
  });
  if (!server || server.origin === 'configured') {
    throw new OpenClawError(
      'E_ARGUMENT',
      server ? 'the server of DATABASE_URL is not a private one' : `no Postgres runs for ${config.home}`,
      {
        remedy: server ? 'give the whole URL: --into postgres://...' : 'openclaw up --detach',
        exitCode: server ? EXIT.usage : EXIT.tempfail,
      },
    );
  }
  const maintenance = server.urlFor('postgres', 'postgres');
  const exists = await asAdmin(
    maintenance,
    async (client) => ((await client.query('select from pg_database where datname = $1', [name])).rowCount ?? 0) > 0,
  );
  const found = exists ? await tablesIn(server.urlFor('postgres', name)) : [];
  if (found.length > 0 && !force) throw notEmpty(name, found);
  const fresh = `${name}_restoring`;
  await makeScratch(maintenance, fresh);
  say(`restoring the database as ${fresh}`);
  let rows: number;
  try {
    rows = await restoreDatabase({ ...archive, tools: await toolsOf(server), url: server.urlFor('postgres', fresh) });
    await settle(server, fresh, path.basename(archive.file));
  } catch (error) {
    await dropScratch(maintenance, fresh);
    throw error;
  }
  const before = exists ? await swap(maintenance, name, fresh) : null;
  if (!exists)
    await asAdmin(maintenance, (client) =>
      client.query(`alter database ${client.escapeIdentifier(fresh)} rename to ${client.escapeIdentifier(name)}`),
    );
  return { rows, name, before };
}

/** To this code's schema; what the old machine's workers held is free, and its runs of backups have ended. */
async function settle(server: PostgresServer, database: string, archive: string): Promise<void> {
  await prepareDatabase(server, { database });
  await asAdmin(server.urlFor('openclaw_worker', database), async (client) => {
    await client.query("select set_config('openclaw.actor', $1, false), set_config('openclaw.source', 'cli', false)", [
      commandLineActor(),
    ]);
    await client.query("select release_pool(pool_id, 'restored from a backup') from workers where state = 'live'");
    await client.query(
      `select end_backup(id, case when name = $1 then 'verified' else 'failed' end, case when name = $1 then '{}' else '{"faults": ["did not end before the backup from which this database was restored"]}' end::jsonb)
       from ops_backups where archive is null`,
      [archive],
    );
    await client.query("select record_act('backup restore', $1, null, jsonb_build_object('database', $2::text))", [
      archive,
      DATABASE,
    ]);
  });
}

/** Whoever is connected is cut off and comes back to the other database; workers then find their lease gone and start anew. */
async function swap(maintenance: string, name: string, fresh: string): Promise<string> {
  return asAdmin(maintenance, async (client) => {
    const { rows } = await client.query<{ at: string }>(
      "select to_char(now() at time zone 'UTC', 'YYYYMMDD_HH24MISS') as at",
    );
    const before = `${name}_before_${rows[0]!.at}`;
    const quoted = (database: string) => client.escapeIdentifier(database);
    await client.query(`alter database ${quoted(name)} allow_connections false`);
    try {
      for (let attempt = 1; ; attempt++) {
        await client.query(
          'select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = any ($1) and pid <> pg_backend_pid()',
          [[name, fresh]],
        );
        try {
          await client.query(`alter database ${quoted(name)} rename to ${quoted(before)}`);
          break;
        } catch (error) {
          // 55006: somebody had not gone yet.
          if ((error as { code?: string }).code !== '55006' || attempt >= 10) throw error;
        }
      }
    } catch (error) {
      await client.query(`alter database ${quoted(name)} allow_connections true`);
      throw error;
    }
    await client.query(`alter database ${quoted(fresh)} rename to ${quoted(name)}`);
    await client.query(`alter database ${quoted(before)} allow_connections true`);
    return before;
  });
}

function notEmpty(name: string, tables: readonly string[]): OpenClawError {
  return new OpenClawError('E_NOT_EMPTY', `the target has ${tables.length} tables`, {
    value: name,
    expected: 'an empty database',
    remedy: 'name an empty one; --force puts the archive in its place',
    exitCode: EXIT.usage,
  });
}

/** Everything in a database that a URL names, with consent. Not while workers of ours use it: they would write into the new one. */
async function empty(url: string): Promise<void> {
  await asAdmin(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      "select distinct application_name as name from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and application_name like 'openclaw/%'",
    );
    if (rows.length > 0) {
      throw new OpenClawError('E_RESTORE_BUSY', 'the target is in use', {
        value: rows.map((row) => row.name).join(', '),
        remedy: 'stop the workers first: openclaw down',
        exitCode: EXIT.tempfail,
      });
    }
    const schemas = await client.query<{ name: string }>(
      "select quote_ident(nspname) as name from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1",
    );
    await client.query('begin');
    for (const { name } of schemas.rows) await client.query(`drop schema ${name} cascade`);
    await client.query('create schema public');
    await client.query('commit');
  });
}
