import * as assert from 'uvu/assert';
import { ACTIONS, type ActionContext } from '../../../lib/actions/index.ts';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('what does not move, and what is taken up again', { timeoutMs: 90_000 });
let database: TestDatabase;
let workers: Workers;

test.before(async () => {
  database = await freshDatabase({ source: 'cli' });
  await database.pool.query('create table test_happened (id bigserial, mission bigint, what text)');
  workers = await startTestWorkers(database);
});
test.after(async () => {
  await workers.stop('test');
  await database.drop();
});

const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const act = (name: string, args: string[], options: Record<string, string | boolean> = {}) =>
  ACTIONS.find((action) => action.name === name)!.run({ db: database.pool } as unknown as ActionContext, {
    args,
    options,
  });
const submit = async (steps: unknown[], kind = 'again'): Promise<string> =>
  (await query('select add_mission($1::jsonb) as id', [JSON.stringify({ kind, steps })]))[0].id;
const ended = (id: string) =>
  eventually(
    async () => (await query('select * from ops_missions where id = $1 and finished_at is not null', [id]))[0],
    `the end of m${id}`,
    40_000,
  );
const parked = (id: string) =>
  eventually(
    async () =>
      (await query("select from ops_missions where id = $1 and state = 'waiting' and job_id is null", [id])).length > 0,
    `m${id} parks`,
    40_000,
  );
const outcomes = async (id: string) =>
  (
    await query(
      "select s.name || ':' || o.state as o from ops_outcomes o join ops_mission_steps s on s.id = o.step_id where o.mission_id = $1 order by o.id",
      [id],
    )
  ).map((row) => row.o);

test('a failed mission is taken up again where it failed, and its history stays', async () => {
  const id = await submit([
    { name: 'first', task: 'noop' },
    { name: 'flaky', task: 'fail', payload: { times: 1 }, retries: 0, needs: ['first'] },
    { name: 'last', task: 'noop', needs: ['flaky'] },
  ]);
  assert.is((await ended(id)).state, 'failed');
  assert.is((await refusal(query('select retry_mission($1, $2)', [id, 'none']))).code, 'OC009');
  await act('missions retry', [`m${id}`]);
  assert.is((await ended(id)).state, 'succeeded');
  assert.equal(await outcomes(id), [
    'first:succeeded',
    'flaky:failed',
    'last:skipped',
    'flaky:succeeded',
    'last:succeeded',
  ]);
  assert.is((await refusal(query('select retry_mission($1)', [id]))).code, 'OC008');
  await act('missions retry', [`m${id}`], { from: 'flaky' });
  assert.is((await ended(id)).state, 'succeeded');
  assert.equal((await outcomes(id)).slice(5), ['flaky:succeeded', 'last:succeeded']);
});

test('a durable function is taken up again from a step', async () => {
  const [{ id }] = await query(`select add_mission('function', '{"flow": "steps"}'::jsonb) as id`);
  await ended(id);
  await act('missions retry', [`m${id}`], { from: 'second' });
  assert.is((await ended(id)).state, 'succeeded');
  const happened = await query('select what from test_happened where mission = $1 order by id', [id]);
  assert.equal(
    happened.map((row) => row.what),
    ['first', 'between', 'between'],
    'the first step keeps its output',
  );
});

test('in bulk: what matches is told first, and changed only on demand', async () => {
  const ids = [];
  for (let n = 0; n < 3; n++)
    ids.push(await submit([{ name: 'a', task: 'fail', payload: { permanent: true } }], 'bulk'));
  for (const id of ids) await ended(id);
  const told = await act('missions retry', [], { filter: 'kind=bulk state=failed' });
  assert.match(told.text, new RegExp(`3 match: m${ids[0]} m${ids[1]} m${ids[2]}\nnothing was changed`));
  assert.is(
    (
      await query('select count(*)::integer as n from ops_missions where kind = $1 and finished_at is not null', [
        'bulk',
      ])
    )[0].n,
    3,
  );
  assert.match((await act('missions retry', [], { filter: 'kind=bulk since=1h', apply: true })).text, /3 of 3 done/);
  for (const id of ids) assert.is((await ended(id)).state, 'failed');
  assert.is((await refusal(query(`select change_matching('missions retry', '{}')`))).code, 'OC009');
  assert.is((await refusal(query(`select change_matching('missions retry', '{"colour": "red"}')`))).code, 'OC009');
  const [{ job }] = await query(`select add_job('fail', '{"permanent": true}') as job`);
  await eventually(
    async () => (await query("select from task_queue where id = $1 and state = 'failed'", [job])).length > 0,
    'the job fails',
  );
  assert.match((await act('jobs retry', [], { filter: 'task=fail', apply: true })).text, /1 of 1 done/);
  assert.match(
    (await act('jobs retry', [], { filter: 'task=fail since=1h' })).text,
    /^jobs retry: [01] match/,
    'not the one that was',
  );
});

