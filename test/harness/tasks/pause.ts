import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask(
  { title: 'Pause n ms', payload: z.object({ n: z.number() }), effect: 'read', retries: 50 },
  async ({ n }, { signal }) => {
    await pause(n, undefined, { signal });
    return { n };
  },
);
