import * as assert from 'uvu/assert';
import { openBus } from '../../../lib/bus/index.ts';
import { learnWhenRung } from '../../../lib/learning/doorbell.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { ringForMissions } from '../../../lib/missions/doorbell.ts';
import { connectRedis } from '../../../lib/servers/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { testServers } from '../../harness/servers.ts';
import { suite } from '../../harness/suite.ts';
import { eventually } from '../../harness/workers.ts';

const test = suite('what Redis is told', { timeoutMs: 60_000 });
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase({ source: 'cli' });
});
test.after(() => database.drop());

test('states of missions, breakers and memory are copied, rung once, and come back after they were lost', async () => {
  const { redis: server } = await testServers();
  const url = server.url;
  const log = createLogger({ name: 'test', level: 'silent' });
  const bus = openBus({ locate: async () => url, log });
  const redis = connectRedis(url);
  const rings: string[] = [];
  const ears = bus.subscribe(['mission:queue'], { onRing: (envelope) => void rings.push(envelope.ref) });
  await eventually(async () => bus.keys() !== undefined, 'Redis is there');
  const doorbell = ringForMissions({ db: database.pool, bus, log });
  try {
    await eventually(() => redis.exists('mission:states:since'), 'it looks');
    const plan = JSON.stringify({ kind: 'told', steps: [{ name: 'a', task: 'noop' }] });
    const { rows } = await database.pool.query<{ id: string }>('select add_mission($1::jsonb) as id', [plan]);
    const mission = rows[0]!.id;
    await database.pool.query("select trip_breaker('service:doorbell_test', '1 h', 'for the test')");
    await eventually(async () => (await redis.hget(`mission:${mission}:state`, 'state')) === 'approved', 'the state');
    await eventually(async () => rings.includes(`m${mission}`), 'the ring');
    const breaker = () => redis.hget('circuit:breaker:service:doorbell_test', 'state');
    await eventually(async () => (await breaker()) === 'open', 'the breaker');

    await database.pool.query("select remember('lesson', 'Doorbells may be deaf', confidence => 0.9)");
    await redis.del(
      'mission:states:since',
      `mission:${mission}:state`,
      'circuit:breaker:service:doorbell_test',
      'memory:all',
    );
    await eventually(async () => (await redis.hget(`mission:${mission}:state`, 'state')) === 'approved', 'it is back');
    await eventually(async () => (await breaker()) === 'open', 'the breaker is back');
    await eventually(
      async () => /Doorbells may be deaf/.test((await redis.get('memory:all')) ?? ''),
      'the memories are back',
    );
  } finally {
    ears.stop();
    await doorbell.stop();
    await redis.del('mission:states:since', 'circuit:breaker:service:doorbell_test', 'memory:all');
    redis.disconnect();
    await bus.close();
  }
});

test('outcomes and reactions ring: by reference, once however often; what is no envelope is dropped and counted', async () => {
  const { redis: server } = await testServers();
  const log = createLogger({ name: 'test', level: 'silent' });
  const bus = openBus({ locate: async () => server.url, log });
  const redis = connectRedis(server.url);
  const rings: { channel: string; ref: string; text: string }[] = [];
  const ears = bus.subscribe(['outcome:learn', 'reaction:trigger'], {
    onRing: (ring, channel) => void rings.push({ channel, ref: ring.ref, text: JSON.stringify(ring) }),
  });
  const learner = learnWhenRung({ db: database.pool, bus, log });
  await eventually(async () => bus.keys() !== undefined, 'Redis is there');
  const doorbell = ringForMissions({ db: database.pool, bus, log });
  const heard = (channel: string, ref: string) => rings.filter((ring) => ring.channel === channel && ring.ref === ref);
  const query = async <Row extends Record<string, unknown>>(text: string, values: unknown[] = []) =>
    (await database.pool.query<Row>(text, values)).rows;
  try {
    await eventually(() => redis.exists('mission:states:since'), 'it looks');
    await query(
      "insert into ops_agents (id, number, name, role, identity, identity_hash) values ('scout', 3, 'Scout', 'research', '{}', 'x') on conflict do nothing",
    );
    await query('select put_rule($1)', [{ name: 'tells', kind: 'user.rung', agent: 'scout' }]);
    await query('select put_rule($1)', [{ name: 'warms', kind: 'user.warm', agent: 'scout' }]);
    const emit = async (kind: string) => {
      const [event] = await query<{ id: string }>('insert into ops_agent_events (kind) values ($1) returning id', [
        kind,
      ]);
      await query('select react($1::bigint[])', [[event!.id]]);
      const [told] = await query<{ id: string }>('select message_id as id from ops_reactions where event_id = $1', [
        event!.id,
      ]);
      return told!.id;
    };
    // Where it begins to follow is where it first looks.
    await emit('user.warm');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const message = await emit('user.rung');
    await eventually(async () => heard('reaction:trigger', `scout/${message}`).length === 1, 'the agent is rung for');

    const [mission] = await query<{ id: string }>('select add_mission($1::jsonb) as id', [
      JSON.stringify({ kind: 'rung', steps: [{ name: 'a', task: 'noop' }] }),
    ]);
    await query('select cancel_mission($1)', [mission!.id]);
    await eventually(async () => heard('outcome:learn', `m${mission!.id}`).length === 1, 'the learner is rung for');
    const again = heard('outcome:learn', `m${mission!.id}`)[0]!.text;
    await redis.publish('outcome:learn', again);
    await redis.publish('outcome:learn', '{"v": 1, "payload": "everything"}');
    await redis.publish('outcome:learn', 'no JSON');
    await eventually(async () => bus.dropped() === 2, 'two are dropped');
    await eventually(async () => heard('outcome:learn', `m${mission!.id}`).length === 2, 'the doubled one is heard');
    const jobs = await query("select from task_queue where task = 'learn' and job_key = 'learn:rung'");
    assert.is(jobs.length, 1, 'and works once');
  } finally {
    ears.stop();
    learner.stop();
    await doorbell.stop();
    await redis.del('mission:states:since', 'memory:all');
    redis.disconnect();
    await bus.close();
  }
});

test.run();
