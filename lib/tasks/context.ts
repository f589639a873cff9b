import pg from 'pg';
import { OpenClawError } from '../errors/index.ts';
import { scrub, toJson } from '../log/index.ts';
import type { Database, RunFacts, TaskRuntime } from './runtime.ts';
import type { AddJob, TaskContext } from './types.ts';

/** What stands behind a context: the task `mission` runs other tasks by it, under the lease of its own pool. */
export const contextOrigins = {
  get: (context: TaskContext) => (context instanceof RunContext ? context.origin() : undefined),
};

/**
 * What a task gets beside its payload. Nothing in here costs a query until it is used, and hardly anything is made before
 * that: most of it would be thrown away by a short job, and cost it more than its own work.
 *
 * @param signal the run's signal, or how to make it.
 */
export function createContext(
  runtime: TaskRuntime,
  facts: RunFacts,
  signal: AbortSignal | (() => AbortSignal),
): TaskContext {
  return new RunContext(runtime, facts, signal);
}

/** Its members are read one by one (`{ step, log }` is one way), and each function works by itself. */
class RunContext implements TaskContext {
  readonly #runtime: TaskRuntime;
  readonly #facts: RunFacts;
  readonly #signal: AbortSignal | (() => AbortSignal);
  #log: TaskContext['log'] | undefined;
  #progress: TaskContext['progress'] | undefined;
  #step: TaskContext['step'] | undefined;

  constructor(runtime: TaskRuntime, facts: RunFacts, signal: AbortSignal | (() => AbortSignal)) {
    this.#runtime = runtime;
    this.#facts = facts;
    this.#signal = signal;
  }

  origin() {
    return { runtime: this.#runtime, facts: this.#facts };
  }

  get job(): TaskContext['job'] {
    const { jobId: id, task, attempt, maxAttempts, traceId, missionId, stepName, idempotencyKey } = this.#facts;
    return { id, task, attempt, maxAttempts, traceId, missionId, stepName, idempotencyKey };
  }

  get log() {
    const { task, jobId, missionId, stepName } = this.#facts;
    this.#log ??= this.#runtime.log.child({
      task,
      job: `j${jobId}`,
      ...(missionId && { mission: `m${missionId}`, step: stepName }),
    });
    return this.#log;
  }

  get config() {
    return this.#runtime.config;
  }

  get signal() {
    return typeof this.#signal === 'function' ? this.#signal() : this.#signal;
  }

  get query() {
    return this.#runtime.db.query;
  }

  get transaction() {
    return this.#runtime.db.transaction;
  }

  get queryReadOnly(): TaskContext['queryReadOnly'] {
    const { reader } = this.#runtime;
    return (text, values = [], { timeoutMs = 10_000 } = {}) => queryReadOnly(reader, text, values, timeoutMs);
  }

  get addJob() {
    return addJobOf(this.#runtime.db, this.#facts);
  }

  // One a run: it remembers when it last wrote.
  get progress() {
    this.#progress ??= progressOf(this.#runtime.db, this.#facts, (error) =>
      this.log.warn({ err: error }, 'progress was not stored'),
    );
    return this.#progress;
  }

  // One a run: it remembers the names.
  get step() {
    this.#step ??= stepOf(this.#runtime.db, this.#facts);
    return this.#step;
  }
}

async function queryReadOnly(reader: Database, text: string, values: unknown[], timeoutMs: number) {
  return reader.transaction(async (client) => {
    await client.query(`set transaction read only; set local statement_timeout = ${Math.ceil(timeoutMs)}`);
    // The extended protocol takes one statement only: no `commit; delete …` gets through. Counts and sizes (int8, numeric)
    // come as numbers where a number holds them exactly.
    const result = await client.query<Record<string, unknown>>({
      text,
      values,
      queryMode: 'extended',
      types: EXACT_NUMBERS,
    } as pg.QueryConfig);
    return { rows: result.rows ?? [], fields: (result.fields ?? []).map((field) => field.name) };
  });
}

const NUMERIC_OIDS = new Set([20, 1700]);

