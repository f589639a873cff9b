import { Logger, run } from 'graphile-worker';
import pg from 'pg';
import { jobStarted } from './progress.ts';
import type { WorkerStart } from './protocol.ts';

/** A mission as one job: each step runs, then one statement commits its row, its outcome and its event, the last one the end too. */
async function oneJob(pool: pg.Pool, mission: number): Promise<void> {
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    const startedAt = Date.now();
    jobStarted({});
    await pool.query({
      name: name === 'e' ? 'peer_last' : 'peer_step',
      text:
        name === 'e'
          ? `${STEP}, ended as (update peer_missions set state = 'succeeded', finished_at = now() where id = $1), told as (insert into peer_events (kind, mission_id, payload) values ('mission.succeeded', $1, '{}')) select 1`
          : `${STEP} select 1`,
      values: [mission, name, startedAt, Date.now(), JSON.stringify({ ok: true })],
    });
  }
}

const STEP = `with s as (insert into peer_steps (mission_id, name, state, output, started_at, finished_at)
    values ($1::bigint, $2::text, 'succeeded', $5::jsonb, to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000)) on conflict do nothing returning mission_id, name),
  o as (insert into peer_outcomes (mission_id, name, task, success, state, duration_ms) select mission_id, name, 'noop', true, 'succeeded', $4 - $3 from s),
  e as (insert into peer_events (kind, mission_id, payload) select 'step.succeeded', mission_id, jsonb_build_object('step', name, 'task', 'noop', 'attempt', 1) from s)`;

/** Plain graphile-worker, as its own documentation sets it up for speed; silent, because a line a job costs more than the job. */
export async function startRaw({ url, concurrency, localQueueSize }: WorkerStart): Promise<() => Promise<void>> {
  const pgPool = new pg.Pool({ connectionString: url, max: Math.min(concurrency, 24) + 4 });
  pgPool.on('error', (error) => console.error(error));
  pgPool.on('connect', (client) => void client.on('error', (error) => console.error(error)));
  const runner = await run({
    pgPool,
    taskList: {
      noop: async (payload) => jobStarted(payload),
      onejob: async (payload) => oneJob(pgPool, (payload as { mission: number }).mission),
    },
    parsedCronItems: [],
    logger: new Logger(() => () => {}),
    noHandleSignals: true,
    preset: {
      worker: {
        concurrentJobs: concurrency,
        maxPoolSize: Math.min(concurrency, 24) + 4,
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
