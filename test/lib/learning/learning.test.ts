import * as assert from 'uvu/assert';
import { type Arm, learnedOrder, order } from '../../../lib/learning/choice.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { seeded } from '../../harness/seeded.ts';
import { suite } from '../../harness/suite.ts';
import { eventually } from '../../harness/workers.ts';

const test = suite('learning', { timeoutMs: 60_000 });
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const query = <Row extends Record<string, unknown>>(text: string, values: unknown[] = []) =>
  database.pool.query<Row>(text, values).then(({ rows }) => rows);
const learnOnce = async () => (await query<{ learned: number }>('select learn() as learned'))[0]!.learned;
/** Until all is read: a transaction of another test's database, in the same cluster, holds the learner back as well. */
async function learn(): Promise<number> {
  let learned = 0;
  await eventually(async () => {
    learned += await learnOnce();
    const [row] = await query<{ read: boolean }>(
      `select not exists (select from ops_outcome_rows o, ops_cursors c where c.name = 'learn' and (o.tx, o.id) > (c.tx, c.id))
              and not exists (select from job_history h, ops_cursors c where c.name = 'learn_jobs' and (h.tx, h.job_id) > (c.tx, c.id)) as read`,
    );
    return row!.read;
  }, 'all outcomes are read');
  return learned;
}

interface Outcome {
  task?: string;
  provider?: string;
  success?: boolean;
  attempt?: number;
  ms?: number;
  error?: string;
}
const insert = (
  outcomes: Outcome[],
  client: { query: (text: string, values: unknown[]) => Promise<unknown> } = database.pool,
) =>
  client.query(
    `insert into ops_outcome_rows (task, provider, success, state, attempt, duration_ms, error_class)
     select o.task, o.provider, o.success, case when o.success then 'succeeded' else 'failed' end, o.attempt, o.ms, case when not o.success then o.error end
     from json_to_recordset($1) o(task text, provider text, success boolean, attempt integer, ms float8, error text)`,
    [
      JSON.stringify(
        outcomes.map((one) => ({ task: 'echo', success: true, attempt: 1, ms: 100, error: 'error', ...one })),
      ),
    ],
  );

test('learner looks back one hour only: it follows every outcome, those that commit late too', async () => {
  const late = await database.pool.connect();
  await late.query('begin');
  await insert([{ task: 'late' }], late);
  await insert([{ task: 'early' }]);
  assert.is(await learnOnce(), 0, 'nothing beyond the oldest running transaction');
  await late.query('commit');
  late.release();
  assert.is(await learn(), 2);
  assert.is(await learn(), 0);
  const rows = await query("select task, outcomes from ops_outcome_days where task in ('late', 'early') order by task");
  assert.equal(rows, [
    { task: 'early', outcomes: 1 },
    { task: 'late', outcomes: 1 },
  ]);
});

test('rates have their interval, percentiles are right within a tenth, skipped steps count nothing', async () => {
  await insert(Array.from({ length: 200 }, (_, n) => ({ task: 'timed', ms: 10 * (n + 1), success: n % 10 !== 0 })));
  await query("insert into ops_outcome_rows (task, success, state) values ('timed', false, 'skipped')");
  await learn();
  const [row] = await query<Record<string, string>>("select * from ops_task_stats where task = 'timed'");
  assert.is(Number(row!.outcomes), 200);
  assert.is(Number(row!.success_rate), 0.9);
  assert.ok(Number(row!.rate_low) > 0.84 && Number(row!.rate_low) < 0.9 && Number(row!.rate_high) < 0.95);
  assert.ok(Math.abs(Number(row!.p50_ms) / 1000 - 1) < 0.12, `p50 ${row!.p50_ms}`);
  assert.ok(Math.abs(Number(row!.p95_ms) / 1900 - 1) < 0.12, `p95 ${row!.p95_ms}`);
  assert.is(row!.top_error, 'error');
});

