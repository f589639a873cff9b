import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

/** Counts each start in a table of the test, so that a test can see how often it really ran. */
export default defineTask(
  {
    title: 'Wait, and note each start',
    payload: z.object({ ms: z.int(), mark: z.string().default('wait') }),
    effect: 'read',
    retries: 3,
    timeout: '20 s',
  },
  async ({ ms, mark }, { query, signal }) => {
    await query('create table if not exists test_starts (mark text, at timestamptz default now())');
    await query('insert into test_starts (mark) values ($1)', [mark]);
    await pause(ms, undefined, { signal });
    return { waited: ms };
  },
);
