import * as assert from 'uvu/assert';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('one odd job stops no worker and hides no other job');
let database: TestDatabase;
let workers: Workers;

test.before(async () => {
  database = await freshDatabase();
  workers = await startTestWorkers(database);
});
test.after(async () => {
  await workers.stop('test');
  await database.drop();
});

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const idOf = async (sql: string, values?: unknown[]): Promise<string> =>
  (await query(`select ${sql} as id`, values))[0].id;
const ended = (id: string) =>
  eventually(async () => {
    const [job] = await query(
      "select * from task_queue where id = $1 and state in ('succeeded', 'failed', 'cancelled')",
      [id],
    );
    return job;
  }, `the end of j${id}`);
/** An odd job's first attempt, whether it ended it or not. */
const tried = (id: string) =>
  eventually(async () => {
    const [job] = await query("select * from task_queue where id = $1 and state not in ('queued', 'running')", [id]);
    return job;
  }, `the first attempt of j${id}`);
const odd = async (what: string) => tried(await idOf("add_job('odd', jsonb_build_object('what', $1::text))", [what]));

test.after.each(async () => {
  const job = await ended(await idOf("add_job('noop')"));
  assert.is(job.state, 'succeeded');
  assert.is(job.worker, workers.pools[0]!.poolId, 'the same pool still works');
});

const PAYLOADS: [string, string, unknown][] = [
  ['U+0000', String.raw`{"s":"a\u0000b"}`, { s: 'ab' }],
  ['the first half of a character', String.raw`{"s":"a\ud83db"}`, { s: 'a?b' }],
  ['the second half of a character', String.raw`{"s":"a\ude00b"}`, 'unreadable'],
  ['both, and an escaped backslash', String.raw`{"a":"\\u0000","b":"\u0000\ud83d"}`, 'unreadable'],
  ['a number beyond numeric', '{"x":1e400000}', 'unreadable'],
  ['a number finer than numeric', '{"x":1e-400000}', 'unreadable'],
  ['a hundred thousand digits', `{"x":${'9'.repeat(140_000)}}`, 'unreadable'],
];

for (const [what, payload, shown] of PAYLOADS) {
  test(`a payload with ${what}, which plain add_job takes, runs and ends in history`, async () => {
    const id = await idOf("(graphile_worker.add_job('echo', $1::json)).id", [payload]);
    const job = await ended(id);
    assert.is(job.state, 'succeeded', job.last_error);
    if (shown === 'unreadable') assert.equal(job.payload, { unreadable: true, text: payload });
    else assert.equal(job.payload, shown);
    const [kept] = await query('select payload::text as text from job_history where job_id = $1', [id]);
    assert.is(kept.text, payload, 'history keeps it as it came');
  });
}

test('a payload nested nearly as deeply as Postgres takes it runs and is seen', async () => {
  const deep = `{"x":${'['.repeat(6000)}${']'.repeat(6000)}}`;
  const job = await ended(await idOf("(graphile_worker.add_job('noop', $1::json)).id", [deep]));
  assert.is(job.state, 'succeeded');
});

test('task_queue is read with such payloads live, ended, and by parallel plans', async () => {
  await query(String.raw`
    insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, created_at)
    select -n, 'noop', '{"s":"a\u0000b"}', 'failed', 0, now(), 1, 1, now() from generate_series(1, 5000) n`);
  const live = await idOf(
    String.raw`(graphile_worker.add_job('echo', '{"s":"a\u0000b","x":1e400000}', run_at => '2100-01-01')).id`,
  );
  const client = await database.pool.connect();
  try {
    await client.query('analyze job_history');
    await client.query(
      'set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 2',
    );
    const { rows } = await client.query(
      "select count(payload ->> 's')::integer as n from task_queue where state = 'failed'",
    );
    assert.ok(rows[0].n >= 5000);
  } finally {
    client.release(true);
  }
  const [job] = await query('select payload from task_queue where id = $1', [live]);
  assert.is(job.payload.unreadable, true);
  assert.is(await idOf('cancel_job($1)', [live]), 'cancelled');
});

test('an odd result is kept as JSON can hold it', async () => {
  const results: Record<string, unknown> = {
    nul: { text: 'ab', k: 1 },
    half: { text: 'a\ufffdb' },
    bigint: { n: '12345678901234567890' },
    infinite: { n: null },
    nothing: null,
    large: { too_large: true, bytes: 300_011, limit: 262_144 },
    secret: { note: 'bot [redacted]', api_key: '[redacted]' },
  };
  for (const [what, result] of Object.entries(results)) {
    const job = await odd(what);
    assert.is(job.state, 'succeeded', `${what}: ${job.last_error}`);
    assert.equal(job.result, result, what);
  }
});

test('a result that is no JSON fails the job for good, and says where', async () => {
  const job = await odd('cycle');
  assert.equal([job.state, job.attempts, job.error_class], ['failed', 1, 'E_NOT_JSON']);
  assert.match(job.last_error, /refers to itself at \$\.self/);
});

test('an odd error is kept as a row can hold it', async () => {
  const messages: Record<string, RegExp> = {
    throwNul: /^nul {2}here$/,
    throwHalf: /^half \ufffd here$/,
    throwCut: /^x{3999}\ufffd?$/,
    throwName: /^its name is odd$/,
    throwText: /^only a text$/,
    throwNull: /^null$/,
    throwMute: /./,
  };
  for (const [what, message] of Object.entries(messages)) {
    const job = await odd(what);
    assert.is(job.state, 'retrying', what);
    assert.match(job.last_error, message, what);
  }
});

test('an odd error that ends its job does so', async () => {
  for (const what of ['throwCut', 'throwName', 'throwMute', 'throwNul']) {
    const job = await ended(
      await idOf("add_job('odd', jsonb_build_object('what', $1::text), max_attempts => 1)", [what]),
    );
    assert.is(job.state, 'failed', what);
    assert.ok(job.error_class.length <= 100 && !/\p{Cc}/u.test(job.error_class), `${what}: ${job.error_class}`);
  }
});

test('an odd error of a step ends its mission', async () => {
  const steps = ['throwCut', 'throwName', 'throwMute'].map((what) => ({
    name: what.toLowerCase(),
    task: 'odd',
    payload: { what },
    retries: 0,
  }));
  const id = await idOf('add_mission($1)', [JSON.stringify({ kind: 'odd', steps })]);
  const mission = await eventually(
    async () => (await query("select * from ops_missions where id = $1 and state = 'failed'", [id]))[0],
    'its end',
  );
  assert.match(mission.error, /^step throw/);
  const ends = await query('select state from ops_mission_steps where mission_id = $1', [id]);
  assert.equal(
    ends.map((step) => step.state),
    ['failed', 'failed', 'failed'],
  );
});

test('a secret in an error is in no row', async () => {
  const job = await odd('throwSecret');
  assert.is(job.last_error, 'bot [redacted] and postgres://me:[redacted]@db.example/x failed');
  const final = await ended(await idOf(`add_job('odd', '{"what": "throwSecret"}', max_attempts => 1)`));
  assert.is(final.last_error, job.last_error);
  const [{ text }] = await query('select payload::text as text from ops_agent_events where job = $1', [final.id]);
  assert.not.match(text, /hunter2secret|AAabcdef/);
});

test.run();
