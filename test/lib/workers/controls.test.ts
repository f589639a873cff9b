import * as assert from 'uvu/assert';
import { ControlState } from '../../../lib/controls/index.ts';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('pause, resume and the kill switch', { timeoutMs: 90_000 });
let database: TestDatabase;
let workers: Workers;

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const one = async (sql: string, values?: unknown[]) => (await query(sql, values))[0];
const jobState = async (id: string) => (await one('select state, attempts from task_queue where id = $1', [id])) ?? {};
const missionRow = (id: string) => one('select * from ops_missions where id = $1', [id]);
const until = (look: () => Promise<unknown>, what: string) => eventually(look as () => Promise<boolean>, what, 40_000);
/** The workers have renewed since: a change before this is in force. */
const renewed = async () => {
  const { at } = await one('select now() as at');
  await until(
    async () => (await query("select from workers where state = 'live' and seen_at > $1", [at])).length === 2,
    'a renewal',
  );
};
const addMission = async (task: string, payload: object) =>
  (
    await one('select add_mission($1) as id', [
      JSON.stringify({
        kind: 'paused',
        steps: [
          { name: 'a', task: 'noop' },
          { name: 'b', task, payload, needs: ['a'] },
        ],
      }),
    ])
  ).id as string;

test.before(async () => {
  database = await freshDatabase({ source: 'cli' });
  workers = await startTestWorkers(database);
  await query('create table test_starts (mark text, at timestamptz default now())');
});
test.after(async () => {
  await workers.stop('the test ends');
  await database.drop();
});

test('while a task is paused its jobs wait and others run; the resume starts them', async () => {
  assert.is((await one("select pause('task', 'echo', reason => 'why not') as fresh")).fresh, true);
  await renewed();
  const held = (await one(`select add_job('echo', '{"n": 1}') as id`)).id;
  const free = (await one("select add_job('noop') as id")).id;
  await until(async () => (await jobState(free)).state === 'succeeded', 'another task runs');
  assert.equal(await jobState(held), { state: 'queued', attempts: 0 });
  assert.is((await one("select resume('task', 'echo') as was")).was, true);
  await until(async () => (await jobState(held)).state === 'succeeded', 'it runs after the resume');
  const acts = await query(
    "select verb, target, before is null as fresh from agent_events where verb in ('pause', 'resume') order by id",
  );
  assert.equal(acts, [
    { verb: 'pause', target: 'task echo', fresh: true },
    { verb: 'resume', target: 'task echo', fresh: false },
  ]);
});

test('the hard kill switch aborts what runs and gives it back; a restart honours it; the resume runs it again', async () => {
  const job = (await one(`select add_job('wait', '{"ms": 15000, "mark": "hard"}') as id`)).id;
  const id = await addMission('wait', { ms: 15_000, mark: 'hard-step' });
  await until(async () => (await query("select from test_starts where mark like 'hard%'")).length === 2, 'both run');
  await query("select pause('all', hard => true)");
  await until(async () => (await jobState(job)).state !== 'running', 'the job is aborted');
  await until(async () => (await missionRow(id)).state === 'waiting', 'the mission parks');
  assert.equal(await jobState(job), { state: 'queued', attempts: 0 });
  assert.equal([(await missionRow(id)).wait_reason, (await missionRow(id)).job_id], ['paused', null]);
  await workers.stop('a restart');
  workers = await startTestWorkers(database);
  await query('select reconcile_missions(), wake_missions()');
  // A job of the same pools would have been fetched by now: this one is not either.
  const later = (await one("select add_job('noop') as id")).id;
  const seen = (await one('select max(seen_at) as at from workers')).at;
  await until(
    async () =>
      (await query("select from workers where seen_at > $1::timestamptz + interval '2 seconds'", [seen])).length,
    'two renewals',
  );
  assert.equal((await jobState(later)).state, 'queued');
  assert.is((await query("select from test_starts where mark like 'hard%'")).length, 2, 'nothing started');
  await query("select resume('all')");
  await until(
    async () => (await query("select from test_starts where mark like 'hard%'")).length === 4,
    'both run again',
  );
  await query('select cancel_job($1), cancel_mission($2)', [job, id]);
  await until(async () => (await missionRow(id)).finished_at, 'cancelled');
  const steps = await query('select attempt from ops_mission_steps where mission_id = $1 order by position', [id]);
  assert.equal(steps, [{ attempt: 1 }, { attempt: 1 }], 'the pause spent no attempt');
});

