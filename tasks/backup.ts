import { z } from 'zod';
import { runBackup } from '../lib/backup/index.ts';
import { OpenClawError } from '../lib/errors/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

const STAGES = ['begun', 'dumped', 'packed', 'verified', 'named', 'recorded', 'uploaded', 'pruned'];
/** What only a person mends. */
const HOPELESS = new Set(['E_NO_PG_DUMP', 'E_PG_DUMP_VERSION', 'E_DISK_SPACE']);

export default defineTask(
  {
    title: 'Back up the database and the files, verify the archive, and send it to Drive',
    payload: z.object({}),
    pool: 'upkeep',
    effect: 'outside',
    // A second run makes a second archive, and goes on with an upload where the first one stopped.
    idempotent: true,
    retries: 5,
    timeout: '3 h',
    backoff: { initial: '30 s', max: '10 m' },
    retryable: (error) => !(error instanceof OpenClawError && HOPELESS.has(error.code)),
  },
  async (_payload, { config, query, log, signal, progress }) => {
    try {
      return await runBackup({
        config,
        db: { query },
        log,
        signal,
        onStage: (stage) => progress((STAGES.indexOf(stage) + 1) / STAGES.length, stage),
      });
    } catch (error) {
      // Somebody makes one now: that run's end counts, and this one has nothing to add.
      if (error instanceof OpenClawError && error.code === 'E_BACKUP_RUNNING') return { already_running: true };
      throw error;
    }
  },
);
