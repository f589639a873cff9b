import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Layout } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { messageOf } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import type { CheckState, Notice } from './types.ts';

export interface HealthRun {
  readonly trigger: Trigger;
  readonly host: string;
  readonly started_at: string;
  readonly finished_at: string;
  readonly exit_code: 0 | 1 | 3;
  readonly findings: readonly Record<string, unknown>[];
}

export type Trigger = 'cron' | 'timer' | 'cli' | 'telegram' | 'dashboard' | 'agent';

/** What a run without Postgres leaves for the next one. */
export interface Remembered {
  /** Counts the runs; the higher of file and database is the newer. */
  readonly seq: number;
  readonly states: readonly CheckState[];
  /** Runs and notices that Postgres has not got yet. */
  readonly runs: readonly HealthRun[];
  readonly notices: readonly Notice[];
}

const NOTHING: Remembered = { seq: 0, states: [], runs: [], notices: [] };
/** Half-hourly runs of two days: what is older than that says nothing new. */
const KEPT_RUNS = 100;

const fileOf = (layout: Layout) => path.join(layout.run, 'health.json');

/** A file that cannot be read is as good as none, but is said: the run must go on. */
export function readFileState(layout: Layout, log: Logger): Remembered {
  try {
    return { ...NOTHING, ...(JSON.parse(readFileSync(fileOf(layout), 'utf8')) as Partial<Remembered>) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ err: error }, 'the state file of the health runs cannot be read; starting without it');
    return NOTHING;
  }
}

/** What systemd/openclaw-alert reads: numeric ids, a line each. */
export function writeRecipients(layout: Layout, people: readonly string[]): void {
  const file = path.join(layout.run, 'alert-recipients');
  mkdirSync(layout.run, { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, people.map((id) => `${id}\n`).join(''), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** @returns why it could not be written (a full disk), or undefined. */
export function writeFileState(layout: Layout, state: Remembered): string | undefined {
  const partial = `${fileOf(layout)}.${process.pid}`;
  try {
    mkdirSync(layout.run, { recursive: true, mode: 0o700 });
    writeFileSync(partial, JSON.stringify({ ...state, runs: state.runs.slice(-KEPT_RUNS) }), { mode: 0o600 });
    renameSync(partial, fileOf(layout));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Locked, so that of two runs at once the second counts on from the first. In order of check_id. */
export async function readRowStates(db: Queryable): Promise<{ seq: number; states: CheckState[] }> {
  // Before the first row there is nothing to lock.
  await db.query("select pg_advisory_xact_lock(hashtext('openclaw:health'))");
  const { rows } = await db.query<{ seq: string; states: CheckState[] }>(
    `select (select last_value from ops_health_seq)::text as seq,
            coalesce((select json_agg(h order by h.check_id) from ops_health h), '[]') as states`,
  );
  return { seq: Number(rows[0]!.seq), states: rows[0]!.states };
}

export async function writeRowStates(db: Queryable, seq: number, states: readonly CheckState[]): Promise<void> {
  await db.query(
    `insert into ops_health (check_id, state, verdict, summary, failures, passes, failed_since, fired_at, reminded_at, changes, flapping, passed_at)
     select check_id, state, verdict, summary, failures, passes, failed_since, fired_at, reminded_at,
            array(select jsonb_array_elements_text(changes)::timestamptz), flapping, passed_at
     from jsonb_to_recordset($1) s(check_id text, state text, verdict text, summary text, failures integer, passes integer, failed_since timestamptz,
       fired_at timestamptz, reminded_at timestamptz, changes jsonb, flapping boolean, passed_at timestamptz)
     order by check_id
     on conflict (check_id) do update set state = excluded.state, verdict = excluded.verdict, summary = excluded.summary, failures = excluded.failures,
       passes = excluded.passes, failed_since = excluded.failed_since, fired_at = excluded.fired_at, reminded_at = excluded.reminded_at,
       changes = excluded.changes, flapping = excluded.flapping, passed_at = excluded.passed_at, updated_at = clock_now()`,
    [JSON.stringify(states)],
  );
  await db.query("select setval('ops_health_seq', $1)", [seq]);
}

export async function writeRuns(db: Queryable, runs: readonly HealthRun[]): Promise<void> {
  await db.query(
    `insert into ops_health_runs (trigger, host, started_at, finished_at, exit_code, findings)
     select trigger, host, started_at, finished_at, exit_code, findings
     from jsonb_to_recordset($1) r(trigger text, host text, started_at timestamptz, finished_at timestamptz, exit_code smallint, findings jsonb)`,
    [JSON.stringify(runs)],
  );
}
