import { Logger, run } from 'graphile-worker';
import pg from 'pg';
import { jobStarted } from './progress.ts';
import type { WorkerStart } from './protocol.ts';

/** Plain graphile-worker, as its own documentation sets it up for speed; silent, because a line a job costs more than the job. */
export async function startRaw({ url, concurrency, localQueueSize }: WorkerStart): Promise<() => Promise<void>> {
  const pgPool = new pg.Pool({ connectionString: url, max: concurrency + 4 });
  pgPool.on('error', (error) => console.error(error));
  pgPool.on('connect', (client) => void client.on('error', (error) => console.error(error)));
  const runner = await run({
    pgPool,
    taskList: { noop: async (payload) => jobStarted(payload) },
    parsedCronItems: [],
    logger: new Logger(() => () => {}),
    noHandleSignals: true,
    preset: {
      worker: {
        concurrentJobs: concurrency,
        maxPoolSize: concurrency + 4,
        pollInterval: 1000,
        ...(localQueueSize > 0 && { localQueue: { size: localQueueSize, ttl: 5000 } }),
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  return async () => {
    await runner.stop();
    await pgPool.end();
  };
}