test('why says what something waits for, with the command that moves it', async () => {
  const [{ id }] = await query(`select add_mission('function', '{"flow": "signal"}'::jsonb) as id`);
  await parked(id);
  const signal = await act('why', [`m${id}`]);
  assert.match(
    signal.text,
    new RegExp(`waiting \\(signal:go\\)[\\s\\S]*waits for the signal go[\\s\\S]*openclaw missions signal m${id} go`),
  );
  const asks = await submit([{ name: 'send', task: 'outside', approval: 'Send?' }]);
  await parked(asks);
  assert.match((await act('why', [`m${asks}`])).text, /waits for an answer: Send\?[\s\S]*openclaw approve a\d+/);
  const sleeping = (await query(`select add_mission('function', '{"flow": "sleep", "ms": 600000}'::jsonb) as id`))[0]
    .id;
  await parked(sleeping);
  assert.match((await act('why', [`m${sleeping}`])).text, /sleeps until/);
  const [{ later }] = await query(`select add_job('noop', run_at => now() + interval '1 h') as later`);
  assert.match((await act('why', [`j${later}`])).text, /queued[\s\S]*is due at/);
  const failed = await submit([{ name: 'a', task: 'fail', payload: { permanent: true } }]);
  await ended(failed);
  assert.match(
    (await act('why', [`m${failed}`])).text,
    new RegExp(`E_ON_PURPOSE[\\s\\S]*openclaw missions retry m${failed}`),
  );
  const proposal = (await query('select id from ops_mission_proposals where mission_id = $1', [failed]))[0].id;
  assert.match((await act('why', [`p${proposal}`])).text, new RegExp(`it became mission m${failed}`));
  const [{ at }] = await query(
    `insert into ops_controls (scope, target) values ('task', 'noop') returning now() as at`,
  );
  await eventually(async () => Date.now() - at.getTime() > 1100, 'the pause is known everywhere');
  const paused = (await query(`select add_job('noop') as id`))[0].id;
  assert.match((await act('why', [`j${paused}`])).text, /task noop is paused by[\s\S]*openclaw resume task noop/);
  await query('delete from ops_controls');
});

test('a trace is every hop of a request with the time between, across jobs, missions, steps, answers and acts', async () => {
  const id = await submit([{ name: 'send', task: 'outside', approval: 'Send?' }]);
  await parked(id);
  const [{ approval }] = await query('select id as approval from ops_approvals where mission_id = $1', [id]);
  await act('approve', [`a${approval}`]);
  await ended(id);
  // The mission ends before the job that carried it.
  await eventually(
    async () =>
      (await query("select from graphile_worker._private_jobs where payload ->> 'mission_id' = $1", [id])).length === 0,
    'its jobs have ended',
  );
  const { json, text } = await act('trace', [`m${id}`]);
  const hops = (json as { hops: { what: string; after_ms: number }[] }).hops;
  for (const what of [
    'proposed',
    'job asked',
    'mission.approved',
    'mission.started',
    'asked a person',
    'answer approve',
    'step started',
    'outcome succeeded',
    'step.succeeded',
    'mission.succeeded',
    'act approve',
  ])
    assert.ok(
      hops.some((hop) => hop.what === what),
      `${what} in ${text}`,
    );
  assert.ok(hops.every((hop) => hop.after_ms >= 0));
  assert.equal((await act('trace', [`a${approval}`])).json, json, 'whatever belongs to it has the same');
});

test.run();
