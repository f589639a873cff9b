import { z } from 'zod';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Ask the operator whether missions of a kind that keeps failing should pause',
    payload: z.object({
      kind: z.string().min(1).max(63),
      failures: z.number().int().min(1),
    }),
    pool: 'reactions',
    effect: 'write',
    timeout: '30 s',
  },
  async ({ kind, failures }, { query }) => {
    const { rows } = await query<{ approval: string | null }>(
      `select ask_approval('pause', $1, detail => $2, expires_in => interval '6 hours', on_expiry => 'reject') as approval
       where not exists (select from ops_approvals where kind = 'pause' and state = 'open' and detail ->> 'mission_kind' = $3)`,
      [
        `Missions of kind ${kind} failed ${failures} times within the last hour. Start no more of them for 6 hours?`,
        JSON.stringify({
          mission_kind: kind,
          failures,
          effects: {
            approve: `missions of kind ${kind} are refused for 6 hours (openclaw breakers reset kind:${kind} ends it)`,
            reject: 'they go on starting',
          },
        }),
        kind,
      ],
    );
    const approval = rows[0]?.approval ?? null;
    return approval === null ? { asked: false, why: 'it is asked already' } : { asked: true, approval: `a${approval}` };
  },
);