test('a provider that goes bad is noticed within 30 outcomes at the median, a steady one is not', async () => {
  const random = seeded(11);
  const noticed: number[] = [];
  for (let world = 0; world < 9; world++) {
    const task = `world_${world}`;
    await insert(Array.from({ length: 120 }, () => ({ task, provider: 'p', success: random() < 0.93 })));
    await learn();
    let seen = 0;
    for (; seen < 60; seen += 5) {
      const [row] = await query<{ drifts: number }>('select drifts from ops_drifts where task = $1', [task]);
      if (row!.drifts > 0) break;
      await insert(Array.from({ length: 5 }, () => ({ task, provider: 'p', success: random() < 0.45 })));
      await learn();
    }
    noticed.push(seen);
  }
  noticed.sort((a, b) => a - b);
  assert.ok(noticed[4]! <= 30, `noticed after ${noticed.join(', ')} outcomes`);
  for (let batch = 0; batch < 20; batch++) {
    await insert(Array.from({ length: 250 }, () => ({ task: 'steady', provider: 'p', success: random() < 0.9 })));
    await learn();
  }
  const [steady] = await query<{ drifts: number }>("select drifts from ops_drifts where task = 'steady'");
  assert.is(steady!.drifts, 0);
});

test('each plain job that ends is one outcome, whoever ends it, and the learner comes to it after six hours as well', async () => {
  const ended = (state: string, error: string | null, attempts: number) =>
    query(
      `insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, created_at, started_at, finished_at, error_class, last_error)
       values (nextval(pg_get_serial_sequence('graphile_worker._private_jobs', 'id')), 'plain', '{}', $1, 0, now(), $3, 4, now() - interval '6 hours 1 s', now() - interval '6 hours 1 s', now() - interval '6 hours', case when $2::text is not null then 'error' end, $2)`,
      [state, error, attempts],
    );
  await ended('succeeded', null, 1);
  await ended('failed', 'port 1 is closed', 4);
  await ended('failed', 'port 22 is closed', 4);
  await ended('cancelled', null, 0);
  const job = (await query<{ id: string }>("select add_job('echo', '{}') as id"))[0]!.id;
  await query('select cancel_job($1)', [job]);
  const rows = await query(
    "select state, attempt, success, duration_ms, error_class, job = -id as own from ops_outcomes where task = 'plain' order by job",
  );
  assert.equal(rows, [
    { state: 'succeeded', attempt: 1, success: true, duration_ms: 1000, error_class: null, own: true },
    { state: 'failed', attempt: 4, success: false, duration_ms: 1000, error_class: 'error', own: true },
    { state: 'failed', attempt: 4, success: false, duration_ms: 1000, error_class: 'error', own: true },
    { state: 'cancelled', attempt: 1, success: false, duration_ms: 1000, error_class: null, own: true },
  ]);
  const [cancelled] = await query<{ state: string; traced: boolean }>(
    'select state, trace_id is not null as traced from ops_outcomes where job = $1',
    [job],
  );
  assert.equal(cancelled, { state: 'cancelled', traced: true });
  assert.ok((await learn()) >= 5);
  const [day] = await query(
    "select sum(outcomes)::int as outcomes, sum(successes)::int as ok from ops_outcome_days where task = 'plain'",
  );
  assert.equal(day, { outcomes: 3, ok: 1 }, 'what was cancelled says nothing');
  const errors = await query("select outcomes from ops_outcome_errors where task = 'plain'");
  assert.equal(errors, [{ outcomes: 2 }], 'numbers aside it is one error');
});

