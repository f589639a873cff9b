import { setTimeout as pause } from 'node:timers/promises';
import { defineTask, z } from 'openclaw';

export default defineTask(
  { title: 'Resize an image', payload: z.object({ id: z.number().int() }), effect: 'write', retries: 0 },
  async ({ id }, { signal }) => {
    await pause(30 + ((id * 37) % 200), undefined, { signal });
    if (id % 41 === 0) throw new Error(`image ${id} has no known format`);
    return { id };
  },
);
