import * as assert from 'uvu/assert';
import type { Pool } from '../../lib/db/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { connectAs, refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('add_job and add_jobs, as binaryrogue');
/** The first of January, some years on. */
const inYears = (years: number) => new Date(Date.UTC(new Date().getUTCFullYear() + years, 0, 1));
const [NEXT, LATER, LATEST] = [inYears(1), inYears(2), inYears(3)].map((date) => date.toISOString()) as [
  string,
  string,
  string,
];
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

async function addJob(args: string, values: unknown[] = []): Promise<string> {
  const { rows } = await rogue.query<{ id: string }>(`select add_job(${args}) as id`, values);
  return rows[0]!.id;
}
async function liveJob(id: string) {
  const { rows } = await database.pool.query(
    `select t.identifier as task, j.payload, q.queue_name, j.run_at, j.max_attempts, j.key, j.priority, j.flags, j.revision
     from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id
     left join graphile_worker._private_job_queues q on q.id = j.job_queue_id where j.id = $1`,
    [id],
  );
  return rows[0];
}
const seen = async (id: string) => (await rogue.query('select * from task_queue where id = $1', [id])).rows[0];

test('every argument reaches the job', async () => {
  const id = await addJob(
    `'echo', '{"n": 1}', queue_name => 'one-lane', run_at => '${LATER}', max_attempts => 7, job_key => 'k1', priority => -5,
     flags => '{slow}', job_key_mode => 'replace', idempotency_key => 'i1'`,
  );
  const { run_at, revision: _, ...job } = await liveJob(id);
  assert.is(run_at.toISOString(), LATER);
  assert.equal(job, {
    task: 'echo',
    payload: { n: 1 },
    queue_name: 'one-lane',
    max_attempts: 7,
    key: 'k1',
    priority: -5,
    flags: { slow: true },
  });
  const row = await seen(id);
  assert.equal(
    [row.payload, row.max_attempts, row.priority, row.job_key, row.idempotency_key, row.actor, row.source],
    [{ n: 1 }, 7, -5, 'k1', 'i1', 'sql:binaryrogue', 'sql'],
  );
});

test('the quick path and the one with a key make the same job', async () => {
  const args = `'fail', '{"times": 1}', run_at => '${LATER}', priority => 3`;
  const [quick, keyed] = [await addJob(args), await addJob(`${args}, idempotency_key => 'same'`)];
  assert.equal(await liveJob(quick), await liveJob(keyed));
  const shown = async (id: string) => {
    const { id: _id, job_id: _job, idempotency_key: _key, trace_id: _trace, created_at: _at, ...rest } = await seen(id);
    return rest;
  };
  assert.equal(await shown(quick), await shown(keyed));
  assert.equal((await liveJob(await addJob("'fail'"))).max_attempts, 3, "the task's own attempts");
  assert.equal((await liveJob(await addJob("'fail', null, job_key => 'own'"))).max_attempts, 3);
});

test('an argument that is out of range is refused with OC009, which names it', async () => {
  const faulty: [string, RegExp][] = [
    ["'noop', max_attempts => 0", /max_attempts is 0, expected 1 to 100/],
    ["'noop', max_attempts => 101", /max_attempts is 101/],
    ["'noop', priority => 40000", /priority is 40000, expected -32768 to 32767/],
    ["'noop', run_at => '2201-01-01'", /run_at is 2201-.*, expected a time from 1970 to 2200/],
    ["'noop', run_at => 'infinity'", /run_at is infinity/],
    ["'noop', run_at => '1969-01-01'", /run_at is 1969-01-01/],
    ["'noop', idempotency_key => ''", /idempotency_key has 0 characters, expected 1 to 512/],
    ["'noop', idempotency_key => repeat('x', 513)", /idempotency_key has 513 characters/],
    ["'noop', job_key => repeat('x', 513)", /job_key has 513 characters/],
    [
      "'noop', job_key => 'x', job_key_mode => 'often'",
      /job_key_mode is "often", expected replace, preserve_run_at or unsafe_dedupe/,
    ],
  ];
  for (const [args, message] of faulty) {
    const refused = await refusal(addJob(args));
    assert.is(refused.code, 'OC009', `${args}: ${refused.message}`);
    assert.match(refused.message, message);
    assert.ok(refused.hint, args);
  }
  assert.is((await refusal(addJob('null'))).code, 'OC001');
});

test('the same idempotency_key is the same job, also once that has ended', async () => {
  const id = await addJob("'echo', '{}', idempotency_key => 'once'");
  assert.is(await addJob(`'echo', '{"n": 2}', idempotency_key => 'once'`), id);
  await rogue.query('select cancel_job($1)', [id]);
  assert.is(await addJob("'echo', idempotency_key => 'once'"), id);
  const { rowCount } = await rogue.query("select from task_queue where idempotency_key = 'once'");
  assert.is(rowCount, 1);
});

