import { nextRuns, readCrontabs, type Schedule } from '../cron/index.ts';
import { didYouMean, EXIT, OpenClawError } from '../errors/index.ts';
import { parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action, ActionContext } from './types.ts';

export const scheduleActions: readonly Action[] = [
  {
    name: 'cron list',
    title: 'The schedules, their last and next runs, and faulty lines',
    who: 'viewer',
    danger: 'none',
    run: async (context) => {
      const { schedules, faults, now } = await load(context);
      const { rows } = await context.db.query<{ identifier: string; last_execution: Date | null }>(
        'select identifier, last_execution from graphile_worker._private_known_crontabs',
      );
      const last = new Map(rows.map((row) => [row.identifier, row.last_execution]));
      const json = schedules.map(({ id, task, line, file, item }) => ({
        id,
        task,
        line,
        file,
        last: last.get(id) ?? null,
        next: nextRuns(item, now, 1)[0] ?? null,
      }));
      const table = textTable(
        ['id', 'task', 'last', 'next', 'line'],
        json.map((row) => [row.id, row.task, timeText(row.last), timeText(row.next), row.line]),
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
