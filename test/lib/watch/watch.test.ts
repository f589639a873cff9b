import { spawn } from 'node:child_process';
import os from 'node:os';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import {
  hostWatch,
  hysteresis,
  serviceWatch,
  uptimeReport,
  uptimeText,
  watchAgents,
  watchOpportunities,
  watchProviders,
} from '../../../lib/watch/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('watch', { timeoutMs: 60_000 });

let database: TestDatabase;
test.before(async () => {
  database = await freshDatabase();
  await query(
    `insert into ops_agents (id, number, name, role, identity, identity_hash) values ('scout', 3, 'Scout', 'r', '{}', 'x'), ('atlas', 2, 'Atlas', 'r', '{}', 'x')`,
  );
});
test.after(async () => database.drop());

const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const clock = (seconds: number) =>
  query(
    "insert into clock_override (at) values ('2026-11-01T00:00:00Z'::timestamptz + make_interval(secs => $1)) on conflict (only_row) do update set at = excluded.at",
    [seconds],
  );
const beat = (agent: string, seconds: number, status = 'idle', pid = 999_999) =>
  query(
    `insert into agent_heartbeats (agent, host, pid, seq, status, via, beat_at, received_at)
     values ($1, $2, $3, $4, $5, 'direct', '2026-11-01T00:00:00Z'::timestamptz + make_interval(secs => $6), '2026-11-01T00:00:00Z'::timestamptz + make_interval(secs => $6))`,
    [agent, os.hostname(), pid, Math.round(seconds * 1000) + 1, status, seconds],
  );
const incidents = () =>
  query(
    'select kind, subject, state, severity, seen, what, why, tried, needed, extract(epoch from opened_at - $1::timestamptz)::integer as at from ops_incidents order by id',
    ['2026-11-01T00:00:00Z'],
  );
const look = (kill?: (pid: number) => void, upS = 1000) =>
  watchAgents(database.pool, { watcher: 'atlas', mayRestart: true, upS }, kill);

test('an agent that falls silent is an incident within 90 s, told once, and over when it beats again', async () => {
  for (let second = 0; second <= 60; second += 5) {
    await clock(second);
    if (second % 30 === 0) await beat('scout', second);
    await look();
  }
  assert.equal(await incidents(), []);
  for (let second = 65; second <= 200; second += 5) {
    await clock(second);
    await look();
  }
  const [down] = await incidents();
  assert.equal(
    [down.kind, down.subject, down.state, down.severity, down.what],
    ['agent_down', 'scout', 'open', 'critical', 'Scout is down'],
  );
  assert.ok(down.at - 60 <= 90, `seen ${down.at - 60} s after the last beat`);
  assert.ok(down.seen > 5, 'one row, counted');
  assert.match(down.needed, /systemctl status openclaw-scout/);
  const [alert] = await query(
    "select a.state, a.severity, o.text from ops_alerts a join outbox o on o.text like '%Scout is down%' where a.fingerprint = 'incident:agent_down:scout'",
  );
  assert.is(alert.severity, 'critical', 'an alert, and a message that waits to be sent');
  await clock(205);
  await beat('scout', 205);
  await look();
  assert.is((await incidents())[0].state, 'resolved');
  const kinds = await query("select kind from ops_agent_events where kind like 'health.incident%' order by id");
  assert.equal(
    kinds.map(({ kind }) => kind),
    ['health.incident_opened', 'health.incident_resolved'],
  );
});

test('uptime is the truth within a percent: down from the last beat, unknown while nobody looked', async () => {
  const [report] = await query(
    "select up_s, down_s, unknown_s, percent from uptime('2026-11-01T00:00:00Z', '2026-11-01T00:03:25Z') where subject = 'agent:scout'",
  );
  // Up 0 to 60, down 60 to 205.
  const truth = (60 / 205) * 100;
  assert.ok(Math.abs(report.percent - truth) < 1, `${report.percent}, true is ${truth}`);
  await clock(4000);
  await beat('scout', 4000);
  await look();
  await clock(4030);
  await look();
  const [gap] = await query(
    "select up_s, down_s, unknown_s from uptime('2026-11-01T00:00:00Z', '2026-11-01T01:07:10Z') where subject = 'agent:scout'",
  );
  assert.ok(Math.abs(gap.unknown_s - (4000 - 205)) < 10, `unknown for ${gap.unknown_s}`);
  const text = uptimeText(await uptimeReport(database.pool, '2026-11-01'));
  assert.match(text, /agent:scout: [\d.]+ % up, down 2 min, not watched 63 min/);
  assert.match(text, /- Scout is down \(\d+ s\)/);
});

test('an agent that a person has stopped is no incident', async () => {
  await query("update ops_agents set wanted = 'stopped' where id = 'scout'");
  await clock(9000);
  await look();
  assert.is((await incidents()).length, 1);
  await query("update ops_agents set wanted = 'running' where id = 'scout'");
});

test('whoever was silent before its watcher began has half a minute to come as well', async () => {
  await clock(9010);
  await look(undefined, 8);
  assert.is((await incidents()).length, 1, 'all of it has just been started');
  await look(undefined, 31);
  assert.is((await incidents()).length, 2);
  await beat('scout', 9010);
  await look(undefined, 31);
});

