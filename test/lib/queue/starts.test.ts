import * as assert from 'uvu/assert';
import { ACTIONS, type ActionContext } from '../../../lib/actions/index.ts';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('starts that policy holds back', { timeoutMs: 90_000 });
let db: TestDatabase;
let workers: Workers;

test.before(async () => {
  db = await freshDatabase({ source: 'cli' });
  workers = await startTestWorkers(db);
});
test.after(async () => {
  await workers.stop('test');
  await db.drop();
});

const one = async <T>(text: string, values: unknown[] = []): Promise<T> =>
  (await db.pool.query(text, values)).rows[0] as T;
const why = async (id: string) =>
  (
    await ACTIONS.find(({ name }) => name === 'why')!.run({ db: db.pool } as unknown as ActionContext, {
      args: [id],
      options: {},
    })
  ).text;
const hold = (job: string) =>
  one<{ reason_code: string; until: Date } | undefined>('select reason_code, until from job_holds where job_id = $1', [
    job,
  ]);
const job = (id: string) =>
  one<{ state: string; attempts: number; run_at: Date }>(
    'select state, attempts, run_at from task_queue where id = $1',
    [id],
  );
const held = (id: string, code: string) =>
  eventually(async () => (await hold(id))?.reason_code === code, `j${id} is held by ${code}`, 30_000);
const done = (id: string) => eventually(async () => (await job(id)).state === 'succeeded', `j${id} went well`, 30_000);

test('failed runs free of quota: a failed run and its retry spend starts, and what is over waits for the next UTC day without an attempt', async () => {
  await db.pool.query(`select set_policy('quota.tasks', '{"fail": 2, "noop": 1}')`);
  const { id } = await one<{ id: string }>(`select add_job('fail', '{"message": "no"}', max_attempts => 5) as id`);
  await held(id, 'quota');
  assert.is((await one<{ used: number }>("select used from ops_quota_use where task = 'fail'")).used, 2);
  assert.match(await why(`j${id}`), /held by policy: task fail has had its 2 starts[\s\S]*openclaw policy show quota/);
  const waits = await job(id);
  assert.is(waits.attempts, 2);
  const intoDay = waits.run_at.getTime() % 86_400_000;
  assert.ok(intoDay < 120_000 || intoDay > 86_280_000, `${waits.run_at.toISOString()} is the turn of the day`);
});

test('more quota starts what waited for it at once', async () => {
  const ids = (await db.pool.query<{ id: string }>(`select add_job('noop') as id from generate_series(1, 3)`)).rows.map(
    (row) => row.id,
  );
  await eventually(
    async () =>
      (await one<{ n: number }>('select count(*)::integer as n from job_holds where job_id = any ($1)', [ids])).n === 2,
    'two of three are held',
    30_000,
  );
  await db.pool.query(`select set_policy('quota.tasks', '{"noop": 50}')`);
  for (const id of ids) await done(id);
});

test('a step over its quota parks its mission with the reason, and goes on when there is more', async () => {
  await db.pool.query(`select set_policy('quota.tasks', '{"echo": 1}')`);
  const { at } = await one<{ at: Date }>('select now() as at');
  await eventually(async () => Date.now() - at.getTime() > 1100, 'the policy is known everywhere');
  const plan = {
    kind: 'limited',
    steps: ['a', 'b'].map((name, index) => ({ name, task: 'echo', payload: { n: 1 }, needs: index ? ['a'] : [] })),
  };
  const { id } = await one<{ id: string }>('select add_mission($1) as id', [JSON.stringify(plan)]);
  const mission = () =>
    one<{ state: string; wait_reason: string | null }>('select state, wait_reason from ops_missions where id = $1', [
      id,
    ]);
  await eventually(async () => (await mission()).wait_reason === 'quota', 'the mission waits for its quota', 30_000);
  assert.match(await why(`m${id}`), /task echo has had its 1 starts of today[\s\S]*openclaw policy show quota/);
  await db.pool.query(`select set_policy('quota.tasks', '{}')`);
  await eventually(async () => (await mission()).state === 'succeeded', 'the mission goes on', 30_000);
});

test('a stopped task starts nothing until it is reset', async () => {
  await db.pool.query("select trip_breaker('task:noop', '1 h', 'not now')");
  const { at } = await one<{ at: Date }>('select now() as at');
  await eventually(async () => Date.now() - at.getTime() > 1100, 'the state is known everywhere');
  const { id } = await one<{ id: string }>("select add_job('noop') as id");
  await held(id, 'breaker');
  assert.match(await why(`j${id}`), /task:noop is open[\s\S]*openclaw breakers reset task:noop/);
  await db.pool.query("select reset_breaker('task:noop')");
  await done(id);
});

test('five failed missions of a kind stop its next, which waits with the reason, until a probe goes well', async () => {
  const failing = JSON.stringify({
    kind: 'broken',
    steps: [{ name: 'a', task: 'fail', payload: { message: 'no' }, retries: 0 }],
  });
  const fine = JSON.stringify({ kind: 'broken', steps: [{ name: 'a', task: 'noop' }] });
  await db.pool.query("insert into ops_breakers (name, failures) values ('kind:broken', 4)");
  const { id: waiting } = await one<{ id: string }>(`select add_mission($1) as id`, [fine]);
  await eventually(
    async () =>
      (await one<{ failures: number }>("select failures from ops_breakers where name = 'kind:broken'")).failures === 0,
    'a success forgets failures',
    30_000,
  );
  assert.ok(waiting);
  await db.pool.query("update ops_breakers set failures = 4 where name = 'kind:broken'");
  await one('select add_mission($1)', [failing]);
  await eventually(
    async () =>
      (await one<{ state: string }>("select state from ops_breakers where name = 'kind:broken'")).state === 'open',
    'the breaker opens',
    30_000,
  );
  const refused = await one<{ state: string; reason_code: string }>('select * from propose_mission($1)', [fine]);
  assert.equal([refused.state, refused.reason_code], ['rejected', 'breaker']);
  // By hand and not by time, so nobody is told: workers know it when what they read is a second old.
  await db.pool.query("update ops_breakers set open_until = now() - interval '1 s' where name = 'kind:broken'");
  const { at } = await one<{ at: Date }>('select now() as at');
  await eventually(async () => Date.now() - at.getTime() > 1100, 'the state is known everywhere');
  // One of them is the probe; the others wait for it, and no one is left behind when it ends while another is about to wait.
  const { rows } = await db.pool.query<{ mission: string }>(
    'select p.mission from generate_series(1, 6) n, lateral propose_mission($1, priority => n - n) p',
    [fine],
  );
  await eventually(
    async () =>
      (
        await one<{ n: number }>(
          "select count(*)::integer as n from ops_missions where id = any ($1) and state = 'succeeded'",
          [rows.map(({ mission }) => mission)],
        )
      ).n === 6,
    'the probe and all that waited for it run',
    30_000,
  );
  assert.is(
    (await one<{ state: string }>("select state from ops_breakers where name = 'kind:broken'")).state,
    'closed',
  );
});

test('kill switch cached: a worker that knew a task as free asks again within a second of the change', async () => {
  const first = await one<{ id: string }>("select add_job('noop') as id");
  await done(first.id);
  await db.pool.query(`select set_policy('quota.tasks', '{"noop": 0}')`);
  const { at } = await one<{ at: Date }>('select now() as at');
  await eventually(async () => Date.now() - at.getTime() > 1100, 'a second went by');
  const { id } = await one<{ id: string }>("select add_job('noop') as id");
  await held(id, 'quota');
});

test.run();