test('a paused mission finishes the step that runs and starts none; a signal for it is not lost', async () => {
  const id = await addMission('noop', {});
  await until(async () => (await missionRow(id)).state === 'succeeded', 'without a pause it runs through');
  await query("select pause('task', 'noop')");
  await renewed();
  const held = await addMission('noop', {});
  await until(async () => (await missionRow(held)).wait_reason === 'paused', 'it parks before its first step');
  await query('select pause($1, $2)', ['mission', `m${held}`]);
  await query("select resume('task', 'noop')");
  await query('select nudge_mission($1)', [held]);
  assert.is((await missionRow(held)).job_id, null, 'paused itself, it gets no job');
  await query('select resume($1, $2)', ['mission', held]);
  await until(async () => (await missionRow(held)).state === 'succeeded', 'it goes on');
});

test('an effect outside that a hard pause cut off is unknown', async () => {
  const id = await addMission('outsideWait', { ms: 15_000, mark: 'cut' });
  await until(async () => (await query("select from test_starts where mark = 'cut'")).length, 'it runs');
  await query("select pause('task', 'outsideWait', true)");
  await until(async () => (await missionRow(id)).state === 'waiting', 'the mission waits');
  const step = await one("select state, error_class from ops_mission_steps where mission_id = $1 and name = 'b'", [id]);
  assert.equal(step, { state: 'unknown', error_class: 'paused' });
  await query("select resume('task', 'outsideWait')");
});

test('a pause that would match nothing is refused, and the limited role ends only its own', async () => {
  assert.is((await refusal(query("select pause('everything')"))).code, 'OC009');
  assert.is((await refusal(query("select pause('task', 'nope')"))).code, 'OC001');
  assert.is((await refusal(query("select pause('mission', 'm999999')"))).code, 'OC011');
  assert.is((await refusal(query("select pause('all', 'x')"))).code, 'OC009');
  assert.is((await one("select resume('all') as was")).was, false);
  await query("select pause('agent', 'scout')");
  const limited = new (await import('pg')).default.Client({ connectionString: database.urlFor('binaryrogue') });
  await limited.connect();
  assert.is((await refusal(limited.query("select resume('agent', 'scout')"))).code, 'OC006');
  await limited.query("select pause('task', 'echo')");
  await limited.query("select resume('task', 'echo')");
  await limited.end();
  assert.is((await one("select is_paused(agent => 'scout') as it")).it, true);
  await query("select resume('agent', 'scout')");
});

test('kill switch cached and unread by workers: a start asks anew when what it knows is older than a second', async () => {
  let clock = 0;
  let wall = 0;
  let reads = 0;
  const state: ControlState = new ControlState(
    async () => {
      reads++;
      state.update([{ scope: 'all', target: '', hard: false }], state.now());
    },
    { monotonic: () => clock, wall: () => wall },
  );
  await state.confirm();
  assert.is(reads, 1, 'before the first reading nothing is known');
  clock = wall = 900;
  assert.is(state.confirm(), undefined);
  // The machine slept, or its clock jumped: either clock is enough.
  wall = 60_000;
  await Promise.all([state.confirm(), state.confirm()]);
  assert.is(reads, 2, 'together they ask once');
  assert.is(state.pausedBy({ task: 'x' })?.scope, 'all');
});

test.run();
