import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { atlasAnswer } from '../../../agents/atlas/answer.ts';
import { COMMANDS } from '../../../agents/milkbot/commands.ts';
import { type Gateway, startGateway } from '../../../agents/milkbot/gateway.ts';
import { requestIn } from '../../../agents/scout/words.ts';
import { loadDefinition, registerAllAgents } from '../../../lib/agents/index.ts';
import { openBus } from '../../../lib/bus/index.ts';
import { CODE_ROOT, type Config, loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { type FakeTelegram, fakeTelegram } from '../../fakes/telegram.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, testEnvironment } from '../../harness/workers.ts';

const test = suite('the gateway', { timeoutMs: 60_000 });
const log = createLogger({ name: 'test', level: (process.env.TEST_LOG as 'warn') ?? 'silent' });
const OWNER = 501;
let database: TestDatabase;
let telegram: FakeTelegram;
let config: Config;
let running: { gateway: Gateway; stop: () => Promise<void> };

async function start(waitMs = 500) {
  const bus = openBus({ locate: async () => undefined, log });
  const gateway = await startGateway({
    config,
    databaseUrl: database.urlFor('openclaw_worker'),
    bus,
    log,
    waitMs,
    pollSeconds: 2,
    chatBurst: 1000,
    folder: path.join(CODE_ROOT, 'agents/milkbot'),
  }).catch(async (error: unknown) => {
    await bus.close();
    throw error;
  });
  return {
    gateway,
    stop: async () => {
      await gateway.stop();
      await bus.close();
    },
  };
}

test.before(async () => {
  database = await freshDatabase();
  telegram = await fakeTelegram();
  config = loadConfig({
    env: {
      ...testEnvironment(database),
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_BASE_URL: telegram.url,
      TELEGRAM_ALLOWED_USER_IDS: String(OWNER),
    },
  });
  await registerAllAgents(database.pool, config);
  running = await start();
});
test.after(async () => {
  await running.stop();
  await telegram.kill();
  await database.drop();
  // Whatever a closed connection leaves behind must not keep the run; the result stands in process.exitCode.
  setTimeout(() => process.exit(), 3000).unref();
});

const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const handled = (updateId: number) =>
  eventually(
    async () => (await query('select * from inbox where update_id = $1 and handled_at is not null', [updateId]))[0],
    `update ${updateId} is handled`,
  );
/** What the bot says to this chat next, after `said` messages. */
const next = async (chat: number, since: number) =>
  eventually(async () => telegram.sent.filter((message) => message.chat_id === chat)[since], `an answer in ${chat}`);
const count = (chat: number) => telegram.sent.filter((message) => message.chat_id === chat).length;
/** Writes, and waits for the answer to exactly that. */
const ask = async (text: string, from = OWNER, more = {}) => {
  const { id } = await handled(telegram.write(from, text, more));
  const [{ message_id }] = await eventually(async () => {
    const rows = await query("select message_id from outbox where dedupe_key = $1 and state = 'sent'", [
      `in${id}/answer`,
    ]);
    return rows.length > 0 && rows;
  }, `an answer to ${text}`);
  return telegram.sent.find((message) => message.message_id === Number(message_id))!;
};

test('a command is answered at once; the same update twice is one row and one answer', async () => {
  const answer = await ask('/whoami');
  assert.match(answer.text, /owner/);
  assert.is(answer.parse_mode, 'HTML');
  const [row] = await query("select update_id, payload, source from inbox where route = 'command' order by id limit 1");
  await query('insert into inbox (source, update_id, kind, payload) values ($1, $2, $3, $4) on conflict do nothing', [
    row.source,
    row.update_id,
    'message',
    row.payload,
  ]);
  assert.is((await query('select count(*)::int as n from inbox where update_id = $1', [row.update_id]))[0].n, 1);
  const [sent] = await query('select state, message_id from outbox where chat_id = $1 order by id limit 1', [OWNER]);
  assert.equal([sent.state, Number(sent.message_id)], ['sent', answer.message_id]);
});

test('a stranger gets a code and nothing else; it is approved at the machine, and a revoked device is refused', async () => {
  telegram.write(900, '/status');
  const invited = await next(900, 0);
  const code = /pair approve ([A-HJ-NP-Z2-9]{8})$/.exec(invited.text)![1]!;
  const again = telegram.write(900, 'hello?');
  assert.is((await handled(again)).outcome, 'refused');
  assert.is(count(900), 1, 'once an hour');
  const [pairing] = await query("select * from ops_pairings where subject = '900'");
  assert.not.ok(JSON.stringify(pairing).includes(code), 'only its hash is kept');
  assert.is((await query('select count(*)::int as n from outbox where position($1 in text) > 0', [code]))[0].n, 0);
  for (const id of [901, 902, 903]) await handled(telegram.write(id, 'me too'));
  assert.is(count(903), 0, 'three wait at most');
  assert.is(
    (await refusal(query("select set_config('openclaw.source', 'telegram', false), approve_pairing($1)", [code]))).code,
    'OC006',
  );
  await query("select set_config('openclaw.source', '', false)");
  assert.is((await refusal(database.pool.query("select approve_pairing('AAAAAAAA')"))).code, 'OC011');
  const [{ id }] = await query("select approve_pairing($1, 'viewer') as id", [
    `${code.slice(0, 4).toLowerCase()}-${code.slice(4)}`,
  ]);
  assert.match((await next(900, 1)).text, /paired, as viewer/);
  assert.match((await ask('/whoami', 900)).text, /viewer/);
  assert.match((await ask('/new host_report', 900)).text, /needs the role operator/);
  assert.match((await ask('do something', 900)).text, /You may look/);
  await query('select revoke_device($1)', [id]);
  const before = count(900);
  assert.is((await handled(telegram.write(900, '/status'))).outcome, 'refused');
  assert.is(count(900), before);
});

test('edited messages, forwards and groups are no orders', async () => {
  assert.is((await handled(telegram.write(OWNER, '/status', { kind: 'edited_message' }))).route, 'edited');
  const forwarded = await handled(
    telegram.write(OWNER, '/pause all', { message: { forward_origin: { type: 'user' } } }),
  );
  assert.is(forwarded.outcome, 'routed');
  assert.is(
    (await query('select untrusted from agent_messages where dedupe_key = $1', [`in${forwarded.id}`]))[0].untrusted,
    true,
  );
  const group = { chat: -77, chatType: 'supergroup' };
  assert.is((await handled(telegram.write(OWNER, '/status@milkbot_bot', group))).route, 'group_not_listed');
  await query('update telegram_chats set listed = true where chat_id = -77');
  assert.is((await handled(telegram.write(OWNER, 'nice weather', group))).route, 'not_mentioned');
  assert.is((await handled(telegram.write(404, '/status@milkbot_bot', group))).route, 'stranger_in_group');
  telegram.write(OWNER, '/whoami@milkbot_bot', group);
  assert.match((await next(-77, 0)).text, /owner/);
});

test('what is hard to reverse is confirmed by its own person, once, within 60 s, also after a restart', async () => {
  const [{ id }] = await query(
    `select add_mission('{"kind": "x", "steps": [{"name": "a", "task": "echo", "payload": {"n": 1}}]}') as id`,
  );
  const asked = await ask(`/cancel m${id}`);
  const [yes] = asked.buttons[0]!;
  assert.match(asked.text, /Sure\?/);
  assert.ok(yes!.callback_data.length <= 64);
  await running.stop();
  running = await start();
  await query("select add_device('telegram', 'second', '502', 'operator')");
  assert.is(
    (await handled(telegram.press(502, asked, yes!.callback_data))).error,
    'for another',
    'not by somebody else',
  );
  const before = count(OWNER);
  const first = await handled(telegram.press(OWNER, asked, yes!.callback_data));
  assert.is(first.outcome, 'answered');
  assert.is((await handled(telegram.press(OWNER, asked, yes!.callback_data))).error, 'used');
  assert.match((await next(OWNER, before)).text, /is cancelled/);
  assert.is((await query('select state from ops_missions where id = $1', [id]))[0].state, 'cancelled');
  assert.is(
    (
      await query("select actor from agent_events where kind = 'act' and verb = 'missions cancel' and target = $1", [
        `m${id}`,
      ])
    )[0].actor,
    `telegram:${OWNER}`,
  );
  const late = await ask(`/cancel m${id}`);
  await query("update message_buttons set expires_at = clock_now() - interval '1 s' where token = $1", [
    late.buttons[0]![0]!.callback_data,
  ]);
  assert.is((await handled(telegram.press(OWNER, late, late.buttons[0]![0]!.callback_data))).error, 'expired');
  assert.is((await handled(telegram.press(OWNER, late, "' or true --"))).error, 'unknown');
});

test('an approval comes with buttons; a press answers it, and the message says so', async () => {
  const before = count(OWNER);
  const [{ id }] = await query("select ask_approval('code', 'Ship it <now>?') as id");
  const asked = await next(OWNER, before);
  assert.match(asked.text, /Ship it/);
  const approve = asked.buttons.flat().find((button) => button.text.startsWith('approve'))!;
  await handled(telegram.press(OWNER, asked, approve.callback_data));
  const [answered] = await query('select state, answer, answered_by from ops_approvals where id = $1', [id]);
  assert.equal(answered, { state: 'answered', answer: 'approve', answered_by: `telegram:${OWNER}` });
  await eventually(
    async () => /→ approve, by telegram:501/.test(asked.text) && asked.buttons.length === 0,
    'the message says so',
  );
  const asks = count(OWNER);
  const [{ id: second }] = await query("select ask_approval('code', 'And this?', who => 'owner') as id");
  await next(OWNER, asks);
  const reject = await ask(`/reject a${second} not today`);
  assert.match(reject.text, /a\d+/);
  assert.is((await query('select answer, reason from ops_approvals where id = $1', [second]))[0].reason, 'not today');
});

test('a new mission is a conversation: plan, then start', async () => {
  mkdirSync(config.layout.plans, { recursive: true });
  writeFileSync(
    path.join(config.layout.plans, 'hello.yaml'),
    'kind: hello\ntitle: Hello\ninput: { n: 1 }\nsteps:\n  - { name: a, task: echo, payload: { n: { $path: $.input.n } } }\n',
  );
  const which = await ask('/mission new');
  assert.ok(which.buttons.flat().some((button) => button.text === 'hello'));
  assert.match((await ask('hello')).text, /n\?.*usually 1/s);
  const summary = await ask('7');
  assert.match(summary.text, /Start/);
  const before = count(OWNER);
  telegram.press(OWNER, summary, summary.buttons[0]![0]!.callback_data);
  const followed = await next(OWNER, before);
  assert.match(followed.text, /m\d+/);
  assert.equal((await query("select input, source, actor from ops_missions where kind = 'hello'"))[0], {
    input: { n: 7 },
    source: 'telegram',
    actor: `telegram:${OWNER}`,
  });
  // No worker runs here: the mission stays as it is, and its message says so; then it is cancelled.
  await eventually(async () => /approved/.test(followed.text), 'the message follows the mission');
  const [{ id }] = await query("select id from ops_missions where kind = 'hello'");
  await query('select cancel_mission($1)', [id]);
  await eventually(
    async () => /cancelled/.test(followed.text) && followed.buttons.flat().some((button) => button.text === '👎'),
    'it shows the end, and asks how it was',
  );
  const thumb = (emoji: string, from = OWNER) =>
    telegram.push({
      message_reaction: {
        chat: { id: OWNER, type: 'private' },
        message_id: followed.message_id,
        user: { id: from, is_bot: false, first_name: 'P' },
        date: 1,
        old_reaction: [],
        new_reaction: [{ type: 'emoji', emoji }],
      },
    });
  assert.is((await handled(thumb('🎉'))).outcome, 'ignored');
  assert.is((await handled(thumb('👍', 404))).outcome, 'refused', 'of a stranger');
  assert.is((await handled(thumb('👍'))).outcome, 'answered');
  const down = followed.buttons.flat().find((button) => button.text === '👎')!;
  assert.is((await handled(telegram.press(OWNER, followed, down.callback_data))).outcome, 'answered');
  assert.equal(
    (await query("select rating from ops_outcomes where mission_id = $1 and state = 'rated' order by id", [id])).map(
      (row) => row.rating,
    ),
    [1, -1],
  );
  assert.match((await ask('/new ../../../etc/passwd')).text, /look for a plan/);
});

test('the others are reached by their names, and answer in words', async () => {
  for (const [words, agent] of [
    ['atlas, is anything broken?', 'atlas'],
    ['research solar inverters', 'scout'],
    ['Scout: what is new in PostgreSQL', 'scout'],
  ] as const) {
    const row = await handled(telegram.write(OWNER, words));
    assert.is(row.outcome, 'routed', words);
    const [sent] = await query('select recipient, kind, payload from agent_messages where dedupe_key = $1', [
      `in${row.id}`,
    ]);
    assert.is(sent.recipient, agent);
    const { handlers } = await loadDefinition(path.join(CODE_ROOT, 'agents', agent));
    assert.ok(handlers[sent.kind]?.payload.safeParse(sent.payload).success, `${agent} takes what it is told`);
  }
  assert.match(await atlasAnswer(database.pool, 'how is it?'), /No open incident/);
  await query("select open_incident('x', 'disk', 'critical', 'The disk is full', '', 'room')");
  assert.match(await atlasAnswer(database.pool, 'how is it?'), /The disk is full[\s\S]*Needed: room/);
  assert.equal(requestIn('Scout, please research deeply the newest Node'), {
    query: 'deeply the newest Node',
    depth: 'deep',
  });
  assert.is(requestIn('scout?'), undefined);
});

test('files are kept by hash, of known types only', async () => {
  telegram.file('f1', Buffer.from('a,b\n1,2\n'));
  const kept = await ask('', OWNER, {
    message: { text: undefined, document: { file_id: 'f1', file_name: '../../evil name.csv', file_size: 8 } },
  });
  assert.match(kept.text, /^Kept /);
  const [file] = readdirSync(config.layout.uploads);
  assert.match(file!, /^[0-9a-f]{64}\.csv$/);
  assert.is(statSync(path.join(config.layout.uploads, file!)).mode & 0o777, 0o600);
  const refused = await ask('', OWNER, {
    message: { text: undefined, document: { file_id: 'f1', file_name: 'run.sh', file_size: 8 } },
  });
  assert.match(refused.text, /do not keep files of that type/);
});

test('the outbox: 429 obeyed, bad HTML once more as plain text, long texts split, order kept, edits rewrite', async () => {
  telegram.script('sendMessage', {
    status: 429,
    body: {
      ok: false,
      error_code: 429,
      description: 'Too Many Requests: retry after 1',
      parameters: { retry_after: 1 },
    },
  });
  await query(
    "select queue_message('telegram:601', 'first', '{}', 'k1'), queue_message('telegram:601', 'again', '{}', 'k1'), queue_message('telegram:601', 'second')",
  );
  await next(601, 1);
  assert.equal(
    telegram.sent.filter((message) => message.chat_id === 601).map((message) => message.text),
    ['first', 'second'],
  );
  await query(`select queue_message('telegram:602', '<b>1 < 2', '{"html": true}')`);
  const plain = await next(602, 0);
  assert.is(plain.parse_mode, undefined);
  await query(
    `select queue_message('telegram:603', '<b>' || repeat('x &amp; <i>y</i> z ', 800) || '</b>', '{"html": true}')`,
  );
  await eventually(
    async () => (await query("select from outbox where chat_id = 603 and state <> 'sent'")).length === 0,
    'all parts are sent',
  );
  assert.ok(count(603) >= 3);
  assert.ok(
    telegram.sent.filter((message) => message.chat_id === 603).every((message) => message.parse_mode === 'HTML'),
    'each part is sound HTML',
  );
  const [{ id }] = await query("select queue_message('telegram:604', '0 %') as id");
  const progress = await next(604, 0);
  for (const percent of [10, 20, 30, 100]) await query('select edit_message($1, $2)', [id, `${percent} %`]);
  await eventually(async () => progress.text === '100 %', 'rewritten');
  assert.ok(progress.edits <= 2, `${progress.edits} edits`);
  telegram.script(
    'sendMessage',
    { status: 403, body: { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' } },
    { cutAfterBytes: 0, body: 'x' },
  );
  await query("select queue_message('telegram:605', 'blocked'), queue_message('telegram:606', 'cut')");
  const rows = await eventually(async () => {
    const found = await query(
      "select state from outbox where chat_id in (605, 606) and state in ('failed', 'unknown') order by state",
    );
    return found.length === 2 && found;
  }, 'both ended');
  assert.equal(
    rows.map((row) => row.state),
    ['failed', 'unknown'],
  );
});

test('what was in flight when the sender died is unknown, and not sent again', async () => {
  await running.stop();
  await query(
    "insert into outbox (recipient, chat_id, text, state, started_at) values ('telegram:607', 607, 'on its way', 'sending', now())",
  );
  running = await start();
  await eventually(
    async () => (await query("select from outbox where chat_id = 607 and state = 'unknown'")).length,
    'unknown',
  );
  assert.is(count(607), 0);
});

test('polling survives 409, 502 and a cut; its health is the age of the last finished poll', async () => {
  telegram.script(
    'getUpdates',
    {
      status: 409,
      body: {
        ok: false,
        error_code: 409,
        description:
          'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
      },
    },
    { cutAfterBytes: 3, body: '{"ok":true}' },
  );
  const polls = telegram.calls('getUpdates').length;
  telegram.write(OWNER, '/whoami');
  await eventually(async () => telegram.calls('getUpdates').length > polls + 3, 'it polls on', 20_000);
  const [state] = await query(
    "select mode, username, last_poll_at > clock_now() - interval '10 s' as fresh from telegram_state",
  );
  assert.equal(state, { mode: 'polling', username: 'milkbot_bot', fresh: true });
});

test('a second gateway waits, then names the first', async () => {
  const refused = await refusal(start(300));
  assert.is(refused.code, 'E_TAKEN');
  assert.match(refused.message, new RegExp(`gateway runs already: process ${process.pid} on `));
});

test('every command says something, hostile ones too; the menu is that of the role', async () => {
  const hostile = [
    '/nope',
    '/mission m999999999999999999999',
    '/canvas ../../config/.env',
    "/mission '; drop table inbox; --",
    '/cancel',
    `/approve ${'a'.repeat(4000)}`,
    '/agents show \u0000\u001b[2J',
    '{{constructor}}',
    '/help <b>',
  ];
  const written = hostile.map((text) => telegram.write(OWNER, text));
  // Several people at once: what one person says is answered in order.
  const waiting = [...COMMANDS];
  const lane = async (user: number) => {
    await query("select add_device('telegram', $1, $2, 'operator')", [`lane-${user}`, String(user)]);
    for (let command = waiting.shift(); command; command = waiting.shift())
      assert.ok((await ask(`/${command.name}`, user)).text.length > 0, command.name);
  };
  await Promise.all([801, 802, 803, 804].map(lane));
  for (const [index, id] of written.entries()) assert.ok((await handled(id)).outcome, hostile[index]!.slice(0, 40));
  const menus = telegram.calls('setMyCommands').filter((call) => (call.scope as { chat_id: number }).chat_id === OWNER);
  assert.ok((menus.at(-1)!.commands as unknown[]).length > 15);
  for (const odd of [
    { message: null },
    { message: { chat: { id: 'x' }, from: 5 } },
    { message: { message_id: 1, date: 1, chat: { id: OWNER, type: 'private' }, from: { id: OWNER }, text: { a: 1 } } },
    { callback_query: { id: 'c', from: { id: OWNER }, data: 'x' } },
    { message_reaction: { chat: { id: OWNER, type: 'private' }, user: { id: OWNER }, message_id: 1 } },
  ])
    assert.is((await handled(telegram.push(odd))).attempts, 1, `${JSON.stringify(odd)} ends at once`);
  assert.is((await query('select count(*)::int as n from inbox where handled_at is null'))[0].n, 0);
});

test('a flood of strangers keeps nobody waiting who is paired', async () => {
  await running.stop();
  await query(
    `insert into inbox (source, update_id, kind, chat_id, user_id, payload) select 'telegram:123456', 500000 + n, 'message', 900000 + n, 900000 + n, '{}' from generate_series(1, 20) n`,
  );
  await query(
    `insert into inbox (source, update_id, kind, chat_id, user_id, payload) values ('telegram:123456', 600000, 'message', $1, $1, '{}')`,
    [OWNER],
  );
  const [first] = await query("select update_id, user_id from claim_inbox('{}')");
  assert.is(Number(first.user_id), OWNER);
  const [next] = await query('select user_id from claim_inbox($1)', [[OWNER]]);
  assert.is(Number(next.user_id), 900_001);
  await query("update inbox set handled_at = now(), outcome = 'ignored' where handled_at is null");
  running = await start();
});

test.run();
