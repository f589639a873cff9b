import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, testEnvironment } from '../../harness/workers.ts';

// Times are printed, and judged with room: a busy machine takes ten times as long to start a process.
const test = suite('worker processes that end, by SIGKILL or in order', { timeoutMs: 150_000 });
let database: TestDatabase;
const alive = new Set<Worker>();

interface Worker {
  process: ChildProcess;
  pid: number;
  env: Record<string, string>;
  exit: Promise<{ code: number | null; stderr: string }>;
}

/** `openclaw worker missions upkeep`, once its pools are registered. */
async function startWorker(env = testEnvironment(database)): Promise<Worker> {
  const worker = spawnWorker(env);
  await eventually(
    async () => {
      const rows = await query("select from workers where pid = $1 and state = 'live'", [worker.pid]);
      return rows.length === 2;
    },
    `worker ${worker.pid} is ready`,
    60_000,
  );
  return worker;
}

/** One that the test before has left alive, or a new one: their starts are what takes long here. */
async function someWorker(): Promise<Worker> {
  const [one, ...others] = alive;
  await Promise.all(others.map((worker) => end(worker, 'SIGKILL')));
  return one ?? startWorker();
}

function spawnWorker(env: Record<string, string>): Worker {
  const child = spawn(path.join(CODE_ROOT, 'bin/openclaw'), ['worker', 'missions', 'upkeep'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const exit = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once('close', (code) => {
      alive.delete(worker);
      resolve({ code, stderr });
    });
  });
  const worker: Worker = { process: child, pid: child.pid!, env, exit };
  alive.add(worker);
  return worker;
}

async function end(worker: Worker, signal: 'SIGKILL' | 'SIGTERM') {
  worker.process.kill(signal);
  return worker.exit;
}

test.before(async () => {
  database = await freshDatabase({ source: 'cli' });
  await query('create table test_starts (mark text, at timestamptz default clock_timestamp())');
});
test.after(async () => {
  await Promise.all([...alive].map((worker) => end(worker, 'SIGKILL')));
  await database.drop();
});

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const seen = async (id: string) => (await query('select * from task_queue where id = $1', [id]))[0];
const mission = async (id: string) => (await query('select * from ops_missions where id = $1', [id]))[0];
const steps = (id: string) => query('select * from ops_mission_steps where mission_id = $1 order by position', [id]);
const startsOf = async (mark: string) => (await query('select from test_starts where mark = $1', [mark])).length;
const started = (mark: string, times: number, timeoutMs = 60_000) =>
  eventually(async () => (await startsOf(mark)) === times, `start ${times} of ${mark}`, timeoutMs);
const ended = (id: string) =>
  eventually(
    async () => {
      const row = await mission(id);
      return row.finished_at && row;
    },
    `the end of m${id}`,
    60_000,
  );
const addJob = async (task: string, payload: object, more = ''): Promise<string> =>
  (await query(`select add_job($1, $2 ${more}) as id`, [task, JSON.stringify(payload)]))[0].id;

/** A mission of three steps, whose second takes `ms`; each notes its starts as `<mark>-<step>`. */
async function submit(mark: string, ms: number, task = 'wait'): Promise<string> {
  const step = (name: string, wait: number, needs: string[], what = 'wait') => ({
    name,
    task: what,
    needs,
    payload: { ms: wait, mark: `${mark}-${name}` },
  });
  const plan = { kind: 'killed', steps: [step('a', 1, []), step('b', ms, ['a'], task), step('c', 1, ['b'])] };
  return (await query('select add_mission($1) as id', [JSON.stringify(plan)]))[0].id;
}

/** The mission succeeded; of its steps only the second was started twice, and each has one outcome. */
async function assertOnceEach(id: string, mark: string): Promise<void> {
  assert.equal((await ended(id)).state, 'succeeded');
  assert.equal(await Promise.all(['a', 'b', 'c'].map((name) => startsOf(`${mark}-${name}`))), [1, 2, 1]);
  assert.equal(
    (await steps(id)).map((step) => [step.state, step.attempt]),
    [
      ['succeeded', 1],
      ['succeeded', 2],
      ['succeeded', 1],
    ],
  );
  const outcomes = await query('select step_id, state from ops_outcomes where mission_id = $1', [id]);
  assert.equal(
    outcomes.map((outcome) => outcome.state),
    ['succeeded', 'succeeded', 'succeeded'],
  );
  assert.is(new Set(outcomes.map((outcome) => outcome.step_id)).size, 3);
}

