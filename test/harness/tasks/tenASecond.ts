import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Ten a second, one at once of each letter that a function finds',
    payload: z.object({ word: z.string().default('') }),
    effect: 'read',
    rate: '10/s',
    concurrency: { key: ({ word }) => word.slice(0, 1), limit: 1 },
  },
  async ({ word }, { query, job }) => {
    await query('insert into test_runs (holder, host, ended_at) values ($1, $2, clock_timestamp())', [
      job.idempotencyKey,
      word,
    ]);
  },
);
