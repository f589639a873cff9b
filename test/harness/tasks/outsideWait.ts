import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'An effect outside that takes a while, each start noted in the table of `wait`',
    payload: z.object({ ms: z.int(), mark: z.string() }),
    effect: 'outside',
    retries: 3,
    timeout: '20 s',
  },
  async ({ ms, mark }, { query, signal }) => {
    await query('insert into test_starts (mark) values ($1)', [mark]);
    await pause(ms, undefined, { signal });
    return { waited: ms };
  },
);
