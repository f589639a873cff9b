import * as assert from 'uvu/assert';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('missions that wait for a person', { timeoutMs: 90_000 });
let database: TestDatabase;
let workers: Workers;

test.before(async () => {
  database = await freshDatabase({ source: 'cli' });
  workers = await startTestWorkers(database);
});
test.after(async () => {
  await workers.stop('test');
  await database.drop();
});

const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const submit = async (steps: unknown[]): Promise<string> =>
  (await query('select add_mission($1) as id', [JSON.stringify({ kind: 'asks', steps })]))[0].id;
const question = (mission: string) =>
  eventually(
    async () => (await query("select * from ops_approvals where mission_id = $1 and state = 'open'", [mission]))[0],
    `a question of m${mission}`,
    30_000,
  );
const missionOf = async (id: string) => (await query('select * from ops_missions where id = $1', [id]))[0];
const ended = (id: string) =>
  eventually(
    async () => (await query('select * from ops_missions where id = $1 and finished_at is not null', [id]))[0],
    `the end of m${id}`,
    30_000,
  );
const parked = (id: string, reason: string) =>
  eventually(
    async () =>
      (
        await query(
          "select * from ops_missions where id = $1 and state = 'waiting' and job_id is null and wait_reason = $2",
          [id, reason],
        )
      )[0],
    `m${id} parked for ${reason}`,
    30_000,
  );
const stepsOf = async (id: string) =>
  Object.fromEntries(
    (await query('select name, state, error_class, attempt from ops_mission_steps where mission_id = $1', [id])).map(
      (step) => [step.name, step],
    ),
  );
const outcomes = async (id: string) =>
  (
    await query(
      "select s.name || ':' || o.state as o from ops_outcomes o join ops_mission_steps s on s.id = o.step_id where o.mission_id = $1 order by o.id",
      [id],
    )
  ).map((row) => row.o);

test('a step that asks holds no worker until it is approved; its siblings go on', async () => {
  const id = await submit([
    { name: 'other', task: 'noop' },
    { name: 'send', task: 'outside', approval: 'Send it to 3 people?' },
    { name: 'after', task: 'noop', needs: ['send'] },
  ]);
  const asked = await question(id);
  assert.is(asked.question, 'Send it to 3 people?');
  assert.match(asked.detail.effects.approve, /task outside, effect outside/);
  assert.match(asked.detail.effects.reject, /after are skipped/);
  await parked(id, 'approval');
  assert.is((await stepsOf(id)).other.state, 'succeeded');
  assert.is((await stepsOf(id)).send.attempt, 0);
  await query('select approve($1)', [asked.id]);
  assert.is((await ended(id)).state, 'succeeded');
  assert.equal((await outcomes(id)).sort(), ['after:succeeded', 'other:succeeded', 'send:succeeded']);
});

test('a rejected step fails with the reason, and what needs it is skipped', async () => {
  const id = await submit([
    { name: 'send', task: 'outside', approval: { question: 'Send?', who: 'owner' } },
    { name: 'after', task: 'noop', needs: ['send'] },
  ]);
  await query('select reject($1, $2)', [(await question(id)).id, 'wrong list']);
  const mission = await ended(id);
  assert.is(mission.state, 'failed');
  assert.match(mission.error, /rejected by sql:openclaw_worker: wrong list/);
  assert.equal([(await stepsOf(id)).send.error_class, (await stepsOf(id)).after.state], ['rejected', 'skipped']);
});

test('without an answer the one on expiry is taken', async () => {
  const id = await submit([
    { name: 'send', task: 'outside', approval: { question: 'Send?', expires: '50 ms', on_expiry: 'approve' } },
  ]);
  assert.is((await ended(id)).state, 'succeeded');
  const late = await submit([{ name: 'send', task: 'outside', approval: { question: 'Send?', expires: '50 ms' } }]);
  assert.is((await ended(late)).state, 'failed');
  assert.is((await stepsOf(late)).send.error_class, 'approval_expired');
});

test('no wake-up is lost: answers before, while and after missions park', async () => {
  const ids = await Promise.all(
    Array.from({ length: 40 }, () =>
      submit([
        { name: 'a', task: 'noop', approval: 'One?' },
        { name: 'b', task: 'noop', approval: 'Two?', needs: ['a'] },
        { name: 'c', task: 'noop', approval: 'Three?' },
      ]),
    ),
  );
  let open = ids.length;
  while (open > 0) {
    for (const { id } of await query("select id from ops_approvals where state = 'open' and mission_id = any ($1)", [
      ids,
    ]))
      await query('select approve($1)', [id]);
    open = (
      await query('select count(*)::integer as n from ops_missions where id = any ($1) and finished_at is null', [ids])
    )[0].n;
  }
  const [{ doubled, missing }] = await query(
    `select count(*) filter (where n > 1)::integer as doubled, count(*) filter (where n = 0)::integer as missing
     from (select (select count(*) from ops_outcomes o where o.step_id = s.id) as n from ops_mission_steps s where s.mission_id = any ($1)) steps`,
    [ids],
  );
  assert.equal({ doubled, missing }, { doubled: 0, missing: 0 });
});

