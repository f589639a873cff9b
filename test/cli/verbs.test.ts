import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as assert from 'uvu/assert';
import type { Workers } from '../../lib/workers/process.ts';
import { type CliResult, openclaw } from '../harness/cli.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';
import { eventually, startTestWorkers, testEnvironment } from '../harness/workers.ts';

const test = suite('the verbs of the command line');
const ME = `cli:${os.userInfo().username}`;
let database: TestDatabase;
let env: Record<string, string>;
let workers: Workers;

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

/** Runs a verb; whatever it says, it shows no stack. */
async function cli(...args: string[]): Promise<CliResult> {
  const result = await openclaw(args, env);
  assert.not.match(result.stdout + result.stderr, /^\s+at .+:\d+:\d+|node:internal|E_UNEXPECTED/m, args.join(' '));
  return result;
}
async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(...args);
  assert.is(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}
const json = async (...args: string[]) => JSON.parse(await ok(...args, '--json'));
async function refused(args: string[], code: number, pattern: RegExp): Promise<string> {
  const result = await cli(...args);
  assert.is(result.code, code, `${args.join(' ')}: ${result.stdout}${result.stderr}`);
  assert.match(result.stderr, pattern, args.join(' '));
  return result.stderr;
}
/** Acts upon this target, oldest first. */
const actsOn = (target: string) =>
  query("select actor, surface, verb, before, after from agent_events where kind = 'act' and target = $1 order by id", [
    target,
  ]);
