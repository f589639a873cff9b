import * as assert from 'uvu/assert';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('reactions', { timeoutMs: 60_000 });
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const query = <Row extends Record<string, unknown>>(text: string, values: unknown[] = []) =>
  database.pool.query<Row>(text, values).then(({ rows }) => rows);
const PLAN = { kind: 'reacted', steps: [{ name: 'only', task: 'echo', payload: { n: 1 } }] };
let ruleNumber = 0;

/** A rule of its own kind, so that the tests do not meet each other's. */
async function rule(fields: Record<string, unknown> = {}) {
  const name = `rule_${++ruleNumber}`;
  const kind = `user.k${ruleNumber}`;
  const [row] = await query<{ id: string }>('select put_rule($1) as id', [{ name, kind, plan: PLAN, ...fields }]);
  return { name, kind, id: row!.id };
}

async function emit(kind: string, fields: Record<string, unknown> = {}): Promise<string> {
  const { payload = {}, tags = [], untrusted = false, mission = null } = fields;
  const [row] = await query<{ id: string }>(
    'insert into ops_agent_events (kind, payload, tags, untrusted, mission_id) values ($1, $2, $3, $4, $5) returning id',
    [kind, payload, tags, untrusted, mission],
  );
  return row!.id;
}

/** Runs what the trigger queued, as the task `react` does. */
async function runReactJobs(): Promise<number> {
  const jobs = await query<{ events: string[] }>(
    "delete from graphile_worker._private_jobs j using graphile_worker._private_tasks t where t.id = j.task_id and t.identifier = 'react' returning array(select json_array_elements_text(j.payload -> 'events')) as events",
  );
  for (const { events } of jobs) await query('select react($1::bigint[])', [events]);
  return jobs.length;
}

const decisions = (ruleId: string) =>
  query<{ event_id: string; state: string; reason: string | null; mission_id: string | null; depth: number }>(
    'select event_id, state, reason, mission_id, depth from ops_reactions where rule_id = $1 order by event_id',
    [ruleId],
  );

test('an event queues its reactions in its own transaction, a rollback none, and one that no rule wants none', async () => {
  const { kind, id } = await rule();
  const client = await database.pool.connect();
  await client.query('begin');
  await client.query('insert into ops_agent_events (kind) values ($1)', [kind]);
  await client.query('rollback');
  client.release();
  await emit('user.nobody_asked');
  assert.is(await runReactJobs(), 0);
  await query(
    "insert into ops_agent_events (kind) select $1 from generate_series(1, 1001) union all select 'user.other'",
    [kind],
  );
  assert.is(await runReactJobs(), 3, 'one job for each 500 events of a statement');
  assert.is((await decisions(id)).length, 1001);
});

test('a rule fires a mission with the event as its input, once, however often it is decided', async () => {
  const { kind, id, name } = await rule({ dedupe: 'about-{payload.host}-{id}' });
  const event = await emit(kind, { payload: { host: 'web1' }, untrusted: true });
  await runReactJobs();
  await query('select react($1::bigint[])', [[event]]);
  const [decision, ...more] = await decisions(id);
  assert.is(more.length, 0);
  const [mission] = await query(
    'select actor, source, untrusted, cause_event_id, cause_depth, input from ops_missions where id = $1',
    [decision!.mission_id],
  );
  assert.is(decision!.state, 'fired');
  assert.is(mission!.actor, `rule:${name}`);
  assert.is(mission!.untrusted, true);
  assert.is(mission!.cause_event_id, event);
  assert.is(mission!.cause_depth, 1);
  assert.is((mission!.input as { event: { payload: { host: string } } }).event.payload.host, 'web1');
  const [proposal] = await query('select dedupe_key from ops_mission_proposals where mission_id = $1', [
    decision!.mission_id,
  ]);
  assert.is(proposal!.dedupe_key, `about-web1-${event}`);
});

test('kind, source, tags, condition and scope decide what matches; a path that fails matches nothing', async () => {
  const { kind, id } = await rule({
    tags_all: ['a'],
    tags_any: ['x', 'y'],
    condition: '$.payload.n > 3 && $.severity == "info"',
    scope: 'trusted',
  });
  const yes = await emit(kind, { tags: ['a', 'x'], payload: { n: 4 } });
  await emit(kind, { tags: ['x'], payload: { n: 4 } });
  await emit(kind, { tags: ['a'], payload: { n: 4 } });
  await emit(kind, { tags: ['a', 'y'], payload: { n: 'many' } });
  await emit(kind, { tags: ['a', 'y'], payload: {} });
  await emit(kind, { tags: ['a', 'x'], payload: { n: 4 }, untrusted: true });
  await runReactJobs();
  assert.equal(
    (await decisions(id)).map((row) => row.event_id),
    [yes],
  );
});

