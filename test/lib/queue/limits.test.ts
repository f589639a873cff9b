import * as assert from 'uvu/assert';
import { ACTIONS, type ActionContext } from '../../../lib/actions/index.ts';
import { type ConcurrencyOptions, limitsOf } from '../../../lib/tasks/limits.ts';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('limits of tasks: how many at once by key, and how often', { timeoutMs: 90_000 });
let database: TestDatabase;
let workers: Workers[];

const why = (id: string) =>
  ACTIONS.find((action) => action.name === 'why')!.run({ db: database.pool } as unknown as ActionContext, {
    args: [id],
    options: {},
  });
/** Any payload at all. */
// biome-ignore lint/suspicious/noExplicitAny: what a key function of JavaScript may read
type Payload = any;

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const one = async (sql: string, values?: unknown[]) => (await query(sql, values))[0];
const until = (look: () => Promise<unknown>, what: string) => eventually(look as () => Promise<boolean>, what, 60_000);
const ended = (task: string, count: number) =>
  until(
    async () => (await one('select count(*)::integer as n from job_history where task = $1', [task])).n === count,
    `${count} jobs of ${task} end`,
  );
/** How many of one key ran at once at most. */
const mostAtOnce = async (column: string) =>
  (
    await one(
      `select max(n)::integer as most from (select (select count(*) from test_runs b where ${column.replaceAll('a.', 'b.')} = ${column}
         and b.started_at <= a.started_at and (b.ended_at is null or b.ended_at > a.started_at)) n from test_runs a) c`,
    )
  ).most;
const nothingIsLeft = async () =>
  assert.equal(
    await one(
      'select (select count(*)::integer from limit_slots) as slots, (select count(*)::integer from limit_waits) as waits',
    ),
    {
      slots: 0,
      waits: 0,
    },
  );

test.before(async () => {
  database = await freshDatabase({ source: 'cli' });
  await query(
    'create table test_runs (id bigint generated always as identity, holder text, host text, started_at timestamptz default clock_timestamp(), ended_at timestamptz)',
  );
  // Two processes' worth of workers, whose pools know nothing of each other.
  workers = [await startTestWorkers(database), await startTestWorkers(database)];
});
test.after(async () => {
  for (const each of workers) await each.stop('the test ends');
  await database.drop();
});

test('two at once for each host, whatever the way by which the job came, and no attempt is spent by waiting', async () => {
  await query(`select add_job('perHost', '{"host": "a", "fail": true}')`);
  await query(
    `insert into task_queue (task, payload) select 'perHost', jsonb_build_object('host', substr('ab', 1 + n % 2, 1)) from generate_series(1, 24) n`,
  );
  await query(`select graphile_worker.add_job('perHost', '{"host": "a"}') from generate_series(1, 8)`);
  await query(`select add_job('perHost', '{"host": "b"}', job_key => 'k' || n) from generate_series(1, 4) n`);
  await query(
    `select add_job('perHost', '{"host": "b"}', run_at => now() + interval '200 ms') from generate_series(1, 4) n`,
  );
  await query(`select add_job('perHost', '{"host": "a"}', idempotency_key => 'once')`);
  await ended('perHost', 42);
  assert.equal(
    await query(
      "select state, attempts, count(*)::integer from job_history where task = 'perHost' group by 1, 2 order by 2",
    ),
    [
      { state: 'succeeded', attempts: 1, count: 41 },
      { state: 'succeeded', attempts: 2, count: 1 },
    ],
  );
  assert.is(await mostAtOnce('a.host'), 2);
  await nothingIsLeft();
});

