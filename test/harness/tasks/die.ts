import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

export default defineTask(
  { title: 'Kill the worker at once', payload: z.looseObject({}), effect: 'read', retries: 0 },
  async () => {
    process.kill(process.pid, 'SIGKILL');
    // The signal is delivered before anything else of this process runs.
    while (true);
  },
);
