import { z } from 'zod';
import { missionOf } from '../lib/missions/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Run a mission from where it stands until it ends or parks',
    payload: z.object({ mission_id: z.union([z.string(), z.number()]).transform(String) }),
    effect: 'write',
    // Its steps have timeouts of their own; this only bounds a segment.
    timeout: '7 d',
    retries: 99,
    backoff: { initial: '1 s', max: '30 s' },
  },
  async ({ mission_id }, context) => missionOf(context, mission_id),
);
