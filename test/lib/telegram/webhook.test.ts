import { request } from 'node:http';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { type Gateway, startGateway } from '../../../agents/milkbot/gateway.ts';
import { registerAllAgents } from '../../../lib/agents/index.ts';
import { openBus } from '../../../lib/bus/index.ts';
import { CODE_ROOT, type Config, loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { serveWebhook, WEBHOOK_PATH } from '../../../lib/telegram/index.ts';
import { type FakeTelegram, fakeTelegram } from '../../fakes/telegram.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, testEnvironment } from '../../harness/workers.ts';

const test = suite('the webhook', { timeoutMs: 60_000 });
const log = createLogger({ name: 'test', level: 'silent' });
const SECRET = 's'.repeat(40);
const OWNER = 501;
let database: TestDatabase;
let telegram: FakeTelegram;
let config: Config;
let gateway: Gateway;
let closeBus: () => Promise<void>;

test.before(async () => {
  database = await freshDatabase();
  telegram = await fakeTelegram();
  config = loadConfig({
    env: {
      ...testEnvironment(database),
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_BASE_URL: telegram.url,
      TELEGRAM_ALLOWED_USER_IDS: String(OWNER),
      TELEGRAM_WEBHOOK_URL: 'https://bot.example.org',
      TELEGRAM_WEBHOOK_SECRET: SECRET,
    },
  });
  await registerAllAgents(database.pool, config);
  const bus = openBus({ locate: async () => undefined, log });
  closeBus = () => bus.close();
  gateway = await startGateway({
    // Any port: others may test beside us.
    config: { ...config, webhookPort: 0 },
    databaseUrl: database.urlFor('openclaw_worker'),
    bus,
    log,
    folder: path.join(CODE_ROOT, 'agents/milkbot'),
  });
});
test.after(async () => {
  await gateway.stop();
  await closeBus();
  await telegram.kill();
  await database.drop();
});

const inbox = async () =>
  (await database.pool.query('select update_id, handled_at, outcome from inbox order by id')).rows;
const update = (id: number, text: string) => ({
  update_id: id,
  message: {
    message_id: id,
    date: 1,
    chat: { id: OWNER, type: 'private' },
    from: { id: OWNER, is_bot: false, first_name: 'O' },
    text,
  },
});

function post(body: string, { secret = SECRET, path: url = WEBHOOK_PATH, method = 'POST' } = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port: gateway.webhookPort,
        path: url,
        method,
        headers: { 'content-type': 'application/json', ...(secret && { 'x-telegram-bot-api-secret-token': secret }) },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode!);
      },
    );
    // A body that is refused is not read to its end: the answer has come by then, or the connection says so.
    call.once('error', reject);
    call.end(body);
  });
}

test('without a secret it does not start, and that is configuration (78)', async () => {
  const refused = await refusal(
    serveWebhook({
      secret: undefined,
      port: 0,
      db: database.pool,
      botId: 1,
      username: undefined,
      log,
      onReceived: () => undefined,
    }),
  );
  assert.is(refused.code, 'E_WEBHOOK_SECRET');
  const env = { ...testEnvironment(database), TELEGRAM_BOT_TOKEN: telegram.token };
  try {
    loadConfig({ env: { ...env, TELEGRAM_WEBHOOK_URL: 'https://bot.example.org' } });
    assert.unreachable();
  } catch (error) {
    assert.is((error as { exitCode?: number }).exitCode, 78);
    assert.match(String((error as { faults?: string[] }).faults), /TELEGRAM_WEBHOOK_SECRET/);
  }
});

test('Telegram is told the address and the secret', async () => {
  const [call] = await eventually(async () => {
    const calls = telegram.calls('setWebhook');
    return calls.length > 0 && calls;
  }, 'setWebhook');
  assert.is(call!.url, `https://bot.example.org${WEBHOOK_PATH}`);
  assert.is(call!.secret_token, SECRET);
});

test('a wrong secret, a wrong place, no JSON and more than a mebibyte leave no row', async () => {
  const body = JSON.stringify(update(1, '/status'));
  assert.is(await post(body, { secret: 'wrong' }), 401);
  assert.is(await post(body, { secret: '' }), 401);
  assert.is(await post(body, { path: '/' }), 404);
  assert.is(await post(body, { method: 'PUT' }), 405);
  assert.is(await post('{"update_id":'), 400);
  assert.is(await post('[1,2]'), 400);
  assert.is(await post('{"update_id":"7"}'), 400);
  const large = JSON.stringify({ ...update(2, 'x'), pad: 'x'.repeat(1 << 20) });
  assert.is(await post(large).catch(() => 413), 413);
  assert.equal(await inbox(), []);
});

test('the row is there before the 200; the same update ten times is one row, one handling, one answer', async () => {
  assert.is(await post(JSON.stringify(update(10, '/whoami'))), 200);
  assert.is((await inbox()).length, 1);
  const again = await Promise.all(Array.from({ length: 9 }, () => post(JSON.stringify(update(10, '/whoami')))));
  assert.equal(new Set(again), new Set([200]));
  await eventually(async () => (await inbox()).every((row) => row.handled_at), 'it is handled');
  assert.equal(
    (await inbox()).map((row) => row.outcome),
    ['answered'],
  );
  await eventually(async () => telegram.sent.length > 0, 'it is answered');
  assert.is(await post(JSON.stringify(update(11, '/help'))), 200);
  await eventually(async () => telegram.sent.length > 1, 'the next one is answered');
  assert.is(telegram.sent.filter((message) => /Device d/.test(message.text)).length, 1);
});

test('where the row cannot be written Telegram is told to send it again', async () => {
  await database.admin.query('alter table inbox add constraint no_more check (update_id < 20) not valid');
  assert.is(await post(JSON.stringify(update(20, '/status'))), 500);
  await database.admin.query('alter table inbox drop constraint no_more');
  assert.is(await post(JSON.stringify(update(20, '/status'))), 200);
  assert.is((await inbox()).filter((row) => row.update_id === '20').length, 1);
});

test.run();
