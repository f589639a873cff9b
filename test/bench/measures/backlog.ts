import { Logger, run } from 'graphile-worker';
import pg from 'pg';
import { takeSnapshot } from '../../../lib/status/index.ts';
import { clockMs, clusterCpuMs } from '../cpu.ts';
import type { Side } from '../databases.ts';
import { enqueue } from '../enqueue.ts';
import type { Result } from '../report.ts';
import type { Bench } from './types.ts';

const TIMES = 20;

/** What a fetch and a look cost while many jobs wait. For information: nothing of the peer's stands beside it. */
export async function backlog({ sides, options, progress }: Bench): Promise<Result> {
  const side = sides.ours;
  await side.reset();
  const [one, many] = [await fetchStatement(side, 1), await fetchStatement(side, 500)];
  const figures: Record<string, number> = {};
  for (const waiting of [0, options.backlog]) {
    await enqueue(side, waiting);
    await side.settle();
    const looks: [string, (client: pg.PoolClient) => Promise<unknown>][] = [
      ['fetch of 1', (client) => rolledBack(client, one)],
      ['fetch of 500', (client) => rolledBack(client, many)],
      ['status snapshot', (client) => takeSnapshot(client)],
    ];
    for (const [name, look] of looks) {
      const { ms, cpuMs } = await averageOf(side, sides.postmaster, look);
      figures[`${name}, ${waiting} waiting: ms`] = ms;
      figures[`${name}, ${waiting} waiting: Postgres CPU ms`] = cpuMs;
      progress(`backlog ${name} with ${waiting} waiting: ${ms.toFixed(2)} ms`);
    }
  }
  return { measure: 'backlog', figures, ratios: [] };
}

async function averageOf(side: Side, postmaster: number, look: (client: pg.PoolClient) => Promise<unknown>) {
  const client = await side.pool.connect();
  try {
    // The first few plan the statement.
    for (let n = 0; n < 6; n++) await look(client);
    const clusterMs = clusterCpuMs(postmaster);
    const from = clockMs();
    for (let n = 0; n < TIMES; n++) await look(client);
    return { ms: (clockMs() - from) / TIMES, cpuMs: (clusterCpuMs(postmaster) - clusterMs) / TIMES };
  } finally {
    client.release(true);
  }
}

async function rolledBack(client: pg.PoolClient, statement: pg.QueryConfig): Promise<void> {
  await client.query('begin');
  await client.query(statement);
  await client.query('rollback');
}

/** graphile-worker's own statement, as it was sent by a runner with nothing to do. */
async function fetchStatement(side: Side, size: number): Promise<pg.QueryConfig> {
  const pgPool = new pg.Pool({ connectionString: side.url, max: 4 });
  pgPool.on('error', (error) => console.error(error));
  const seen = new Promise<pg.QueryConfig>((resolve) => {
    pgPool.on('connect', (client) => {
      client.on('error', (error) => console.error(error));
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      client.query = ((...args: unknown[]) => {
        const config = args[0] as pg.QueryConfig;
        if (config.name?.startsWith('get_job')) resolve(config);
        return query(...args);
      }) as typeof client.query;
    });
  });
  const runner = await run({
    pgPool,
    taskList: { noop: async () => {} },
    parsedCronItems: [],
    logger: new Logger(() => () => {}),
    noHandleSignals: true,
    preset: { worker: { concurrentJobs: 1, ...(size > 1 && { localQueue: { size } }) } },
  });
  const { name, text, values } = await seen;
  await runner.stop();
  await pgPool.end();
  return { name, text, values };
}
