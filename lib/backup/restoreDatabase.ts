import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import pg from 'pg';
import { libpqConnection, provisionRoles } from '../db/index.ts';
import { OpenClawError } from '../errors/index.ts';
import { DUMP_ENTRY, type Manifest } from './manifest.ts';
import { copyInto, readArchive } from './openArchive.ts';
import { runProgram } from './program.ts';
import { countRows } from './session.ts';
import type { PostgresTools } from './source.ts';

export interface DatabaseRestore {
  file: string;
  identity?: string | undefined;
  manifest: Manifest;
  /** pg_restore's table of contents, of the verification before. */
  contents: string;
  tools: PostgresTools;
  /** An empty database, as a role that may fill it; a superuser brings owners and rights along. */
  url: string;
  signal: AbortSignal;
}

const RESTORE_LIMIT_MS = 3 * 3_600_000;

/**
 * The archive's database in an empty one, with what a new cluster needs; each table is counted against the manifest.
 *
 * @returns the rows that are there. @throws E_RESTORE_COUNT with every table that differs.
 */
export async function restoreDatabase(options: DatabaseRestore): Promise<number> {
  const { url, manifest } = options;
  const client = new pg.Client({ connectionString: url, application_name: 'openclaw/restore' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const superuser = await prepareRoles(client);
    await fill(options, superuser);
    const counts = await countRows(client);
    const faults = Object.entries(manifest.tables)
      .filter(([table, rows]) => counts[table] !== rows)
      .map(([table, rows]) => `${table} has ${counts[table] ?? 'no'} rows, the manifest says ${rows}`);
    if (faults.length > 0)
      throw new OpenClawError('E_RESTORE_COUNT', 'what was restored is not what was backed up', {
        faults,
        remedy: 'take an older archive',
      });
    await forgetTransactions(client);
    await client.query('analyze');
    return Object.values(counts).reduce((sum, rows) => sum + rows, 0);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Owners and rights name roles; a superuser makes those that this cluster lacks. */
async function prepareRoles(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ superuser: boolean }>(
    'select rolsuper as superuser from pg_roles where rolname = current_user',
  );
  if (!rows[0]!.superuser) return false;
  await provisionRoles(client, () => undefined);
  return true;
}

async function fill(
  { file, identity, contents, tools, url, signal }: DatabaseRestore,
  superuser: boolean,
): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'openclaw-restore-'));
  try {
    const list = path.join(folder, 'list');
    // `up` brings that one back where the server has its library, and not every server has.
    writeFileSync(
      list,
      contents
        .split('\n')
        .filter((line) => !/ EXTENSION (?:- )?pg_stat_statements/.test(line))
        .join('\n'),
    );
    const { target, env } = libpqConnection(url);
    const rights = superuser ? [] : ['--no-owner', '--no-privileges'];
    await readArchive(
      file,
      async (header, content) => {
        if (header.name !== DUMP_ENTRY) return;
        const input = new PassThrough();
        const restored = runProgram(
          tools.restore,
          ['--exit-on-error', '--no-password', ...rights, `--use-list=${list}`, `--dbname=${target}`],
          {
            env: { ...tools.env, ...env },
            timeoutMs: RESTORE_LIMIT_MS,
            signal,
            input,
            mayStopReading: true,
          },
        );
        const [copied, ended] = await Promise.allSettled([copyInto(content, [input]), restored]);
        if (ended.status === 'rejected') throw ended.reason;
        if (copied.status === 'rejected') throw copied.reason;
      },
      { signal, ...(identity && { identity }) },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * A new cluster counts its transactions from the beginning: rows with the old one's numbers would seem to lie in its
 * future, and followers (`tx < pg_snapshot_xmin(...)`, in order of tx and id) would never reach them. 3 is the first
 * ordinary number, before all that are still to come. Followers' places of the same kind go with it.
 */
export async function forgetTransactions(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ table: string; column: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table, format('%I', a.attname) as column
     from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
     where a.atttypid = 'xid8'::regtype and c.relkind = 'r' and not a.attisdropped and n.nspname !~ '^pg_' order by 1, 2`,
  );
  await client.query('begin');
  for (const { table, column } of rows) {
    // Append-only tables refuse updates; whoever restores owns them.
    await client.query(`alter table ${table} disable trigger user`);
    await client.query(`update ${table} set ${column} = '3' where ${column} <> '3'`);
    await client.query(`alter table ${table} enable trigger user`);
  }
  await client.query('commit');
}

/** Tables of anybody's, which a restore would meet. */
export async function tablesIn(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'openclaw/restore' });
  await client.connect();
  try {
    return Object.keys(await countRows(client));
  } finally {
    await client.end();
  }
}
