import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask(
  { title: 'Something of effect write, that returns its payload', payload: z.looseObject({}), effect: 'write' },
  async (payload) => payload,
);
