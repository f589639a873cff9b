import { setTimeout as pause } from 'node:timers/promises';
import { defineTask, z } from 'openclaw';

export default defineTask(
  {
    title: 'Summarise what was read',
    payload: z.object({ about: z.string(), ms: z.number().default(600) }),
    effect: 'read',
  },
  async ({ about, ms }, { signal }) => {
    await pause(ms, undefined, { signal });
    return { summary: `Three things changed about ${about}.` };
  },
);