test('after a SIGKILL the next start goes on from the last finished step; an effect outside that ran is unknown, waits, and is not run again', async () => {
  const first = await startWorker();
  const id = await submit('restart', 1500);
  const unknown = await submit('outside', 20_000, 'outsideWait');
  await Promise.all([started('restart-b', 1), started('outside-b', 1)]);
  await end(first, 'SIGKILL');
  const killed = Date.now();
  await startWorker(first.env);
  await started('restart-b', 2);
  const took = Date.now() - killed;
  console.log(`  went on ${took} ms after the kill, its own restart included`);
  assert.ok(took < 40_000, `went on after ${took} ms`);
  await assertOnceEach(id, 'restart');
  const [event] = await query("select payload from ops_agent_events where kind = 'worker.died' order by id limit 1");
  assert.is(event.payload.pid, first.pid);
  const waiting = await eventually(
    async () => {
      const row = await mission(unknown);
      return row.state === 'waiting' && row;
    },
    'the mission waits',
    60_000,
  );
  assert.is(waiting.wait_reason, 'step_unknown');
  assert.equal(
    (await steps(unknown)).map((step) => [step.state, step.error_class]),
    [
      ['succeeded', null],
      ['unknown', 'worker_died'],
      ['queued', null],
    ],
  );
  const outcomes = await query('select state, success from ops_outcomes where mission_id = $1 order by id', [unknown]);
  assert.equal(outcomes, [
    { state: 'succeeded', success: true },
    { state: 'unknown', success: false },
  ]);
  assert.is(await startsOf('outside-b'), 1);
  assert.equal(
    await query('select from graphile_worker._private_jobs where id = $1', [waiting.job_id]),
    [],
    'it holds no job',
  );
});

test('another worker on the same host takes over by itself: a mission, a job, a named queue', async () => {
  const workers = await Promise.all([someWorker(), startWorker()]);
  const id = await submit('heir', 1500);
  await started('heir-b', 1);
  const [{ pid }] = await query(
    'select pid from workers where pool_id = (select worker from ops_missions where id = $1)',
    [id],
  );
  const victim = workers.find((worker) => worker.pid === pid)!;
  const heir = workers.find((worker) => worker !== victim)!;
  // Jobs that the victim holds as well, found by asking until it took one.
  const held = async (task: string, mark: string, more = '') => {
    for (let attempt = 0; ; attempt++) {
      const job = await addJob('wait', { ms: 1500, mark: `${mark}${attempt}` }, more.replace('#', String(attempt)));
      await started(`${mark}${attempt}`, 1);
      const [row] = await query('select pid from workers where pool_id = $1', [(await seen(job)).worker]);
      if (row?.pid === victim.pid) return { job, mark: `${mark}${attempt}`, lane: `lane${attempt}`, task };
    }
  };
  const plain = await held('wait', 'plain');
  const queued = await held('wait', 'queued', ", queue_name => 'lane#'");
  const behind = await addJob('noop', {}, `, queue_name => '${queued.lane}'`);
  const killed = Date.now();
  await end(victim, 'SIGKILL');
  await Promise.all([started('heir-b', 2), started(plain.mark, 2), started(queued.mark, 2)]);
  const took = Date.now() - killed;
  console.log(`  another worker of the host went on ${took} ms after the kill`);
  assert.ok(took < 15_000, `took over after ${took} ms`);
  await assertOnceEach(id, 'heir');
  const [{ pid: by }] = await query(
    'select pid from workers where pool_id = (select worker from ops_missions where id = $1)',
    [id],
  );
  assert.is(by, heir.pid);
  for (const job of [plain.job, queued.job, behind])
    await eventually(async () => (await seen(job)).state === 'succeeded', `j${job} succeeds`);
  assert.is((await seen(plain.job)).attempts, 1, 'a death of the worker spends no attempt');
});

