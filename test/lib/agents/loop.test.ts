import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import {
  type AgentDefinition,
  defineAgent,
  handler,
  startAgent,
  startBridge,
  statusKey,
  z,
} from '../../../lib/agents/index.ts';
import { openBus } from '../../../lib/bus/index.ts';
import { type Config, loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { connectRedis } from '../../../lib/servers/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { testServers } from '../../harness/servers.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, testEnvironment } from '../../harness/workers.ts';

const test = suite('the loop of the agents', { timeoutMs: 60_000 });
const log = createLogger({ name: 'test', level: 'silent' });
let database: TestDatabase;
let config: Config;
let redisUrl: string;

test.before(async () => {
  database = await freshDatabase();
  config = loadConfig({ env: testEnvironment(database) });
  redisUrl = (await testServers()).redis.url;
});
test.after(() => database.drop());

const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;

/** An agent of this test: its folder with an identity, which a real one has as well. */
function folderFor(id: string): string {
  const folder = path.join(config.layout.agents, id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'SOUL.md'), soul(id, 'Tester'));
  return folder;
}
const soul = (id: string, role: string) => `---\nid: ${id}\nnumber: 42\nname: Test\nrole: ${role}\n---\nA test.\n`;

async function run(id: string, definition: AgentDefinition, { redis = true, waitMs = 500 } = {}) {
  const bus = openBus({ locate: async () => (redis ? redisUrl : undefined), log });
  const agent = await startAgent({
    id,
    folder: folderFor(id),
    config,
    databaseUrl: database.urlFor('openclaw_worker'),
    bus,
    log,
    definition,
    waitMs,
  }).catch(async (error: unknown) => {
    await bus.close();
    throw error;
  });
  return {
    agent,
    bus,
    stop: async () => {
      await agent.stop();
      await bus.close();
    },
  };
}

test('a message is handled once: answer, event, outcome and state in one transaction', async () => {
  const { stop } = await run(
    'one',
    defineAgent({
      handlers: {
        double: handler({
          title: 'Doubles',
          payload: z.object({ n: z.number() }),
          run: async ({ n }, context) => {
            context.reply(`It is ${2 * n}.`);
            return { twice: 2 * n };
          },
        }),
      },
    }),
  );
  const first = (await query(`select send_to_agent('one', 'double', '{"n": 4}', 'k1', 'telegram:77') as id`))[0].id;
  assert.is((await query(`select send_to_agent('one', 'double', '{"n": 5}', 'k1', 'telegram:77') as id`))[0].id, first);
  const [row] = await eventually(async () => {
    const rows = await query('select * from agent_messages where id = $1 and handled_at is not null', [first]);
    return rows.length > 0 && rows;
  }, 'handled');
  assert.equal([row.state, row.result, row.attempts], ['handled', { twice: 8 }, 1]);
  assert.equal(await query('select text, state from outbox where chat_id = 77'), [
    { text: 'It is 8.', state: 'queued' },
  ]);
  const [facts] = await query(
    `select (select count(*)::int from ops_outcomes where agent = 'one' and success and trace_id = $1) as outcomes,
            (select count(*)::int from ops_agent_events where kind = 'agent.message_handled' and trace_id = $1) as events`,
    [row.trace_id],
  );
  assert.equal(facts, { outcomes: 1, events: 1 });
  await stop();
});

test('what fails is tried again or, when that is hopeless, ends as failed with its reason and an answer', async () => {
  let tries = 0;
  const { stop } = await run(
    'two',
    defineAgent({
      handlers: {
        flaky: handler({
          title: 'Fails once',
          payload: z.object({}),
          run: async () => {
            tries += 1;
            if (tries === 1) throw new Error('not now');
          },
        }),
        strict: handler({ title: 'Wants a number', payload: z.object({ n: z.number() }), run: async () => undefined }),
      },
    }),
  );
  const ids = await query(
    `select send_to_agent('two', 'flaky') as id union all select send_to_agent('two', 'strict', '{"n": "x"}', null, 'telegram:78') union all select send_to_agent('two', 'unheard_of')`,
  );
  const rows = await eventually(async () => {
    const found = await query(
      'select id, state, attempts, error_class from agent_messages where id = any ($1) and handled_at is not null order by id',
      [ids.map((row) => row.id)],
    );
    return found.length === 3 && found;
  }, 'all ended');
  assert.equal(
    rows.map((row) => [row.state, row.attempts, row.error_class]),
    [
      ['handled', 2, null],
      ['failed', 1, 'E_PAYLOAD'],
      ['failed', 1, 'E_NO_HANDLER'],
    ],
  );
  assert.match(
    (await query('select text from outbox where chat_id = 78'))[0].text,
    /^Test could not do that: E_PAYLOAD/,
  );
  // One that was begun five times without an end kills its agent: it is not begun a sixth time.
  await query("insert into agent_messages (recipient, kind, attempts) values ('two', 'flaky', 5)");
  await query("select pg_notify('agent:message', 'two')");
  await eventually(
    async () => (await query("select from agent_messages where error_class = 'E_POISON' and state = 'failed'")).length,
    'poison ends',
  );
  await stop();
});

