import * as assert from 'uvu/assert';
import type { PoolClient } from '../../../lib/db/index.ts';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('steps that only read begin before what they follow is committed', { timeoutMs: 60_000 });
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

const query = async (text: string, values?: unknown[]) => (await database.pool.query(text, values)).rows;
const submit = async (steps: object[], kind = 'ahead'): Promise<string> =>
  (await query('select add_mission($1) as id', [JSON.stringify({ kind, steps })]))[0].id;
const ended = (id: string) =>
  eventually(async () => {
    const [row] = await query('select * from ops_missions where id = $1 and finished_at is not null', [id]);
    return row;
  }, `the end of m${id}`);
const stepsOf = (id: string) => query('select * from ops_mission_steps where mission_id = $1 order by position', [id]);
const starts = async (mark: string) =>
  (await query('select count(*)::integer as n from test_starts where mark = $1', [mark]))[0].n as number;

/** Nothing of the mission is committed while `work` goes on: its row is held by another transaction. */
async function whileHeld(id: string, work: (holder: PoolClient) => Promise<void>): Promise<void> {
  const holder = await database.pool.connect();
  try {
    await holder.query('begin');
    await holder.query('select from ops_missions where id = $1 for update', [id]);
    await work(holder);
  } finally {
    await holder.query('rollback');
    holder.release();
  }
}

test('five short steps in a row are committed at once, each with its times, its outcome and its event, in their order', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const id = await submit(
    names.map((name, at) => ({ name, task: 'echo', payload: { n: at }, needs: at > 0 ? [names[at - 1]] : [] })),
  );
  assert.is((await ended(id)).state, 'succeeded');
  const steps = await stepsOf(id);
  assert.equal(
    steps.map(({ state, attempt, output }) => [state, attempt, output.n]),
    names.map((_name, at) => ['succeeded', 1, at]),
  );
  for (const [at, step] of steps.entries()) {
    assert.ok(step.started_at <= step.finished_at, `${step.name} begins before it ends`);
    if (at > 0) assert.ok(steps[at - 1]!.finished_at <= step.finished_at, `${step.name} ends after what it follows`);
  }
  const outcomes = await query('select tx, attempt, success from ops_outcomes where mission_id = $1', [id]);
  assert.is(outcomes.length, 5);
  assert.is(new Set(outcomes.map(({ tx }) => tx)).size, 1, 'one commit');
  assert.ok(outcomes.every(({ attempt, success }) => attempt === 1 && success));
  const told = await query('select kind, payload from ops_agent_events where mission_id = $1 order by id', [id]);
  assert.equal(
    told.map(({ kind, payload }) => [kind, payload.step ?? null]),
    [
      ['mission.approved', null],
      ['mission.started', null],
      ...names.map((name) => ['step.succeeded', name]),
      ['mission.succeeded', null],
    ],
  );
});

test('while nothing can be committed what reads goes on, with outputs that are not stored yet; what writes waits', async () => {
  await query('create table if not exists test_starts (mark text, at timestamptz default now())');
  const id = await submit([
    { name: 'first', task: 'wait', payload: { ms: 400, mark: 'held-first' } },
    {
      name: 'read',
      task: 'wait',
      needs: ['first'],
      payload: { ms: { $path: '$.steps.first.output.waited' }, mark: 'held-read' },
    },
    { name: 'write', task: 'change', needs: ['read'], payload: { waited: { $path: '$.steps.read.output.waited' } } },
    { name: 'last', task: 'wait', needs: ['write'], payload: { ms: 1, mark: 'held-last' } },
  ]);
  await eventually(async () => (await starts('held-first')) === 1, 'the first step runs');
  await whileHeld(id, async () => {
    await eventually(async () => (await starts('held-read')) === 1, 'the second begins');
    const before = await stepsOf(id);
    assert.equal(
      before.map(({ state }) => state),
      ['running', 'queued', 'queued', 'queued'],
      'nothing is recorded of it',
    );
    await new Promise((resolve) => setTimeout(resolve, 900));
    assert.is(await starts('held-last'), 0, 'what follows a step that writes has not begun');
    assert.equal(
      (await stepsOf(id)).map(({ state }) => state),
      ['running', 'queued', 'queued', 'queued'],
    );
  });
  assert.is((await ended(id)).state, 'succeeded');
  const steps = await stepsOf(id);
  assert.equal(
    steps.map(({ attempt }) => attempt),
    [1, 1, 1, 1],
  );
  assert.equal(steps[2]!.output, { waited: 400 });
  assert.ok(steps[2]!.started_at >= steps[1]!.finished_at, 'it began after all before it was on record');
  for (const { name, started_at, finished_at } of steps)
    assert.ok(started_at <= finished_at, `${name} begins before it ends`);
});

