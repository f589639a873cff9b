import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../../lib/config/index.ts';
import { editEnv } from '../../../lib/init/envEdit.ts';
import { pairOwner, recoveryKit, runInit } from '../../../lib/init/index.ts';
import { fakeTelegram } from '../../fakes/telegram.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('init');
const TOKEN = '123456:abcdefghijklmnopqrstuvwxyz0123456789';

test('an edit of .env keeps comments, order and other keys, and quotes what needs it', () => {
  const text = '# mine\nA_KEY=1\n\nTELEGRAM_BOT_TOKEN=old\nexport B=2\nTELEGRAM_BOT_TOKEN=older\n';
  assert.is(editEnv(text, { TELEGRAM_BOT_TOKEN: 'new' }), '# mine\nA_KEY=1\n\nTELEGRAM_BOT_TOKEN=new\nexport B=2\n');
  assert.is(
    editEnv(text, { B: null, C: 'a b' }),
    '# mine\nA_KEY=1\n\nTELEGRAM_BOT_TOKEN=old\nTELEGRAM_BOT_TOKEN=older\nC="a b"\n',
  );
  assert.is(editEnv('', { A: 'x#"y' }), "A='x#\"y'\n");
});

test('it asks, tries each key live, writes .env for its owner only, and can be run again', async () => {
  const asked: string[] = [];
  const web = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? ''}`.trim());
    const good = request.url === `/bot${TOKEN}/getMe` || request.headers.authorization === 'Bearer good-key-1234';
    response.statusCode = good ? 200 : 401;
    response.end(JSON.stringify({ ok: good, result: { username: 'my_bot' }, data: [1, 2] }));
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  web.unref();
  const base = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  const { home, layout } = temporaryHome();
  mkdirSync(layout.config);
  writeFileSync(layout.envFile, `# the operator's own\nTELEGRAM_BASE_URL=${base}\nMINIMAX_BASE_URL=${base}\n`, {
    mode: 0o600,
  });
  const config = () => loadConfig({ env: { OPENCLAW_HOME: home } });

  const answers: Record<string, string[]> = {
    'Telegram: the token': ['not a token', TOKEN],
    'Telegram: user ids': ['42'],
    'MiniMax: API key': ['wrong-key-1234', 'good-key-1234'],
    'keep it all the same': ['n'],
  };
  const said: string[] = [];
  const questions: { question: string; hidden: boolean }[] = [];
  const ask = async (question: string, options: { hidden?: boolean } = {}) => {
    questions.push({ question, hidden: options.hidden === true });
    const key = Object.keys(answers).find((start) => question.includes(start));
    return (key && answers[key]!.shift()) ?? '';
  };
  const first = await runInit({ config: config(), ask, say: (line) => said.push(line), env: {} });
  assert.equal(first.changed, ['TELEGRAM_BOT_TOKEN', 'TELEGRAM_ALLOWED_USER_IDS', 'MINIMAX_API_KEY']);
  assert.ok(first.skipped.includes('BRAVE_API_KEY'));
  assert.ok(
    said.some((line) => line.includes('it is @my_bot')),
    said.join('\n'),
  );
  assert.ok(said.some((line) => line.includes('does not take it: 401')));
  for (const { question, hidden } of questions)
    assert.is(hidden, /token of|API key|app password|address to ping/.test(question), question);
  assert.is(statSync(layout.envFile).mode & 0o777, 0o600);
  const text = readFileSync(layout.envFile, 'utf8');
  assert.match(text, /^# the operator's own$/m);
  assert.match(text, `TELEGRAM_BOT_TOKEN=${TOKEN}`);
  assert.not.match(text, 'wrong-key');
  assert.is(config().services.minimax.apiKey, 'good-key-1234');

  const second = await runInit({ config: config(), ask: async () => '', say: () => undefined, env: {} });
  assert.equal(second.changed, []);
  assert.equal(second.kept, first.changed);
  assert.is(readFileSync(layout.envFile, 'utf8'), text, 'nothing changes where nothing is answered');
  const kit = recoveryKit(config());
  assert.match(kit, 'TELEGRAM_BOT_TOKEN, MINIMAX_API_KEY');
  assert.not.match(kit, /abcdefghij|good-key/);
  web.close();
});

test('the owner is paired by a code of this terminal; whoever else writes meanwhile is not, and keeps waiting', async () => {
  const telegram = await fakeTelegram();
  const { home, layout } = temporaryHome();
  mkdirSync(layout.config);
  writeFileSync(layout.envFile, `TELEGRAM_BASE_URL=${telegram.url}\nTELEGRAM_BOT_TOKEN=${telegram.token}\n`, {
    mode: 0o600,
  });
  const config = () => loadConfig({ env: { OPENCLAW_HOME: home } });
  const away = { query: () => Promise.reject(new Error('no database')) } as never;
  let code = '';
  const say = (line: string) => {
    const shown = /write ([A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}) to @milkbot_bot/.exec(line)?.[1];
    if (!shown) return;
    code = shown;
    telegram.write(66, 'AAAA-BBBB');
    telegram.write(67, code, { message: { forward_origin: { type: 'user' } } });
    telegram.write(42, ` ${code.toLowerCase()} `);
    telegram.write(68, 'hello');
  };
  assert.is(await pairOwner({ config: config(), db: away, say }), true);
  assert.equal(config().services.telegram.allowedUserIds, [42]);
  assert.equal(
    telegram.sent.map(({ chat_id, text }) => [chat_id, /You own OpenClaw/.test(text)]),
    [[42, true]],
  );
  assert.is(telegram.pending(), 1, 'what came after the code waits for the gateway');
  assert.is(await pairOwner({ config: config(), db: away, say: assert.unreachable as never }), true, 'once is enough');

  writeFileSync(layout.envFile, `TELEGRAM_BASE_URL=${telegram.url}\nTELEGRAM_BOT_TOKEN=${telegram.token}\n`, {
    mode: 0o600,
  });
  const said: string[] = [];
  telegram.script('getUpdates', {
    status: 409,
    body: { ok: false, error_code: 409, description: 'Conflict: terminated by other getUpdates request' },
  });
  assert.is(await pairOwner({ config: config(), db: away, say: (line) => said.push(line) }), false);
  assert.match(said.join('\n'), /A gateway listens to this bot already[\s\S]*openclaw pair approve/);
  await telegram.kill();
});

test.run();
