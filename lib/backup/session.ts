import pg from 'pg';
import { EXIT, OpenClawError } from '../errors/index.ts';

/** Of whoever makes, prunes, restores or drills a backup of this database. */
const BACKUP_LOCK = 7_246_060;

/** Every ordinary table with its rows; what an extension brings is made again by the extension. */
const TABLES = `
  select n.nspname || '.' || c.relname as name, format('%I.%I', n.nspname, c.relname) as quoted
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by 1`;

/** One connection for the length of a run: it holds the lock, and for the length of the dump the snapshot. */
export interface BackupSession {
  readonly client: pg.Client;
  /** Aborts when the connection breaks: the lock is lost with it, and another may begin. */
  readonly lost: AbortSignal;
  end(): Promise<void>;
}

/** @throws E_BACKUP_RUNNING (75) when another holds the lock. */
export async function lockBackups(url: string): Promise<BackupSession> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'openclaw/backup',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    // The snapshot's transaction idles while pg_dump reads.
    options: '-c idle_in_transaction_session_timeout=0 -c timezone=UTC -c tcp_keepalives_idle=30 -c lock_timeout=60000',
  });
  const lost = new AbortController();
  client.on('error', (error) => lost.abort(error));
  await client.connect();
  const { rows } = await client.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [BACKUP_LOCK]);
  if (!rows[0]!.got) {
    await client.end();
    throw new OpenClawError('E_BACKUP_RUNNING', 'another process makes or restores a backup of this database now', {
      remedy: 'wait for it; see: openclaw backup list',
      exitCode: EXIT.tempfail,
    });
  }
  return { client, lost: lost.signal, end: () => client.end().catch(() => undefined) };
}

export interface Snapshot {
  readonly id: string;
  readonly at: string;
  readonly schema: number;
}

/** Opens the snapshot that pg_dump and the counts share. Closed with `commit`; meanwhile dead rows stay, so: briefly. */
export async function openSnapshot({ client }: BackupSession): Promise<Snapshot> {
  await client.query('begin isolation level repeatable read read only');
  const { rows } = await client.query<Snapshot>(
    `select pg_export_snapshot() as id, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, (select max(version)::int from schema_migrations) as schema`,
  );
  return rows[0]!;
}

/** Rows of every table, as the current transaction of the client sees them. */
export async function countRows(client: pg.Client): Promise<Record<string, number>> {
  const { rows } = await client.query<{ name: string; quoted: string }>(TABLES);
  const counts: Record<string, number> = {};
  for (const { name, quoted } of rows) {
    const counted = await client.query<{ n: string }>(`select count(*) as n from ${quoted}`);
    counts[name] = Number(counted.rows[0]!.n);
  }
  return counts;
}
