import { fail, pass, unknown } from '../findings.ts';
import type { Check } from '../types.ts';

const SILENT_S = 30;

export const leases: Check = {
  id: 'leases',
  title: 'Workers and their leases',
  severity: 'critical',
  failuresNeeded: 2,
  passesNeeded: 2,
  looks: 2,
  needs: ['postgres'],
  remedy: 'systemctl restart openclaw-mission-worker (with units), or openclaw down; openclaw up --detach',
  runbook: 'workers-dead',
  probe: async ({ db, systemd, upPid }) => {
    const unit = await systemd.unit('openclaw-mission-worker.service');
    // Without units the workers are `up`'s, and end with it: one cause, one alarm.
    if (unit?.load !== 'loaded' && upPid === undefined && (await systemd.unit('openclaw.service'))?.load !== 'loaded')
      return unknown('not judged: no `openclaw up` runs');
    const { rows } = await db!.query<{ live: number; silent: string[]; stuck: number }>(
      `select (select count(*)::integer from workers where state = 'live' and seen_at > now() - $1 * interval '1 second') as live,
              array(select name from workers where state = 'live' and seen_at <= now() - $1 * interval '1 second' order by name) as silent,
              (select count(*)::integer from graphile_worker._private_jobs j join workers w on w.pool_id = j.locked_by where w.state <> 'live') as stuck`,
      [SILENT_S],
    );
    const { live, silent, stuck } = rows[0]!;
    if (silent.length > 0) return fail(`silent for more than ${SILENT_S} s: ${silent.join(', ')}`);
    if (stuck > 0) return fail(`${stuck} jobs are locked by workers that have ended`);
    return live === 0 ? fail('no worker lives: nothing is worked on') : pass(`${live} pools renew their leases`);
  },
};
