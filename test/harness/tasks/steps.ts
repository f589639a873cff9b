import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Two steps; the second fails on the first attempt',
    payload: z.object({}),
    effect: 'read',
    backoff: { initial: '20 ms', factor: 1, max: '20 ms' },
  },
  async (_payload, { step, job }) => {
    const first = await step('first', async () => ({ drawn: Math.random() }));
    const second = await step('second', async () => {
      if (job.attempt === 1) throw new Error('not yet');
      return job.attempt;
    });
    return { first, second };
  },
);
