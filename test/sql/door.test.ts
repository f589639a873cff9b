import * as assert from 'uvu/assert';
import type { Pool } from '../../lib/db/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { connectAs, refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('task_queue, the one door, as binaryrogue');
let database: TestDatabase;
let rogue: Pool;

test.before(async () => {
  database = await freshDatabase();
  rogue = connectAs(database, 'binaryrogue');
});
test.after(async () => {
  await rogue.end();
  await database.drop();
});

const counts = async () => {
  const { rows } = await database.pool.query<{ requests: number; jobs: number }>(
    `select (select count(*) from job_requests)::integer as requests,
            (select count(*) from graphile_worker._private_jobs)::integer as jobs`,
  );
  return rows[0]!;
};

test('an inserted row is a job, and RETURNING shows it as it was queued', async () => {
  const { rows } = await rogue.query(
    `insert into task_queue (task, payload, run_at, max_attempts, priority)
     values ('echo', '{"n": 1}', '2100-01-01T00:00:00Z', 9, 3) returning *`,
  );
  assert.equal(rows.length, 1);
  const row = rows[0]!;
  assert.equal(
    [row.id, row.task, row.payload, row.state, row.priority, row.attempts, row.max_attempts, row.source, row.actor],
    [row.job_id, 'echo', { n: 1 }, 'queued', 3, 0, 9, 'sql', 'sql:binaryrogue'],
  );
  assert.equal(row.run_at.toISOString(), '2100-01-01T00:00:00.000Z');
  const seen = await rogue.query('select * from task_queue where id = $1', [row.id]);
  assert.equal(seen.rows[0], row);
  const live = await database.pool.query(
    'select payload, max_attempts, priority from graphile_worker._private_jobs where id = $1',
    [row.id],
  );
  assert.equal(live.rows[0], { payload: { n: 1 }, max_attempts: 9, priority: 3 });
});

test('what is left out comes from the task, and a payload that is left out is {}', async () => {
  const { rows } = await rogue.query("insert into task_queue (task) values ('fail') returning *");
  const seen = await rogue.query('select * from task_queue where id = $1', [rows[0]!.id]);
  assert.equal(seen.rows[0], rows[0]);
  assert.equal([rows[0]!.payload, rows[0]!.max_attempts, rows[0]!.priority], [{}, 3, 0]);
});

test('many rows are queued by one statement', async () => {
  const before = await counts();
  const { rows } = await rogue.query<{ id: string }>(
    `insert into task_queue (task, payload) select 'echo', jsonb_build_object('n', n) from generate_series(1, 1000) n returning id`,
  );
  assert.is(new Set(rows.map((row) => row.id)).size, 1000);
  assert.equal(await counts(), { requests: before.requests + 1000, jobs: before.jobs + 1000 });
});

test('ids are those of graphile-worker, so that its own add_job never collides', async () => {
  const { rows } = await database.pool.query<{ ours: string; theirs: string }>(
    `select add_job('noop') as ours, (graphile_worker.add_job('noop', '{}')).id as theirs`,
  );
  assert.is.not(rows[0]!.ours, rows[0]!.theirs);
  const { rows: seen } = await rogue.query('select id, source, actor from task_queue where id = any ($1) order by id', [
    [rows[0]!.ours, rows[0]!.theirs],
  ]);
  assert.equal(new Set(seen.map((row) => row.source)), new Set(['sql', 'raw']));
});

test('a job belongs to the transaction of its caller', async () => {
  const before = await counts();
  const client = await rogue.connect();
  await client.query('begin');
  await client.query("insert into task_queue (task) values ('noop'), ('noop')");
  await client.query("select add_job('noop')");
  await client.query(`select add_jobs('[{"identifier": "noop"}]')`);
  assert.equal(await counts(), before, 'nobody else sees them before the commit');
  await client.query('rollback');
  client.release();
  assert.equal(await counts(), before);
});

test('a trigger on a table of the operator may ask for work', async () => {
  await database.pool.query(`
    create table orders (id integer primary key);
    grant insert on orders to binaryrogue;
    create function on_order() returns trigger language plpgsql as $$
    begin
      perform add_job('echo', jsonb_build_object('n', new.id), idempotency_key => 'order/' || new.id);
      insert into task_queue (task, payload) values ('echo', jsonb_build_object('n', -new.id));
      return null;
    end $$;
    grant execute on function on_order() to binaryrogue;
    create trigger orders_queue after insert on orders for each row execute function on_order()`);
  await rogue.query('insert into orders values (7001), (7002)');
  const { rows } = await rogue.query(
    "select actor, (payload ->> 'n')::integer as n from task_queue where abs((payload ->> 'n')::integer) > 7000 order by n",
  );
  assert.equal(
    rows.map((row) => [row.n, row.actor]),
    [-7002, -7001, 7001, 7002].map((n) => [n, 'sql:binaryrogue']),
  );
});

const REFUSALS: [string, string, unknown, string, RegExp, RegExp][] = [
  ['an unknown task', 'echoo', {}, 'OC001', /unknown task "echoo"/, /did you mean "echo"\?.*select identifier/],
  ['a payload that is an array', 'echo', [1], 'OC002', /task echo is a JSON array, expected an object/, /'\{\}'/],
  ['a payload that is a JSON null', 'echo', null, 'OC002', /task echo is a JSON null/, /pass an object/],
  [
    'a payload above 64 KiB',
    'echo',
    { text: 'x'.repeat(65_536) },
    'OC003',
    /has 655\d\d bytes, at most 65536/,
    /its id/,
  ],
  ['a missing key', 'wait', {}, 'OC004', /task wait lacks the required key "ms"/, /add "ms" \(integer\)/],
  [
    'a text for a number',
    'echo',
    { n: '1' },
    'OC005',
    /key "n" of .* echo is a JSON string, expected integer/,
    /"n" as integer/,
  ],
  [
    '1.5 for a whole number',
    'echo',
    { n: 1.5 },
    'OC005',
    /key "n" of .* is a JSON number, expected integer/,
    /"n" as integer/,
  ],
  ['null for a whole number', 'echo', { n: null }, 'OC005', /key "n" .* is a JSON null/, /"n" as integer/],
  [
    'a task of effect outside',
    'outside',
    {},
    'OC006',
    /"outside" has effect outside, which role binaryrogue may not/,
    /sql\.allow/,
  ],
];

