import { z } from 'zod';
import { defineTask } from '../lib/tasks/index.ts';

const TIME = /^[1-9]\d{0,5} ?(s|m|min|minutes?|h|hours?|d|days?)$/;

export default defineTask(
  {
    title: 'Ask a person and wait for the answer, which may take days; the mission holds nothing meanwhile',
    payload: z.object({
      question: z.string().min(1).max(4000),
      options: z.array(z.string().min(1).max(100)).min(1).max(20).default(['approve', 'reject']),
      /** How long to wait; without it as long as it takes. */
      timeout: z.string().regex(TIME, 'expected a time like 8 h').optional(),
      /** The answer that is taken when nobody gave one in time; without it the answer is null. */
      on_timeout: z.string().min(1).max(100).optional(),
      who: z.enum(['operator', 'owner']).default('operator'),
      /** For the reader. */
      detail: z.record(z.string(), z.unknown()).optional(),
    }),
    effect: 'write',
    durable: true,
  },
  async ({ question, options, timeout, on_timeout, who, detail }, { approve }) => {
    const { answer, approved, by, reason } = await approve(question, {
      options,
      who,
      ...(timeout !== undefined && { timeout: timeout as `${number} h` }),
      ...(on_timeout !== undefined && { onTimeout: on_timeout }),
      ...(detail && { detail }),
    });
    return { answer, approved, by, reason };
  },
);
