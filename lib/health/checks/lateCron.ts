import { previousRun, readCrontabs } from '../../cron/index.ts';
import { fail, pass, skipped } from '../findings.ts';
import type { Check } from '../types.ts';

const GRACE_MS = 10 * 60_000;

export const lateCron: Check = {
  id: 'cron',
  title: 'Schedules',
  severity: 'warning',
  failuresNeeded: 2,
  passesNeeded: 1,
  looks: 1,
  needs: ['postgres', 'leases'],
  remedy: 'openclaw cron list; restart the worker: it plans the schedules',
  runbook: 'cron-late',
  probe: async ({ db, config }) => {
    const { rows: tasks } = await db!.query<{ identifier: string; max_attempts: number }>(
      'select identifier, max_attempts from ops_tasks where retired_at is null',
    );
    const { schedules, faults } = await readCrontabs(config, new Map(tasks.map((t) => [t.identifier, t.max_attempts])));
    const { rows } = await db!.query<{
      identifier: string;
      last: Date | null;
      known: Date;
      now: Date;
      worker_since: Date | null;
    }>(
      `select k.identifier, k.last_execution as last, k.known_since as known, clock_now() as now,
              (select min(started_at) from workers where state = 'live') as worker_since
       from graphile_worker._private_known_crontabs k`,
    );
    if (rows.length === 0) return skipped('no schedule is known yet', 'openclaw up, or a worker without --no-cron');
    const late = rows.flatMap((row) => {
      const schedule = schedules.find(({ id }) => id === row.identifier);
      if (!schedule) return [];
      const due = previousRun(schedule.item, new Date(row.now.getTime() - GRACE_MS));
      // What was due while no worker lived was missed, and is not late: `fill` in its line makes up for it.
      const expected = due && row.worker_since && due > row.worker_since && due > row.known;
      return expected && (row.last === null || row.last < due) ? [`${row.identifier} (due ${due.toISOString()})`] : [];
    });
    if (late.length > 0) return fail(`not queued when due: ${late.join(', ')}`);
    return faults.length > 0
      ? fail(`${faults.length} faulty lines: ${faults[0]!.file}:${faults[0]!.line}: ${faults[0]!.message}`)
      : pass(`${schedules.length} schedules, none late`);
  },
};