for (const [what, task, payload, code, message, hint] of REFUSALS) {
  test(`${what} is refused with ${code}, by insert, add_job and add_jobs alike`, async () => {
    const before = await counts();
    const text = JSON.stringify(payload);
    const ways: [string, string, unknown[]][] = [
      ['insert', 'insert into task_queue (task, payload) values ($1, $2)', [task, text]],
      ['add_job', 'select add_job($1, $2)', [task, text]],
      ['add_job with a key', 'select add_job($1, $2, idempotency_key => $3)', [task, text, `refused: ${what}`]],
    ];
    // In add_jobs a JSON null is a payload that was left out.
    if (payload !== null)
      ways.push(['add_jobs', 'select add_jobs($1)', [JSON.stringify([{ identifier: task, payload }])]]);
    for (const [way, sql, values] of ways) {
      const refused = await refusal(rogue.query(sql, values));
      assert.is(refused.code, code, `${way}: ${refused.message}`);
      assert.match(refused.message, message, way);
      assert.match(refused.hint, hint, way);
    }
    assert.equal(await counts(), before);
  });
}

test('1.0 is a whole number', async () => {
  await rogue.query(`select add_job('echo', '{"n": 1.0}')`);
  await rogue.query(`insert into task_queue (task, payload) values ('echo', '{"n": 1e2}')`);
});

test('a payload that its table keeps compressed is measured as it is', async () => {
  await database.pool.query(
    `create table kept (payload jsonb); grant select on kept to binaryrogue;
     insert into kept select jsonb_build_object('text', repeat('x', 400000))`,
  );
  const ways = [
    "select add_job('echo', payload) from kept",
    "select add_job('echo', payload, idempotency_key => 'kept') from kept",
    "insert into task_queue (task, payload) select 'echo', payload from kept",
  ];
  for (const way of ways) assert.is((await refusal(rogue.query(way))).code, 'OC003', way);
});

test('a job_key in an insert is refused with OC009, because its job may exist already', async () => {
  const refused = await refusal(rogue.query("insert into task_queue (task, job_key) values ('noop', 'k')"));
  assert.is(refused.code, 'OC009');
  assert.match(refused.message, /job_key/);
  assert.match(refused.hint, /add_job\(.*job_key/);
});

test('a run_at that no clock reaches is refused with OC009', async () => {
  for (const at of ['infinity', '-infinity', '2201-01-01', '1969-01-01']) {
    const ways = [
      `insert into task_queue (task, run_at) values ('noop', '${at}')`,
      `select add_job('noop', run_at => '${at}')`,
      `select add_jobs('[{"identifier": "noop", "run_at": "${at}"}]')`,
    ];
    for (const way of ways) {
      const refused = await refusal(rogue.query(way));
      assert.is(refused.code, 'OC009', way);
      assert.match(refused.message, /^run_at is -?(infinity|\d{4}-.*), expected a time from 1970 to 2200$/);
    }
  }
});

test('one faulty row refuses the whole statement', async () => {
  const before = await counts();
  const good = "select 'noop', '{}'::jsonb from generate_series(1, 50)";
  const faulty = await refusal(
    rogue.query(`insert into task_queue (task, payload) ${good} union all select 'echo', '{"n": "x"}'::jsonb`),
  );
  assert.is(faulty.code, 'OC005');
  const jobs = [{ identifier: 'noop' }, { identifier: 'nooop' }, { identifier: 'noop' }];
  assert.is((await refusal(rogue.query('select add_jobs($1)', [JSON.stringify(jobs)]))).code, 'OC001');
  assert.equal(await counts(), before);
});

test('a task that is retired is refused, and the refusal says so', async () => {
  await database.pool.query("update ops_tasks set retired_at = now() where identifier = 'steps'");
  const refused = await refusal(rogue.query("insert into task_queue (task) values ('steps')"));
  await database.pool.query("update ops_tasks set retired_at = null where identifier = 'steps'");
  assert.is(refused.code, 'OC001');
  assert.match(refused.message, /its file is gone/);
});

test('task_queue refuses UPDATE, DELETE, TRUNCATE, ON CONFLICT and COPY', async () => {
  await rogue.query("insert into task_queue (task) values ('noop')");
  const asWorker = async (sql: string) => refusal(database.pool.query(sql));
  assert.is((await asWorker("update task_queue set state = 'failed'")).code, 'OC009');
  assert.match((await asWorker('delete from task_queue')).hint, /cancel_job.*retry_job/);
  for (const sql of ["update task_queue set state = 'failed'", 'delete from task_queue', 'truncate task_queue'])
    assert.match((await refusal(rogue.query(sql))).code, /^(42501|42809)$/, sql);
  const copy = await refusal(rogue.query('copy task_queue (task) from stdin'));
  assert.match(copy.message, /cannot copy to view "task_queue"/);
  const conflict = await refusal(rogue.query("insert into task_queue (task) values ('noop') on conflict do nothing"));
  assert.match(
    conflict.message,
    /INSERT with ON CONFLICT clause cannot be used with table that has INSERT or UPDATE rules/,
  );
});

test.run();
