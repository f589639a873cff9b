import { EventEmitter } from 'node:events';
import { Logger, parseCrontab, run } from 'graphile-worker';
import type pg from 'pg';
import * as assert from 'uvu/assert';
import { createPool } from '../../../lib/db/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { GoneJobs } from '../../../lib/queue/endings.ts';
import { keepLedger } from '../../../lib/queue/ledger.ts';
import { stockQueryOf } from '../../../lib/queue/stockQueries.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually } from '../../harness/workers.ts';

const test = suite("graphile-worker's own queries, as it really sends them");
let database: TestDatabase;
/** By name: what a real run sent. */
const sent = new Map<string, string>();

const REPLACED = ['cron', 'complete_job', 'complete_jobs', 'complete_job_q', 'fail_job', 'fail_job_q'];

/** Single jobs, batches, and jobs of a named queue, of which each second one fails. */
async function stockRun(batchDelay: number): Promise<void> {
  const pgPool = createPool(database.urlFor('openclaw_worker'), { name: 'test:stock', max: 10 });
  pgPool.on('connect', (client) => {
    const original = client.query.bind(client) as (...args: unknown[]) => unknown;
    const recording = (...args: unknown[]) => {
      const config = args[0] as Partial<pg.QueryConfig>;
      if (typeof config.name === 'string' && typeof config.text === 'string') sent.set(config.name, config.text);
      return original(...args);
    };
    client.query = recording as typeof client.query;
  });
  await database.pool.query(
    `select graphile_worker.add_job('stock', json_build_object('fails', n % 2 = 0), queue_name => case when n <= 4 then 'lane' end, max_attempts => 1)
     from generate_series(1, 40) n`,
  );
  await database.pool.query(
    "insert into graphile_worker._private_known_crontabs (identifier, known_since) values ('stock', now() - interval '1 hour') on conflict do nothing",
  );
  const runner = await run({
    pgPool,
    parsedCronItems: parseCrontab('* * * * * stock ?fill=3m {"fails": false}'),
    noHandleSignals: true,
    logger: new Logger(() => () => undefined),
    events: new EventEmitter(),
    taskList: {
      stock: async (payload) => {
        if ((payload as { fails: boolean }).fails) throw new Error('on purpose');
      },
    },
    preset: {
      worker: { concurrentJobs: 4, pollInterval: 50, completeJobBatchDelay: batchDelay, failJobBatchDelay: batchDelay },
    },
  });
  const open = 'select from graphile_worker._private_jobs where attempts = 0 or locked_at is not null';
  await eventually(async () => (await database.pool.query(open)).rowCount === 0, 'all jobs have ended');
  await runner.stop();
  await pgPool.end();
}

test.before(async () => {
  database = await freshDatabase();
  await stockRun(-1);
  await stockRun(20);
});
test.after(() => database.drop());

test('every text that ends a job or plans a schedule is the one that was recorded', () => {
  const ending = [...sent.keys()].filter((name) => /^(complete|fail|cron)/.test(name)).sort();
  assert.equal(ending, REPLACED.map((name) => `${name}/graphile_worker`).sort(), 'no other name is sent');
  for (const name of ending) assert.is(`${stockQueryOf(name, sent.get(name)!)}/graphile_worker`, name);
});

test('other queries are left as they are', () => {
  const others = [...sent].filter(([name]) => !/^(complete|fail|cron)/.test(name));
  assert.ok(others.length > 0);
  for (const [name, text] of others) assert.is(stockQueryOf(name, text), undefined, name);
  assert.is(stockQueryOf('complete_job/another_schema', 'select 1'), undefined);
  assert.is(stockQueryOf(undefined, 'select 1'), undefined);
});

test('an unknown text under a known name is refused as a configuration error', () => {
  for (const short of REPLACED) {
    const name = `${short}/graphile_worker`;
    try {
      stockQueryOf(name, `${sent.get(name)} `);
    } catch (error) {
      const { code, exitCode, remedy } = error as { code: string; exitCode: number; remedy: string };
      assert.equal([code, exitCode], ['E_GRAPHILE_CHANGED', 78]);
      assert.match(remedy, /npm ci/);
      continue;
    }
    assert.unreachable(`${name} was taken`);
  }
});

test('a worker that meets an unknown text sends nothing', async () => {
  const reached: unknown[] = [];
  const client = { query: async (config: unknown) => void reached.push(config) };
  const pool = new EventEmitter();
  keepLedger(pool as unknown as pg.Pool, {
    endings: new Map(),
    gone: new GoneJobs(),
    held: new Set(),
    log: createLogger({ name: 'test', level: 'silent' }),
  });
  pool.emit('connect', client);
  const query = client.query as (config: unknown) => Promise<unknown>;
  let refused: unknown;
  try {
    await query({ name: 'complete_job/graphile_worker', text: 'delete from jobs where id = $1', values: ['1'] });
  } catch (error) {
    refused = error;
  }
  assert.is((refused as { code?: string }).code, 'E_GRAPHILE_CHANGED');
  assert.equal(reached, []);
  await query({ name: 'select_one', text: 'select 1' });
  assert.is(reached.length, 1);
});

test.run();
