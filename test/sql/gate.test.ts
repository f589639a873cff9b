import * as assert from 'uvu/assert';
import type { PoolClient } from '../../lib/db/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { atOnce } from '../harness/processes.ts';
import { connectAs, refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('sql: the gate', { timeoutMs: 90_000 });
let db: TestDatabase;

interface Answer {
  proposal: string;
  state: string;
  mission: string | null;
  reason_code: string;
  reason: string;
  approval: string | null;
}

test.before(async () => {
  db = await freshDatabase();
});
test.before.each(async () => {
  await db.pool.query(
    `delete from clock_override; delete from ops_quota_use; delete from ops_breakers;
     update ops_missions set state = 'cancelled', finished_at = now() where state in ('approved', 'running', 'waiting');
     update gate_counters set counted_at = '2000-01-01', steps = 0;
     select set_policy('gate.caps', '{"active_missions": 1000, "steps_per_day": 100000}'), set_policy('quota.tasks', '{}')`,
  );
});
test.after(() => db.drop());

const plan = (kind: string, ...tasks: string[]) =>
  JSON.stringify({ kind, steps: tasks.map((task, index) => ({ name: `s${index}`, task })) });

/** Proposes as somebody: the setting is the session's, so it is a transaction of its own. */
async function propose(text: string, source = 'cli', named = ''): Promise<Answer> {
  const client = await db.pool.connect();
  try {
    return await proposeOn(client, text, source, named);
  } finally {
    client.release();
  }
}
async function proposeOn(client: PoolClient, text: string, source: string, named: string): Promise<Answer> {
  await client.query('begin');
  await client.query(`select set_config('openclaw.source', $1, true), set_config('openclaw.actor', $2, true)`, [
    source,
    source === 'agent' ? 'agent:scout' : `${source}:somebody`,
  ]);
  try {
    const { rows } = await client.query<Answer>(`select * from propose_mission($1::jsonb${named})`, [text]);
    await client.query('commit');
    return rows[0]!;
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}
const one = async <T>(text: string, values: unknown[] = []): Promise<T> =>
  (await db.pool.query(text, values)).rows[0] as T;
const setClock = (at: string) =>
  db.pool.query('insert into clock_override (at) values ($1) on conflict (only_row) do update set at = excluded.at', [
    at,
  ]);

test('caps counted without a lock: fifty at once in several processes against a cap of 5 are exactly 5, and 45 rows with the reason', async () => {
  for (const isolation of ['read committed', 'repeatable read']) {
    await db.pool.query(
      `update ops_missions set state = 'cancelled', finished_at = now() where state = 'approved'; select set_policy('gate.caps', '{"active_missions": 5, "steps_per_day": 100000}')`,
    );
    const kind = `cap_${isolation.slice(0, 4)}`;
    const answers = await atOnce<Answer & { code?: string }>(
      db.urlFor('openclaw_worker'),
      `select state, reason_code from propose_mission('${plan(kind, 'noop')}')`,
      { times: 50, isolation },
    );
    const { open } = await one<{ open: number }>(
      "select count(*)::integer as open from ops_missions where kind = $1 and state = 'approved'",
      [kind],
    );
    if (isolation === 'read committed') {
      assert.is(open, 5);
      assert.is(
        answers.filter((answer) => 'reason_code' in answer && answer.reason_code === 'cap_missions').length,
        45,
      );
      const told = await one<{ rows: number; events: number }>(
        `select (select count(*)::integer from ops_mission_proposals where kind = $1 and state = 'rejected' and reason_code = 'cap_missions' and reason like '5 missions%') as rows,
                (select count(*)::integer from ops_agent_events where kind = 'mission.refused' and severity = 'warning' and payload ->> 'kind' = $1) as events`,
        [kind],
      );
      assert.equal(told, { rows: 45, events: 45 });
    } else {
      assert.ok(open >= 1 && open <= 5, `${open} under repeatable read`);
      for (const answer of answers) if (answer.code) assert.is(answer.code, '40001');
    }
  }
});

test('steps a day are a cap that turns with the UTC day', async () => {
  await db.pool.query(`select set_policy('gate.caps', '{"active_missions": 1000, "steps_per_day": 5}')`);
  await setClock('2026-06-01 23:00:00Z');
  assert.is((await propose(plan('daily', 'noop', 'noop', 'noop'))).state, 'approved');
  assert.is((await propose(plan('daily', 'noop', 'noop', 'noop'))).reason_code, 'cap_steps');
  assert.is((await propose(plan('daily', 'noop', 'noop'))).state, 'approved');
  await setClock('2026-06-02 00:00:00Z');
  assert.is((await propose(plan('daily', 'noop', 'noop', 'noop'))).state, 'approved');
});

test('a quota of 5 claimed by fifty at once in several processes is exactly 5; who wants more than is left gets what is left', async () => {
  await db.pool.query(`select set_policy('quota.tasks', '{"noop": 5, "echo": 1}')`);
  const answers = await atOnce<{ granted: number }>(
    db.urlFor('openclaw_worker'),
    `select spend_quota('noop') as granted`,
    { times: 50 },
  );
  assert.is(answers.filter((answer) => 'granted' in answer && answer.granted === 1).length, 5);
  assert.is((await one<{ used: number }>("select used from ops_quota_use where task = 'noop'")).used, 5);
  assert.equal(await one(`select spend_quota('echo', 3) as first, spend_quota('outside', 7) as free`), {
    first: 1,
    free: 7,
  });
  assert.is((await one<{ used: number }>("select used from ops_quota_use where task = 'echo'")).used, 1);
});

test('quota day in the server’s zone: it turns at midnight UTC, whatever zone the session has', async () => {
  await db.pool.query(`select set_policy('quota.tasks', '{"noop": 1}')`);
  const client = await db.pool.connect();
  try {
    await client.query("set timezone = 'Asia/Tokyo'");
    const spend = async () => (await client.query("select spend_quota('noop') as granted")).rows[0].granted;
    await setClock('2026-06-01 23:59:59Z');
    assert.is(await spend(), 1);
    assert.is(await spend(), 0);
    await setClock('2026-06-02 00:00:00Z');
    assert.is(await spend(), 1);
  } finally {
    await client.query('reset timezone');
    client.release();
  }
});

test('retries by task: policy goes before the task’s own, for tasks that are registered later too', async () => {
  const attempts = async () =>
    (await one<{ n: number }>("select max_attempts::integer as n from ops_tasks where identifier = 'noop'")).n;
  const own = await attempts();
  await db.pool.query(`select set_policy('task.retries', '{"noop": 7}')`);
  assert.is(await attempts(), 8);
  await db.pool.query("update ops_tasks set max_attempts = 2 where identifier = 'noop'");
  assert.is(await attempts(), 8);
  const { id } = await one<{ id: string }>("select add_job('noop') as id");
  assert.is((await one<{ n: number }>('select max_attempts::integer as n from task_queue where id = $1', [id])).n, 8);
  await db.pool.query(`select set_policy('task.retries', '{}')`);
  await db.pool.query("update ops_tasks set max_attempts = $1 where identifier = 'noop'", [own]);
  assert.is(await attempts(), own);
});

test('static dedupe key fires once for ever: it is free again when its mission has ended', async () => {
  const first = await propose(plan('keyed', 'noop'), 'cli', ", dedupe_key => 'static'");
  const second = await propose(plan('keyed', 'noop'), 'cli', ", dedupe_key => 'static'");
  assert.equal([second.state, second.mission], ['duplicate', first.mission]);
  await db.pool.query('select cancel_mission($1)', [first.mission]);
  const third = await propose(plan('keyed', 'noop'), 'cli', ", dedupe_key => 'static'");
  assert.is(third.state, 'approved');
  const asked = await propose(plan('keyed', 'outside'), 'agent', ", dedupe_key => 'asked'");
  const again = await propose(plan('keyed', 'outside'), 'agent', ", dedupe_key => 'asked'");
  assert.equal([asked.state, again.state, again.mission], ['proposed', 'duplicate', null]);
});

test('who asks for what: a person’s own submission is its own approval, effects outside from machines ask', async () => {
  for (const [source, task, state, code] of [
    ['cli', 'outside', 'approved', 'own_submission'],
    ['telegram', 'outside', 'approved', 'own_submission'],
    ['cron', 'outside', 'approved', 'approved_by_policy'],
    ['agent', 'noop', 'approved', 'approved_by_policy'],
    ['agent', 'outside', 'proposed', 'approval_needed'],
    ['rule', 'outside', 'proposed', 'approval_needed'],
    ['sql', 'outside', 'proposed', 'approval_needed'],
    ['mission', 'outside', 'proposed', 'approval_needed'],
  ] as const) {
    const answer = await propose(plan('asks', task), source);
    assert.equal([answer.state, answer.reason_code], [state, code], `${source} ${task}`);
    const jobs = await one<{ n: number }>('select count(*)::integer as n from job_requests where mission_id = $1', [
      answer.mission,
    ]);
    assert.is(jobs.n, state === 'approved' ? 1 : 0);
  }
  const upkeep = await propose(JSON.stringify({ kind: 'backup', steps: [{ name: 'a', task: 'outside' }] }), 'agent');
  assert.is(upkeep.reason_code, 'auto_approved');
});

test('untrusted follows the data from step to step, and asks whoever submits', async () => {
  const flow = (path: string) =>
    JSON.stringify({
      kind: 'flow',
      steps: [
        { name: 'page', task: 'fetch_url', payload: { url: 'https://example.com/' } },
        { name: 'note', task: 'echo', needs: ['page'], payload: { text: { $path: '$.steps.page.output.text' } } },
        { name: 'send', task: 'outside', needs: ['note'], payload: { text: { $path: path } } },
      ],
    });
  assert.is((await propose(flow('$.steps.note.output'))).state, 'proposed');
  assert.is((await propose(flow('$.steps.*.output'))).state, 'proposed');
  assert.is((await propose(flow('$.input.text'))).state, 'approved');
  assert.is((await propose(flow('$.input.text'), 'cli', ', untrusted => true')).state, 'proposed');
  assert.is(
    (
      await propose(
        JSON.stringify({ kind: 'backup', steps: [{ name: 'a', task: 'outside' }] }),
        'agent',
        ', untrusted => true',
      )
    ).state,
    'proposed',
  );
});

test('an approval starts the mission with the policy of that moment; a rejection and an expiry start nothing', async () => {
  const ask = () => propose(plan('decide', 'outside'), 'agent');
  const [yes, no, late, full] = [await ask(), await ask(), await ask(), await ask()];
  await db.pool.query('select approve($1)', [yes.approval]);
  await db.pool.query("select reject($1, 'not today')", [no.approval]);
  await db.pool.query(`select set_policy('gate.caps', '{"active_missions": 0, "steps_per_day": 5}')`);
  await db.pool.query('select approve($1)', [full.approval]);
  await setClock(new Date(Date.now() + 5 * 86_400_000).toISOString());
  await db.pool.query('select expire_approvals()');
  const { rows } = await db.pool.query(
    `select state, reason_code, reason, mission_id is not null as started from ops_mission_proposals where id = any ($1) order by id`,
    [[yes, no, late, full].map((answer) => answer.proposal)],
  );
  assert.equal(
    rows.map((row) => [row.state, row.reason_code, row.started]),
    [
      ['approved', 'approved_by_person', true],
      ['rejected', 'rejected_by_person', false],
      ['expired', 'expired', false],
      ['rejected', 'cap_missions', false],
    ],
  );
  assert.is(rows[1].reason, 'not today');
});

test('a limited role answers only what policy says, and not what it asked for itself', async () => {
  const rogue = connectAs(db, 'binaryrogue');
  try {
    await db.pool.query(
      `select set_policy('sql.allow', '{"effects": ["read", "write", "outside"], "tasks": [], "except": []}')`,
    );
    const { rows } = await rogue.query(`select * from propose_mission('${plan('own', 'outside')}')`);
    assert.is(rows[0].state, 'proposed');
    assert.is((await refusal(rogue.query('select approve($1)', [rows[0].approval]))).code, 'OC006');
    const other = await propose(plan('other', 'outside'), 'agent');
    await db.pool.query(`select set_policy('approvals.sql', '{"kinds": ["step"], "own": true}')`);
    assert.is((await refusal(rogue.query('select approve($1)', [other.approval]))).code, 'OC006');
    await db.pool.query(`select set_policy('approvals.sql', '{"kinds": ["proposal"], "own": false}')`);
    assert.is((await rogue.query('select approve($1) as answer', [other.approval])).rows[0].answer, 'approve');
    assert.is((await refusal(rogue.query('select decide_proposal(a) from ops_approvals a'))).code, '42501');
    assert.is((await refusal(rogue.query("select spend_quota('noop')"))).code, '42501');
  } finally {
    await rogue.end();
  }
});

test('a policy that is deleted or malformed by SQL means no, with a row that says so', async () => {
  for (const [key, value] of [
    ['gate.caps', null],
    ['gate.caps', '{"active_missions": "many", "steps_per_day": 5}'],
    ['gate.approval', null],
    ['gate.approval', '{"person": "auto"}'],
    ['gate.approval', '{"person": {"read": "yes"}}'],
    ['quota.tasks', null],
    ['quota.tasks', '[]'],
  ] as const) {
    const client = await db.admin.connect();
    try {
      await client.query("begin; alter table ops_policy disable trigger user; set local openclaw.source = 'cli'");
      if (value === null) await client.query('delete from ops_policy where key = $1', [key]);
      else await client.query('update ops_policy set value = $2::jsonb where key = $1', [key, value]);
      const { rows } = await client.query<Answer>(`select * from propose_mission($1::jsonb)`, [
        plan('no_policy', 'noop'),
      ]);
      assert.equal([rows[0]!.state, rows[0]!.reason_code], ['rejected', 'policy'], `${key} ${value}`);
    } finally {
      await client.query('rollback');
      client.release();
    }
  }
});

test('an estimate is reserved before it starts, and refused where the budget has no room', async () => {
  const first = await propose(plan('dear', 'noop'), 'cli', ', cost_estimate_usd => 1.5');
  assert.is(first.state, 'approved');
  const second = await propose(plan('dear', 'noop'), 'cli', ', cost_estimate_usd => 1');
  assert.equal([second.state, second.reason_code], ['rejected', 'budget']);
  await db.pool.query('select cancel_mission($1)', [first.mission]);
  assert.is((await propose(plan('dear', 'noop'), 'cli', ', cost_estimate_usd => 1')).state, 'approved');
});

test('a changed task makes every plan unknown again', async () => {
  const text = plan('cached', 'pause');
  await propose(JSON.stringify({ kind: 'cached', steps: [{ name: 'a', task: 'noop' }] }));
  const { plans } = await one<{ plans: number }>(
    'select count(*)::integer as plans from sound_plans s join ops_tasks_generation g on s.generation = g.generation',
  );
  assert.ok(plans >= 1);
  await db.pool.query("update ops_tasks set retired_at = now() where identifier = 'noop'");
  assert.is(
    (await refusal(propose(JSON.stringify({ kind: 'cached', steps: [{ name: 'a', task: 'noop' }] })))).code,
    'OC007',
  );
  await db.pool.query("update ops_tasks set retired_at = null where identifier = 'noop'");
  assert.ok(text);
});

test.run();
