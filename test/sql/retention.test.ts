import * as assert from 'uvu/assert';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('retention deletes what policy says is old, and nothing else');
let database: TestDatabase;

test.before.each(async () => {
  database = await freshDatabase();
});
test.after.each(() => database.drop());

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;

/** From now on every session's clock_now() is this many days after the real time. */
const clock = (days: number) =>
  query(
    `insert into clock_override (at) values (now() + $1::integer * interval '1 day')
     on conflict (only_row) do update set at = excluded.at`,
    [days],
  );
/** The counts; those of tables that this file does not fill are left out where they are 0. */
const retain = async (atMost = 5000): Promise<Record<string, number>> => {
  const done: Record<string, number> = (await query('select apply_retention($1) as done', [atMost]))[0].done;
  return Object.fromEntries(Object.entries(done).filter(([name, count]) => name in NOTHING || count > 0));
};
const NOTHING = { jobs: 0, events: 0, acts: 0, outcomes: 0, reactions: 0, missions: 0, workers: 0 };
const countOf = async (table: string): Promise<number> =>
  (await query(`select count(*)::integer as count from ${table}`))[0].count;

/** Jobs that ended in this state, with everything that hangs on a job; their ids. */
async function endedJobs(state: 'succeeded' | 'failed' | 'cancelled', count: number): Promise<string[]> {
  const asked = await query("insert into task_queue (task) select 'noop' from generate_series(1, $1) returning id", [
    count,
  ]);
  const ids = asked.map((row) => row.id);
  const client = await database.pool.connect();
  await client.query("begin; select set_config('openclaw.ledger', 'ride', true)");
  await client.query('delete from graphile_worker._private_jobs where id = any ($1)', [ids]);
  await client.query(
    `insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, created_at)
     select id, 'noop', '{}', $2, 0, now(), 1, 4, now() from unnest($1::bigint[]) id`,
    [ids, state],
  );
  await client.query("insert into checkpoints (scope, name) select 'j' || id, 'a' from unnest($1::bigint[]) id", [ids]);
  await client.query('insert into job_progress (job_id, fraction) select id, 1 from unnest($1::bigint[]) id', [ids]);
  await client.query('insert into job_cancels (job_id) select id from unnest($1::bigint[]) id', [ids]);
  await client.query('commit');
  client.release();
  return ids;
}

test('jobs that went well leave after 7 days, those that did not after 90', async () => {
  await endedJobs('succeeded', 3);
  await endedJobs('failed', 2);
  await endedJobs('cancelled', 1);
  const [{ waiting }] = await query("select add_job('noop', run_at => now() + interval '1 year') as waiting");
  await clock(6);
  assert.equal(await retain(), NOTHING);
  await clock(8);
  assert.equal(await retain(), { ...NOTHING, jobs: 3 });
  assert.equal(await query('select state, count(*)::integer as n from task_queue group by state order by state'), [
    { state: 'cancelled', n: 1 },
    { state: 'failed', n: 2 },
    { state: 'queued', n: 1 },
  ]);
  await clock(91);
  assert.is((await retain()).jobs, 3);
  assert.equal(
    (await query('select id from task_queue')).map((row) => row.id),
    [waiting],
    'a job that waits is kept',
  );
  for (const table of ['job_requests', 'job_history', 'job_progress', 'job_cancels', 'checkpoints'])
    assert.is(await countOf(table), table === 'job_requests' ? 1 : 0, table);
});

test('events, acts and outcomes leave after 90 days', async () => {
  await query("insert into ops_agent_events (kind) values ('user.x'), ('user.y')");
  await query("select record_act('x', 'y', null, null)");
  await query("insert into ops_outcome_rows (task, success, state) values ('noop', true, 'succeeded')");
  await clock(89);
  assert.equal(await retain(), NOTHING);
  await clock(91);
  assert.equal(await retain(), { ...NOTHING, events: 2, acts: 1, outcomes: 1 });
});

