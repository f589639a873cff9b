import os from 'node:os';
import pg from 'pg';
import { OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;
export interface Queryable {
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
    text: string | pg.QueryConfig,
    values?: unknown[],
  ): Promise<pg.QueryResult<Row>>;
}

export interface PoolOptions {
  /** Shown in pg_stat_activity: `openclaw/<what>`. */
  name: string;
  max?: number;
  /** Who acts through this pool, for the rows that it writes; believed only from the owner's members. */
  actor?: string;
  source?: string;
  log?: Logger;
  /** Further settings of each session, as `name: value`. */
  settings?: Record<string, string>;
}

/**
 * Settings of every session. A host that vanished must not keep its row locks for TCP's two hours: the server notices a
 * silent client after 5 + 3 * 3 s, and ends a transaction that idles for 15 s.
 */
const SESSION = {
  tcp_keepalives_idle: '5',
  tcp_keepalives_interval: '3',
  tcp_keepalives_count: '3',
  idle_in_transaction_session_timeout: '15000',
  jit: 'off',
  timezone: 'UTC',
};

/** `-c name=value` pairs in libpq's form: blanks and backslashes escaped. */
function startupOptions(settings: Record<string, string>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replace(/[\\ ]/g, '\\$&')}`)
    .join(' ');
}

/** A pool that never crashes its process when an idle connection breaks: the next query connects anew. */
export function createPool(url: string, { name, max = 4, actor, source, log, settings = {} }: PoolOptions): Pool {
  const identity = { ...(actor && { 'openclaw.actor': actor }), ...(source && { 'openclaw.source': source }) };
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: `openclaw/${name}`.slice(0, 63),
    options: startupOptions({ ...SESSION, ...identity, ...settings }),
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
  });
  const onError = (error: Error) =>
    log?.warn({ err: error, pool: name }, 'a database connection broke; the next query connects anew');
  pool.on('error', onError);
  pool.on('connect', (client) => void client.on('error', onError));
  return keepingRefused(pool);
}

/** A prepared statement that the server has forgotten, or whose result has changed with the schema: the session goes on refusing it. */
const STALE = new Set(['26000', '0A000']);

/**
 * A statement that Postgres refuses says nothing against its connection, which pg's pool would give up: a new one is a process of
 * the server and costs more than fifty statements.
 */
function keepingRefused(pool: Pool): Pool {
  const query = async (...given: [text: string | pg.QueryConfig, values?: unknown[]]) => {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      return await client.query(...given);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.severity === 'FATAL' || STALE.has(error.code ?? ''))
        broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
    }
  };
  pool.query = query as typeof pool.query;
  return pool;
}

/** `cli:<user>` of whoever runs this process. */
export function commandLineActor(): string {
  return `cli:${os.userInfo().username}`;
}

/** Runs `work` in one transaction; rolled back when it throws. */
export async function transaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Postgres's refusals (SQLSTATE class OC) as the coded errors that people read; everything else as it is. */
export function fromDatabase(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || !error.code?.startsWith('OC')) return error;
  return new OpenClawError(CODES[error.code] ?? 'E_REFUSED', error.message, {
    remedy: error.hint,
    faults: error.detail ? error.detail.split('\n') : [],
    cause: error,
    exitCode: error.code === 'OC008' || error.code === 'OC011' ? 1 : 2,
  });
}

const CODES: Record<string, string> = {
  OC001: 'E_UNKNOWN_TASK',
  OC002: 'E_PAYLOAD',
  OC003: 'E_PAYLOAD_TOO_LARGE',
  OC004: 'E_PAYLOAD_KEY_MISSING',
  OC005: 'E_PAYLOAD_TYPE',
  OC006: 'E_NOT_ALLOWED',
  OC007: 'E_PLAN',
  OC008: 'E_STATE',
  OC009: 'E_ARGUMENT',
  OC010: 'E_APPEND_ONLY',
  OC011: 'E_NOT_FOUND',
};