test('what waits is seen, explained, cancelled, and never fetched; a place belongs to the job, so that no death loses it', async () => {
  const jobs = (
    await query(`select add_job('perHost', '{"host": "c", "ms": 60000}') as id from generate_series(1, 4)`)
  ).map((row) => row.id);
  await until(async () => (await query("select from test_runs where host = 'c'")).length === 2, 'two run');
  const states = await query('select state, attempts from task_queue where id = any ($1) order by id', [jobs]);
  assert.equal(
    states.map((row) => row.state),
    ['running', 'running', 'queued', 'queued'],
  );
  const fetched = await query('select id from graphile_worker._private_jobs where id = any ($1)', [jobs]);
  assert.is(fetched.length, 2);
  const told = (await why(`j${jobs[3]}`)).text;
  assert.match(told, new RegExp(`at most 2 at once for "c", which j${jobs[0]}, j${jobs[1]} have`));
  assert.match(told, /1 wait before it/);
  // A death gives the job back with its place: nobody else gets that meanwhile.
  const held = await query('select holder, attempt from limit_slots order by holder');
  assert.is(held.length, 2);
  assert.is((await one('select cancel_job($1) as was', [jobs[2]])).was, 'cancelled');
  assert.is((await one('select cancel_job($1) as was', [jobs[0]])).was, 'cancelling');
  await until(
    async () => (await query("select from test_runs where host = 'c'")).length === 3,
    'the last runs in the place of the first',
  );
  for (const job of [jobs[1], jobs[3]]) await query('select cancel_job($1)', [job]);
  await until(
    async () =>
      (await query("select from job_history where job_id = any ($1) and state = 'cancelled'", [jobs])).length === 4,
    'all are cancelled',
  );
  await nothingIsLeft();
});

test('steps of missions take the same places, and a mission that waits holds no worker', async () => {
  await query('truncate test_runs');
  const plan = {
    kind: 'limited',
    steps: ['x', 'y', 'z'].map((name) => ({ name, task: 'perHost', payload: { host: 'd', ms: 30 } })),
  };
  const ids = (
    await query('select add_mission($1::jsonb) as id from generate_series(1, 6)', [JSON.stringify(plan)])
  ).map((row) => row.id);
  await query(`insert into task_queue (task, payload) select 'perHost', '{"host": "d"}' from generate_series(1, 6) n`);
  await until(
    async () =>
      (await query("select from ops_missions where id = any ($1) and state = 'succeeded'", [ids])).length === 6,
    'all succeed',
  );
  assert.is(await mostAtOnce('a.host'), 2);
  assert.is(
    (await one('select max(attempt)::integer as most from ops_mission_steps where mission_id = any ($1)', [ids])).most,
    1,
  );
  assert.is((await query("select from test_runs where host = 'd'")).length, 24);
  await until(async () => (await query('select from limit_slots')).length === 0, 'all places are free');
  await nothingIsLeft();
});

test('what durable functions invoke takes the same places, waits without a worker, and gives them back', async () => {
  await query('truncate test_runs');
  const ids = (
    await query(
      `select add_mission('function', '{"flow": "limited", "host": "e", "ms": 40}') as id from generate_series(1, 3)`,
    )
  ).map((row) => row.id);
  await query(
    `insert into task_queue (task, payload) select 'perHost', '{"host": "e", "ms": 40}' from generate_series(1, 6)`,
  );
  await until(
    async () =>
      (await query("select from ops_missions where id = any ($1) and state = 'succeeded'", [ids])).length === 3,
    'all succeed',
  );
  const over = "select from test_runs where host = 'e' and ended_at is not null";
  await until(async () => (await query(over)).length === 15, 'all have run');
  await until(async () => (await query('select from limit_slots')).length === 0, 'all places are free');
  assert.is(await mostAtOnce('a.host'), 2);
  assert.is((await query("select distinct holder from test_runs where host = 'e'")).length, 15);
  assert.is((await query("select from test_runs where host = 'e'")).length, 15);
  await nothingIsLeft();
});

