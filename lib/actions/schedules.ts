import { nextRuns, readCrontabs, type Schedule } from '../cron/index.ts';
import { didYouMean, EXIT, OpenClawError } from '../errors/index.ts';
import { parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action, ActionContext } from './types.ts';

export const scheduleActions: readonly Action[] = [
  {
    name: 'cron list',
    title: 'The schedules, their last and next runs, what becomes of missed ones, and faulty lines',
    who: 'viewer',
    danger: 'none',
    run: async (context) => {
      const { schedules, faults, now } = await load(context);
      const { rows } = await context.db.query<{ schedule: string; at: Date; state: string }>(
        `select distinct on (schedule) schedule, planned_for as at, state from ops_cron_runs where schedule = any ($1)
         order by schedule, planned_for desc`,
        [schedules.map((schedule) => schedule.id)],
      );
      const last = new Map(rows.map((row) => [row.schedule, row]));
      const paused = new Set(
        (
          await context.db.query<{ target: string }>("select target from ops_controls where scope = 'schedule'")
        ).rows.map((row) => row.target),
      );
      const json = schedules.map(({ id, task, line, file, missed, item }) => ({
        id,
        task,
        line,
        file,
        missed,
        paused: paused.has(id),
        last: last.get(id)?.at ?? null,
        last_state: last.get(id)?.state ?? null,
        next: nextRuns(item, now, 1)[0] ?? null,
      }));
      const table = textTable(
        ['id', 'last', 'next', 'when missed', 'line'],
        json.map((row) => [
          row.id,
          timeText(row.last) + (row.last_state && row.last_state !== 'queued' ? ` (${row.last_state})` : ''),
          row.paused ? 'paused' : timeText(row.next),
          row.missed,
          row.line,
        ]),
        'no schedules',
      );
      const faultLines = faults.map((fault) => `faulty: ${fault.file}:${fault.line}: ${fault.message}`);
      return {
        json: { schedules: json, faults },
        text: [table, ...faultLines].join('\n'),
        exitCode: faults.length > 0 ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'cron next',
    title: 'The next runs of one schedule, or of all',
    args: [{ name: 'id', description: 'its id', optional: true }],
    options: [{ flags: '--count <n>', description: 'how many of each', default: '3' }],
    who: 'viewer',
    danger: 'none',
    run: async (context, { args, options }) => {
      const { schedules, now } = await load(context);
      const count = parseNumber(options.count, '--count', 1, 1000);
      const chosen = args[0] === undefined ? schedules : [find(schedules, args[0])];
      const runs = chosen.flatMap((schedule) =>
        nextRuns(schedule.item, now, count).map((at) => ({ id: schedule.id, task: schedule.task, at })),
      );
      runs.sort((a, b) => a.at.getTime() - b.at.getTime());
      return {
        json: runs,
        text: textTable(
          ['at', 'id', 'task'],
          runs.map((run) => [timeText(run.at), run.id, run.task]),
          'no runs',
        ),
      };
    },
  },
  {
    name: 'cron run',
    title: 'Queue the job of a schedule now',
    args: [{ name: 'id', description: 'its id' }],
    who: 'operator',
    danger: 'none',
    run: async (context, { args }) => {
      const { schedules } = await load(context);
      const { task, item, id } = find(schedules, args[0] ?? '');
      const { rows } = await context.db.query<{ id: string }>(
        `with job as materialized (select add_job($1, $2::jsonb, priority => $3) as id)
         select job.id, record_act('cron run', $4, null, jsonb_build_object('job', 'j' || job.id)) from job`,
        [task, JSON.stringify(item.payload ?? {}), item.options.priority ?? null, id],
      );
      return { json: { job: `j${rows[0]!.id}` }, text: `queued j${rows[0]!.id} (${task})` };
    },
  },
  {
    name: 'cron pause',
    title: 'A schedule plans no runs any more, until it is resumed; its task may still be run by others',
    args: [{ name: 'id', description: 'its id' }],
    options: [{ flags: '--reason <text>', description: 'why, for whoever asks' }],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args, options }) => {
      const { rows } = await db.query<{ fresh: boolean }>("select pause('schedule', $1, false, $2) as fresh", [
        args[0],
        options.reason ?? null,
      ]);
      return {
        json: { schedule: args[0], paused: true, was_paused: !rows[0]!.fresh },
        text: `${args[0]} is paused; openclaw cron resume ${args[0]} ends it`,
      };
    },
  },
  {
    name: 'cron resume',
    title: 'A paused schedule plans its runs again, from the next one on',
    args: [{ name: 'id', description: 'its id' }],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ was: boolean }>("select resume('schedule', $1) as was", [args[0]]);
      return {
        json: { schedule: args[0], was_paused: rows[0]!.was },
        text: rows[0]!.was ? `${args[0]} goes on` : `${args[0]} was not paused`,
      };
    },
  },
  {
    name: 'cron history',
    title: 'Each planned run, newest first: its job and how it went, or that it was missed or paused',
    args: [{ name: 'id', description: 'of one schedule only', optional: true }],
    options: [
      { flags: '--missed', description: 'only what was missed' },
      { flags: '--limit <n>', description: 'how many', default: '30' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args, options }) => {
      const { rows } = await db.query<{
        schedule: string;
        planned_for: Date;
        state: string;
        made_up: boolean;
        job: string | null;
        job_state: string | null;
        finished_at: Date | null;
        error: string | null;
      }>(
        `select r.schedule, r.planned_for, r.state, r.made_up, 'j' || r.job_id as job, q.state as job_state, q.finished_at, q.last_error as error
         from (select * from ops_cron_runs where ($1::text is null or schedule = $1) and (not $2 or state = 'missed') order by planned_for desc, schedule limit $3) r
         left join task_queue q on q.id = r.job_id order by r.planned_for desc, r.schedule`,
        [args[0] ?? null, options.missed === true, parseNumber(options.limit, '--limit', 1, 10_000)],
      );
      return {
        json: rows,
        text: textTable(
          ['planned for', 'schedule', 'run', 'job', 'ended', 'error'],
          rows.map((row) => [
            timeText(row.planned_for),
            row.schedule,
            `${row.state === 'queued' ? (row.job_state ?? 'its job is not known any more') : row.state}${row.made_up ? ' (made up)' : ''}`,
            row.job ?? '-',
            timeText(row.finished_at),
            row.error?.split('\n')[0] ?? '',
          ]),
          'no runs yet',
        ),
      };
    },
  },
];

async function load({ config, db }: ActionContext) {
  const { rows } = await db.query<{ identifier: string; max_attempts: number; now: Date }>(
    'select identifier, max_attempts, clock_now() as now from ops_tasks where retired_at is null',
  );
  const crontabs = await readCrontabs(config, new Map(rows.map((row) => [row.identifier, row.max_attempts])));
  return { ...crontabs, now: rows[0]?.now ?? new Date() };
}

function find(schedules: readonly Schedule[], id: string): Schedule {
  const found = schedules.find((schedule) => schedule.id === id);
  if (found) return found;
  const ids = schedules.map((schedule) => schedule.id);
  const near = didYouMean(id, ids);
  throw new OpenClawError('E_NOT_FOUND', `there is no schedule "${id}"`, {
    expected: ids.join(', '),
    ...(near && { remedy: `did you mean "${near}"?` }),
    exitCode: EXIT.usage,
  });
}