test('a thumb is an outcome: of the mission, of the message that it sent; the same thumb twice is one', async () => {
  const [mission] = await query<{ id: string; trace_id: string }>(
    `insert into ops_missions (kind, title, plan, source, actor, agent) values ('digest', 'x', '{}', 'cli', 'cli:me', 'scout') returning id, trace_id`,
  );
  const rate = async (call: string, values: unknown[]) =>
    (await query<{ id: string | null }>(`select ${call} as id`, values))[0]!.id;
  assert.ok(await rate('rate_mission($1, 1)', [mission!.id]));
  assert.is(await rate('rate_mission($1, 1)', [mission!.id]), null);
  assert.ok(await rate('rate_mission($1, -1)', [mission!.id]), 'whoever thinks again is heard');
  const [message] = await query<{ id: string }>(
    `insert into outbox (recipient, text, actor, trace_id) values ('owner', 'done', 'agent:milkbot', $1) returning id`,
    [mission!.trace_id],
  );
  const [other] = await query<{ id: string }>(
    `insert into outbox (recipient, text, actor) values ('owner', 'hello', 'agent:milkbot') returning id`,
  );
  assert.ok(await rate('rate_message($1, -1)', [message!.id]));
  assert.ok(await rate('rate_message($1, 1)', [other!.id]));
  assert.equal(
    await query(
      "select task, success, rating, agent, mission_id is not null as mission from ops_outcomes where state = 'rated' order by id",
    ),
    [
      { task: 'rated:digest', success: true, rating: 1, agent: 'scout', mission: true },
      { task: 'rated:digest', success: false, rating: -1, agent: 'scout', mission: true },
      { task: 'rated:digest', success: false, rating: -1, agent: 'milkbot', mission: true },
      { task: 'rated:message', success: true, rating: 1, agent: 'milkbot', mission: false },
    ],
  );
  assert.is((await refusal(query('select rate_message(0, 1)'))).code, 'OC011');
  assert.is((await refusal(query('select rate_mission($1, 5)', [mission!.id]))).code, 'OC009');
});

const proposals = () =>
  query<{
    id: string;
    kind: string;
    task: string;
    state: string;
    approval_id: string | null;
    after: Record<string, number>;
  }>('select * from ops_learned_changes order by id');

test('a change is proposed with its evidence, asked once, applied by a person, and undone when it does worse', async () => {
  await insert([
    ...Array.from({ length: 40 }, () => ({ task: 'echo', ms: 200_000 })),
    ...Array.from({ length: 12 }, () => ({ task: 'echo', success: false, error: 'timeout', attempt: 4 })),
  ]);
  await learn();
  await query('select propose_changes()');
  await query('select propose_changes()');
  const asked = (await proposals()).filter((one) => one.kind === 'timeout');
  assert.is(asked.length, 1);
  const [approval] = await query<{ question: string; detail: { evidence: { timeouts: number } } }>(
    'select question, detail from ops_approvals where id = $1',
    [asked[0]!.approval_id],
  );
  assert.match(approval!.question, /timeout of echo/);
  assert.is(approval!.detail.evidence.timeouts, 12);
  await query("select approve($1, 'approve')", [asked[0]!.approval_id]);
  const inForce = async () =>
    (await query<{ value: Record<string, number> }>("select sound_policy('task.timeouts') as value"))[0]!.value;
  assert.equal(await inForce(), { echo: 600_000 });
  await insert(Array.from({ length: 40 }, (_, n) => ({ task: 'echo', success: n % 4 === 0 })));
  await learn();
  await query('select watch_changes()');
  assert.is((await proposals()).find((one) => one.kind === 'timeout')!.state, 'undone');
  assert.equal(await inForce(), {});
  assert.is((await query("select from ops_agent_events where kind = 'policy.undone'")).length, 1);
});

test('an attempt that never helps is proposed away; a rejection changes nothing and is not asked again', async () => {
  await insert([
    ...Array.from({ length: 60 }, () => ({ task: 'noop' })),
    ...Array.from({ length: 35 }, () => ({ task: 'noop', success: false, attempt: 4 })),
  ]);
  await learn();
  await query('select propose_changes()');
  const [change] = (await proposals()).filter((one) => one.task === 'noop');
  assert.equal([change!.kind, change!.after.noop], ['retries', 2]);
  await query("select reject($1, 'no')", [change!.approval_id]);
  await query('select propose_changes()');
  assert.equal(
    (await proposals()).filter((one) => one.task === 'noop').map((one) => one.state),
    ['rejected'],
  );
});

