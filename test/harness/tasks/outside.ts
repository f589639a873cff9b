import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask({ title: 'An effect outside', payload: z.looseObject({}), effect: 'outside' }, async () => ({
  done: true,
}));