test('one that takes longer is recorded as running while it runs', async () => {
  const id = await submit([
    { name: 'a', task: 'noop' },
    { name: 'b', task: 'wait', needs: ['a'], payload: { ms: 3000, mark: 'long' } },
  ]);
  await eventually(async () => (await starts('long')) === 1, 'it runs');
  await eventually(async () => (await stepsOf(id))[1]!.state === 'running', 'it is told', 2000);
  assert.is((await ended(id)).state, 'succeeded');
});

test('one that fails is tried again, is recorded with both attempts, and what needs it waits', async () => {
  const id = await submit([
    { name: 'a', task: 'noop' },
    { name: 'b', task: 'fail', needs: ['a'], payload: { times: 2 } },
    { name: 'c', task: 'noop', needs: ['b'] },
  ]);
  assert.is((await ended(id)).state, 'succeeded');
  assert.equal(
    (await stepsOf(id)).map(({ attempt }) => attempt),
    [1, 3, 1],
  );
  const told = await query(
    "select kind from ops_agent_events where mission_id = $1 and kind like 'step.%' order by id",
    [id],
  );
  assert.equal(
    told.map(({ kind }) => kind),
    ['step.succeeded', 'step.retrying', 'step.retrying', 'step.succeeded', 'step.succeeded'],
  );
});

test('a pause while the start of what writes waits for its commit: it does not begin, and its attempt does not count', async () => {
  const id = await submit([
    { name: 'a', task: 'wait', payload: { ms: 300, mark: 'pause-a' } },
    { name: 'b', task: 'change', needs: ['a'] },
  ]);
  await eventually(async () => (await starts('pause-a')) === 1, 'the first step runs');
  await whileHeld(id, async () => {
    await new Promise((resolve) => setTimeout(resolve, 600));
    await query("select pause('task', 'change')");
    // Longer than any worker goes by what it has read.
    await new Promise((resolve) => setTimeout(resolve, 1500));
  });
  await eventually(
    async () => (await query("select from ops_missions where id = $1 and wait_reason = 'paused'", [id])).length === 1,
    'it waits for the end of the pause',
  );
  const [, b] = await stepsOf(id);
  assert.equal([b!.state, b!.attempt, b!.output], ['queued', 0, null]);
  await query("select resume('task', 'change')");
  assert.is((await ended(id)).state, 'succeeded');
  assert.is((await stepsOf(id))[1]!.attempt, 1);
});

test('a cancel while its end cannot be committed: it has one outcome, and nothing begins after it', async () => {
  const id = await submit([
    { name: 'a', task: 'wait', payload: { ms: 300, mark: 'cancel-a' } },
    { name: 'b', task: 'wait', needs: ['a'], payload: { ms: 300, mark: 'cancel-b' } },
    { name: 'c', task: 'wait', needs: ['b'], payload: { ms: 1, mark: 'cancel-c' } },
  ]);
  await eventually(async () => (await starts('cancel-a')) === 1, 'the first step runs');
  await whileHeld(id, async (holder) => {
    await eventually(async () => (await starts('cancel-b')) === 1, 'the second begins');
    await holder.query('select cancel_mission($1)', [id]);
    await holder.query('commit');
  });
  assert.is((await ended(id)).state, 'cancelled');
  assert.is(await starts('cancel-c'), 0);
  const outcomes = await query('select step_id from ops_outcomes where mission_id = $1', [id]);
  assert.is(outcomes.length, 3);
  assert.is(new Set(outcomes.map(({ step_id }) => step_id)).size, 3);
});

test.run();
