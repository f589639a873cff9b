import type { ParsedCronItem } from 'graphile-worker';
import type { Config } from '../config/index.ts';
import type { Pool } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { type CrontabFault, MADE_UP_AT_MOST_MS, readCrontabs, type Schedule } from './crontabs.ts';
import { runsBetween } from './nextRuns.ts';

/** A run that is this late is nobody's any more: each worker's tick has passed it. */
const SETTLED_AFTER_MS = 60_000;

export interface Planner {
  /** What graphile-worker ticks by; changed in place when a crontab changes. */
  readonly items: ParsedCronItem[];
  readonly faults: readonly CrontabFault[];
  /** Each minute: reads the crontabs again, and settles what nobody planned. */
  look: () => Promise<void>;
}

/** Reads the schedules, makes them known, and settles what was missed while nobody planned them. */
export async function startPlanner(
  db: Pool,
  config: Config,
  known: ReadonlyMap<string, number>,
  log: Logger,
): Promise<Planner> {
  const items: ParsedCronItem[] = [];
  let schedules: Schedule[] = [];
  let faults: CrontabFault[] = [];
  let text = '';

  const read = async () => {
    const now = await readCrontabs(config, known);
    const nowText = JSON.stringify([now.schedules.map(({ line, file }) => [line, file]), now.faults]);
    if (nowText === text) return;
    if (text !== '')
      log.info({ schedules: now.schedules.length }, 'a crontab has changed; the schedules are planned anew');
    for (const fault of now.faults) log.error(fault, 'a line of a crontab is faulty; the others run');
    ({ schedules, faults } = now);
    await db.query('select register_schedules($1)', [
      JSON.stringify(
        schedules.map(({ id, task, line, file, missed, madeUpForMs }) => ({
          id,
          task,
          line,
          file,
          missed,
          made_up_for_ms: madeUpForMs,
        })),
      ),
    ]);
    // Taken as read only once it is known: after an error it is read again.
    text = nowText;
    items.splice(0, items.length, ...schedules.map((schedule) => schedule.item));
  };
  const look = async () => {
    await read();
    await settle(db, schedules, log);
  };
  await look();
  return {
    items,
    look,
    get faults() {
      return faults;
    },
  };
}

async function settle(db: Pool, schedules: readonly Schedule[], log: Logger): Promise<void> {
  const { rows } = await db.query<{ id: string; settled_until: Date; until: Date }>(
    `select id, settled_until, clock_now() - make_interval(secs => $2) as until from ops_schedules
     where id = any ($1) and settled_until < clock_now() - make_interval(secs => $2) order by id`,
    [schedules.map((schedule) => schedule.id), SETTLED_AFTER_MS / 1000],
  );
  for (const { id, settled_until, until } of rows) {
    const { item } = schedules.find((schedule) => schedule.id === id)!;
    const from = new Date(Math.max(settled_until.getTime(), until.getTime() - MADE_UP_AT_MOST_MS));
    const planned = runsBetween(item, from, until);
    const { task, payload, options } = item;
    const { queueName, maxAttempts, jobKey, jobKeyMode, priority } = options;
    const settled = await db.query<{ done: Record<string, unknown> | null }>(
      'select settle_runs($1, $2::timestamptz[], $3, $4) as done',
      [
        id,
        planned.map((at) => at.toISOString()),
        JSON.stringify({ task, payload, queueName, maxAttempts, jobKey, jobKeyMode, priority }),
        until,
      ],
    );
    const done = settled.rows[0]!.done;
    if (done) log.warn(done, 'planned runs had not been queued in time');
  }
}
