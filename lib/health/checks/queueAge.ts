import { spanText } from '../../actions/table.ts';
import { fail, pass, warn } from '../findings.ts';
import type { Check } from '../types.ts';

const LIMITS_S = { warn: 120, fail: 600 };

export const queueAge: Check = {
  id: 'queue_age',
  title: 'Oldest runnable job',
  severity: 'error',
  failuresNeeded: 2,
  passesNeeded: 1,
  looks: 2,
  // Without workers everything waits: that is the leases' alarm.
  needs: ['postgres', 'leases'],
  remedy: 'openclaw jobs list --state running; openclaw status; a pause or a full pool holds jobs back',
  runbook: 'queue-stuck',
  probe: async ({ db }) => {
    const { rows } = await db!.query<{ task: string; age_s: number; waiting: number }>(
      `select t.identifier as task, extract(epoch from clock_now() - j.run_at)::float8 as age_s, count(*) over ()::integer as waiting
       from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
       where j.locked_at is null and j.attempts < j.max_attempts and j.run_at <= clock_now()
       order by j.run_at limit 1`,
    );
    const [oldest] = rows;
    if (!oldest) return pass('no job waits');
    const text = `${oldest.waiting} wait, the oldest (${oldest.task}) for ${spanText(oldest.age_s * 1000)}`;
    if (oldest.age_s > LIMITS_S.fail) return fail(`${text}, limit ${LIMITS_S.fail} s`);
    return oldest.age_s > LIMITS_S.warn ? warn(text) : pass(text);
  },
};
