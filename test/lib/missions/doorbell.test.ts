import * as assert from 'uvu/assert';
import { openBus } from '../../../lib/bus/index.ts';
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
    assert.match((await redis.get('memory:all')) ?? '', /Doorbells may be deaf/);
  } finally {
    ears.stop();
    await doorbell.stop();
    await redis.del('mission:states:since', 'circuit:breaker:service:doorbell_test', 'memory:all');
    redis.disconnect();
    await bus.close();
  }
});

test.run();
