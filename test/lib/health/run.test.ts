import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as assert from 'uvu/assert';
import type { DirectAlert } from '../../../lib/alerts/direct.ts';
import { loadConfig } from '../../../lib/config/index.ts';
import { CHECKS, type HealthReport, runHealth, type Systemd } from '../../../lib/health/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import type { Servers } from '../../../lib/servers/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { testServers } from '../../harness/servers.ts';
import { suite } from '../../harness/suite.ts';
import { testEnvironment } from '../../harness/workers.ts';

const test = suite('health runs on real servers', { timeoutMs: 120_000 });
const log = createLogger({ name: 'test', level: 'silent' });
const CLOSED = '127.0.0.1:9';

let database: TestDatabase;
let env: Record<string, string>;
let web: Server;
let running: Partial<Servers>;
/** What the local stand-ins of Telegram and cloudflared answer, and what the units are. */
const world = { telegram: 200, ready: 200, units: {} as Record<string, string> };
const direct: DirectAlert[] = [];
let clock = Date.UTC(2026, 0, 1);

test.before(async () => {
  database = await freshDatabase();
  const { postgres, redis } = await testServers();
  running = { redis, postgres: { ...postgres, urlFor: database.urlFor } };
  web = createServer((request, response) => {
    const isReady = request.url === '/ready';
    response.statusCode = isReady ? world.ready : world.telegram;
    response.end(
      isReady
        ? JSON.stringify({ status: world.ready, readyConnections: world.ready === 200 ? 4 : 0 })
        : JSON.stringify({ ok: world.telegram === 200, result: { username: 'test_bot', pending_update_count: 0 } }),
    );
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  env = {
    ...testEnvironment(database),
    REDIS_URL: redis.url,
    TELEGRAM_BOT_TOKEN: '123456:abcdefghijklmnopqrstuvwxyz0123456789',
    TELEGRAM_BASE_URL: base,
    CLOUDFLARE_TUNNEL_HOSTNAME: 'claw.example.org',
    CLOUDFLARED_METRICS_URL: base,
  };
  await database.pool.query(
    "insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency, seen_at) values ('p', 'p', 'missions', 'h', 'b', 1, 's', 1, now() + interval '1 day')",
  );
  await pass();
});
test.after(async () => {
  web.close();
  await database.drop();
});

/** Half an hour passes, by every clock there is. */
async function pass(minutes = 30): Promise<void> {
  clock += minutes * 60_000;
  await database.admin.query(
    'insert into clock_override (at) values ($1) on conflict (only_row) do update set at = excluded.at',
    [new Date(clock)],
  );
}

const units: Systemd = {
  unit: async (name) => {
    const active = world.units[name];
    return active ? { load: 'loaded', active, sub: active, restarts: 0 } : undefined;
  },
};

/** @param servers those of the test, as looking for them starts programs; null: the run looks for itself. */
async function run(
  changed: Record<string, string> = {},
  servers: Partial<Servers> | null = running,
): Promise<HealthReport> {
  const report = await runHealth({
    config: loadConfig({ env: { ...env, ...changed } }),
    log,
    trigger: 'cron',
    checks: CHECKS,
    systemd: units,
    ...(servers && { servers: async () => servers, db: database.pool }),
    now: () => new Date(clock),
    betweenLooksMs: 1,
    alert: async (alert) => {
      direct.push(alert);
      return 'sent';
    },
  });
  await pass();
  return report;
}

const failing = (report: HealthReport) => report.checks.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id);
const told = (report: HealthReport) => report.notices.map(({ kind, title }) => `${kind}: ${title}`);

test('break one: within one run that one fails and no other; heal it: one recovery with the outage’s length', async () => {
  Object.assign(world.units, { 'openclaw.service': 'active' });
  assert.equal(failing(await run({}, null)), []);

  const home = env.OPENCLAW_HOME!;
  const unit = (name: string, active: string) => () => {
    world.units[name] = active;
  };
  const answer = (of: 'telegram' | 'ready', status: number) => () => {
    world[of] = status;
  };
  const mode = (bits: number) => () => {
    mkdirSync(`${home}/logs`, { recursive: true });
    chmodSync(`${home}/logs`, bits);
  };
  const { redis } = running;
  const breakages: [
    id: string,
    runsToFire: number,
    hurt: () => void,
    heal: () => void,
    env?: Record<string, string>,
  ][] = [
    ['openclaw', 1, unit('openclaw.service', 'failed'), unit('openclaw.service', 'active')],
    [
      'dashboard',
      1,
      unit('openclaw-dashboard.service', 'failed'),
      () => void delete world.units['openclaw-dashboard.service'],
    ],
    [
      'redis',
      1,
      () => {
        running = { postgres: running.postgres };
      },
      () => {
        running = { ...running, redis };
      },
      { REDIS_URL: `redis://${CLOSED}` },
    ],
    ['telegram', 3, answer('telegram', 502), answer('telegram', 200)],
    ['tunnel', 3, answer('ready', 503), answer('ready', 200)],
    ['rights', 1, mode(0o755), mode(0o700)],
  ];
  for (const [id, runsToFire, hurt, heal, changed] of breakages) {
    hurt();
    const notices: string[] = [];
    for (let turn = 1; turn <= runsToFire; turn++) {
      const report = await run(changed);
      assert.equal(failing(report), [id], `run ${turn} of ${id}`);
      assert.is(report.exitCode, 1);
      notices.push(...told(report));
    }
    assert.is(notices.length, 1, `${id} is told once: ${notices}`);
    assert.match(notices[0]!, /^fired: /);
    heal();
    const healed = await run();
    assert.equal(failing(healed), [], `${id} is healed`);
    assert.equal(told(healed).length, 1, `${id}: ${told(healed)}`);
    assert.match(told(healed)[0]!, new RegExp(`^recovered: .*: recovered after ${runsToFire * 30} m 0 s$`));
  }
  const { rows } = await database.pool.query(
    'select kind, count(*)::int as n from ops_alerts group by kind order by kind',
  );
  assert.equal(rows, [
    { kind: 'problem', n: breakages.length },
    { kind: 'resolved', n: breakages.length },
  ]);
});

test('without Postgres the run goes on by the state file and the second path, and is recorded when Postgres is back', async () => {
  const gone = { DATABASE_URL: `postgres://nobody:pw@${CLOSED}/none` };
  const first = await run(gone, {});
  assert.equal(failing(first), ['postgres'], JSON.stringify(first.checks));
  assert.not(first.recorded);
  assert.equal(
    direct.map(({ fingerprint }) => fingerprint),
    ['health:postgres:fired'],
  );
  await run(gone, {});
  assert.is(direct.length, 1, 'one notice an outage');

  const back = await run();
  assert.ok(back.recorded);
  assert.equal(told(back), ['recovered: PostgreSQL: recovered after 60 m 0 s']);
  const { rows } = await database.pool.query(
    "select kind, state, created_at from ops_alerts where fingerprint = 'health:postgres' order by id",
  );
  assert.equal(
    rows.map(({ kind, state }) => `${kind} ${state}`),
    ['problem direct', 'resolved sent'],
  );
  assert.ok(rows[0].created_at < rows[1].created_at, 'with the time at which it happened');
  const runs = await database.pool.query('select exit_code from ops_health_runs order by id desc limit 3');
  assert.equal(
    runs.rows.map(({ exit_code }) => exit_code),
    [0, 1, 1].map((code, index) => (index === 0 ? back.exitCode : code)),
  );
});

test('a state file that is cut short, or that cannot be written, does not stop a run', async () => {
  writeFileSync(`${env.OPENCLAW_HOME}/run/health.json`, '{"seq": 3, "sta');
  assert.equal(failing(await run()), []);
});

test('a hundred clean runs raise no alarm', async () => {
  const before = await database.pool.query('select count(*)::int as n from ops_alerts');
  for (let turn = 1; turn <= 100; turn++) {
    const report = await run();
    assert.equal(told(report), [], `run ${turn}`);
    assert.equal(failing(report), [], `run ${turn}`);
  }
  const after = await database.pool.query('select count(*)::int as n from ops_alerts');
  assert.equal(after.rows, before.rows);
});

test('two runs at once count as two, not as one that overwrites the other', async () => {
  world.telegram = 502;
  await Promise.all([run(), run()]);
  const { rows } = await database.pool.query("select failures, state from ops_health where check_id = 'telegram'");
  assert.equal(rows, [{ failures: 2, state: 'pending' }]);
  world.telegram = 200;
  await run();
});

test.run();