test('probability rolled again each tick: the roll belongs to event and rule', async () => {
  const [count] = await query<{ below: number }>(
    'select count(*)::integer as below from generate_series(1, 10000) e where reaction_roll(e, 7) < 0.3',
  );
  assert.ok(count!.below >= 2850 && count!.below <= 3150, `${count!.below} of 10000 fixed ids at p = 0.3`);
  const { kind, id } = await rule({ probability: 0.5 });
  await query('insert into ops_agent_events (kind) select $1 from generate_series(1, 40)', [kind]);
  await runReactJobs();
  const first = await decisions(id);
  await query('select react($1::bigint[])', [first.map((row) => row.event_id)]);
  assert.equal(await decisions(id), first);
  assert.equal(new Set(first.map((row) => row.state)), new Set(['fired', 'probability']));
});

test('a cooldown rests by key, a daily cap by the UTC day, and what did not fire has spent nothing', async () => {
  const rested = await rule({ cooldown: '10 minutes', cooldown_key: '$.payload.host' });
  for (const host of ['a', 'a', 'b']) await emit(rested.kind, { payload: { host } });
  await runReactJobs();
  assert.equal(
    (await decisions(rested.id)).map((row) => row.state),
    ['fired', 'cooldown', 'fired'],
  );
  const capped = await rule({ daily_cap: 2 });
  await database.admin.query("insert into clock_override (at) values ('2026-03-01T23:59:00Z')");
  await query('insert into ops_agent_events (kind) select $1 from generate_series(1, 3)', [capped.kind]);
  await runReactJobs();
  await database.admin.query("update clock_override set at = '2026-03-02T00:01:00Z'");
  await emit(capped.kind);
  await runReactJobs();
  await database.admin.query('delete from clock_override');
  assert.equal(
    (await decisions(capped.id)).map((row) => row.state),
    ['fired', 'fired', 'cap', 'fired'],
  );
});

test('trigger counted as fired although refused: a refusal says so, and leaves no rest behind', async () => {
  const { kind, id } = await rule({ cooldown: '1 hour' });
  await database.admin.query("update ops_tasks set retired_at = now() where identifier = 'echo'");
  await emit(kind);
  await runReactJobs();
  await database.admin.query("update ops_tasks set retired_at = null where identifier = 'echo'");
  await emit(kind);
  await runReactJobs();
  const [refused, fired] = await decisions(id);
  assert.is(refused!.state, 'refused');
  assert.match(refused!.reason ?? '', /fault/);
  assert.is(fired!.state, 'fired');
});

test('a chain that comes back to its rule stops with its path told, and so does one that is too deep', async () => {
  const { kind, id, name } = await rule();
  const first = await emit(kind);
  await runReactJobs();
  const [fired] = await decisions(id);
  const again = await emit(kind, { mission: fired!.mission_id });
  await runReactJobs();
  const cycle = (await decisions(id)).find((row) => row.event_id === again);
  assert.is(cycle?.state, 'cycle');
  assert.match(cycle?.reason ?? '', new RegExp(`m${fired!.mission_id} \\(rule ${name} on e${first}\\)`));
  const [told] = await query(
    "select payload from ops_agent_events where kind = 'policy.reaction_stopped' and cause_event_id = $1",
    [again],
  );
  assert.is((told!.payload as { rule: string }).rule, name);

  let mission: string | null = null;
  let state = '';
  for (let hop = 0; hop < 6; hop++) {
    const next = await rule();
    await emit(next.kind, { mission });
    await runReactJobs();
    const [decision] = await decisions(next.id);
    mission = decision!.mission_id;
    state = decision!.state;
  }
  assert.is(state, 'depth');
});

test('rule names an event never emitted, a bad path, a bad plan, an unknown key: refused with the remedy', async () => {
  const refused = async (fields: Record<string, unknown>, code: string) => {
    const definition = { name: 'bad', kind: 'user.bad', plan: PLAN, ...fields };
    const { code: said, message, hint } = await refusal(query('select put_rule($1)', [definition]));
    assert.is(said, code, message);
    assert.ok(hint, message);
    return message;
  };
  assert.match(await refused({ kind: 'mission.exploded' }, 'OC012'), /no event has a kind like "mission.exploded"/);
  await refused({ condition: '$.payload.n' }, 'OC012');
  await refused({ condition: '$.payload. >' }, 'OC012');
  await refused({ cooldown: 'soon' }, 'OC012');
  await refused({ probability: 1.5 }, 'OC012');
  await refused({ agent: 'scout' }, 'OC012');
  await refused({ speed: 1 }, 'OC012');
  await refused({ plan: { kind: 'x', steps: [{ name: 'a', task: 'no_such_task' }] } }, 'OC007');
  assert.is((await query("select from ops_reaction_rules where name = 'bad'")).length, 0);
  await rule({ kind: 'mission.*', enabled: false });
});

