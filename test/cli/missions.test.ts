import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as assert from 'uvu/assert';
import type { Workers } from '../../lib/workers/process.ts';
import { terminal } from '../harness/cli.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';
import { startTestWorkers, testEnvironment } from '../harness/workers.ts';

const test = suite('the verbs of the command line for missions', { timeoutMs: 90_000 });
const ME = `cli:${os.userInfo().username}`;
let database: TestDatabase;
let env: Record<string, string>;
let workers: Workers;
const { cli, ok, json, refused, allRefused } = terminal(() => env);

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
function planFile(name: string, text: string): string {
  const file = path.join(env.OPENCLAW_HOME!, 'plans', name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

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
  const { state, kind, steps } = acts[0].after;
  assert.equal([acts[0].before, state, kind, steps], [null, 'approved', 'slow', 1]);
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
  await allRefused([
    [
      ['missions', 'new', planFile('broken.yaml', 'kind: [\nsteps: }')],
      2,
      /E_PLAN_FILE: .*broken\.yaml is neither JSON nor YAML/,
    ],
    [['missions', 'new', planFile('broken.json', '{"kind": "x",, }')], 2, /E_PLAN_FILE: .*broken\.json/],
    [['missions', 'new', planFile('empty.yaml', '')], 2, /E_PLAN: the plan has 1 fault/],
    [['missions', 'new', './nowhere.json'], 2, /E_PLAN_NOT_FOUND: .*nowhere\.json/],
    [['missions', 'new', '/'], 2, /E_PLAN_NOT_FOUND/],
    [['missions', 'new', 'host_repord'], 2, /E_PLAN_NOT_FOUND: .*[\s\S]*did you mean "host_report"\?/],
    [['missions', 'new', 'host_report', '--input', '[1]'], 2, /E_PLAN: .*[\s\S]*- input: is a JSON array/],
    [['missions', 'new', 'host_report', '--input', 'x'], 2, /E_JSON: the input is not JSON/],
    [['missions', 'new', 'host_report', '--timeout', 'x'], 2, /E_DURATION/],
  ]);
  assert.equal(await query('select count(*) from ops_mission_proposals'), before);
});

test.run();
