import { EXIT, OpenClawError } from '../errors/index.ts';
import { durationMs } from '../tasks/duration.ts';
import { changeMatching, FILTER_OPTIONS } from './bulk.ts';
import { parseId, parseJson, parseNumber, parseTimeout } from './ids.ts';
import { watchMission } from './missions.ts';
import { errorText, spanText, textTable, timeText } from './table.ts';
import type { Action, ActionContext, ActionResult } from './types.ts';
import { waitForEnd } from './waitForEnd.ts';

interface JobRow {
  id: string;
  task: string;
  payload: unknown;
  state: string;
  priority: number;
  run_at: Date;
  attempts: number;
  max_attempts: number;
  source: string;
  actor: string;
  mission_id: string | null;
  trace_id: string | null;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  worker: string | null;
  result: unknown;
  error_class: string | null;
  last_error: string | null;
}

const STATES = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled'] as const;
const ENDED = new Set(['succeeded', 'failed', 'cancelled']);

export const jobActions: readonly Action[] = [
  {
    name: 'run',
    title: 'Queue a task, and with --wait print its result',
    args: [
      { name: 'task', description: 'its name: openclaw tasks list' },
      { name: 'payload', description: 'a JSON object', optional: true },
    ],
    options: [
      {
        flags: '--wait',
        description: 'wait for its end: exit 0 succeeded, 1 failed or cancelled, 3 not ended in time',
      },
      { flags: '--timeout <time>', description: 'how long --wait waits', default: '10 m' },
      { flags: '--in <time>', description: 'not before this much time has passed, for example "5 m"' },
      { flags: '--priority <n>', description: 'lower runs first' },
      { flags: '--retries <n>', description: "attempts after the first, in place of the task's own" },
      { flags: '--key <key>', description: 'the same key twice queues one job' },
    ],
    who: 'operator',
    danger: 'none',
    example: `openclaw run fetch_url '{"url": "https://example.com/"}' --wait`,
    run: async (context, { args, options }) => {
      // Whatever was mistyped is refused before anything is queued.
      const payload = parseJson(args[1] ?? '{}', 'the payload');
      const timeoutMs = parseTimeout(options.timeout);
      const durable = await context.db.query(
        'select from ops_tasks where identifier = $1 and durable and retired_at is null',
        [args[0]],
      );
      if (durable.rowCount && options.in === undefined) {
        // A durable function is a mission's.
        const { rows } = await context.db.query<{ id: string }>(
          'select add_mission($1::text, $2::jsonb, priority => $3, dedupe_key => $4) as id',
          [
            args[0],
            JSON.stringify(payload),
            parseNumber(options.priority ?? '0', '--priority', -32768, 32767),
            options.key ?? null,
          ],
        );
        const id = rows[0]!.id;
        if (options.wait) return watchMission(context, id, AbortSignal.timeout(timeoutMs));
        return { json: { mission: `m${id}`, state: 'approved' }, text: `submitted m${id}` };
      }
      const { rows } = await context.db.query<{ id: string }>(
        `with job as materialized (
           select add_job($1, $2::jsonb, run_at => now() + $3::float8 * interval '1 millisecond', priority => $4, max_attempts => $5, idempotency_key => $6) as id)
         select job.id, record_act('run', 'j' || job.id, null, jsonb_build_object('state', 'queued', 'task', $1::text)) from job`,
        [
          args[0],
          JSON.stringify(payload),
          options.in === undefined ? null : durationMs(String(options.in)),
          options.priority === undefined ? null : parseNumber(options.priority, '--priority', -32768, 32767),
          options.retries === undefined ? null : parseNumber(options.retries, '--retries', 0, 99) + 1,
          options.key ?? null,
        ],
      );
      const id = rows[0]!.id;
      if (!options.wait) return { json: { job: `j${id}`, state: 'queued' }, text: `queued j${id}` };
      return waitForJob(context, id, timeoutMs);
    },
  },
  {
    name: 'jobs list',
    title: 'The newest jobs, live and ended',
    options: [
      { flags: '--state <state>', description: 'only these', choices: STATES },
      { flags: '--task <task>', description: 'only of this task' },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<JobRow>(
        `select id, task, state, attempts, max_attempts, source, actor, run_at, created_at, started_at, finished_at, error_class, left(last_error, 200) as last_error
         from task_queue where ($1::text is null or state = $1) and ($2::text is null or task = $2) order by id desc limit $3`,
        [options.state ?? null, options.task ?? null, parseNumber(options.limit, '--limit', 1, 1000)],
      );
      const lines = rows.map((job) => [
        `j${job.id}`,
        job.task,
        job.state,
        `${job.attempts}/${job.max_attempts}`,
        job.actor,
        timeText(job.created_at),
        durationOf(job),
        job.last_error ?? '',
      ]);
      return {
        json: rows,
        text: textTable(['job', 'task', 'state', 'tries', 'by', 'asked', 'took', 'error'], lines, 'no jobs'),
      };
    },
  },
  {
    name: 'jobs show',
    title: 'Everything about one job',
    args: [{ name: 'job', description: 'its id, for example j12' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const id = parseId(args[0], 'j', 'job');
      const job = await findJob(db, id);
      const { rows } = await db.query<{ fraction: number; note: string | null; updated_at: Date }>(
        'select fraction, note, updated_at from job_progress where job_id = $1',
        [id],
      );
      const progress = rows[0] && !job.finished_at ? rows[0] : null;
      const fields: [string, unknown][] = [
        ['job', `j${job.id}`],
        ['task', job.task],
        ['state', job.error_class ? `${job.state} (${job.error_class})` : job.state],
        ...(job.last_error ? [['error', job.last_error] as [string, unknown]] : []),
        ['attempts', `${job.attempts} of ${job.max_attempts}`],
        ['asked by', `${job.actor} (${job.source})`],
        ['asked', timeText(job.created_at)],
        ...(ENDED.has(job.state) || job.state === 'running'
          ? []
          : [['not before', timeText(job.run_at)] as [string, unknown]]),
        ['started', timeText(job.started_at)],
        ['ended', timeText(job.finished_at)],
        ['took', durationOf(job)],
        ['worker', job.worker ?? '-'],
        ...(job.mission_id ? [['mission', `m${job.mission_id}`] as [string, unknown]] : []),
        ...(progress
          ? [['progress', `${Math.round(progress.fraction * 100)} % ${progress.note ?? ''}`] as [string, unknown]]
          : []),
        ['trace', job.trace_id ?? '-'],
        ['payload', JSON.stringify(job.payload)],
        ['result', job.result === null ? '-' : JSON.stringify(job.result, null, 2)],
      ];
      return {
        json: { ...job, progress },
        text: fields.map(([name, value]) => `${name.padEnd(10)}  ${value}`).join('\n'),
      };
    },
  },
  {
    name: 'jobs retry',
    title: 'Run a waiting job now, or a failed one again (as a new job; history is kept)',
    args: [{ name: 'job', description: 'its id', optional: true }],
    options: FILTER_OPTIONS,
    who: 'operator',
    danger: 'none',
    run: async (context, { args, options }) => {
      if (options.filter !== undefined) return changeMatching(context, 'jobs retry', args, options);
      const { db } = context;
      const id = parseId(args[0], 'j', 'job');
      const { rows } = await db.query<{ job: string }>('select retry_job($1) as job', [id]);
      const job = `j${rows[0]!.job}`;
      return { json: { job }, text: job === `j${id}` ? `${job} runs now` : `j${id} runs again as ${job}` };
    },
  },
  {
    name: 'jobs cancel',
    title: 'End a waiting job, or tell a running one to stop',
    args: [{ name: 'job', description: 'its id', optional: true }],
    options: FILTER_OPTIONS,
    who: 'operator',
    danger: 'confirm',
    run: async (context, { args, options }) => {
      if (options.filter !== undefined) return changeMatching(context, 'jobs cancel', args, options);
      const { db } = context;
      const id = parseId(args[0], 'j', 'job');
      const { rows } = await db.query<{ state: string }>('select cancel_job($1) as state', [id]);
      return {
        json: { job: `j${id}`, state: rows[0]!.state },
        text: `j${id} ${rows[0]!.state === 'cancelling' ? 'was told to stop' : 'is cancelled'}`,
      };
    },
  },
];

async function findJob(db: ActionContext['db'], id: string): Promise<JobRow> {
  const { rows } = await db.query<JobRow>('select * from task_queue where id = $1', [id]);
  if (!rows[0]) throw new OpenClawError('E_NOT_FOUND', `there is no job j${id}`, { remedy: 'openclaw jobs list' });
  return rows[0];
}

async function waitForJob({ db, say, signal }: ActionContext, id: string, timeoutMs: number): Promise<ActionResult> {
  say(`j${id} is queued; waiting for its end`);
  const job = await waitForEnd(
    db,
    'job:ended',
    async () =>
      (await db.query<JobRow>('select * from task_queue where id = $1', [id])).rows.find((row) => ENDED.has(row.state)),
    AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  );
  if (!job)
    return {
      json: { job: `j${id}`, state: 'pending' },
      text: `j${id} has not ended; look at it with: openclaw jobs show j${id}`,
      exitCode: EXIT.degraded,
    };
  if (job.state === 'succeeded')
    return { json: job.result, text: job.result === null ? 'succeeded' : JSON.stringify(job.result, null, 2) };
  return {
    json: { job: `j${id}`, state: job.state, error_class: job.error_class, error: job.last_error },
    text: `j${id} ${job.state}: ${errorText(job.error_class, job.last_error)}`,
    exitCode: EXIT.failed,
  };
}

function durationOf(job: JobRow): string {
  if (!job.started_at) return '-';
  return spanText((job.finished_at ?? new Date()).getTime() - job.started_at.getTime());
}