test('the same rule again is no new version, another definition is one, and only the operator writes', async () => {
  const { name } = await rule({ daily_cap: 3 });
  const versionOf = async () =>
    (await query<{ version: number }>('select version from ops_reaction_rules where name = $1', [name]))[0]!.version;
  const definition = { name, kind: `user.k${ruleNumber}`, plan: PLAN, daily_cap: 3 };
  await query('select put_rule($1)', [definition]);
  assert.is(await versionOf(), 1);
  await query('select put_rule($1)', [{ ...definition, daily_cap: 4 }]);
  assert.is(await versionOf(), 2);
  await query('select set_rule_enabled($1, false)', [name]);
  await query('select put_rule($1)', [{ ...definition, daily_cap: 4 }]);
  const [row] = await query<{ enabled: boolean }>('select enabled from ops_reaction_rules where name = $1', [name]);
  assert.is(row!.enabled, false, 'what a person switched off stays off');
  const acts = await query("select verb from agent_events where target = $1 and kind = 'act' order by id", [name]);
  assert.equal(
    acts.map((act) => act.verb),
    ['rules add', 'rules add', 'rules disable'],
  );
});

test('rules on time: nothing of a kind, too many of one key, an agent without a beat', async () => {
  const absent = await rule({ over: '2 hours', absent: true });
  const often = await rule({ over: '1 hour', at_least: 3, cooldown_key: '$.payload.kind' });
  const silent = await rule({ kind: 'agent.heartbeat', over: '90 seconds', absent: true });
  await query(
    "insert into agent_heartbeats (agent, host, pid, seq, status, via, beat_at, received_at) values ('scout', 'h', 1, 1, 'idle', 'bridge', now() - interval '3 min', now() - interval '3 min'), ('atlas', 'h', 1, 1, 'idle', 'bridge', now(), now())",
  );
  for (const kind of ['x', 'x', 'y', 'x', 'y']) await emit(often.kind, { payload: { kind } });
  await query('select watch_rules()');
  await query('select watch_rules()');
  const told = await query<{ payload: { rule: string; key: string; count: number } }>(
    "select payload from ops_agent_events where kind = 'cron.watch' order by id",
  );
  const of = (name: string) =>
    told.filter(({ payload }) => payload.rule === name).map(({ payload }) => [payload.key, payload.count]);
  assert.equal(of(absent.name), [['', 0]], 'once, then it rests');
  assert.equal(of(often.name), [['x', 3]]);
  assert.equal(of(silent.name), [['scout', 0]]);
  for (const { id } of [absent, often, silent])
    assert.equal(
      (await decisions(id)).map((row) => row.state),
      ['fired'],
    );
});

test('the gate may ask first or refuse: the decision says so, and a refusal gives back what the rule had spent', async () => {
  const outside = { kind: 'outward', steps: [{ name: 'only', task: 'outside', payload: {} }] };
  const asked = await rule({ plan: outside, cooldown: '1 hour' });
  await emit(asked.kind);
  await runReactJobs();
  const [first] = await decisions(asked.id);
  assert.is(first!.state, 'asked', first!.reason ?? '');
  assert.match(first!.reason ?? '', /^proposal p\d+ waits for a\d+/);
  const held = await rule({ cooldown: '1 hour', daily_cap: 1 });
  await query("select pause('all')");
  await emit(held.kind);
  await runReactJobs();
  await query("select resume('all')");
  await emit(held.kind);
  await runReactJobs();
  assert.equal(
    (await decisions(held.id)).map((row) => row.state),
    ['refused', 'fired'],
  );
});

test('a rule may tell an agent, once for each event; an agent that is not there is a refusal', async () => {
  await database.admin.query(
    "insert into ops_agents (id, number, name, role, identity, identity_hash) values ('scout', 3, 'Scout', 'research', '{}', 'x') on conflict do nothing",
  );
  const told = await rule({ plan: undefined, agent: 'scout' });
  const nobody = await rule({ plan: undefined, agent: 'nobody' });
  const event = await emit(told.kind, { payload: { q: 1 }, untrusted: true });
  await emit(nobody.kind);
  await runReactJobs();
  const [message, ...more] = await query<{ payload: { event: { id: number } }; untrusted: boolean }>(
    "select payload, untrusted from agent_messages where kind = 'reaction'",
  );
  assert.is(more.length, 0);
  assert.equal([String(message!.payload.event.id), message!.untrusted], [event, true]);
  assert.equal(
    (await decisions(nobody.id)).map((row) => row.state),
    ['refused'],
  );
});

