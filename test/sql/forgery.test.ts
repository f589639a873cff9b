import * as assert from 'uvu/assert';
import type { PoolClient } from '../../lib/db/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { connectAs, refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('what a limited role says of itself is not believed');
let database: TestDatabase;
let rogue: PoolClient;
let end: () => Promise<void>;

test.before(async () => {
  database = await freshDatabase();
  const pool = connectAs(database, 'binaryrogue');
  rogue = await pool.connect();
  end = async () => {
    rogue.release();
    await pool.end();
  };
});
test.after(async () => {
  await end();
  await database.drop();
});

const say = (name: string, value: string) =>
  rogue.query('select set_config($1, $2, false)', [`openclaw.${name}`, value]);
const WAYS = [
  "insert into task_queue (task) values ('noop') returning id",
  "select add_job('noop') as id",
  "select add_job('noop', job_key => 'forged') as id",
  `select add_jobs('[{"identifier": "noop"}]') as id`,
];

test('openclaw.actor and openclaw.source name nobody else', async () => {
  await say('actor', 'cli:root');
  await say('source', 'cron');
  for (const way of WAYS) {
    const { rows } = await rogue.query<{ id: string }>(way);
    const seen = await rogue.query('select actor, source from task_queue where id = $1', [rows[0]!.id]);
    assert.equal(seen.rows[0], { actor: 'sql:binaryrogue', source: 'sql' }, way);
  }
  const { rows } = await rogue.query<{ id: string }>(
    `select add_mission('{"kind": "forged", "steps": [{"name": "a", "task": "noop"}]}') as id`,
  );
  const mission = await rogue.query('select actor, source from ops_missions where id = $1', [rows[0]!.id]);
  assert.equal(mission.rows[0], { actor: 'sql:binaryrogue', source: 'sql' });
  const acts = await database.pool.query("select distinct actor, surface from agent_events where kind = 'act'");
  assert.equal(acts.rows, [{ actor: 'sql:binaryrogue', surface: 'sql' }]);
  await say('actor', '');
  await say('source', '');
});

test('the worker, which is believed, is told apart by its login alone', async () => {
  const { rows } = await database.pool.query<{ id: string }>(
    `with said as materialized (select set_config('openclaw.actor', 'telegram:7', true), set_config('openclaw.source', 'telegram', true))
     select add_job('noop') as id from said`,
  );
  const seen = await rogue.query('select actor, source from task_queue where id = $1', [rows[0]!.id]);
  assert.equal(seen.rows[0], { actor: 'telegram:7', source: 'telegram' });
});

test('openclaw.enqueued does not make a request that is never queued', async () => {
  for (const value of ['on', 'off', 'true']) {
    for (const way of WAYS) {
      await say('enqueued', value);
      const { rows } = await rogue.query<{ id: string }>(way);
      const { rowCount } = await database.pool.query('select from graphile_worker._private_jobs where id = $1', [
        rows[0]!.id,
      ]);
      assert.is(rowCount, 1, `${way} with ${value}`);
    }
  }
});

test('openclaw.enqueued lets no refused job through', async () => {
  for (const sql of [
    "insert into task_queue (task) values ('outside')",
    "select add_job('outside')",
    "select add_job('outside', job_key => 'x')",
  ]) {
    await say('enqueued', 'on');
    assert.is((await refusal(rogue.query(sql))).code, 'OC006', sql);
  }
  await say('enqueued', '');
});

test('openclaw.retention lets nothing be deleted or changed', async () => {
  await say('retention', 'on');
  for (const table of [
    'job_requests',
    'job_history',
    'ops_missions',
    'ops_mission_steps',
    'ops_agent_events',
    'ops_policy',
    'agent_events',
  ]) {
    assert.is((await refusal(rogue.query(`delete from ${table}`))).code, '42501', table);
    assert.is((await refusal(rogue.query(`truncate ${table}`))).code, '42501', table);
  }
  assert.is((await refusal(rogue.query('select apply_retention()'))).code, '42501');
  await say('retention', '');
});

test('openclaw.ledger does not remove a job without its history', async () => {
  const { rows } = await rogue.query<{ id: string }>("select add_job('noop') as id");
  await say('ledger', 'ride');
  await rogue.query('select cancel_job($1)', [rows[0]!.id]);
  await say('ledger', '');
  const seen = await rogue.query('select state from task_queue where id = $1', [rows[0]!.id]);
  assert.equal(seen.rows, [{ state: 'cancelled' }]);
});

test('openclaw.trace joins a trace, and does nothing else', async () => {
  const trace = '00000000-0000-4000-8000-000000000001';
  for (const [said, joined] of [
    [trace, true],
    ['', false],
    ['x', false],
  ] as const) {
    await say('trace', said);
    for (const way of WAYS) {
      const { rows } = await rogue.query<{ id: string }>(way);
      const seen = await rogue.query<{ trace_id: string }>('select trace_id from task_queue where id = $1', [
        rows[0]!.id,
      ]);
      assert.match(seen.rows[0]!.trace_id, /^[0-9a-f-]{36}$/);
      if (!way.includes('forged')) assert.is(seen.rows[0]!.trace_id === trace, joined, `${way} with "${said}"`);
    }
  }
  await say('trace', 'x'.repeat(36));
  assert.is((await refusal(rogue.query(WAYS[0]!))).code, '22P02');
  await say('trace', '');
});

test('a policy sql.allow that lacks a list, or is none, allows no task of effect outside', async () => {
  const policies = ['{"effects": ["read", "write"]}', '{"tasks": ["noop"]}', '{}', 'null'];
  for (const [index, policy] of policies.entries()) {
    // Only an administrator who goes past the check of policy can do this.
    await database.admin.query('alter table ops_policy disable trigger ops_policy_check');
    await database.pool.query("insert into ops_policy (key, version, value) values ('sql.allow', $1, $2)", [
      index + 2,
      policy,
    ]);
    await database.admin.query('alter table ops_policy enable trigger ops_policy_check');
    const plan = JSON.stringify({ kind: 'x', steps: [{ name: 'a', task: 'outside' }] });
    for (const sql of [
      "insert into task_queue (task) values ('outside')",
      "select add_job('outside')",
      "select add_job('outside', job_key => 'x')",
      `select add_mission('${plan}')`,
    ])
      assert.is((await refusal(rogue.query(sql))).code, 'OC006', `${sql} with ${policy}`);
  }
  assert.is((await refusal(rogue.query("select add_job('noop')"))).code, 'OC006', 'a missing policy means no');
  await database.pool.query(
    `insert into ops_policy (key, version, value) values ('sql.allow', 9, '{"effects": [], "tasks": ["outside"], "except": []}')`,
  );
  await rogue.query("select add_job('outside')");
  assert.is((await refusal(rogue.query("select add_job('noop')"))).code, 'OC006');
});

test.run();