const newJob = async (...more: string[]) => (await json('run', 'noop', ...more)).job as string;
function planFile(name: string, text: string): string {
  const file = path.join(env.OPENCLAW_HOME!, 'plans', name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

test('run --wait prints the result and exits 0, 1 when it failed, 3 when it has not ended in time', async () => {
  const [done, failed, late] = await Promise.all([
    cli('run', 'echo', '{"n": 7}', '--wait'),
    cli('run', 'fail', '{"permanent": true, "message": "no use"}', '--wait'),
    cli('run', 'wait', '{"ms": 8000}', '--wait', '--timeout', '500 ms'),
  ]);
  assert.is(done.code, 0, done.stderr);
  assert.equal(JSON.parse(done.stdout), { n: 7 });
  assert.match(done.stderr, /^j\d+ is queued; waiting for its end$/m);
  assert.is(failed.code, 1);
  assert.match(failed.stdout, /^j\d+ failed \(E_ON_PURPOSE\): E_ON_PURPOSE: no use$/m);
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
  await Promise.all([
    refused(['run', 'echoo'], 2, /E_UNKNOWN_TASK: unknown task "echoo"[\s\S]*did you mean "echo"\?/),
    refused(['run', 'echo', '{"n": "1"}'], 2, /E_PAYLOAD_TYPE: key "n" of the payload/),
    refused(['run', 'wait', '{}'], 2, /E_PAYLOAD_KEY_MISSING: .*"ms"/),
    refused(['run', 'echo', '[]'], 2, /E_PAYLOAD: .*JSON array/),
    refused(['run', 'echo', '{n: 1}'], 2, /E_JSON: the payload is not JSON[\s\S]*remedy: quote it for the shell/),
    refused(['run', 'noop', '--wait', '--timeout', 'soon'], 2, /E_DURATION: "soon"/),
    refused(['run', 'noop', '--in', 'later'], 2, /E_DURATION: "later"/),
    refused(['run', 'noop', '--priority', 'high'], 2, /E_ARGUMENT: --priority is "high"/),
    refused(['run', 'noop', '--retries', '100'], 2, /--retries is "100"/),
    refused(['run'], 2, /missing required argument 'task'/),
    refused(['run', 'noop', '{}', 'more'], 2, /too many arguments/),
    refused(['rum'], 2, /unknown command 'rum'[\s\S]*run/),
    refused(['jobs', 'lst'], 2, /unknown command 'lst'[\s\S]*list/),
    refused(['run', 'noop', '--wat'], 2, /unknown option '--wat'/),
    refused(['jobs', 'list', '--state', 'lost'], 2, /Allowed choices are queued/),
    refused(['jobs', 'list', '--limit', 'all'], 2, /--limit is "all"/),
    refused(['jobs', 'show', 'm1'], 2, /E_ID: "m1" is not the id of a job[\s\S]*j12/),
    refused(['missions', 'show', 'j1'], 2, /E_ID: "j1" is not the id of a mission/),
    refused(['events', 'list', '--mission', 'x'], 2, /E_ID: "x" is not the id of a mission/),
    refused(['tasks', 'show', 'nope'], 2, /E_UNKNOWN_TASK/),
    refused(['cron', 'next', 'retent'], 2, /there is no schedule "retent"/),
    refused(['worker', 'mission'], 2, /E_POOL: there is no pool "mission"/),
  ]);
  assert.equal(await query('select count(*) from job_requests'), before);
});

test('what is not there is exit 1', async () => {
  await Promise.all([
    refused(['jobs', 'show', 'j999999'], 1, /E_NOT_FOUND: there is no job j999999[\s\S]*openclaw jobs list/),
    refused(['jobs', 'retry', 'j999999'], 1, /E_NOT_FOUND/),
    refused(['jobs', 'cancel', 'j999999', '--yes'], 1, /E_NOT_FOUND/),
    refused(['missions', 'show', 'm999999'], 1, /E_NOT_FOUND/),
    refused(['missions', 'cancel', 'm999999', '--yes'], 1, /E_NOT_FOUND/),
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

const STEPS = [{ name: 'a', task: 'echo', payload: { n: { $path: '$.input.n' } } }];

test('missions are submitted from JSON and YAML files and by name, listed, shown and cancelled', async () => {
  const asJson = planFile('given.json', JSON.stringify({ kind: 'given', input: { n: 1 }, steps: STEPS }));
  planFile(
    'named.yaml',
    '# mine\nkind: named\ntitle: By name\ninput: {n: 2}\nsteps:\n  - name: a\n    task: echo\n    payload: {n: {$path: $.input.n}}\n',
  );
  const done = await cli('missions', 'new', asJson, '--wait', '--input', '{"n": 5}', '--title', 'Mine');
  assert.is(done.code, 0, done.stderr);
  assert.match(done.stdout, /^m\d+ {2}Mine {2}\(given\)\nstate {4}succeeded$/m);
  assert.match(done.stderr, /a: succeeded/);
  const named = await json('missions', 'new', 'named', '--wait');
  assert.equal([named.state, named.output, named.actor], ['succeeded', { a: { n: 2 } }, ME]);
  assert.match(await ok('plans', 'list'), /^named +\/.*named\.yaml$/m);
  assert.is((await json('missions', 'list', '--state', 'succeeded')).length, 2);
  assert.match(await ok('missions', 'show', `m${named.id}`), /^a +echo +succeeded +1\/4/m);

  const slow = planFile('slow.yaml', 'kind: slow\nsteps:\n  - {name: a, task: wait, payload: {ms: 15000}}\n');
  const { mission } = await json('missions', 'new', slow, '--key', 'one');
  assert.is((await json('missions', 'new', slow, '--key', 'one')).mission, mission, 'while it is open, no second one');
  const pending = await cli('missions', 'new', slow, '--wait', '--timeout', '300 ms');
  assert.is(pending.code, 3);
  await refused(['missions', 'cancel', mission], 2, /E_CONFIRM/);
  await ok('missions', 'cancel', mission, '--yes');
  const watched = await cli('missions', 'show', mission, '--watch');
  assert.is(watched.code, 1, 'a cancelled mission is no success');
  assert.match(watched.stdout, /state {4}cancelled/);
  await refused(['missions', 'cancel', mission, '--yes'], 1, /E_STATE: mission m\d+ has ended \(cancelled\)/);
  await ok('missions', 'cancel', /m\d+/.exec(pending.stdout)![0], '--yes');

  const acts = await actsOn(mission);
  assert.equal(
    acts.map((act) => [act.actor, act.surface, act.verb]),
    [
      [ME, 'cli', 'missions new'],
      [ME, 'cli', 'missions cancel'],
    ],
  );
  assert.equal([acts[0].before, acts[0].after], [null, { state: 'approved', kind: 'slow', steps: 1 }]);
  assert.is(acts[1].after.cancel_requested, true);
});

test('a faulty plan is refused with all of its faults, exit 2, and nothing is stored', async () => {
  const before = await query('select count(*) from ops_mission_proposals');
  const faulty = planFile(
    'faulty.json',
    JSON.stringify({
      kind: 'Bad',
      steps: [
        { name: 'a', task: 'nope', needs: ['b'] },
        { name: 'a', task: 'noop', retries: -1 },
      ],
    }),
  );
  const stderr = await refused(['missions', 'new', faulty], 2, /E_PLAN: the plan has 5 faults; nothing was stored/);
  for (const fault of [
    /- kind: is "Bad"/,
    /- steps\[0\] a: needs "b"/,
    /- steps\[0\] a: task is "nope"/,
    /- steps\[1\] a: retries/,
    /used twice/,
  ])
    assert.match(stderr, fault);
  await Promise.all([
    refused(
      ['missions', 'new', planFile('broken.yaml', 'kind: [\nsteps: }')],
      2,
      /E_PLAN_FILE: .*broken\.yaml is neither JSON nor YAML/,
    ),
    refused(['missions', 'new', planFile('broken.json', '{"kind": "x",, }')], 2, /E_PLAN_FILE: .*broken\.json/),
    refused(['missions', 'new', planFile('empty.yaml', '')], 2, /E_PLAN: the plan has 1 fault/),
    refused(['missions', 'new', './nowhere.json'], 2, /E_PLAN_NOT_FOUND: .*nowhere\.json/),
    refused(['missions', 'new', '/'], 2, /E_PLAN_NOT_FOUND/),
    refused(['missions', 'new', 'host_repord'], 2, /E_PLAN_NOT_FOUND: .*[\s\S]*did you mean "host_report"\?/),
    refused(['missions', 'new', 'host_report', '--input', '[1]'], 2, /E_PLAN: .*[\s\S]*- input: is a JSON array/),
    refused(['missions', 'new', 'host_report', '--input', 'x'], 2, /E_JSON: the input is not JSON/),
    refused(['missions', 'new', 'host_report', '--timeout', 'x'], 2, /E_DURATION/),
  ]);
  assert.equal(await query('select count(*) from ops_mission_proposals'), before);
});

test.run();
