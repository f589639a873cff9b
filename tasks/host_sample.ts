import { z } from 'zod';
import { sampleHost } from '../lib/host/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Measure this host: disks, memory, load, listening sockets',
    payload: z.object({}),
    pool: 'upkeep',
    effect: 'read',
    timeout: '30 s',
  },
  async (_payload, { config }) => sampleHost({ paths: ['/', config.home] }),
);