/** A mission as a worker left it that died while `charge` ran: in one transaction, so that no worker sees it before. */
async function diedInside(): Promise<string> {
  const client = await database.pool.connect();
  try {
    await client.query('begin');
    const plan = {
      kind: 'pays',
      steps: [
        { name: 'charge', task: 'outside', payload: { sum: 5 } },
        { name: 'after', task: 'noop', needs: ['charge'] },
      ],
    };
    const { rows } = await client.query('select add_mission($1) as id', [JSON.stringify(plan)]);
    await client.query("update ops_missions set state = 'running', epoch = 1, started_at = now() where id = $1", [
      rows[0].id,
    ]);
    await client.query(
      "update ops_mission_steps set state = 'running', attempt = 1, epoch = 1, started_at = now() where mission_id = $1 and name = 'charge'",
      [rows[0].id],
    );
    await client.query('commit');
    return rows[0].id;
  } finally {
    client.release();
  }
}

test('an effect outside that a person let start, and that was cut off, is asked about, each time', async () => {
  await query('create table if not exists test_starts (mark text, at timestamptz default now())');
  const id = await submit([
    { name: 'charge', task: 'outsideWait', payload: { ms: 15_000, mark: 'let' }, approval: 'Charge the card?' },
    { name: 'after', task: 'noop', needs: ['charge'] },
  ]);
  await query('select approve($1)', [(await question(id)).id]);
  for (const times of [1, 2]) {
    await eventually(
      async () => (await query("select from test_starts where mark = 'let'")).length === times,
      `start ${times}`,
      // What parks in the moment of a pause's end looks again after 30 s.
      45_000,
    );
    await query("select pause('mission', $1, hard => true)", [`m${id}`]);
    await eventually(async () => (await stepsOf(id)).charge.state === 'unknown', 'it is unknown', 30_000);
    await query("select resume('mission', $1)", [`m${id}`]);
    const asked = await question(id);
    assert.is(asked.kind, 'unknown');
    await query('select answer_approval($1, $2)', [asked.id, times === 1 ? 'retry' : 'done']);
  }
  assert.is((await ended(id)).state, 'succeeded');
  assert.equal(await outcomes(id), ['charge:unknown', 'charge:unknown', 'after:succeeded'], 'an outcome an attempt');
});

test('an effect outside whose worker died is unknown, and a person says done, retry or fail', async () => {
  const [done, again, failed] = [await diedInside(), await diedInside(), await diedInside()];
  for (const id of [done, again, failed]) {
    const asked = await question(id);
    assert.is(asked.kind, 'unknown');
    assert.equal(asked.options, ['done', 'retry', 'fail']);
    assert.match(asked.detail.effects.retry, new RegExp(`key m${id}/charge`));
    await parked(id, 'step_unknown');
    assert.is((await stepsOf(id)).charge.state, 'unknown');
  }
  assert.is((await refusal(query('select approve($1)', [(await question(done)).id]))).code, 'OC009');
  await query(`select answer_approval($1, 'done', 'seen in the bank', '{"receipt": 7}')`, [(await question(done)).id]);
  await query("select answer_approval($1, 'retry')", [(await question(again)).id]);
  await query("select answer_approval($1, 'fail', 'not there')", [(await question(failed)).id]);
  assert.is((await ended(done)).state, 'succeeded');
  assert.equal(
    (await query("select output from ops_mission_steps where mission_id = $1 and name = 'charge'", [done]))[0].output,
    { receipt: 7 },
  );
  assert.equal(await outcomes(done), ['charge:unknown', 'after:succeeded'], 'one outcome, and a person has judged it');
  assert.is((await ended(again)).state, 'succeeded');
  assert.equal(await outcomes(again), ['charge:unknown', 'charge:succeeded', 'after:succeeded'], 'an attempt each');
  assert.is((await ended(failed)).state, 'failed');
  assert.is((await stepsOf(failed)).after.state, 'skipped');
});

test('a mission that waits for an answer can be cancelled; the question is closed and the answer refused', async () => {
  const id = await submit([{ name: 'send', task: 'outside', approval: 'Send?' }]);
  const asked = await question(id);
  await parked(id, 'approval');
  await query('select cancel_mission($1)', [id]);
  assert.is((await refusal(query('select approve($1)', [asked.id]))).code, 'OC008');
  await eventually(
    async () => (await query("select from ops_approvals where id = $1 and state = 'cancelled'", [asked.id])).length > 0,
    'the question is closed',
  );
  assert.is((await missionOf(id)).state, 'cancelled');
});

test('a plan whose question cannot be asked is refused', async () => {
  for (const [approval, says] of [
    ['', /question of 1 to 1000/],
    [{ question: 'x', colour: 1 }, /unknown key "colour"/],
    [{ question: 'x', expires: 'soon' }, /expires is "soon"/],
    [{ question: 'x', on_expiry: 'approve' }, /without expires/],
    [{ question: 'x', who: 'everybody' }, /who is "everybody"/],
  ] as const) {
    const refused = await refusal(submit([{ name: 'a', task: 'noop', approval }]));
    assert.is(refused.code, 'OC007');
    assert.match(refused.detail, says);
  }
});

test.run();
