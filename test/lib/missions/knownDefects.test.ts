import * as assert from 'uvu/assert';
import { createLogger } from '../../../lib/log/index.ts';
import { emptyEnd } from '../../../lib/missions/state.ts';
import type { StepRow } from '../../../lib/missions/types.ts';
import { createWriter } from '../../../lib/missions/writer.ts';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

// Defects of public implementations of this pattern, each by its name. `kill switch cached and unread by workers` is in
// test/lib/workers/controls.test.ts, `cron matched on the current minute` in test/lib/cron/cron.test.ts.
const test = suite('known defects of this pattern', { timeoutMs: 120_000 });
let database: TestDatabase;
let workers: Workers;

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const one = async (sql: string, values?: unknown[]) => (await query(sql, values))[0];
const submit = async (steps: object[]): Promise<string> =>
  (await one('select add_mission($1::jsonb) as id', [JSON.stringify({ kind: 'defect', steps })])).id;
const stepsOf = (id: string) => query('select * from ops_mission_steps where mission_id = $1 order by position', [id]);
const ended = (id: string) =>
  eventually(
    async () => (await query('select * from ops_missions where id = $1 and finished_at is not null', [id]))[0],
    `the end of m${id}`,
    60_000,
  );
const startsOf = async (mark: string) => (await query('select from test_starts where mark = $1', [mark])).length;
const started = (mark: string) => eventually(async () => (await startsOf(mark)) === 1, `${mark} starts`, 60_000);

test.before(async () => {
  database = await freshDatabase({ source: 'cli' });
  await query('create table test_starts (mark text, at timestamptz default clock_timestamp())');
  workers = await startTestWorkers(database);
});
test.after(async () => {
  await workers.stop('the test ends');
  await database.drop();
});

test("nothing sets a mission running; lease shorter than the step's timeout runs it twice; start-up orphans other workers' live steps", async () => {
  const id = await submit([{ name: 'a', task: 'wait', payload: { ms: 3000, mark: 'long' }, timeout: '20 s' }]);
  await started('long');
  const running = await one('select state, started_at, worker from ops_missions where id = $1', [id]);
  assert.is(running.state, 'running');
  assert.ok(running.started_at);
  // Of the step's 20 s the lease says nothing: it is renewed beside the step.
  const pool = running.worker as string;
  await query("update workers set seen_at = clock_now() - interval '11 seconds' where pool_id = $1", [pool]);
  await eventually(
    async () =>
      (await query("select from workers where pool_id = $1 and seen_at > clock_now() - interval '3 seconds'", [pool]))
        .length === 1,
    'its lease is renewed while the step runs',
    30_000,
  );
  assert.is((await one('select sweep_pool($1) as released', [pool])).released, null);
  // Another worker's start is a recovery; of the living it recovers nothing.
  const other = await startTestWorkers(database);
  await ended(id);
  await other.stop('test');
  const [step] = await stepsOf(id);
  assert.equal([step.state, step.attempt, await startsOf('long')], ['succeeded', 1, 1]);
});

test('failed need strands its dependants', async () => {
  const id = await submit([
    { name: 'a', task: 'fail', payload: { permanent: true } },
    { name: 'b', task: 'noop', needs: ['a'] },
    { name: 'c', task: 'noop', needs: ['b'] },
  ]);
  assert.is((await ended(id)).state, 'failed');
  assert.equal(
    (await stepsOf(id)).map((step) => step.state),
    ['failed', 'skipped', 'skipped'],
  );
});

test('steps claimable out of order', async () => {
  const pause = { task: 'wait', payload: { ms: 30, mark: 'order' } };
  const id = await submit([
    { name: 'last', ...pause, needs: ['left', 'right'] },
    { name: 'left', ...pause, needs: ['first'] },
    { name: 'right', ...pause, needs: ['first'] },
    { name: 'first', ...pause },
  ]);
  assert.is((await ended(id)).state, 'succeeded');
  const early = await query(
    'select s.name from ops_mission_steps s join ops_mission_steps n on n.mission_id = s.mission_id and n.name = any (s.needs) where s.mission_id = $1 and s.started_at < n.finished_at',
    [id],
  );
  assert.equal(early, []);
});

test('keep-alive and sweeper look at different columns', async () => {
  for (const pool of ['kept', 'silent'])
    await query(
      `insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency, seen_at, started_at)
       values ($1, $1, 'missions', 'elsewhere', 'boot', 1, '1', 1, clock_now() - interval '13 seconds', clock_now() - interval '1 day')`,
      [pool],
    );
  await query('select renew_leases($1::jsonb)', [
    JSON.stringify([{ pool_id: 'kept', running: [], rss_bytes: 1, loop_lag_ms: 0 }]),
  ]);
  assert.is((await one("select sweep_pool('kept') as released")).released, null);
  assert.is((await one("select sweep_pool('silent') as released")).released, 0);
  assert.equal(await query("select pool_id, state from workers where host = 'elsewhere' order by 1"), [
    { pool_id: 'kept', state: 'live' },
    { pool_id: 'silent', state: 'dead' },
  ]);
  await query("update workers set state = 'stopped', ended_at = now() where pool_id = 'kept'");
});

test('late success overwrites a failure', async () => {
  const id = await submit([{ name: 'a', task: 'fail', payload: { permanent: true } }]);
  const mission = await ended(id);
  const [step] = await stepsOf(id);
  const late = { ...emptyEnd(step as StepRow, 'succeeded', null, null), output: '{"late": true}' };
  const writer = createWriter(database.pool, createLogger({ name: 'test', level: 'silent' }));
  for (const epoch of [mission.epoch, mission.epoch - 1]) {
    await writer.submit({ mission: id, epoch, ends: [late], requeues: [], starts: [], change: null });
    assert.equal(await stepsOf(id), [step]);
  }
  const direct = "update ops_mission_steps set state = 'succeeded' where mission_id = $1";
  assert.is((await refusal(database.pool.query(direct, [id]))).code, 'OC008');
  assert.equal(await query('select state from ops_outcomes where mission_id = $1', [id]), [{ state: 'failed' }]);
});

test.run();
