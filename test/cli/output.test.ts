import * as assert from 'uvu/assert';
import { ACTIONS } from '../../lib/actions/index.ts';
import { openclaw } from '../harness/cli.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';
import { testEnvironment } from '../harness/workers.ts';

const test = suite('what the command line prints');
let database: TestDatabase;
let env: Record<string, string>;
let job: string;
let mission: string;

test.before(async () => {
  database = await freshDatabase();
  env = testEnvironment(database);
  const plan = JSON.stringify({ kind: 'shown', steps: [{ name: 'a', task: 'noop' }] });
  const { rows } = await database.pool.query('select add_job($1) as job, add_mission($2) as mission', ['noop', plan]);
  job = `j${rows[0].job}`;
  mission = `m${rows[0].mission}`;
});
test.after(() => database.drop());

/** Each verb that an action gives, with what it needs. */
const ARGUMENTS: Record<string, () => string[]> = {
  run: () => ['noop', '--in', '1 h'],
  'jobs list': () => [],
  'jobs show': () => [job],
  'jobs retry': () => [job],
  'jobs cancel': () => [job, '--yes'],
  'missions new': () => ['host_report'],
  'missions list': () => [],
  'missions show': () => [mission],
  'missions cancel': () => [mission, '--yes'],
  'proposals list': () => [],
  'proposals show': () => ['p1'],
  'policy list': () => [],
  'policy show': () => ['gate.caps'],
  'policy set': () => ['quota.tasks', '{"web_search": 51}', '--yes'],
  'policy diff': () => ['quota.tasks'],
  'policy rollback': () => ['quota.tasks', '--yes'],
  'policy explain': () => ['gate.approval'],
  'breakers list': () => [],
  'breakers trip': () => ['service:brave', '--yes'],
  'breakers reset': () => ['service:brave'],
  quota: () => [],
  cost: () => ['--by', 'model'],
  'cron list': () => [],
  'cron next': () => ['retention', '--count', '2'],
  'cron run': () => ['host_sample'],
  'tasks list': () => [],
  'tasks show': () => ['echo'],
  'plans list': () => [],
  'events list': () => ['--mission', mission],
  'audit list': () => [],
};

test('--json prints JSON and nothing else, for every action that there is', async () => {
  const unknown = ACTIONS.map((action) => action.name).filter((name) => !(name in ARGUMENTS));
  assert.equal(unknown, [], 'say here how the new ones are called');
  // What changes something comes after what looks at it.
  const names = Object.keys(ARGUMENTS).sort((a, b) => Number(/retry|cancel/.test(a)) - Number(/retry|cancel/.test(b)));
  for (const name of names) {
    const { code, stdout, stderr } = await openclaw([...name.split(' '), ...ARGUMENTS[name]!(), '--json'], env);
    assert.is(code, 0, `${name}: ${stderr}`);
    assert.type(JSON.parse(stdout), 'object', name);
    assert.is(stdout.trimEnd().split('\n').length, 1, `${name} prints one line`);
    assert.is(stderr, '', name);
  }
});

test('status and config check print JSON too, and status exits 3 where no worker lives', async () => {
  const [status, config] = await Promise.all([
    openclaw(['status', '--json'], env),
    openclaw(['config', 'check', '--json'], env),
  ]);
  assert.is(status.code, 3, status.stderr);
  const said = JSON.parse(status.stdout);
  assert.equal([said.ok, said.servers.postgres.running, said.workers], [false, true, []]);
  assert.is(config.code, 0, config.stderr);
  const keys = JSON.parse(config.stdout).keys as { key: string }[];
  assert.ok(keys.some(({ key }) => key === 'DATABASE_URL'));
});

test('no output holds the password of the database', async () => {
  const password = decodeURIComponent(new URL(env.DATABASE_URL!).password);
  assert.ok(password.length > 8);
  const outputs = await Promise.all(
    [
      ['status'],
      ['config', 'check'],
      ['status', '--json'],
      ['config', 'check', '--json'],
      ['audit', 'list'],
      ['worker', 'nope'],
    ].map((args) => openclaw(args, env)),
  );
  for (const { stdout, stderr } of outputs) assert.not.ok((stdout + stderr).includes(password));
});

test('help names every verb, with its options, and exits 0', async () => {
  const groups = new Set(ACTIONS.map((action) => action.name.split(' ')[0]!));
  const [all, jobs, run, none] = await Promise.all([
    openclaw(['help'], env),
    openclaw(['jobs', '--help'], env),
    openclaw(['help', 'run'], env),
    openclaw([], env),
  ]);
  assert.is(all.code, 0);
  for (const name of [...groups, 'up', 'down', 'status', 'worker', 'psql'])
    assert.match(all.stdout, new RegExp(`^ {2}${name}\\b`, 'm'));
  assert.match(
    all.stdout,
    /Exit codes: 0 ok, 1 failed, 2 usage, 3 degraded or pending, 75 try again, 78 configuration/,
  );
  assert.is(jobs.code, 0);
  for (const action of ACTIONS.filter(({ name }) => name.startsWith('jobs ')))
    assert.match(jobs.stdout, new RegExp(`^ {2}${action.name.split(' ')[1]}\\b`, 'm'));
  assert.is(run.code, 0);
  assert.match(run.stdout, /--wait[\s\S]*--timeout <time>[\s\S]*Example:\n {2}openclaw run fetch_url/);
  assert.is(none.code, 2);
  assert.match(none.stderr, /Usage: openclaw/);
});

test('a database that does not answer is exit 75, a bad configuration exit 78, each with its remedy', async () => {
  const nowhere = { ...env, DATABASE_URL: 'postgres://nobody:hiddensecret@127.0.0.1:1/none' };
  const [gone, key, url] = await Promise.all([
    openclaw(['jobs', 'list'], nowhere),
    openclaw(['jobs', 'list'], { ...env, OPENCLAW_TASK_DIR: '/x' }),
    openclaw(['jobs', 'list'], { ...env, OPENCLAW_CONCURRENCY_MISSIONS: 'many' }),
  ]);
  assert.is(gone.code, 75, gone.stderr);
  assert.match(gone.stderr, /^E_[A-Z_]+: [\s\S]*remedy: /);
  assert.not.match(gone.stderr, /hiddensecret/);
  assert.is(key.code, 78, key.stderr);
  assert.match(key.stderr, /OPENCLAW_TASK_DIR[\s\S]*did you mean OPENCLAW_TASK_DIRS/);
  assert.is(url.code, 78, url.stderr);
  assert.match(url.stderr, /OPENCLAW_CONCURRENCY_MISSIONS .*'many'/);
});

test.run();
