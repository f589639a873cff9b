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
      id: string;
      known: Date;
      now: Date;
      worker_since: Date | null;
      runs: Date[];
      paused: boolean;
    }>(
      `select s.id, s.known_since as known, clock_now() as now, (select min(started_at) from workers where state = 'live') as worker_since,
              is_schedule_paused(s.id) as paused,
              array(select planned_for from ops_cron_runs r where r.schedule = s.id order by planned_for desc limit 1) as runs
       from ops_schedules s`,
    );
    if (rows.length === 0) return skipped('no schedule is known yet', 'openclaw up, or a worker without --no-cron');
    const late = rows.flatMap((row) => {
      const schedule = schedules.find(({ id }) => id === row.id);
      if (!schedule || row.paused) return [];
      const due = previousRun(schedule.item, new Date(row.now.getTime() - GRACE_MS));
      // What was due while no worker lived was missed, and is not late: the rule of its line says what becomes of it.
      const expected = due && row.worker_since && due > row.worker_since && due > row.known;
      return expected && !row.runs.some((at) => at >= due) ? [`${row.id} (due ${due.toISOString()})`] : [];
    });
    if (late.length > 0) return fail(`not queued when due: ${late.join(', ')}`);
    return faults.length > 0
      ? fail(`${faults.length} faulty lines: ${faults[0]!.file}:${faults[0]!.line}: ${faults[0]!.message}`)
      : pass(`${schedules.length} schedules, none late`);
  },
};
