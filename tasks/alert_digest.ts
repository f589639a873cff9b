import { z } from 'zod';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Send what alerts held back (repeated, in quiet hours, too many an hour) as one message',
    payload: z.object({}).loose(),
    pool: 'upkeep',
    effect: 'write',
    timeout: '30 s',
  },
  async (_payload, { query }) => {
    const { rows } = await query<{ id: string | null }>('select send_alert_digest() as id');
    return { digest: rows[0]!.id };
  },
);
