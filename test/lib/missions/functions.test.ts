import * as assert from 'uvu/assert';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('durable functions', { timeoutMs: 90_000 });
let database: TestDatabase;
let workers: Workers;

test.before(async () => {
  database = await freshDatabase();
  await database.pool.query('create table test_happened (id bigserial, mission bigint, what text)');
  workers = await startTestWorkers(database);
});
test.after(async () => {
  await workers.stop('test');
  await database.drop();
});

const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const begin = async (flow: string, given = {}): Promise<string> =>
  (await query("select add_mission('function', $1::jsonb) as id", [JSON.stringify({ flow, ...given })]))[0].id;
const ended = (id: string) =>
  eventually(
    async () => (await query('select * from ops_missions where id = $1 and finished_at is not null', [id]))[0],
    `the end of m${id}`,
    40_000,
  );
const parked = (id: string, reason: RegExp) =>
  eventually(
    async () => {
      const [m] = await query("select * from ops_missions where id = $1 and state = 'waiting' and job_id is null", [
        id,
      ]);
      return m && reason.test(m.wait_reason) && m;
    },
    `m${id} parked for ${reason}`,
    40_000,
  );
const happened = async (id: string) =>
  (await query('select what from test_happened where mission = $1 order by id', [id])).map((row) => row.what);
const stepsOf = async (id: string) =>
  (
    await query(
      'select * from ops_mission_steps where mission_id = $1 and parent_step_id is not null order by position',
      [id],
    )
  ).map((step) => step);
const setClock = (sql: string) =>
  database.admin.query(`delete from clock_override; insert into clock_override values (true, ${sql})`);

test('a finished step gives its recorded output, and each has one outcome', async () => {
  const id = await begin('steps');
  const mission = await ended(id);
  assert.is(mission.state, 'succeeded', mission.error);
  assert.equal(mission.output, [{ n: 1 }, { n: 2 }]);
  assert.equal(await happened(id), ['first', 'between']);
  const outcomes = await query(
    'select s.name, o.task, o.success from ops_outcomes o join ops_mission_steps s on s.id = o.step_id where o.mission_id = $1 order by o.id',
    [id],
  );
  assert.equal(
    outcomes.map((o) => `${o.name} ${o.task} ${o.success}`),
    ['first function#first true', 'second function#second true', 'function function true'],
  );
});

test('a long sleep holds no worker and no job, and is over by the clock of the database', async () => {
  const id = await begin('sleep', { ms: 3_600_000 });
  const mission = await parked(id, /^sleep$/);
  assert.ok(mission.wake_at.getTime() > Date.now() + 3_500_000);
  assert.equal(await happened(id), ['before']);
  await setClock("now() + interval '61 minutes'");
  const { state, output } = await ended(id);
  await database.admin.query('delete from clock_override');
  assert.equal([state, output], ['succeeded', 2]);
  assert.equal(await happened(id), ['before', 'after'], 'nothing happened twice');
});

test('a signal is heard before, while and after the mission parks; the first of two is the first', async () => {
  const early = await begin('signal');
  await query(`select signal($1, 'go', '{"n": 1}')`, [early]);
  await query(`select signal($1, 'go', '{"n": 2}')`, [early]);
  assert.equal((await ended(early)).output, [{ n: 1 }, { n: 2 }]);
  const late = await begin('signal');
  await parked(late, /^signal:go$/);
  await query(`select signal($1, 'go', '{"n": 3}', 'once'), signal($1, 'go', '{"n": 9}', 'once')`, [late]);
  assert.equal((await ended(late)).output, [{ n: 3 }, null], 'one key is one signal');
  const ids = await Promise.all(Array.from({ length: 40 }, () => begin('signal')));
  await Promise.all(
    ids.map(async (id, n) => {
      await new Promise((resolve) => setTimeout(resolve, n * 15));
      await query(`select signal($1, 'go', $2)`, [id, JSON.stringify({ n })]);
    }),
  );
  for (const [n, id] of ids.entries()) assert.equal((await ended(id)).output, [{ n }, null]);
  assert.is((await refusal(query(`select signal($1, 'go')`, [late]))).code, 'OC008');
  assert.is((await refusal(query(`select signal(999999, 'go')`))).code, 'OC011');
});

test('a wait for a signal ends with null when its time is over', async () => {
  const id = await begin('signal', { timeout: '1 h' });
  await parked(id, /^signal:go$/);
  await setClock("now() + interval '61 minutes'");
  const { output } = await ended(id);
  await database.admin.query('delete from clock_override');
  assert.equal(output, [null, null]);
});