test('an idempotency_key of another task is refused', async () => {
  const id = await addJob("'echo', idempotency_key => 'mine'");
  const refused = await refusal(addJob("'noop', idempotency_key => 'mine'"));
  assert.is(refused.code, 'OC009');
  assert.match(refused.message, new RegExp(`"mine" belongs to job j${id} of task echo`));
  assert.match(refused.hint, /another key/);
  const byInsert = await refusal(rogue.query("insert into task_queue (task, idempotency_key) values ('noop', 'mine')"));
  assert.is(byInsert.code, '23505', 'an insert has no second answer to give');
  assert.match(byInsert.message, /job_requests_idempotency_key/);
});

test('twenty callers of one idempotency_key at once get one job', async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, () => addJob("'noop', idempotency_key => 'race'")));
  assert.is(new Set(ids).size, 1);
  const { rowCount } = await rogue.query("select from task_queue where idempotency_key = 'race'");
  assert.is(rowCount, 1);
});

test('a caller waits for the open transaction that uses its idempotency_key, and queues where that rolls back', async () => {
  const first = await rogue.connect();
  await first.query('begin');
  await first.query("select add_job('noop', idempotency_key => 'undone')");
  const second = addJob("'noop', idempotency_key => 'undone'");
  await first.query('rollback');
  first.release();
  assert.is((await seen(await second)).idempotency_key, 'undone');
});

test('a job_key replaces the job that waits, keeps its run_at or leaves it as it is', async () => {
  const first = await addJob(`'echo', '{"n": 1}', job_key => 'poll', run_at => '${NEXT}'`);
  assert.is(await addJob(`'echo', '{"n": 2}', job_key => 'poll', run_at => '${LATER}'`), first);
  assert.equal([(await seen(first)).payload, (await seen(first)).run_at.toISOString()], [{ n: 2 }, LATER]);
  const modes = `job_key => 'poll', run_at => '${LATEST}', job_key_mode =>`;
  assert.is(await addJob(`'echo', '{"n": 3}', ${modes} 'preserve_run_at'`), first);
  assert.equal([(await seen(first)).payload, (await seen(first)).run_at.toISOString()], [{ n: 3 }, LATER]);
  assert.is(await addJob(`'echo', '{"n": 4}', ${modes} 'unsafe_dedupe'`), first);
  assert.equal((await seen(first)).payload, { n: 3 });
  const { rowCount } = await rogue.query("select from task_queue where job_key = 'poll'");
  assert.is(rowCount, 1);
});

test('a job_key of a job that runs makes a second one, and both are seen', async () => {
  const running = await addJob("'echo', job_key => 'busy'");
  await database.pool.query(
    "update graphile_worker._private_jobs set locked_by = 'somebody', locked_at = now(), attempts = 1 where id = $1",
    [running],
  );
  const next = await addJob("'echo', job_key => 'busy'");
  assert.is.not(next, running);
  assert.equal([(await seen(running)).state, (await seen(next)).state], ['running', 'queued']);
});

test('twenty callers of one job_key at once leave one job, and none of them is told of a job that is not there', async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, () => addJob("'noop', job_key => 'storm'")));
  const { rows } = await rogue.query<{ id: string }>("select id from task_queue where job_key = 'storm'");
  assert.equal(new Set(ids), new Set(rows.map((row) => row.id)));
  assert.is(rows.length, 1);
});

test('add_jobs takes the keys that it names and no others', async () => {
  const jobs = [
    { identifier: 'echo', payload: { n: 1 }, priority: 4, max_attempts: 2, run_at: LATER },
    { identifier: 'noop', idempotency_key: 'bulk' },
    { identifier: 'noop', payload: null },
  ];
  const { rows } = await rogue.query<{ id: string }>('select add_jobs($1) as id', [JSON.stringify(jobs)]);
  assert.is(rows.length, 3);
  const row = await seen(rows[0]!.id);
  assert.equal([row.payload, row.priority, row.max_attempts, row.run_at.toISOString()], [{ n: 1 }, 4, 2, LATER]);
  const again = await rogue.query('select add_jobs($1)', [JSON.stringify([jobs[1], { identifier: 'noop' }])]);
  assert.is(again.rowCount, 1, 'the one whose key is known is not queued anew');

  const faulty: [unknown, RegExp][] = [
    [[{ identifier: 'noop', job_key: 'x' }], /does not know the key "job_key"/],
    [[{ task: 'noop' }], /does not know the key "task"/],
    [{ identifier: 'noop' }, /takes an array, not a JSON object/],
    [['noop'], /element that is no object/],
  ];
  for (const [value, message] of faulty) {
    const refused = await refusal(rogue.query('select add_jobs($1)', [JSON.stringify(value)]));
    assert.is(refused.code, 'OC009');
    assert.match(refused.message, message);
    assert.ok(refused.hint);
  }
  assert.is((await refusal(rogue.query('select add_jobs(null)'))).code, 'OC009');
  assert.is((await rogue.query("select add_jobs('[]')")).rowCount, 0);
});

test.run();
