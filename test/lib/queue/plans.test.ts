import pg from 'pg';
import * as assert from 'uvu/assert';
import { COMPLETE, FAIL } from '../../../lib/queue/statements.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('the plans by which jobs end', { timeoutMs: 60_000 });
let database: TestDatabase;
let session: pg.Client;
let plans: string[] = [];

const POOL = 'pool-plans';
const MANY = 100_000;

/** One session, as a worker's: what it prepared while the queue was short it keeps. Its plans come as notices. */
test.before(async () => {
  database = await freshDatabase();
  session = new pg.Client({ connectionString: database.urlFor('postgres') });
  session.on('notice', ({ message }) => plans.push(message ?? ''));
  await session.connect();
  await session.query(`
    load 'auto_explain';
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_nested_statements = on;
    set client_min_messages = log;
    set role openclaw_worker;
    set openclaw.ledger = 'ride'`);
  // The statistics stay those of a short queue.
  await database.admin.query('alter table graphile_worker._private_jobs set (autovacuum_enabled = off)');
});
test.after(async () => {
  await session.end();
  await database.drop();
});

async function hold(count: number): Promise<string[]> {
  const { rows } = await session.query<{ id: string }>(
    `insert into graphile_worker._private_jobs (task_id, payload, attempts, locked_by, locked_at)
     select t.id, '{}', 1, $1, now() from graphile_worker._private_tasks t, generate_series(1, $2::integer) where t.identifier = 'noop'
     returning id`,
    [POOL, count],
  );
  return rows.map(({ id }) => id);
}

async function complete(ids: string[]): Promise<number> {
  const times = ids.map(() => 1);
  const values = [ids, ids.map(() => '{}'), times, times, POOL];
  const { rows } = await session.query<{ ended: number }>({ name: 'complete', text: COMPLETE, values });
  return rows[0]!.ended;
}

async function fail(ids: string[]): Promise<number> {
  const kinds = ['retry', 'final', 'give_back'];
  const specs = ids.map((id, at) => ({
    id,
    kind: kinds[at % 3],
    message: 'm',
    delay_ms: 1,
    state: 'failed',
    finished: 1,
  }));
  const values = [JSON.stringify(specs), POOL];
  const { rows } = await session.query<{ ended: number }>({ name: 'fail', text: FAIL, values });
  return rows[0]!.ended;
}

/** What Postgres itself counted in this transaction, of whatever plan it used. */
async function sequentialScans(): Promise<number> {
  const { rows } = await session.query<{ scans: number }>(
    `select sum(seq_scan)::integer as scans from pg_stat_xact_user_tables where relname in ('_private_jobs', 'job_history', 'job_requests')`,
  );
  return rows[0]!.scans;
}

test('made for a short queue, they find a job of 100,000 by its id', async () => {
  // Beyond the fifth use a session may keep its plan.
  for (let use = 0; use < 8; use++) {
    assert.is(await complete(await hold(2)), 2);
    assert.is(await fail(await hold(3)), 3);
  }
  await database.admin.query('vacuum analyze graphile_worker._private_jobs');
  for (let use = 0; use < 8; use++) {
    assert.is(await complete(await hold(2)), 2);
    assert.is(await fail(await hold(3)), 3);
  }
  const ids = await hold(MANY);
  plans = [];
  for (const size of [1, 24, 500]) {
    await session.query('begin');
    assert.is(await complete(ids.splice(0, size)), size);
    assert.is(await fail(ids.splice(0, size)), size);
    const scans = await sequentialScans();
    await session.query('commit');
    assert.is(scans, 0, `${size} at once`);
  }
});

test('they read no table as a whole, and pair no set with another row by row', () => {
  const ours = plans.filter((plan) => plan.includes('Insert on job_history'));
  assert.is(ours.length, 6);
  for (const plan of ours) {
    assert.not.match(plan, /Seq Scan on (?!pg_)/);
    assert.not.match(plan, /Nested Loop/);
    assert.match(plan, /Index Cond: \(id = ANY/);
  }
});

test.run();