test('unmatched events block the head: a thousand of them queue nothing, and what comes behind them is decided at once', async () => {
  const { kind, id } = await rule({ condition: '$.payload.wanted == true' });
  await query("insert into ops_agent_events (kind) select 'user.unwanted' from generate_series(1, 1000)");
  assert.is(await runReactJobs(), 0);
  await query('insert into ops_agent_events (kind) select $1 from generate_series(1, 1000)', [kind]);
  const event = await emit(kind, { payload: { wanted: true } });
  await runReactJobs();
  assert.equal(
    (await decisions(id)).map((row) => [row.event_id, row.state]),
    [[event, 'fired']],
  );
});

test('terminal events bypass reactions: the end of a mission and of a job is an event like any other', async () => {
  const ended = await rule({ kind: 'mission.cancelled' });
  const failed = await rule({ kind: 'job.*' });
  const [mission] = await query<{ id: string }>('select add_mission($1) as id', [JSON.stringify(PLAN)]);
  await query('select cancel_mission($1)', [mission!.id]);
  await query("insert into ops_agent_events (kind, severity, payload) values ('job.failed', 'error', '{}')");
  await runReactJobs();
  for (const { id } of [ended, failed]) {
    assert.equal(
      (await decisions(id)).map((row) => row.state),
      ['fired'],
    );
  }
  for (const { name } of [ended, failed]) await query('select set_rule_enabled($1, false)', [name]);
});

test('reaction stuck in processing after a crash: what was not committed is decided anew, once', async () => {
  const { kind, id } = await rule({ cooldown: '1 hour' });
  const event = await emit(kind);
  const client = await database.pool.connect();
  await client.query('begin');
  await client.query('select react($1::bigint[])', [[event]]);
  await client.query('rollback');
  client.release();
  assert.equal(await decisions(id), []);
  await runReactJobs();
  assert.equal(
    (await decisions(id)).map((row) => row.state),
    ['fired'],
  );
});

test("reaction runs other steps than its rule's: the mission has the steps of the version that its decision names", async () => {
  const { kind, id, name } = await rule();
  await emit(kind);
  await runReactJobs();
  const next = { kind: 'reacted', steps: ['a', 'b'].map((step) => ({ name: step, task: 'echo', payload: {} })) };
  await query('select put_rule($1)', [{ name, kind, plan: next }]);
  await emit(kind);
  await runReactJobs();
  const rows = await query(
    `select d.rule_version, array(select s.name from ops_mission_steps s where s.mission_id = d.mission_id order by s.position) as steps
     from ops_reactions d where d.rule_id = $1 order by d.id`,
    [id],
  );
  assert.equal(rows, [
    { rule_version: 1, steps: ['only'] },
    { rule_version: 2, steps: ['a', 'b'] },
  ]);
});

test("a person's yes keeps the cause: the mission of a proposal carries it, and a chain through it stops", async () => {
  const outside = { kind: 'outward', steps: [{ name: 'only', task: 'outside', payload: {} }] };
  const { kind, id } = await rule({ plan: outside });
  const event = await emit(kind);
  await runReactJobs();
  const [asked] = await decisions(id);
  const approval = /a(\d+):/.exec(asked!.reason ?? '')![1];
  await query("select approve($1, 'approve')", [approval]);
  const [mission] = await query<{ id: string; cause_event_id: string; cause_depth: number }>(
    "select id, cause_event_id, cause_depth from ops_missions where kind = 'outward' and cause_event_id = $1",
    [event],
  );
  assert.is(mission?.cause_depth, 1);
  const again = await emit(kind, { mission: mission!.id });
  await runReactJobs();
  assert.is((await decisions(id)).find((row) => row.event_id === again)?.state, 'cycle');
});

test('an event of a kind that is on no list is noted, once', async () => {
  await emit('mission.exploded');
  await query('select watch_rules()');
  await query('select watch_rules()');
  const noted = await query(
    "select payload ->> 'kind' as kind from ops_agent_events where kind = 'policy.unknown_kind'",
  );
  assert.equal(noted, [{ kind: 'mission.exploded' }]);
});

test('explain and test write nothing', async () => {
  const { name, kind } = await rule({ condition: '$.payload.n == 1' });
  const before = await query('select count(*) from ops_reactions');
  const rows = await query<{ rule: string; matches: boolean; why: string | null }>('select * from explain_event($1)', [
    { kind, payload: { n: 1 } },
  ]);
  assert.equal(
    rows.filter((row) => row.matches).map((row) => row.rule),
    [name],
  );
  const other = await query<{ rule: string; why: string }>('select * from explain_event($1)', [
    { kind, payload: { n: 2 } },
  ]);
  assert.is(other.find((row) => row.rule === name)?.why, 'the condition is not true');
  assert.equal(await query('select count(*) from ops_reactions'), before);
});

test.run();
