import os from 'node:os';
import * as assert from 'uvu/assert';
import type { Workers } from '../../lib/workers/process.ts';
import { openclaw, terminal } from '../harness/cli.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';
import { eventually, startTestWorkers, testEnvironment } from '../harness/workers.ts';

const test = suite('the verbs of the command line for jobs', { timeoutMs: 90_000 });
const ME = `cli:${os.userInfo().username}`;
let database: TestDatabase;
let env: Record<string, string>;
let workers: Workers;
const { ok, json, refused, allRefused } = terminal(() => env);

test.before(async () => {
  database = await freshDatabase();
  env = testEnvironment(database);
  workers = await startTestWorkers(database);
});
test.after(async () => {
  await workers.stop('test');
  await database.drop();
});

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;

/** Acts upon this target, oldest first. */
const actsOn = (target: string) =>
  query("select actor, surface, verb, before, after from agent_events where kind = 'act' and target = $1 order by id", [
    target,
  ]);
const newJob = async (...more: string[]) => (await json('run', 'noop', ...more)).job as string;

test('run --wait prints the result and exits 0, 1 when it failed, 3 when it has not ended in time', async () => {
  const [done, failed, late] = await Promise.all([
    openclaw(['run', 'echo', '{"n": 7}', '--wait'], env),
    openclaw(['run', 'fail', '{"permanent": true, "message": "no use"}', '--wait'], env),
    openclaw(['run', 'wait', '{"ms": 8000}', '--wait', '--timeout', '500 ms'], env),
  ]);
  assert.is(done.code, 0, done.stderr);
  assert.equal(JSON.parse(done.stdout), { n: 7 });
  assert.match(done.stderr, /^j\d+ is queued; waiting for its end$/m);
  assert.is(failed.code, 1);
  assert.match(failed.stdout, /^j\d+ failed: E_ON_PURPOSE: no use$/m);
  assert.is(late.code, 3);
  assert.match(late.stdout, /has not ended; look at it with: openclaw jobs show j\d+/);
  await ok('jobs', 'cancel', /j\d+/.exec(late.stdout)![0], '--yes');
});

test('run takes each of its options', async () => {
  const id = (await json('run', 'noop', '{"a": 1}', '--in', '1 h', '--priority', '-3', '--retries', '6', '--key', 'k1'))
    .job;
  assert.is((await json('run', 'noop', '--key', 'k1')).job, id, 'the same key is the same job');
  const job = await json('jobs', 'show', id);
  assert.equal(
    [job.task, job.payload, job.state, job.priority, job.max_attempts, job.actor, job.source, job.idempotency_key],
    ['noop', { a: 1 }, 'queued', -3, 7, ME, 'cli', 'k1'],
  );
  assert.ok(new Date(job.run_at).getTime() > Date.now() + 3_500_000);
});

test('what is mistyped is refused with exit 2 before anything is queued', async () => {
  const before = await query('select count(*) from job_requests');
  await allRefused([
    [['run', 'echoo'], 2, /E_UNKNOWN_TASK: unknown task "echoo"[\s\S]*did you mean "echo"\?/],
    [['run', 'echo', '{"n": "1"}'], 2, /E_PAYLOAD_TYPE: key "n" of the payload/],
    [['run', 'wait', '{}'], 2, /E_PAYLOAD_KEY_MISSING: .*"ms"/],
    [['run', 'echo', '[]'], 2, /E_PAYLOAD: .*JSON array/],
    [['run', 'echo', '{n: 1}'], 2, /E_JSON: the payload is not JSON[\s\S]*remedy: quote it for the shell/],
    [['run', 'noop', '--wait', '--timeout', 'soon'], 2, /E_DURATION: "soon"/],
    [['run', 'noop', '--in', 'later'], 2, /E_DURATION: "later"/],
    [['run', 'noop', '--priority', 'high'], 2, /E_ARGUMENT: --priority is "high"/],
    [['run', 'noop', '--retries', '100'], 2, /--retries is "100"/],
    [['run'], 2, /missing required argument 'task'/],
    [['run', 'noop', '{}', 'more'], 2, /too many arguments/],
    [['rum'], 2, /unknown command 'rum'[\s\S]*run/],
    [['jobs', 'lst'], 2, /unknown command 'lst'[\s\S]*list/],
    [['run', 'noop', '--wat'], 2, /unknown option '--wat'/],
    [['jobs', 'list', '--state', 'lost'], 2, /Allowed choices are queued/],
    [['jobs', 'list', '--limit', 'all'], 2, /--limit is "all"/],
    [['jobs', 'show', 'm1'], 2, /E_ID: "m1" is not the id of a job[\s\S]*j12/],
    [['missions', 'show', 'j1'], 2, /E_ID: "j1" is not the id of a mission/],
    [['events', 'list', '--mission', 'x'], 2, /E_ID: "x" is not the id of a mission/],
    [['tasks', 'show', 'nope'], 2, /E_UNKNOWN_TASK/],
    [['cron', 'next', 'retent'], 2, /there is no schedule "retent"/],
    [['worker', 'mission'], 2, /E_POOL: there is no pool "mission"/],
  ]);
  assert.equal(await query('select count(*) from job_requests'), before);
});

