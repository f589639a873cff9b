import * as assert from 'uvu/assert';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('many jobs that fail at random', { timeoutMs: 120_000 });
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const JOBS = 2000;
const ATTEMPTS = 3;

test('of 2,000 jobs with random failures none is missing, none doubled, each ends as it must', async () => {
  const asked = Array.from({ length: JOBS }, () => ({
    times: Math.floor(Math.random() * 5),
    permanent: Math.random() < 0.1,
  }));
  const { rows } = await database.pool.query<{ id: string }>('select add_jobs($1) as id', [
    JSON.stringify(asked.map((payload) => ({ identifier: 'fail', payload }))),
  ]);
  assert.is(rows.length, JOBS);
  // One fetches single jobs, the other whole batches into its local queue.
  const workers = await Promise.all([startTestWorkers(database), startTestWorkers(database, { localQueueSize: 50 })]);
  try {
    const live = 'select from graphile_worker._private_jobs limit 1';
    await eventually(async () => (await database.pool.query(live)).rowCount === 0, 'all of them end', 25_000);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop('test')));
  }
  const { rows: seen } = await database.pool.query(
    "select id, payload, state, attempts, error_class, worker from task_queue where task = 'fail'",
  );
  assert.is(seen.length, JOBS);
  assert.equal(new Set(seen.map((job) => job.id)), new Set(rows.map((row) => row.id)));
  for (const { id, payload, state, attempts, error_class } of seen) {
    const expected = payload.permanent
      ? ['failed', 1, 'E_ON_PURPOSE']
      : payload.times < ATTEMPTS
        ? ['succeeded', payload.times + 1, null]
        : ['failed', ATTEMPTS, 'exhausted'];
    assert.equal([state, attempts, error_class], expected, `j${id} ${JSON.stringify(payload)}`);
  }
  const events = await database.pool.query(
    "select count(*)::integer as events, count(distinct job)::integer as jobs from ops_agent_events where kind = 'job.failed'",
  );
  const failed = seen.filter((job) => job.state === 'failed').length;
  assert.equal(events.rows[0], { events: failed, jobs: failed });
  for (const worker of workers) assert.ok(seen.some((job) => job.worker === worker.pools[0]!.poolId));
});

test.run();