test('killed while the ends of steps that only read could not be committed: they run again, and each has one outcome', async () => {
  const worker = await someWorker();
  const id = await submit('ahead', 400);
  await started('ahead-b', 1);
  const holder = await database.pool.connect();
  await holder.query('begin');
  await holder.query('select from ops_missions where id = $1 for update', [id]);
  await started('ahead-c', 1);
  await end(worker, 'SIGKILL');
  await holder.query('rollback');
  holder.release();
  await startWorker();
  assert.equal((await ended(id)).state, 'succeeded');
  assert.equal(await Promise.all(['b', 'c'].map((name) => startsOf(`ahead-${name}`))), [2, 2]);
  const outcomes = await query('select step_id, state from ops_outcomes where mission_id = $1', [id]);
  assert.equal(
    outcomes.map(({ state }) => state),
    ['succeeded', 'succeeded', 'succeeded'],
  );
  assert.is(new Set(outcomes.map(({ step_id }) => step_id)).size, 3);
});

test('a step that only reads and kills its worker before its start is on record ends as poison all the same', async () => {
  let worker = await someWorker();
  const step = (name: string, task: string, needs: string[]) => ({ name, task, needs });
  const plan = { kind: 'deadly', steps: [step('a', 'noop', []), step('b', 'die', ['a']), step('c', 'noop', ['b'])] };
  const [{ id }] = await query('select add_mission($1) as id', [JSON.stringify(plan)]);
  const done = ended(id).then(() => true);
  let deaths = 0;
  while (!(await Promise.race([done, worker.exit.then(() => false)]))) {
    deaths += 1;
    worker = spawnWorker(testEnvironment(database));
  }
  assert.is(deaths, 4, 'one that nobody could count, then three');
  assert.equal(
    (await steps(id)).map((row) => [row.state, row.error_class]),
    [
      ['succeeded', null],
      ['failed', 'poison'],
      ['skipped', 'need_failed'],
    ],
  );
});

test('a job that its worker dies of ends as poison after the third death, with the cause, however many attempts it has', async () => {
  const id = await addJob('wait', { ms: 20_000, mark: 'last' }, ', max_attempts => 1');
  // Two have died of it already.
  await query("insert into job_crashes (job_id, crashes, last_cause) values ($1, 2, 'a test says so')", [id]);
  const worker = await someWorker();
  await started('last', 1);
  const { pid } = worker;
  await end(worker, 'SIGKILL');
  await startWorker();
  const job = await eventually(
    async () => {
      const row = await seen(id);
      return row.state === 'failed' && row;
    },
    'it is given up',
    60_000,
  );
  assert.is(job.error_class, 'poison');
  assert.match(job.last_error, new RegExp(`for the third time: process ${pid} on `));
  assert.is(await startsOf('last'), 1);
});

test('a second worker of one home is refused with exit 75; SIGTERM gives running work back without spending an attempt, and exits 0 in time', async () => {
  const worker = await someWorker();
  const second = await spawnWorker(worker.env).exit;
  assert.is(second.code, 75, second.stderr);
  assert.match(second.stderr, new RegExp(`E_WORKER_NAME: .* lives already \\(pid ${worker.pid} on `));
  assert.match(second.stderr, /openclaw down/);
  const job = await addJob('wait', { ms: 20_000, mark: 'term' });
  const id = await submit('stopped', 20_000);
  await Promise.all([started('term', 1), started('stopped-b', 1)]);
  const before = Date.now();
  const { code, stderr } = await end(worker, 'SIGTERM');
  assert.is(code, 0, stderr);
  assert.ok(Date.now() - before < 30_000, `took ${Date.now() - before} ms`);
  const row = await seen(job);
  assert.equal([row.state, row.attempts, row.worker, row.last_error], ['queued', 0, null, null]);
  const [, step] = await steps(id);
  assert.equal([step.state, step.attempt, step.error], ['queued', 0, null]);
  const [held] = await query(
    'select attempts, locked_by from graphile_worker._private_jobs where id = (select job_id from ops_missions where id = $1)',
    [id],
  );
  assert.equal(held, { attempts: 0, locked_by: null });
  assert.equal(await query('select distinct state from workers where pid = $1', [worker.pid]), [{ state: 'stopped' }]);
  await query('select cancel_mission($1), cancel_job($2)', [id, job]);
});

test.run();
