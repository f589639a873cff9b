import { z } from 'zod';
import { runBackup } from '../lib/backup/index.ts';
import { OpenClawError } from '../lib/errors/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

const STAGES = ['begun', 'dumped', 'packed', 'verified', 'named', 'recorded', 'uploaded', 'pruned'];
const RETRY_UPLOAD_MS = 10 * 60_000;
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
  async (_payload, { config, query, log, signal, progress, addJob, job }) => {
    const { rows } = await query<{ trace: string }>('select trace_id as trace from job_requests where id = $1', [
      job.id,
    ]);
    try {
      const run = await runBackup({
        trace: job.traceId ?? rows[0]?.trace ?? null,
        config,
        db: { query },
        log,
        signal,
        onStage: (stage) => progress((STAGES.indexOf(stage) + 1) / STAGES.length, stage),
      });
      // Not this job's to try again: that would make another archive.
      if (run.offsite === 'failed')
        await addJob('backup_upload', {}, { jobKey: 'backup_upload', runAt: new Date(Date.now() + RETRY_UPLOAD_MS) });
      return run;
    } catch (error) {
      // Somebody makes one now: that run's end counts, and this one has nothing to add.
      if (error instanceof OpenClawError && error.code === 'E_BACKUP_RUNNING') return { already_running: true };
      throw error;
    }
  },
);
