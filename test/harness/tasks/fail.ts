import { z } from 'zod';
import { defineTask, PermanentError } from '../../../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Fail the first `times` attempts',
    payload: z.object({
      times: z.int().default(1000),
      permanent: z.boolean().default(false),
      message: z.string().default('failed on purpose'),
    }),
    effect: 'read',
    retries: 2,
    backoff: { initial: '20 ms', factor: 1, max: '20 ms' },
  },
  async ({ times, permanent, message }, { job }) => {
    if (permanent) throw new PermanentError('E_ON_PURPOSE', message);
    if (job.attempt <= times) throw new Error(message);
    return { attempt: job.attempt };
  },
);
