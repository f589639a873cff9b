import { Command, Option } from 'commander';
import * as assert from 'uvu/assert';
import { ACTIONS, type Action, type ActionContext, type ActionInput } from '../../lib/actions/index.ts';
import { loadConfig } from '../../lib/config/index.ts';
import { OpenClawError } from '../../lib/errors/index.ts';
import { createLogger } from '../../lib/log/index.ts';
import { inThisProcess, openclaw } from '../harness/cli.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';
import { testEnvironment } from '../harness/workers.ts';

const test = suite('what the command line prints', { timeoutMs: 90_000 });
/** They look at the machine or at services for long; their own tests see them. */
const LASTING = new Set(['health', 'doctor', 'security audit', 'logs', 'drive status', 'providers test']);
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

/** As the command line would call it: what is not given has its default. */
function inputOf(action: Action, args: string[], given: Record<string, string | boolean> = {}): ActionInput {
  const program = new Command().exitOverride();
  for (const option of action.options ?? []) {
    const built = new Option(option.flags, option.description);
    if (option.default !== undefined) built.default(option.default);
    program.addOption(built);
  }
  return { args, options: { ...program.parse([], { from: 'user' }).opts(), ...given } };
}

test('every verb that looks gives JSON for programs and text for people, on an installation without history', async () => {
  const context: ActionContext = {
    db: database.pool,
    config: loadConfig({ env }),
    log: createLogger({ name: 'test', level: 'silent' }),
    say: () => undefined,
    signal: new AbortController().signal,
  };
  const looks = ACTIONS.filter(
    (action) => action.who === 'viewer' && action.danger === 'none' && !action.args?.some((arg) => !arg.optional),
  );
  assert.ok(looks.length >= 20, `${looks.length} verbs look`);
  for (const action of looks.filter(({ name }) => !LASTING.has(name))) {
    const result = await action.run(context, inputOf(action, [])).catch((error: unknown) => {
      // Nothing to look at may be a refusal, with its remedy.
      if (error instanceof OpenClawError && error.remedy) return undefined;
      throw error;
    });
    if (!result) continue;
    const { json, text } = result;
    assert.type(json, 'object', action.name);
    assert.ok(JSON.stringify(json), action.name);
    assert.ok(text.trim(), `${action.name} says nothing to a person`);
    assert.not.match(text, /undefined|\[object Object\]|NaN/, action.name);
  }
});

test('--json prints JSON on one line and nothing else', async () => {
  for (const [args, codes] of [
    [['jobs', 'show', job], [0]],
    [
      ['missions', 'show', mission],
      [0, 3],
    ],
    [['run', 'noop', '--in', '1 h'], [0]],
    [['jobs', 'cancel', job, '--yes'], [0]],
  ] as const) {
    const { code, stdout, stderr } = await inThisProcess([...args, '--json'], env);
    assert.ok((codes as readonly (number | null)[]).includes(code), `${args.join(' ')}: ${code} ${stderr}`);
    assert.type(JSON.parse(stdout), 'object', args.join(' '));
    assert.is(stdout.trimEnd().split('\n').length, 1, `${args.join(' ')} prints one line`);
    assert.is(stderr, '', args.join(' '));
  }
});

test('status and config check print JSON too, and status exits 3 where no worker lives', async () => {
  const [status, config] = await Promise.all([
    inThisProcess(['status', '--json'], env),
    inThisProcess(['config', 'check', '--json'], env),
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
    ].map((args) => inThisProcess(args, env)),
  );
  for (const { stdout, stderr } of outputs) assert.not.ok((stdout + stderr).includes(password));
});

test('help names every verb, with its options, and exits 0', async () => {
  const groups = new Set(ACTIONS.map((action) => action.name.split(' ')[0]!));
  const [all, jobs, run, none] = await Promise.all([
    openclaw(['help'], env),
    inThisProcess(['jobs', '--help'], env),
    inThisProcess(['help', 'run'], env),
    inThisProcess([], env),
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