test('what is not there is exit 1', async () => {
  await allRefused([
    [['jobs', 'show', 'j999999'], 1, /E_NOT_FOUND: there is no job j999999[\s\S]*openclaw jobs list/],
    [['jobs', 'retry', 'j999999'], 1, /E_NOT_FOUND/],
    [['jobs', 'cancel', 'j999999', '--yes'], 1, /E_NOT_FOUND/],
    [['missions', 'show', 'm999999'], 1, /E_NOT_FOUND/],
    [['missions', 'cancel', 'm999999', '--yes'], 1, /E_NOT_FOUND/],
  ]);
});

test('jobs are listed, shown, retried and cancelled', async () => {
  const id = await newJob('--in', '1 h');
  assert.match(
    await ok('jobs', 'list', '--state', 'queued', '--task', 'noop'),
    new RegExp(`^${id} +noop +queued +0/4 +${ME}`, 'm'),
  );
  assert.match(await ok('jobs', 'show', id), /^asked by {4}cli:\w+ \(cli\)$/m);
  assert.equal((await json('jobs', 'list', '--limit', '1')).length, 1);

  await refused(
    ['jobs', 'cancel', id],
    2,
    /E_CONFIRM: "jobs cancel j\d+" asks first, and there is nobody to ask[\s\S]*add --yes/,
  );
  assert.is((await json('jobs', 'show', id)).state, 'queued', 'nothing was changed');
  assert.equal(await json('jobs', 'cancel', id, '--yes'), { job: id, state: 'cancelled' });
  await refused(['jobs', 'cancel', id, '--yes'], 1, /E_STATE: job j\d+ has ended \(cancelled\)/);
  const again = (await json('jobs', 'retry', id)).job;
  assert.is.not(again, id);
  const waiting = await newJob('--in', '1 h');
  assert.is((await json('jobs', 'retry', waiting)).job, waiting);
  const done = await eventually(async () => {
    const job = await json('jobs', 'show', waiting);
    return job.state === 'succeeded' && job;
  }, 'it runs now');
  await refused(['jobs', 'retry', `j${done.id}`], 1, /E_STATE: job j\d+ succeeded/);

  const [ran, retried] = await actsOn(waiting);
  assert.equal([ran.actor, ran.surface, ran.verb, ran.before, ran.after.state], [ME, 'cli', 'run', null, 'queued']);
  assert.equal([retried.actor, retried.verb, retried.before.attempts], [ME, 'jobs retry', 0]);
  const acts = await actsOn(id);
  assert.equal(
    acts.map((act) => [act.actor, act.verb, act.before, act.after]),
    [
      [ME, 'run', null, { state: 'queued', task: 'noop' }],
      [ME, 'jobs cancel', { state: 'queued' }, { state: 'cancelled' }],
      [ME, 'jobs retry', { state: 'cancelled', error_class: 'cancelled' }, { job: again }],
    ],
  );
});

test.run();
