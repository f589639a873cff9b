import * as assert from 'uvu/assert';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('states that only go on, and tables that only grow');
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;

const countOf = async (table: string): Promise<number> =>
  (await query(`select count(*)::integer as count from ${table}`))[0].count;

const MISSIONS: Record<string, string[]> = {
  approved: ['running', 'waiting', 'failed', 'cancelled'],
  running: ['waiting', 'succeeded', 'failed', 'cancelled'],
  waiting: ['running', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};
const STEPS: Record<string, string[]> = {
  queued: ['running', 'waiting', 'failed', 'skipped', 'cancelled'],
  running: ['queued', 'waiting', 'succeeded', 'failed', 'cancelled', 'unknown'],
  waiting: ['queued', 'running', 'succeeded', 'failed', 'skipped', 'cancelled'],
  unknown: ['queued', 'running', 'succeeded', 'failed'],
  succeeded: [],
  failed: [],
  skipped: [],
  cancelled: [],
};
const ENDED = new Set(['succeeded', 'failed', 'skipped', 'cancelled', 'unknown']);
const endOf = (state: string) => (ENDED.has(state) ? new Date() : null);

async function newMission(state = 'approved'): Promise<string> {
  const rows = await query(
    `insert into ops_missions (kind, title, state, plan, source, actor, finished_at) values ('k', 't', $1, '{}', 'sql', 'system', $2) returning id`,
    [state, endOf(state)],
  );
  return rows[0].id;
}
let stepNumber = 0;
async function newStep(mission: string, state: string): Promise<string> {
  const rows = await query(
    `insert into ops_mission_steps (mission_id, name, position, task, state, max_attempts, timeout_ms, effect, idempotency_key, finished_at)
     values ($1, $2, 0, 'noop', $3, 1, 1000, 'read', 'k', $4) returning id`,
    [mission, `s${++stepNumber}`, state, endOf(state)],
  );
  return rows[0].id;
}

test('a mission goes from each state only where it may, and the rest raises OC008', async () => {
  for (const [from, allowed] of Object.entries(MISSIONS)) {
    for (const to of Object.keys(MISSIONS).filter((state) => state !== from)) {
      const id = await newMission(from);
      const change = () =>
        query('update ops_missions set state = $2, finished_at = $3 where id = $1', [id, to, endOf(to)]);
      if (allowed.includes(to)) {
        await change();
        continue;
      }
      const refused = await refusal(change());
      assert.is(refused.code, 'OC008', `${from} -> ${to}`);
      assert.match(refused.message, new RegExp(`mission m${id} cannot go from ${from} to ${to}`));
      assert.match(refused.hint, /submit its plan again/);
    }
  }
});

test('a step goes from each state only where it may, and the rest raises OC008', async () => {
  const mission = await newMission('running');
  for (const [from, allowed] of Object.entries(STEPS)) {
    for (const to of Object.keys(STEPS).filter((state) => state !== from)) {
      const id = await newStep(mission, from);
      const change = () =>
        query('update ops_mission_steps set state = $2, finished_at = $3 where id = $1', [id, to, endOf(to)]);
      if (allowed.includes(to)) {
        await change();
        continue;
      }
      const refused = await refusal(change());
      assert.is(refused.code, 'OC008', `${from} -> ${to}`);
      assert.match(refused.message, new RegExp(`step s\\d+ of mission m${mission} cannot go from ${from} to ${to}`));
    }
  }
});

test('a step that only reads may have begun and ended between two checkpoints: then the attempt is counted', async () => {
  const id = await newStep(await newMission('running'), 'queued');
  await query(
    "update ops_mission_steps set state = 'succeeded', attempt = attempt + 1, finished_at = now() where id = $1",
    [id],
  );
  assert.is((await query('select state from ops_mission_steps where id = $1', [id]))[0].state, 'succeeded');
});

test('a proposal is decided once, and says by whom', async () => {
  const mission = await newMission();
  const decisions: Record<string, string | null> = {
    approved: mission,
    rejected: null,
    expired: null,
    duplicate: null,
  };
  for (const [first, missionId] of Object.entries(decisions)) {
    const [{ id }] = await query(
      "insert into ops_mission_proposals (kind, title, plan, source, actor, risk) values ('k', 't', '{}', 'agent', 'agent:scout', 'read') returning id",
    );
    const decide = (state: string, withMission: string | null) =>
      query(
        "update ops_mission_proposals set state = $2, mission_id = $3, decided_by = 'cli:me', decided_at = clock_now() where id = $1",
        [id, state, withMission],
      );
    await decide(first, missionId);
    for (const second of ['proposed', ...Object.keys(decisions)].filter((state) => state !== first)) {
      const refused = await refusal(decide(second, decisions[second] ?? null));
      assert.is(refused.code, 'OC008', `${first} -> ${second}`);
      assert.match(refused.message, new RegExp(`proposal p${id} was decided: ${first} by cli:me`));
    }
  }
});

test('a state that is none, and an end without its time, are refused', async () => {
  const id = await newMission('running');
  for (const sql of [
    "update ops_missions set state = 'paused' where id = $1",
    "update ops_missions set state = 'failed' where id = $1",
    'update ops_missions set finished_at = now() where id = $1',
  ])
    assert.match((await refusal(query(sql, [id]))).code, /^(OC008|23514)$/, sql);
  const proposal =
    "insert into ops_mission_proposals (kind, title, plan, source, actor, risk, state) values ('k', 't', '{}', 'sql', 'system', 'read', $1)";
  assert.is((await refusal(query(proposal, ['approved']))).code, '23514', 'approved without a mission');
  assert.is((await refusal(query(proposal, ['rejected']))).code, '23514', 'rejected without its time');
});

const APPEND_ONLY = [
  'job_requests',
  'job_history',
  'ops_policy',
  'ops_agent_events',
  'ops_outcome_rows',
  'agent_events',
];

test('append-only tables refuse UPDATE, DELETE and TRUNCATE with OC010', async () => {
  await query("select add_job('noop')");
  await query('select cancel_job((select max(id) from task_queue))');
  for (const table of APPEND_ONLY) {
    const before = await countOf(table);
    for (const sql of [
      `update ${table} set created_at = now()`,
      `delete from ${table}`,
      `delete from ${table} where false`,
      `truncate ${table}`,
    ]) {
      // The log of acts belongs to the superuser; its owner, too, is refused.
      const by = table === 'agent_events' ? database.admin : database.pool;
      const refused = await refusal(by.query(sql));
      assert.is(refused.code, 'OC010', `${sql}: ${refused.message}`);
      assert.match(refused.message, new RegExp(`(update|delete|truncate) on ${table} is refused`));
      assert.match(refused.hint, /retention/);
    }
    assert.is(await countOf(table), before);
  }
});

test('the flag of retention lets only a DELETE through, never an UPDATE or TRUNCATE', async () => {
  const tables = [...APPEND_ONLY.filter((table) => table !== 'agent_events'), 'ops_mission_proposals'];
  for (const table of tables) {
    const flagged = `select set_config('openclaw.retention', 'on', true); truncate ${table}`;
    assert.is((await refusal(database.pool.query(flagged))).code, 'OC010', table);
  }
});

test('missions, steps and proposals are not deleted by hand', async () => {
  const mission = await newMission();
  await newStep(mission, 'queued');
  for (const table of ['ops_mission_steps', 'ops_mission_proposals', 'ops_missions']) {
    for (const sql of [`delete from ${table}`, `truncate ${table} cascade`]) {
      const refused = await refusal(query(sql));
      assert.is(refused.code, 'OC010', sql);
      assert.match(refused.hint, /cancel_mission/);
    }
  }
});

test('a mission keeps the policy that it was let in by', async () => {
  const plan = JSON.stringify({ kind: 'kept', steps: [{ name: 'a', task: 'noop' }] });
  const [{ id, policy }] = await query("select add_mission($1) as id, policy_value('sql.allow') as policy", [plan]);
  await query(
    `insert into ops_policy (key, version, value) values ('sql.allow', 2, '{"effects": [], "tasks": [], "except": []}')`,
  );
  const [{ policy_snapshot }] = await query('select policy_snapshot from ops_missions where id = $1', [id]);
  assert.equal(policy_snapshot['sql.allow'], policy);
});

test.run();
