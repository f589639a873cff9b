import pg from 'pg';
import type { Logger } from '../log/index.ts';
import type { Ending, Endings, GoneJobs } from './endings.ts';
import { COMPLETE, FAIL, PLAN } from './statements.ts';
import { stockQueryOf } from './stockQueries.ts';

export interface LedgerOptions {
  endings: Endings;
  /** Ids of the jobs that were fetched and have not ended: what the pool knows to be its own. */
  held: Set<string>;
  /** Jobs that left this pool before they ran, to wait for a place of their task: their end here is none. */
  gone: GoneJobs;
  log: Logger;
  /** Called with the number of jobs that ended here although they belonged to another pool by then. */
  onFenced?: (count: number) => void;
}

type Query = (config: pg.QueryConfig) => Promise<pg.QueryResult>;

/**
 * Makes the connections of the pool that is handed to graphile-worker keep the ledger: its own batches of completed and
 * failed jobs run our statements instead of its own, so that removal, history and result are one transaction without a
 * further round trip, and both are fenced on the holder. Its planning of a minute's schedules does, too: each run has a row.
 */
export function keepLedger(pool: pg.Pool, options: LedgerOptions): void {
  pool.on('connect', (client) => {
    const original = client.query.bind(client) as Query;
    const query = (...args: unknown[]): unknown => {
      const config = args[0] as Partial<pg.QueryConfig> | string;
      if (typeof config === 'object' && config?.name !== undefined && typeof config.text === 'string') {
        if (config.name.startsWith('get_job')) return fetch(original, config as pg.QueryConfig, options);
        if (config.name.startsWith('return_job')) forget(config.values?.[1], options);
        const stock = stockQueryOf(config.name, config.text);
        if (stock?.startsWith('complete')) return complete(original, config.values ?? [], options);
        if (stock?.startsWith('fail')) return fail(original, config.values ?? [], options);
        // Sent through the pool, so what follows the query (a callback) is handed on.
        if (stock === 'cron') {
          const plan = { name: 'openclaw_plan', text: PLAN, values: config.values?.slice(0, 2) };
          return (original as (...all: unknown[]) => unknown)(plan, ...args.slice(1));
        }
      }
      return (original as (...all: unknown[]) => unknown)(...args);
    };
    client.query = query as typeof client.query;
  });
}

async function fetch(query: Query, config: pg.QueryConfig, { held }: LedgerOptions): Promise<pg.QueryResult> {
  const result = await query({ ...config, types: TIMES_AS_TEXT });
  for (const { id } of result.rows as { id: string }[]) held.add(id);
  return result;
}

/** They go back before they have run. */
function forget(ids: unknown, { held }: LedgerOptions): void {
  if (Array.isArray(ids)) for (const id of ids) held.delete(String(id));
}

const TIMESTAMPTZ = 1184;

/** Of a fetched job graphile-worker hands its times on to tasks, ours take none, and making dates is half of reading a row. */
const TIMES_AS_TEXT: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => (oid === TIMESTAMPTZ ? String : pg.types.getTypeParser(oid, format as 'text')),
};

/** The pool's id that graphile-worker puts into `locked_by`; its completion of one job does not pass it on. */
export const poolIds = new WeakMap<LedgerOptions, string>();

async function complete(query: Query, values: unknown[], options: LedgerOptions): Promise<pg.QueryResult> {
  const ids = Array.isArray(values[0]) ? (values[0] as string[]) : [values[0] as string];
  const results: (string | null)[] = [];
  const started: (number | null)[] = [];
  const finished: number[] = [];
  const now = performance.now();
  for (const id of ids) {
    const ending = take(options.endings, id);
    results.push(ending?.kind === 'done' && ending.result !== null ? quoted(ending.result) : null);
    started.push(ending ? Math.round(now - ending.startedAt) : null);
    finished.push(ending?.kind === 'done' ? Math.round(now - ending.finishedAt) : 0);
  }
  const result = await query({
    name: 'openclaw_complete',
    text: COMPLETE,
    values: [arrayOf(ids), arrayOf(results), arrayOf(started), arrayOf(finished), poolIds.get(options)],
  });
  for (const id of ids) options.held.delete(id);
  reportFenced(ids.length - Number(result.rows[0]?.ended ?? 0), options);
  return result;
}

/** An array as Postgres reads it. pg's own conversion looks at each element anew, which for 500 jobs is a tenth of their CPU. */
function arrayOf(elements: readonly (string | number | null)[]): string {
  return `{${elements.map((element) => element ?? 'NULL').join(',')}}`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

async function fail(query: Query, values: unknown[], options: LedgerOptions): Promise<pg.QueryResult> {
  const told = JSON.parse(values[1] as string) as { jobId: string; message: string }[];
  const specs = told.filter(({ jobId }) => !options.gone.take(jobId));
  if (specs.length === 0) return { rows: [], rowCount: 0, command: '', oid: 0, fields: [] };
  const rows = specs.map(({ jobId, message }) => endRow(jobId, take(options.endings, jobId), message));
  const result = await query({ name: 'openclaw_fail', text: FAIL, values: [JSON.stringify(rows), values[0]] });
  for (const { jobId } of specs) options.held.delete(jobId);
  reportFenced(specs.length - Number(result.rows[0]?.ended ?? 0), options);
  return result;
}

function endRow(id: string, ending: Ending | undefined, message: string) {
  // Without a note of ours the wrapper never ran (graphile-worker found no such task): released, and tried again later.
  if (!ending || ending.kind === 'done') return { id, kind: 'retry', message, delay_ms: 60_000 };
  if (ending.kind === 'give_back') {
    const { held } = ending;
    const why = held && { held: held.code, held_reason: held.reason, held_until: held.until };
    return { id, kind: ending.kind, delay_ms: ending.delayMs ?? 0, ...why };
  }
  if (ending.kind === 'retry') return { id, kind: ending.kind, message: ending.message, delay_ms: ending.delayMs };
  return {
    id,
    kind: 'final',
    message: ending.message,
    error_class: ending.errorClass,
    state: ending.state,
    started: performance.now() - ending.startedAt,
    finished: performance.now() - ending.finishedAt,
  };
}

function take(endings: Endings, id: string): Ending | undefined {
  const ending = endings.get(id);
  endings.delete(id);
  return ending;
}

function reportFenced(count: number, { log, onFenced }: LedgerOptions): void {
  if (count <= 0) return;
  log.warn({ count }, 'jobs ended here that this pool no longer held; nothing was recorded for them');
  onFenced?.(count);
}