test('a function asks a person, with its own answers, and goes on by them', async () => {
  const id = await begin('ask');
  await parked(id, /^approval$/);
  const [asked] = await query('select *, approval_text(id) as text from ops_approvals where mission_id = $1', [id]);
  assert.match(asked.text, /Pay 5\?[\s\S]*pay +the card is charged[\s\S]*\$5[\s\S]*it waits/);
  await query("select approve($1, 'pay')", [asked.id]);
  assert.is((await ended(id)).output, 'paid');
  const nobody = await begin('unanswered');
  assert.equal((await ended(nobody)).output, { approved: false, answer: null, by: null, reason: null });
});

test('steps and waits side by side', async () => {
  const id = await begin('parallel');
  await eventually(
    async () => (await stepsOf(id)).filter((step) => step.state === 'succeeded').length === 3,
    'three are done',
  );
  await query(`select signal($1, 'b', '"b"')`, [id]);
  assert.equal((await ended(id)).output, ['a', 'b', 'c', null]);
});

test('a name used twice is an error at once; a failed step may be caught; one that is not fails the mission', async () => {
  const twice = await ended(await begin('twice'));
  assert.equal([twice.state, twice.error_class], ['failed', 'E_STEP_TWICE']);
  const caught = await begin('caught');
  assert.equal((await ended(caught)).output, { caught: 'step "fails" failed: no luck' });
  assert.equal(await happened(caught), ['fails', 'fails'], 'its own retries');
  const uncaught = await ended(await begin('uncaught'));
  assert.equal([uncaught.state, uncaught.error_class], ['failed', 'E_STEP_FAILED']);
  assert.match(uncaught.error, /step "fails" failed: E_NO: never/);
});

test('an error that names its time is tried again then', async () => {
  const id = await begin('late', { ms: 7_200_000 });
  const mission = await parked(id, /^backoff$/);
  assert.ok(Math.abs(mission.wake_at.getTime() - Date.now() - 7_200_000) < 60_000);
  await setClock("now() + interval '121 minutes'");
  assert.is((await ended(id)).output, 2);
  await database.admin.query('delete from clock_override');
});

test('a step that fails at once and is tried again at once succeeds, and its function with it', async () => {
  const id = await begin('again');
  const mission = await ended(id);
  assert.equal([mission.state, mission.output, mission.epoch], ['succeeded', 3, 1], mission.error);
  const [step] = await query("select state, attempt from ops_mission_steps where mission_id = $1 and name = 'again'", [
    id,
  ]);
  assert.equal(step, { state: 'succeeded', attempt: 3 });
  assert.is((await query("select from test_happened where mission = $1 and what = 'again'", [id])).length, 3);
});

test('a function invokes a task as a step, and a function as a mission of its own', async () => {
  const id = await begin('invoke');
  const mission = await ended(id);
  assert.is(mission.state, 'succeeded', mission.error);
  assert.equal(mission.output.one, { n: 1, text: 'x' });
  assert.equal(mission.output.many, [{ n: 1 }, { n: 2 }]);
  const [child] = await query(
    'select c.trace_id, c.state from ops_missions c join ops_mission_steps s on s.id = c.parent_step_id where s.mission_id = $1',
    [id],
  );
  assert.equal(child, { trace_id: mission.trace_id, state: 'succeeded' });
});

test('a job of a durable function submits its mission once', async () => {
  const [{ job }] = await query(`select add_job('function', '{"flow": "steps"}') as job`);
  const done = await eventually(
    async () => (await query("select * from task_queue where id = $1 and state = 'succeeded'", [job]))[0],
    'the job',
  );
  const id = done.result.mission.slice(1);
  assert.equal((await ended(id)).output, [{ n: 1 }, { n: 2 }]);
  assert.is((await query('select trace_id from ops_missions where id = $1', [id]))[0].trace_id, done.trace_id);
});

test('an unknown function, one that is none, and a payload that does not fit are refused at the door', async () => {
  assert.is((await refusal(query("select add_mission('functio', '{}'::jsonb)"))).code, 'OC001');
  assert.is((await refusal(query("select add_mission('noop', '{}'::jsonb)"))).code, 'OC009');
  assert.is((await refusal(query("select add_mission('function', '{}'::jsonb)"))).code, 'OC004');
  const plan = { kind: 'k', function: 'noop', steps: [{ name: 'a', task: 'noop' }] };
  assert.is((await refusal(query('select add_mission($1::jsonb)', [JSON.stringify(plan)]))).code, 'OC007');
});

test('a mission that is cancelled while it waits ends at once, with its steps and what it invoked', async () => {
  const id = await begin('signal');
  await parked(id, /^signal:go$/);
  await query('select cancel_mission($1)', [id]);
  assert.is((await ended(id)).state, 'cancelled');
  assert.ok((await stepsOf(id)).every((step) => step.state === 'cancelled'));
});

test.run();
