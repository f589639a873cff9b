import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { startWorkers } from '../../../lib/workers/process.ts';
import { BENCH_TASKS, type WorkerStart } from './protocol.ts';

/** The product's own workers as `openclaw up` starts them, with their lease, ticks, ledger and log. */
export async function startOurs(start: WorkerStart): Promise<() => Promise<void>> {
  mkdirSync(start.home, { recursive: true });
  const config = loadConfig({
    env: { OPENCLAW_HOME: start.home, DATABASE_URL: start.url, OPENCLAW_TASK_DIRS: BENCH_TASKS },
  });
  const workers = await startWorkers({
    config,
    log: createLogger({ name: 'worker', level: config.logLevel, destination: path.join(start.home, 'worker.log') }),
    workerUrl: start.url,
    readerUrl: start.readerUrl,
    pools: ['missions'],
    withCron: false,
    concurrency: { missions: start.concurrency },
    localQueueSize: start.localQueueSize,
    onFatal: (error) => {
      console.error(error.format());
      process.exit(1);
    },
  });
  if (workers.faults.length > 0) throw new Error(`tasks are faulty: ${JSON.stringify(workers.faults)}`);
  return () => workers.stop('the measure is over');
}
