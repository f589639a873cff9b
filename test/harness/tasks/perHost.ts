import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

/** Notes when it runs in a table of the test, so that a test can see how many ran at once. */
export default defineTask(
  {
    title: 'Two at once for each host',
    payload: z.object({ host: z.string(), ms: z.int().default(20), fail: z.boolean().default(false) }),
    effect: 'write',
    concurrency: { key: ({ host }) => host, limit: 2 },
    backoff: { initial: '10 ms', max: '10 ms' },
  },
  async ({ host, ms, fail }, { query, job, signal }) => {
    const { rows } = await query<{ id: string }>('insert into test_runs (holder, host) values ($1, $2) returning id', [
      job.idempotencyKey,
      host,
    ]);
    await pause(ms, undefined, { signal });
    await query('update test_runs set ended_at = clock_timestamp() where id = $1', [rows[0]!.id]);
    if (fail && job.attempt === 1) throw new Error('once');
    return host;
  },
);
