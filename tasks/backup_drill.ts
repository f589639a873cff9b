import { z } from 'zod';
import { drillBackup } from '../lib/backup/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Restore the newest archive into a scratch database and count every table',
    payload: z.object({}),
    pool: 'upkeep',
    effect: 'write',
    retries: 2,
    timeout: '3 h',
    backoff: { initial: '5 m', max: '30 m' },
  },
  async (_payload, { config, query, log, signal }) => drillBackup({ config, db: { query }, log, signal }),
);
