import { spanText } from '../../actions/table.ts';
import { pass, warn } from '../findings.ts';
import type { Check } from '../types.ts';

export const loops: Check = {
  id: 'loops',
  title: 'Tasks that block their process',
  severity: 'warning',
  failuresNeeded: 1,
  passesNeeded: 1,
  looks: 1,
  needs: ['postgres'],
  remedy: 'make the task a program or give its work to a worker thread, or run the pools as units: docs/blocking.md',
  runbook: 'loop-blocked',
  probe: async ({ db }) => {
    const { rows } = await db!.query<{ times: number; ms: number; tasks: string[] }>(
      `select sum((payload ->> 'times')::integer)::integer as times, max((payload ->> 'ms')::float8) as ms,
              array(select distinct t from ops_agent_events b, jsonb_array_elements_text(b.payload -> 'tasks') t
                    where b.kind = 'worker.blocked' and b.created_at > clock_now() - interval '15 minutes' order by t) as tasks
       from ops_agent_events where kind = 'worker.blocked' and created_at > clock_now() - interval '15 minutes' having count(*) > 0`,
    );
    const [blocked] = rows;
    if (!blocked) return pass('none within 15 minutes');
    return warn(
      `${blocked.times} times within 15 minutes, ${spanText(blocked.ms)} at most, while ${blocked.tasks.join(', ')} ran`,
    );
  },
};