test('a process that is there and hangs is told to end, three times an hour at most; another process with its pid never', async () => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)', 'agent', 'scout'], { stdio: 'ignore' });
  const killed: number[] = [];
  const hang = async (second: number, pid: number) => {
    await clock(second);
    await beat('scout', second, 'busy', pid);
    await look();
    await clock(second + 100);
    await look((pid) => killed.push(pid));
  };
  try {
    for (let time = 0; time < 5; time++) await hang(10_000 + time * 300, child.pid!);
    assert.equal(killed, [child.pid, child.pid, child.pid]);
    const tried = (await incidents()).slice(-5).map((row) => row.tried[0]?.result ?? '');
    assert.match(tried[0], /SIGTERM/);
    assert.match(tried[4], /not done: 3 in 1 hour is the limit/);
    await hang(20_000, process.pid);
    assert.is(killed.length, 3, 'this process is no agent');
  } finally {
    child.kill('SIGKILL');
  }
});

test('a service is down after two failed looks, within a minute at this pace, and up after one that went well', async () => {
  let answers = true;
  const services = serviceWatch([
    {
      subject: 'service:redis',
      title: 'Redis',
      needed: 'start it',
      ask: async () => {
        if (!answers) throw new Error('refused');
      },
    },
  ]);
  const open = async () =>
    (await query("select what, why from ops_incidents where kind = 'service_down' and state = 'open'")).length;
  await clock(30_000);
  await services(database.pool);
  answers = false;
  await clock(30_015);
  await services(database.pool);
  assert.is(await open(), 0);
  await clock(30_030);
  await services(database.pool);
  assert.is(await open(), 1);
  answers = true;
  await clock(30_045);
  await services(database.pool);
  assert.is(await open(), 0);
});

test('a provider that fails and fails has its breaker opened, so that the next one is asked', async () => {
  await query('delete from clock_override');
  await query(
    "select record_call(jsonb_build_object('task', 'model_call', 'provider', 'minimax', 'model', 'm', 'fault', case when n <= 6 then 'server' end)) from generate_series(1, 7) n",
  );
  await watchProviders(database.pool);
  await watchProviders(database.pool);
  assert.equal(
    await query(
      "select model_turn('minimax', 'MiniMax-M2.7') as turn, state from ops_breakers where name = 'service:minimax'",
    ),
    [{ turn: 'cooling', state: 'open' }],
  );
  const [incident] = await query(
    "select what, why, jsonb_array_length(tried) as tried from ops_incidents where kind = 'provider_failing'",
  );
  assert.equal([incident.what, incident.tried], ['6 of 7 calls to minimax failed', 1]);
});

test('what could be better is a signal of type opportunity, the same one once', async () => {
  const call = (provider: string, usd: number) =>
    query(
      "select record_call(jsonb_build_object('task', 'model_call', 'provider', $1::text, 'model', 'm', 'cost_usd', $2::numeric)) from generate_series(1, 25)",
      [provider, usd],
    );
  assert.is(await watchOpportunities(database.pool), 0);
  await call('dear', 0.01);
  assert.is(await watchOpportunities(database.pool), 0, 'nothing to compare it with');
  await call('cheap', 0.001);
  await query(
    `insert into workers (pool_id, name, host, pid, boot_id, process_start, pool, concurrency, running) values ('p', 'n', 'h', 1, 'b', 's', 'missions', 1, '{1}')`,
  );
  await query("select add_job('echo', '{\"n\": 1}') from generate_series(1, 3)");
  await query("update graphile_worker._private_jobs set run_at = now() - interval '1 minute'");
  const host = (load: number) => async () =>
    ({ cpu: { count: 4, load_1m: load }, memory: { available_bytes: 4e9 } }) as never;
  assert.is(await watchOpportunities(database.pool, host(3.5)), 1, 'the machine is busy');
  assert.is(await watchOpportunities(database.pool, host(0.5)), 2);
  const signals = await query('select type, asset, suggested_action, seen from research_signals_now order by asset');
  assert.equal(
    signals.map(({ type, asset, seen }) => [type, asset, seen]),
    [
      ['opportunity', 'dear/m', 2],
      ['opportunity', 'pool missions', 1],
    ],
  );
  assert.match(signals[1].suggested_action, /OPENCLAW_CONCURRENCY_MISSIONS to 2/);
  await query("delete from graphile_worker._private_jobs; update workers set state = 'dead'");
});

test('a full disk is told at 80 %, and over below 75 %, without flapping between', async () => {
  let used = 70;
  const host = hostWatch(
    ['/data'],
    async () => ({ disks: [{ path: '/data', used_percent: used }], memory: null }) as never,
  );
  const states: boolean[] = [];
  for (used of [81, 79, 82, 83, 78, 76, 81, 74, 73, 79]) {
    await host(database.pool);
    states.push((await query("select from ops_incidents where kind = 'disk_full' and state = 'open'")).length > 0);
  }
  assert.equal(states, [false, false, false, true, true, true, true, true, false, false]);
});

test('hysteresis: never two changes within its looks, never bad on what is behind `off`', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { maxLength: 200 }), (values) => {
      const state = hysteresis({ on: 80, off: 60, looks: 3 });
      let last = -3;
      values.forEach((value, index) => {
        const { bad, changed } = state.look(value);
        if (!changed) return;
        assert.ok(index - last >= 3 || last < 0);
        assert.ok(bad ? value >= 80 : value < 60);
        last = index;
      });
    }),
    { seed: 3 },
  );
});

test.run();