test('ended missions leave with their steps, proposals and checkpoints; open ones and undecided proposals stay', async () => {
  const plan = JSON.stringify({
    kind: 'old',
    steps: [
      { name: 'a', task: 'noop' },
      { name: 'b', task: 'noop' },
    ],
  });
  const [{ ended, open }] = await query("select add_mission($1) as ended, add_mission($1, dedupe_key => 'k') as open", [
    plan,
  ]);
  await query("select add_mission($1, dedupe_key => 'k')", [plan]);
  await query(
    "insert into ops_mission_proposals (kind, title, plan, source, actor, risk) values ('k', 't', '{}', 'agent', 'agent:scout', 'read')",
  );
  await query("insert into checkpoints (scope, name) values ('m' || $1 || '/a', 'x'), ('m' || $2 || '/a', 'x')", [
    ended,
    open,
  ]);
  await query('select cancel_mission($1)', [ended]);
  await clock(89);
  assert.is((await retain()).missions, 0);
  await clock(91);
  assert.is((await retain()).missions, 1);
  assert.equal(
    (await query('select id from ops_missions')).map((row) => row.id),
    [open],
  );
  assert.is(await countOf('ops_mission_steps'), 2);
  assert.equal(
    (await query('select scope from checkpoints')).map((row) => row.scope),
    [`m${open}/a`],
  );
  assert.equal(
    (await query('select state from ops_mission_proposals order by state')).map((row) => row.state),
    ['approved', 'proposed'],
  );
});

test('workers that ended leave after 7 days, a live one never', async () => {
  await query(
    `insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency, state, ended_at)
     select s, s, 'missions', 'h', 'b', 1, '1', 1, s, case when s <> 'live' then now() end from unnest(array['live', 'stopped', 'dead']) s`,
  );
  await clock(6);
  assert.equal(await retain(), NOTHING);
  await clock(1000);
  assert.is((await retain()).workers, 2);
  assert.equal(await query('select state from workers'), [{ state: 'live' }]);
});

test('one call deletes one batch, the oldest first', async () => {
  await endedJobs('succeeded', 25);
  await query("insert into ops_agent_events (kind) select 'user.x' from generate_series(1, 12)");
  await clock(100);
  const batches = [await retain(10), await retain(10), await retain(10)];
  assert.equal(
    batches.map(({ jobs, events }) => [jobs, events]),
    [
      [10, 10],
      [10, 2],
      [5, 0],
    ],
  );
  assert.equal(await retain(10), NOTHING);
});

test('a policy that is missing deletes nothing; one that is null is refused', async () => {
  await endedJobs('succeeded', 2);
  await endedJobs('failed', 2);
  await query("insert into ops_agent_events (kind) values ('user.x')");
  await clock(10_000);
  const refused = await query(
    "insert into ops_policy (key, version, value) values ('retention.jobs_ok', 2, 'null')",
  ).then(
    () => '',
    (error: Error) => error.message,
  );
  assert.match(refused, /retention\.jobs_ok is null, expected a string/);
  await database.admin.query(
    "begin; set local session_replication_role = replica; delete from ops_policy where key like 'retention.%'; commit",
  );
  assert.equal(await retain(), NOTHING);
  assert.equal(await query('select state, count(*)::integer as n from task_queue group by state order by state'), [
    { state: 'failed', n: 2 },
    { state: 'succeeded', n: 2 },
  ]);
});

test('a newer policy is in force at once', async () => {
  await endedJobs('succeeded', 1);
  await query(`insert into ops_policy (key, version, value) values ('retention.jobs_ok', 2, '"30 days"')`);
  await clock(29);
  assert.equal(await retain(), NOTHING);
  await clock(31);
  assert.is((await retain()).jobs, 1);
});

test('after retention its transaction may delete no more than before', async () => {
  await endedJobs('failed', 1);
  const client = await database.pool.connect();
  await client.query('begin');
  await client.query('select apply_retention()');
  assert.is((await refusal(client.query('delete from job_history'))).code, 'OC010');
  await client.query('rollback');
  client.release();
});

test.run();
