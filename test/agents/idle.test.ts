import path from 'node:path';
import * as assert from 'uvu/assert';
import { collecting } from '../../lib/agents/handle.ts';
import { loadDefinition, loadIdentity, registerAllAgents } from '../../lib/agents/index.ts';
import { CODE_ROOT, loadConfig } from '../../lib/config/index.ts';
import { createLogger } from '../../lib/log/index.ts';
import { type FakeModel, fakeModel } from '../fakes/models.ts';
import { type FakeSearch, fakeBrave } from '../fakes/search.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';
import { eventually, startTestWorkers, testEnvironment } from '../harness/workers.ts';

const test = suite('while nobody wants anything', { timeoutMs: 120_000 });
const log = createLogger({ name: 'test', level: 'silent' });
/** What the crontab runs within an hour or a day and what could think of asking somebody; backup, drill and git have tests of their own. */
const SCHEDULED = [
  'learn',
  'watch_rules',
  'host_sample',
  'memory_prune',
  'alert_digest',
  'uptime_report',
  'status_report',
];
/** Ticks that ask the machine: a few times in the hour are enough here. */
const SLOW = new Set(['host', 'services', 'opportunities']);
let database: TestDatabase;
let model: FakeModel;
let brave: FakeSearch;
let env: Record<string, string>;

test.before(async () => {
  database = await freshDatabase();
  model = await fakeModel('local');
  brave = await fakeBrave('brave-token');
  env = {
    ...testEnvironment(database),
    LOCAL_MODEL_BASE_URL: `${model.url}/v1`,
    BRAVE_API_KEY: 'brave-token',
    BRAVE_BASE_URL: brave.url,
  };
});
test.after(async () => {
  await Promise.all([model.kill(), brave.kill()]);
  await database.drop();
});

const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const asked = () => model.requests.length + brave.requests.length;

test('an hour of the agents, and every schedule, ask no model and no search; an interest that is due does', async () => {
  const config = loadConfig({ env });
  await registerAllAgents(database.pool, config);
  const agents = await Promise.all(
    ['milkbot', 'atlas', 'scout'].map(async (id) => {
      const folder = path.join(CODE_ROOT, 'agents', id);
      const { identity } = await loadIdentity(config.layout, id, folder);
      const signal = new AbortController().signal;
      const { context } = collecting({ agent: id, identity, config, log, signal, db: database.pool }, undefined);
      return { id, context, ticks: (await loadDefinition(folder)).ticks ?? [] };
    }),
  );
  for (let minute = 0; minute <= 60; minute += 3) {
    await query(
      'insert into clock_override (at) values (now() + make_interval(mins => $1)) on conflict (only_row) do update set at = excluded.at',
      [minute],
    );
    await query(
      `insert into agent_heartbeats (agent, host, pid, seq, status, via, beat_at, received_at) select id, 'h', 1, $1 + 1, 'idle', 'bridge', clock_now(), clock_now() from ops_agents`,
      [minute],
    );
    for (const { context, ticks } of agents)
      for (const tick of ticks) if (!SLOW.has(tick.name) || minute % 30 === 0) await tick.run(context);
  }
  await query('delete from clock_override');
  const workers = await startTestWorkers(database, { env, pools: ['missions', 'upkeep', 'reactions', 'learning'] });
  try {
    for (const task of SCHEDULED) await query('select add_job($1)', [task]);
    await eventually(
      async () =>
        (await query('select from job_history where task = any ($1)', [SCHEDULED])).length === SCHEDULED.length,
      'every schedule has run',
      60_000,
    );
  } finally {
    await workers.stop('test over');
  }
  assert.is(asked(), 0);
  assert.equal(await query('select * from ops_spend'), []);

  await query("select add_interest('releases of Node.js', interval '1 hour', null, 'quick', 0.05, null)");
  const scout = agents.find(({ id }) => id === 'scout')!;
  await scout.ticks.find(({ name }) => name === 'interests')!.run(scout.context);
  const [interest] = await query('select runs, last_error from ops_interests');
  assert.ok(asked() > 0, `an interest is due: ${JSON.stringify(interest)}`);
});

test.run();
