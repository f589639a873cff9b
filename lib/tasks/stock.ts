import type { JobHelpers } from 'graphile-worker';
import { loadConfig } from '../config/index.ts';
import type { PoolClient } from '../db/index.ts';
import { createLogger } from '../log/index.ts';
import { createContext } from './context.ts';
import { taskFolders } from './folders.ts';
import { loadTasks, type TaskRegistry } from './load.ts';
import type { Database, TaskRuntime } from './runtime.ts';
import type { TaskContext, TaskDefinition } from './types.ts';

/**
 * Under a stock graphile-worker process: the same tasks with the same context, over that worker's own connections.
 * Retries, timeouts and results are then the stock ones; the ledger still learns of the job's end by a trigger.
 */
export async function runWithHelpers(definition: TaskDefinition, payload: unknown, helpers: JobHelpers): Promise<void> {
  const runtime = await runtimeOf(helpers);
  const { job } = helpers;
  const signals = [AbortSignal.timeout(definition.timeoutMs), ...(helpers.abortSignal ? [helpers.abortSignal] : [])];
  const context = createContext(
    runtime,
    {
      jobId: job.id,
      task: job.task_identifier,
      attempt: job.attempts,
      maxAttempts: job.max_attempts,
      traceId: null,
      missionId: null,
      stepName: null,
      idempotencyKey: `j${job.id}`,
      scope: `j${job.id}`,
      fence: { kind: 'job', jobId: job.id, poolId: job.locked_by ?? '' },
    },
    AbortSignal.any(signals),
  );
  const parsed = definition.parse(payload);
  // A durable function is a mission's, which the workers of ours run.
  if (definition.durable) await context.query('select submit_job_mission($1)', [job.id]);
  else await definition.run(parsed as never, context);
}

/** A stock function's second argument, made of our context. */
export function helpersOf(context: TaskContext): JobHelpers {
  const helpers = {
    job: {
      id: context.job.id,
      task_identifier: context.job.task,
      attempts: context.job.attempt,
      max_attempts: context.job.maxAttempts,
    },
    logger: context.log,
    query: context.query,
    addJob: context.addJob,
    withPgClient: context.transaction,
    abortSignal: context.signal,
  };
  return helpers as unknown as JobHelpers;
}

let shared: Promise<{ config: TaskRuntime['config']; log: TaskRuntime['log']; registry: TaskRegistry }> | undefined;

async function runtimeOf(helpers: JobHelpers): Promise<TaskRuntime> {
  shared ??= (async () => {
    const config = loadConfig();
    return {
      config,
      log: createLogger({ name: 'stock-worker', level: config.logLevel }),
      registry: await loadTasks(taskFolders(config)),
    };
  })();
  const db: Database = {
    query: helpers.query as Database['query'],
    transaction: (work) =>
      helpers.withPgClient(async (client) => {
        await client.query('begin');
        try {
          const result = await work(client as PoolClient);
          await client.query('commit');
          return result;
        } catch (error) {
          await client.query('rollback');
          throw error;
        }
      }),
  };
  return { ...(await shared), db, reader: db, paths: db };
}