const EXACT_NUMBERS = {
  getTypeParser: (oid: number, format: 'text' | 'binary' | undefined) =>
    NUMERIC_OIDS.has(oid) && format !== 'binary' ? exactNumber : pg.types.getTypeParser(oid, format as 'text'),
};

function exactNumber(text: string): number | string {
  const number = Number(text);
  return String(number) === text ? number : text;
}

/** The new job goes on with the trace and the actor of the one that asks for it. */
function addJobOf(db: Database, facts: RunFacts): AddJob {
  return async (task, payload, options = {}) => {
    const { rows } = await db.query<{ id: string }>(
      `with origin as materialized (
         select set_config('openclaw.actor', coalesce(r.actor, 'system'), true), set_config('openclaw.trace', coalesce(r.trace_id::text, ''), true), set_config('openclaw.source', $2, true)
         from (select 1) one left join job_requests r on r.id = $1::bigint)
       select add_job($3, $4::jsonb, run_at => $5::timestamptz, max_attempts => $6::integer, job_key => $7, job_key_mode => $8, priority => $9::integer, idempotency_key => $10) as id from origin`,
      [
        facts.jobId,
        facts.missionId ? 'mission' : 'agent',
        task,
        toJson(payload ?? {}),
        options.runAt ?? null,
        options.maxAttempts ?? null,
        options.jobKey ?? null,
        options.jobKeyMode ?? 'replace',
        options.priority ?? null,
        options.idempotencyKey ?? null,
      ],
    );
    return rows[0]!.id;
  };
}

const PROGRESS_INTERVAL_MS = 1000;

function progressOf(db: Database, facts: RunFacts, onError: (error: unknown) => void): TaskContext['progress'] {
  let last = -Infinity;
  return (fraction, note) => {
    const now = performance.now();
    if (now - last < PROGRESS_INTERVAL_MS && fraction < 1) return;
    last = now;
    db.query(
      `insert into job_progress (job_id, fraction, note) values ($1, $2, $3)
       on conflict (job_id) do update set fraction = excluded.fraction, note = excluded.note, updated_at = now()`,
      [facts.jobId, Math.min(1, Math.max(0, fraction)), note === undefined ? null : scrub(note).slice(0, 200)],
    ).catch(onError);
  };
}

function stepOf(db: Database, facts: RunFacts): TaskContext['step'] {
  const used = new Set<string>();
  return async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    if (used.has(name)) {
      throw new OpenClawError('E_STEP_TWICE', `the step name "${name}" is used twice in one run`, {
        remedy: 'give each step a name of its own; in a loop, add the index',
      });
    }
    used.add(name);
    const recorded = await db.query<{ output: T }>('select output from checkpoints where scope = $1 and name = $2', [
      facts.scope,
      name,
    ]);
    if (recorded.rows[0]) return recorded.rows[0].output;
    const output = await work();
    // Read back what was stored: a retried run must see the same value as this one.
    const stored = await db.query<{ output: T }>(...checkpointStatement(facts, name, toJson(output ?? null)));
    if (stored.rows[0]) return stored.rows[0].output;
    throw new OpenClawError(
      'E_LEASE_LOST',
      `step "${name}" finished after its run had lost the job to another worker; its output was not recorded`,
      {
        remedy: 'nothing: the other worker goes on',
      },
    );
  };
}

/** One row, only while the run still holds its job or its mission's epoch. */
function checkpointStatement({ scope, fence }: RunFacts, name: string, output: string): [string, unknown[]] {
  const insert = 'insert into checkpoints as c (scope, name, output) select $1, $2, $3::jsonb';
  const keep = 'on conflict (scope, name) do update set output = c.output returning output';
  return fence.kind === 'job'
    ? [
        `${insert} from graphile_worker._private_jobs where id = $4 and locked_by = $5 ${keep}`,
        [scope, name, output, fence.jobId, fence.poolId],
      ]
    : [
        `${insert} from ops_missions where id = $4 and epoch = $5 for share ${keep}`,
        [scope, name, output, fence.missionId, fence.epoch],
      ];
}
