import { z } from 'zod';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Look at the windows of the rules on time',
    payload: z.object({}),
    pool: 'reactions',
    effect: 'write',
    retries: 0,
    timeout: '50 s',
  },
  async (_payload, { query }) => {
    const { rows } = await query<{ decided: Record<string, number> }>('select watch_rules() as decided');
    return rows[0]!.decided;
  },
);
