import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';
import { jobStarted } from '../worker/progress.ts';

export default defineTask(
  { title: 'Do nothing, and say so', payload: z.looseObject({ n: z.int().optional() }), effect: 'read' },
  async (payload) => {
    jobStarted(payload);
    return { ok: true, n: payload.n };
  },
);
