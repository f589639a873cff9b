import { z } from 'zod';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Decide events against the reaction rules',
    payload: z.object({ events: z.array(z.union([z.string(), z.number()])).max(1000) }),
    pool: 'reactions',
    effect: 'write',
    retries: 24,
    timeout: '2 m',
  },
  // Deciding twice decides once (one row a pair of event and rule), so a killed attempt is simply run again.
  async ({ events }, { query }) => {
    const { rows } = await query<{ decided: Record<string, number> }>('select react($1::bigint[]) as decided', [
      events,
    ]);
    return rows[0]!.decided;
  },
);
