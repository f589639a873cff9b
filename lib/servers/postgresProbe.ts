import pg from 'pg';
import { messageOf } from '../errors/index.ts';

export type PostgresAnswer =
  | { state: 'ready'; version: string; major: number }
  /** It exists and takes nobody in yet, or any more. */
  | { state: 'not-now'; why: string }
  | { state: 'wrong-password'; why: string }
  | { state: 'silent'; why: string };

/** 57P03: starting up, shutting down or recovering. 53300: too many connections, which only a running server says. */
const NOT_NOW = new Set(['57P03', '53300']);

/** What the server behind this URL answers within the limit. The reasons hold no password: the driver's messages do not. */
export async function askPostgres(url: string, limitMs: number): Promise<PostgresAnswer> {
  let client: pg.Client | undefined;
  try {
    client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: limitMs,
      query_timeout: limitMs,
      application_name: 'openclaw',
    });
    // A connection that breaks while it is open is reported by the query that waits on it.
    client.on('error', () => {});
    await client.connect();
    const { rows } = await client.query('select current_setting($1) as version, current_setting($2)::int as number', [
      'server_version',
      'server_version_num',
    ]);
    const { version, number } = rows[0] as { version: string; number: number };
    return { state: 'ready', version: version.split(' ')[0]!, major: Math.floor(number / 10_000) };
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    const why = messageOf(error);
    if (NOT_NOW.has(code)) return { state: 'not-now', why };
    return code === '28P01' ? { state: 'wrong-password', why } : { state: 'silent', why };
  } finally {
    // Not waited for: a server that stopped answering does not confirm the end either. The answer stands by now.
    client?.end().catch(() => {});
  }
}
