import { setTimeout as pause } from 'node:timers/promises';
import { defineTask, z } from 'openclaw';

export default defineTask(
  { title: 'Read the feeds', payload: z.object({ topic: z.string(), ms: z.number().default(400) }), effect: 'read' },
  async ({ topic, ms }, { signal }) => {
    await pause(ms, undefined, { signal });
    return { topic, articles: 12 };
  },
);