test('who is let in while it asks for a place has it, and does not wait beside it', async () => {
  const other = await database.admin.connect();
  try {
    await other.query('begin');
    await other.query("select lock_limits('perHost')");
    const asked = database.admin.query("select verdict from take_place('s999999', 'perHost', 'g', 1)");
    await until(
      async () => (await query("select from pg_locks where locktype = 'advisory' and not granted")).length > 0,
      'it waits for the lock',
    );
    await other.query(
      "insert into limit_slots (holder, task, key, start_at) select 's' || n, 'perHost', 'g', now() from generate_series(999998, 999999) n",
    );
    await other.query('commit');
    assert.equal((await asked).rows, [{ verdict: 'run' }]);
  } finally {
    await other.query("delete from limit_slots where key = 'g'");
    other.release();
  }
});

test('a job that ends as poison gives its place back', async () => {
  await query('truncate test_runs');
  const job = (await one(`select add_job('perHost', '{"host": "f", "ms": 60000}') as id`)).id;
  await until(async () => (await query("select from test_runs where host = 'f'")).length === 1, 'it runs');
  const pool = (await one('select locked_by from graphile_worker._private_jobs where id = $1', [job])).locked_by;
  await query("insert into job_crashes (job_id, crashes, last_cause) values ($1, 2, 'a test says so')", [job]);
  const live = await one('select * from workers where pool_id = $1', [pool]);
  // In one transaction, so that the pool, which lives, does not notice that it was dead.
  const client = await database.admin.connect();
  try {
    await client.query('begin');
    assert.is((await client.query("select release_pool($1, 'a test') as n", [pool])).rows[0].n >= 1, true);
    await client.query("update workers set state = 'live', ended_at = null, end_reason = null where pool_id = $1", [
      live.pool_id,
    ]);
    await client.query('commit');
  } finally {
    client.release();
  }
  assert.is((await one('select error_class from job_history where job_id = $1', [job])).error_class, 'poison');
  await nothingIsLeft();
});

test('a rate spaces the starts of all workers evenly, also where only a worker knows the key', async () => {
  await query('truncate test_runs');
  const before = Date.now();
  await query(
    `insert into task_queue (task, payload) select 'tenASecond', jsonb_build_object('word', chr(97 + n) || 'ord') from generate_series(1, 12) n`,
  );
  await ended('tenASecond', 12);
  // The first at once, then one each 100 ms.
  assert.ok(Date.now() - before >= 1050, `took ${Date.now() - before} ms`);
  assert.is((await one("select max(attempts)::integer as most from job_history where task = 'tenASecond'")).most, 1);
  await nothingIsLeft();
});

test('Postgres tells a key that only reads the payload; of anything else it knows that a worker must', () => {
  const keyOf = (key: ConcurrencyOptions<Payload>['key']) =>
    limitsOf('x', { limit: 1, ...(key && { key }) }, undefined)!.key;
  assert.equal(
    keyOf((payload) => payload.host),
    [['host']],
  );
  assert.equal(
    keyOf(({ at }) => at.host),
    [['at', 'host']],
  );
  assert.equal(
    keyOf(({ tenant, host }) => `${tenant}/${host}`),
    [['tenant'], '/', ['host']],
  );
  assert.equal(keyOf(undefined), []);
  for (const key of [
    ({ host }) => host ?? 'local',
    ({ host }) => host.toLowerCase(),
    ({ url }) => new URL(url).host,
    ({ urgent, host }) => (urgent ? 'now' : host),
    ({ n }) => (n > 5 ? 'big' : 'small'),
    () => 'one',
  ] as ((payload: Payload) => unknown)[])
    assert.type(keyOf(key), 'function', String(key));
  for (const [concurrency, rate] of [
    [0, undefined],
    [1.5, undefined],
    [undefined, 'often'],
    [undefined, '0/s'],
    [undefined, '5/fortnight'],
  ] as const)
    assert.throws(
      () => limitsOf('x', concurrency, rate),
      (error: { code?: string }) => error.code === 'E_TASK_DEFINITION',
    );
  assert.is(limitsOf('x', undefined, '120/m')!.intervalMs, 500);
  assert.is(limitsOf('x', undefined, '2/500 ms')!.intervalMs, 250);
});

test.run();
