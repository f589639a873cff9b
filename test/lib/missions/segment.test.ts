import * as assert from 'uvu/assert';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('missions run by segments');
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

interface Ended {
  state: string;
  error: string | null;
  output: Record<string, unknown> | null;
  wait_reason: string | null;
}

async function submit(plan: unknown): Promise<string> {
  const { rows } = await database.pool.query<{ id: string }>('select add_mission($1) as id', [JSON.stringify(plan)]);
  return rows[0]!.id;
}

async function end(id: string): Promise<Ended> {
  return eventually(async () => {
    const { rows } = await database.pool.query<Ended>(
      "select * from ops_missions where id = $1 and state in ('succeeded', 'failed', 'cancelled')",
      [id],
    );
    return rows[0];
  }, `the end of m${id}`);
}

async function stepsOf(id: string) {
  const { rows } = await database.pool.query<{
    name: string;
    state: string;
    attempt: number;
    error_class: string | null;
  }>('select name, state, attempt, error_class from ops_mission_steps where mission_id = $1 order by position', [id]);
  return rows;
}

test('an output reaches the payload of a later step by its path', async () => {
  const id = await submit({
    kind: 'paths',
    steps: [
      { name: 'a', task: 'echo', payload: { n: 41, text: "quote ' and \\ backslash" } },
      {
        name: 'b',
        task: 'echo',
        needs: ['a'],
        payload: {
          n: { $path: '$.steps.a.output.n' },
          text: { $path: '$.steps.a.output.text' },
          more: [{ $path: '$.steps.a.output.none', default: 'd' }],
        },
      },
    ],
    output: { answer: { $path: '$.steps.b.output.n' } },
  });
  const mission = await end(id);
  assert.equal(mission.state, 'succeeded', mission.error ?? '');
  assert.equal(mission.output, { answer: 41 });
  const { rows } = await database.pool.query<{ output: unknown }>(
    "select output from ops_mission_steps where mission_id = $1 and name = 'b'",
    [id],
  );
  assert.equal(rows[0]!.output, { n: 41, text: "quote ' and \\ backslash", more: ['d'] });
});

test('a failed need skips what depends on it, and the mission fails with one outcome a step', async () => {
  const id = await submit({
    kind: 'stranded',
    steps: [
      { name: 'a', task: 'fail', payload: { permanent: true } },
      { name: 'b', task: 'noop', needs: ['a'] },
      { name: 'c', task: 'noop', needs: ['b'] },
      { name: 'd', task: 'noop' },
    ],
  });
  const mission = await end(id);
  assert.equal(mission.state, 'failed');
  assert.match(mission.error ?? '', /step a: E_ON_PURPOSE/);
  assert.equal(
    (await stepsOf(id)).map((step) => step.state),
    ['failed', 'skipped', 'skipped', 'succeeded'],
  );
  const { rows } = await database.pool.query(
    'select count(*)::integer as outcomes, count(distinct step_id)::integer as steps from ops_outcomes where mission_id = $1',
    [id],
  );
  assert.equal(rows[0], { outcomes: 4, steps: 4 });
});

test('a step is retried after its backoff until it succeeds', async () => {
  const id = await submit({ kind: 'retried', steps: [{ name: 'a', task: 'fail', payload: { times: 2 } }] });
  assert.equal((await end(id)).state, 'succeeded');
  assert.equal((await stepsOf(id))[0]!.attempt, 3);
});

test('a step that times out ends so', async () => {
  const id = await submit({
    kind: 'slow',
    steps: [{ name: 'a', task: 'wait', payload: { ms: 10_000 }, timeout: '100 ms', retries: 0 }],
  });
  assert.equal((await end(id)).state, 'failed');
  assert.equal((await stepsOf(id))[0]!.error_class, 'timeout');
});

test('a cancelled mission lets nothing start and aborts what runs', async () => {
  const id = await submit({
    kind: 'cancelled',
    steps: [
      { name: 'a', task: 'wait', payload: { ms: 15_000 } },
      { name: 'b', task: 'noop', needs: ['a'] },
    ],
  });
  await eventually(async () => (await stepsOf(id))[0]!.state === 'running', 'step a runs');
  const before = Date.now();
  const { rows } = await database.pool.query('select cancel_mission($1) as state', [id]);
  assert.equal(rows[0].state, 'cancelling');
  assert.equal((await end(id)).state, 'cancelled');
  assert.ok(Date.now() - before < 2500, `took ${Date.now() - before} ms`);
  assert.equal(
    (await stepsOf(id)).map((step) => step.state),
    ['cancelled', 'cancelled'],
  );
});

test('a payload that a path leaves a hole in fails its step for good', async () => {
  const id = await submit({
    kind: 'hole',
    steps: [
      { name: 'a', task: 'noop' },
      { name: 'b', task: 'echo', needs: ['a'], payload: { n: { $path: '$.steps.a.output.none' } } },
    ],
  });
  assert.equal((await end(id)).state, 'failed');
  assert.equal((await stepsOf(id))[1], { name: 'b', state: 'failed', attempt: 1, error_class: 'OC009' });
});

test('many missions at once: each step ends once', async () => {
  const plan = JSON.stringify({
    kind: 'many',
    steps: [1, 2, 3, 4, 5].map((n) => ({ name: `s${n}`, task: 'noop', needs: n > 1 ? [`s${n - 1}`] : [] })),
  });
  await database.pool.query('select count(add_mission($1)) from generate_series(1, 200)', [plan]);
  await eventually(
    async () =>
      (await database.pool.query("select from ops_missions where kind = 'many' and state <> 'succeeded' limit 1"))
        .rowCount === 0,
    '200 missions succeed',
  );
  const { rows } = await database.pool.query(
    "select count(*)::integer as n, count(distinct step_id)::integer as steps from ops_outcomes o join ops_missions m on m.id = o.mission_id where m.kind = 'many'",
  );
  assert.equal(rows[0], { n: 1000, steps: 1000 });
});

test.run();
