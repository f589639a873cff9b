import { z } from 'zod';
import { diagnose } from '../lib/reactions/diagnose.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Say what is known about a mission that failed',
    payload: z.object({ mission_id: z.union([z.string().regex(/^\d+$/), z.number().int()]).transform(String) }),
    pool: 'reactions',
    effect: 'read',
    timeout: '30 s',
  },
  async ({ mission_id }, context) => diagnose(context, mission_id),
);
