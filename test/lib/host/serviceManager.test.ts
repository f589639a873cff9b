import * as assert from 'uvu/assert';
import { startService } from '../../../lib/host/serviceManager.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { suite } from '../../harness/suite.ts';
import { eventually } from '../../harness/workers.ts';

const test = suite('what systemd hears of a service');
const log = createLogger({ name: 'test', level: 'silent' });
const env = { NOTIFY_SOCKET: '/run/test', WATCHDOG_USEC: '60000' };

test('ready, then a pulse for as long as the work goes on', async () => {
  const told: string[] = [];
  let alive = true;
  const service = startService({
    log,
    env,
    alive: async () => {
      if (!alive) throw new Error('the lease was not renewed');
    },
    notify: async (state) => void told.push(state),
  });
  await service.ready('2 pools');
  await eventually(async () => told.filter((state) => state === 'WATCHDOG=1').length >= 2, 'two beats');
  assert.is(told[0], 'READY=1\nSTATUS=2 pools');
  alive = false;
  const looks = { count: 0 };
  await eventually(async () => ++looks.count > 10, 'several beats’ time');
  const beats = told.length;
  await eventually(async () => ++looks.count > 20, 'as long again');
  assert.ok(told.length - beats <= 1, 'no beat while it does not work');
  await service.stopping();
  assert.is(told.at(-1), 'STOPPING=1');
});

test('a look that hangs is not repeated, and starves the watchdog', async () => {
  const told: string[] = [];
  let looks = 0;
  const service = startService({
    log,
    env,
    alive: () => {
      looks += 1;
      return new Promise(() => undefined);
    },
    notify: async (state) => void told.push(state),
  });
  await service.ready('hangs');
  await eventually(async () => looks > 0, 'the first look');
  const turns = { count: 0 };
  await eventually(async () => ++turns.count > 10, 'several beats’ time');
  assert.is(looks, 1);
  assert.equal(told, ['READY=1\nSTATUS=hangs']);
  await service.stopping();
});

test('outside of systemd nothing is told', async () => {
  const service = startService({
    log,
    env: {},
    alive: async () => undefined,
    notify: async () => assert.unreachable(),
  });
  await service.ready('x');
  await service.stopping();
});

test.run();