test('there is one of an agent: a second is told who, and a standby takes over', async () => {
  const first = await run('three', defineAgent({ handlers: {} }));
  const refused = await refusal(run('three', defineAgent({ handlers: {} }), { waitMs: 300 }));
  assert.is(refused.code, 'E_TAKEN');
  assert.match(refused.message, new RegExp(`process ${process.pid} on `));
  const sessions = "select pid from pg_stat_activity where application_name like 'openclaw/agent:three %'";
  const ofFirst = (await database.admin.query(sessions)).rows.map(({ pid }) => pid);
  const standby = run('three', defineAgent({ handlers: {} }), { waitMs: 30_000 });
  const lost = first.agent.ended;
  await database.admin.query('select pg_terminate_backend(pid) from unnest($1::integer[]) pid', [ofFirst]);
  assert.is((await lost).code, 'E_SINGLETON_LOST');
  const second = await standby;
  await query("select send_to_agent('three', 'ping')");
  await eventually(
    async () => (await query("select from agent_messages where recipient = 'three' and state = 'handled'")).length,
    'the standby handles',
  );
  await first.stop();
  await second.stop();
});

test('stopped by a person it keeps its messages; a bad edit of its identity keeps the last good one', async () => {
  const { stop } = await run('four', defineAgent({ handlers: {} }));
  await query("select set_agent_wanted('four', 'stopped')");
  await eventually(
    async () =>
      (await query("select from agent_status where id = 'four' and status = 'stopped' and doing = 'stopped'")).length,
    'it rests',
  );
  await query("select send_to_agent('four', 'ping')");
  mkdirSync(config.layout.agentFiles, { recursive: true });
  writeFileSync(path.join(config.layout.agentFiles, 'four.md'), soul('four', 'Edited'));
  await eventually(async () => {
    // It looks by itself every 5 s; a ring makes it look now.
    await query("select pg_notify('agent:message', 'four')");
    return (await query("select from ops_agents where id = 'four' and role = 'Edited'")).length;
  }, 'the edit is in force');
  writeFileSync(path.join(config.layout.agentFiles, 'four.md'), '---\nid: four\nnumber: many\n---\n');
  const [agent] = await eventually(async () => {
    await query("select pg_notify('agent:message', 'four')");
    const rows = await query(
      "select role, identity_fault from ops_agents where id = 'four' and identity_fault is not null",
    );
    return rows.length > 0 && rows;
  }, 'the fault is said');
  assert.is(agent.role, 'Edited');
  assert.match(agent.identity_fault, /number: .*; .*role/s);
  assert.is(
    (await query("select count(*)::int as n from agent_messages where recipient = 'four' and handled_at is null"))[0].n,
    1,
  );
  await query("select set_agent_wanted('four', 'running')");
  await eventually(
    async () => (await query("select from agent_messages where recipient = 'four' and state = 'handled'")).length,
    'it goes on',
  );
  await stop();
});

test('beats reach Postgres through the bridge, and without Redis by themselves; a flushed key comes back', async () => {
  const bus = openBus({ locate: async () => redisUrl, log });
  const bridge = await startBridge({ databaseUrl: database.urlFor('openclaw_worker'), bus, log, roundMs: 50 });
  const redis = connectRedis(redisUrl);
  await eventually(() => redis.exists('bridge:status'), 'the bridge says that it lives');
  const five = await run('five', defineAgent({ handlers: {} }));
  await eventually(
    async () =>
      (await query("select from agent_status where id = 'five' and status = 'alive' and via = 'bridge'")).length,
    'alive through the bridge',
  );
  await redis.del(statusKey('five'));
  await eventually(() => redis.exists(statusKey('five')), 'the key is back');
  await five.stop();
  assert.is((await query("select status from agent_status where id = 'five'"))[0].status, 'down');
  const six = await run('six', defineAgent({ handlers: {} }), { redis: false });
  assert.is((await query("select status from agent_status where id = 'six'"))[0].status, 'degraded');
  await six.stop();
  await redis.hset(statusKey('six'), { agent: 'six', pid: 'many' });
  await eventually(async () => (await redis.exists(statusKey('six'))) === 0, 'a forged key is dropped');
  redis.disconnect();
  await bridge.stop();
  await bus.close();
});

test('an agent whose host sets its clock back by an hour goes on with what it does each second', async () => {
  const clock = path.join(config.layout.home, 'clock');
  writeFileSync(clock, '0');
  process.env.TEST_CLOCK = clock;
  await import('../../harness/hostClock.ts');
  let ticks = 0;
  const tick = { name: 'count', cron: '* * * * * *', run: async () => void ticks++ };
  const seven = await run('seven', defineAgent({ handlers: {}, ticks: [tick] }));
  try {
    await eventually(async () => ticks > 0, 'it ticks');
    const before = Date.now();
    writeFileSync(clock, '-3600000');
    await eventually(async () => Date.now() < before - 3_000_000, 'the clock is set back');
    const then = ticks;
    await eventually(async () => ticks > then + 1, 'it ticks on', 30_000);
  } finally {
    writeFileSync(clock, '0');
    await seven.stop();
  }
});

test('who is down is one look at an index for each agent', async () => {
  await query(`insert into agent_heartbeats (agent, host, pid, seq, status, via, beat_at, received_at)
    select 'one', 'h', 1, n, 'idle', 'bridge', now(), now() - n * interval '30 s' from generate_series(1, 5000) n`);
  await database.admin.query('analyze agent_heartbeats');
  const plan = (await query("explain select id from agent_status where status = 'down'"))
    .map((row) => row['QUERY PLAN'])
    .join('\n');
  assert.match(plan, /agent_heartbeats_last/);
  assert.not.match(plan, /Seq Scan on agent_heartbeats/);
});

test.run();
