import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask({ title: 'Do nothing', payload: z.looseObject({}), effect: 'read' }, async () => undefined);
