import * as assert from 'uvu/assert';
import { COMPLETE, FAIL } from '../../../lib/queue/statements.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('whoever lost a job changes nothing of it any more');
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const seen = async (id: string) => (await query('select * from task_queue where id = $1', [id]))[0];

/** A job that this pool holds, though no such pool lives. */
async function heldJob(pool: string): Promise<string> {
  const [{ id }] = await query("select add_job('noop') as id");
  await query(
    'update graphile_worker._private_jobs set locked_by = $2, locked_at = now(), attempts = attempts + 1 where id = $1',
    [id, pool],
  );
  return id;
}
const complete = async (ids: string[], pool: string) =>
  Number((await query(COMPLETE, [ids, ids.map(() => '1'), ids.map(() => 0), ids.map(() => 1000), pool]))[0].ended);
const fail = async (rows: object[], pool: string) => Number((await query(FAIL, [JSON.stringify(rows), pool]))[0].ended);

test('a late completion removes nothing, and leaves the others of its batch to be ended', async () => {
  const [lost, held] = [await heldJob('heir'), await heldJob('pool')];
  const before = await seen(lost);
  assert.is(await complete([lost, held, '999999999'], 'pool'), 1);
  assert.equal(await seen(lost), before);
  assert.equal([(await seen(held)).state, (await seen(held)).result], ['succeeded', 1]);
});

test('a late failure of any kind changes nothing', async () => {
  const lost = await heldJob('heir');
  const before = await query('select * from graphile_worker._private_jobs where id = $1', [lost]);
  for (const kind of ['retry', 'final', 'give_back']) {
    const row = {
      id: lost,
      kind,
      message: 'late',
      delay_ms: 5,
      error_class: 'x',
      state: 'failed',
      started: 0,
      finished: 1,
    };
    assert.is(await fail([row], 'pool'), 0, kind);
  }
  assert.equal(await query('select * from graphile_worker._private_jobs where id = $1', [lost]), before);
  assert.equal(await query('select from job_history where job_id = $1', [lost]), []);
});

test('a batch of failures ends each job in its own way', async () => {
  const [retried, ended, back] = [await heldJob('pool'), await heldJob('pool'), await heldJob('pool')];
  const rows = [
    { id: retried, kind: 'retry', message: 'again', delay_ms: 60_000 },
    {
      id: ended,
      kind: 'final',
      message: 'no',
      error_class: 'E_NO',
      state: 'failed',
      started: 3_602_000,
      finished: 3_600_000,
    },
    { id: back, kind: 'give_back' },
  ];
  assert.is(await fail(rows, 'pool'), 3);
  const again = await seen(retried);
  assert.equal([again.state, again.attempts, again.last_error], ['retrying', 1, 'again']);
  assert.ok(again.run_at.getTime() > Date.now() + 50_000, 'in a minute, by the clock of the database');
  const end = await seen(ended);
  assert.equal([end.state, end.error_class, end.last_error], ['failed', 'E_NO', 'no']);
  const [{ age }] = await query(
    'select extract(epoch from now() - finished_at)::float8 as age from job_history where job_id = $1',
    [ended],
  );
  assert.ok(age >= 3600 && age < 3660, `ended ${age} s ago, by the clock of the database`);
  assert.is(end.finished_at.getTime() - end.started_at.getTime(), 2000);
  assert.equal([(await seen(back)).state, (await seen(back)).attempts], ['queued', 0]);
});

test('among 100,000 jobs that nobody analysed, a batch of 500 ends without a scan of the table', async () => {
  await query(
    "insert into graphile_worker._private_jobs (task_id) select id from graphile_worker._private_tasks, generate_series(1, 100000) where identifier = 'noop'",
  );
  const held = await query(
    `update graphile_worker._private_jobs set locked_by = 'pool', locked_at = now()
     where id in (select id from graphile_worker._private_jobs where locked_by is null order by id desc limit 1000) returning id`,
  );
  const client = await database.pool.connect();
  try {
    const scans = async () => {
      await client.query('select pg_stat_force_next_flush()');
      await client.query('select pg_stat_clear_snapshot()');
      const { rows } = await client.query<{ n: string }>(
        "select seq_scan as n from pg_stat_user_tables where schemaname = 'graphile_worker' and relname = '_private_jobs'",
      );
      return Number(rows[0]!.n);
    };
    const before = await scans();
    const started = performance.now();
    const ids = held.map((row) => row.id as string);
    const first = ids.slice(0, 500);
    const ended = await client.query(COMPLETE, [
      first,
      first.map(() => '1'),
      first.map(() => 0),
      first.map(() => 1),
      'pool',
    ]);
    assert.is(Number(ended.rows[0].ended), 500);
    const failures = ids.slice(500).map((id) => ({ id, kind: 'retry', message: 'x', delay_ms: 1 }));
    await client.query(FAIL, [JSON.stringify(failures), 'pool']);
    assert.is(await scans(), before, `sequential scans; took ${Math.round(performance.now() - started)} ms`);
  } finally {
    client.release();
  }
  await query('delete from graphile_worker._private_jobs');
});

test('a zombie whose job was unlocked and taken by another ends nothing when it comes back', async () => {
  // Both are there before: whoever takes the job is the zombie, and busy with it, so that only the other can take it then.
  const workers = [0, 1].map(() => startTestWorkers(database, { env: { OPENCLAW_CONCURRENCY_MISSIONS: '1' } }));
  const both = await Promise.all(workers);
  const [{ id }] = await query(`select add_job('wait', '{"ms": 2000, "mark": "zombie"}') as id`);
  await eventually(
    async () => (await query("select from test_starts where mark = 'zombie'").catch(() => [])).length === 1,
    'it runs',
  );
  const zombie = both.find((one) => one.pools[0]!.running.has(id))!;
  const heir = both.find((one) => one !== zombie)!;
  await query('update graphile_worker._private_jobs set locked_by = null, locked_at = null where id = $1', [id]);
  const heirs = heir.pools[0]!.poolId;
  try {
    await eventually(async () => (await seen(id)).worker === heirs, 'the other has taken it');
    await eventually(async () => !zombie.pools[0]!.running.has(id), 'the zombie comes back');
    const between = await seen(id);
    assert.equal([between.state, between.worker, between.attempts], ['running', heirs, 2]);
    const job = await eventually(async () => {
      const now = await seen(id);
      return now.state === 'succeeded' && now;
    }, 'the other ends it');
    assert.equal([job.worker, job.attempts, job.result], [heirs, 2, { waited: 2000 }]);
    assert.equal(await query('select from job_history where job_id = $1', [id]), [{}]);
  } finally {
    await Promise.all([zombie.stop('test'), heir.stop('test')]);
  }
});

test.run();