test('what has only failed in a week is proposed to be stopped; approved, none of it starts', async () => {
  await insert(Array.from({ length: 25 }, () => ({ task: 'fail', success: false, error: 'refused' })));
  await learn();
  await query('select propose_changes()');
  const [change] = (await proposals()).filter((one) => one.task === 'fail' && one.kind === 'stop');
  assert.is(change!.after.fail, 0);
  await query("select approve($1, 'approve')", [change!.approval_id]);
  const [start] = await query<{ granted: number; reason_code: string }>("select * from start_task('fail')");
  assert.equal([start!.granted, start!.reason_code], [0, 'quota']);
});

test('a breaker that opens often on a service that nearly always answers is proposed to wait for more failures', async () => {
  await insert(Array.from({ length: 120 }, (_, n) => ({ task: 'asked', provider: 'steady', success: n % 60 !== 0 })));
  await query(`insert into ops_agent_events (kind, severity, payload, tags)
    select 'breaker.opened', 'error', '{"breaker": "service:steady"}', array['service:steady'] from generate_series(1, 4)`);
  await learn();
  await query('select propose_changes()');
  const ofService = async () => (await proposals()).filter((one) => one.task === 'service:steady');
  assert.equal(await ofService(), [], 'four times may be chance');
  await query(`insert into ops_agent_events (kind, severity, payload, tags)
    values ('breaker.opened', 'error', '{"breaker": "service:steady"}', array['service:steady'])`);
  await query('select propose_changes()');
  const [change] = await ofService();
  assert.equal([change!.kind, change!.after.failures], ['breaker', 5]);
  await query("select approve($1, 'approve')", [change!.approval_id]);
  await insert(Array.from({ length: 40 }, () => ({ task: 'asked', provider: 'steady', success: false })));
  await learn();
  await query('select watch_changes()');
  assert.is((await ofService())[0]!.state, 'undone', 'watched over the calls of that service');
});

test('choosing by Thompson sampling loses far less than chance in a world that drifts', async () => {
  const random = seeded(5);
  const rates = (t: number) => ({ a: t < 1000 ? 0.95 : 0.4, b: 0.8, c: t < 2000 ? 0.6 : 0.95 });
  const arms = new Map<string, Arm>(
    ['a', 'b', 'c'].map((name) => [name, { name, outcomes: 0, successes: 0, ms: 0, cost: 0 }]),
  );
  const got = { chosen: 0, uniform: 0, a: 0, b: 0, c: 0 };
  for (let t = 0; t < 3000; t++) {
    const rate = rates(t);
    const name = order([...arms.values()], random)[0] as 'a' | 'b' | 'c';
    const arm = arms.get(name)!;
    const success = random() < rate[name] ? 1 : 0;
    arms.set(name, { ...arm, outcomes: 0.97 * arm.outcomes + 1, successes: 0.97 * arm.successes + success });
    got.chosen += rate[name];
    got.uniform += (rate.a + rate.b + rate.c) / 3;
    for (const fixed of ['a', 'b', 'c'] as const) got[fixed] += rate[fixed];
  }
  const best = Math.max(got.a, got.b, got.c);
  assert.ok(best - got.chosen <= 0.4 * (best - got.uniform), JSON.stringify(got));
});

test('the order of providers comes from what the learner keeps', async () => {
  await insert([
    ...Array.from({ length: 60 }, (_, n) => ({ task: 'llm', provider: 'bad', success: n % 5 === 0 })),
    ...Array.from({ length: 60 }, () => ({ task: 'llm', provider: 'good' })),
  ]);
  await learn();
  const random = seeded(3);
  let first = 0;
  for (let n = 0; n < 50; n++)
    first += (await learnedOrder(database.pool, 'llm', ['bad', 'good'], random))[0] === 'good' ? 1 : 0;
  assert.ok(first >= 45, `good came first ${first} of 50 times`);
});

test.run();
