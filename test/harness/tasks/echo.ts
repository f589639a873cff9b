import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Return the payload',
    payload: z.looseObject({ n: z.int().optional(), text: z.string().optional() }),
    effect: 'read',
  },
  async (payload) => payload,
);
