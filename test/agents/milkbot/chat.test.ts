import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { atlasAnswer } from '../../../agents/atlas/answer.ts';
import { COMMANDS } from '../../../agents/milkbot/commands.ts';
import { requestIn } from '../../../agents/scout/words.ts';
import { loadDefinition } from '../../../lib/agents/index.ts';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually } from '../../harness/workers.ts';
import { OWNER, startWorld, type World } from './world.ts';

const test = suite('people who write to the bot', { timeoutMs: 60_000 });

let world: World;
let telegram: World['telegram'];
const query: World['query'] = (...given) => world.query(...given);
const handled: World['handled'] = (...given) => world.handled(...given);
const next: World['next'] = (...given) => world.next(...given);
const count: World['count'] = (...given) => world.count(...given);
const ask: World['ask'] = (...given) => world.ask(...given);

test.before(async () => {
  world = await startWorld();
  telegram = world.telegram;
});
test.after(() => world.end());

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
  assert.is((await refusal(world.database.pool.query("select approve_pairing('AAAAAAAA')"))).code, 'OC011');
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
  await world.restart();
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
  mkdirSync(world.config.layout.plans, { recursive: true });
  writeFileSync(
    path.join(world.config.layout.plans, 'hello.yaml'),
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
  assert.match(await atlasAnswer(world.database.pool, 'how is it?'), /No open incident/);
  await query("select open_incident('x', 'disk', 'critical', 'The disk is full', '', 'room')");
  assert.match(await atlasAnswer(world.database.pool, 'how is it?'), /The disk is full[\s\S]*Needed: room/);
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
  const [file] = readdirSync(world.config.layout.uploads);
  assert.match(file!, /^[0-9a-f]{64}\.csv$/);
  assert.is(statSync(path.join(world.config.layout.uploads, file!)).mode & 0o777, 0o600);
  const refused = await ask('', OWNER, {
    message: { text: undefined, document: { file_id: 'f1', file_name: 'run.sh', file_size: 8 } },
  });
  assert.match(refused.text, /do not keep files of that type/);
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

test('/health answers with what the last look found; a new look is drawn in its place, and holds up nobody', async () => {
  const asked = await ask('/health');
  assert.match(asked.text, /a (first|new) look follows/);
  const [looked] = asked.buttons.flat();
  assert.is(looked!.text, 'Look again');
  await eventually(async () => /Seen at \d{4}-/.test(asked.text), 'the new look is drawn', 30_000);
  assert.match(asked.text, /\d+ pass/);
  const [{ held }] = await query(
    "select i.handled_at > r.finished_at as held from inbox i, ops_health_runs r where i.payload -> 'message' ->> 'text' = '/health' and r.trigger = 'telegram' order by i.id desc, r.id desc limit 1",
  );
  assert.is(held, false, 'the chat had its end before the look had its own');
  const before = count(OWNER);
  const looks = async () =>
    (await query("select count(*)::int as n from ops_health_runs where trigger = 'telegram'"))[0].n;
  const was = await looks();
  assert.is((await handled(telegram.press(OWNER, asked, looked!.callback_data))).outcome, 'answered');
  await eventually(async () => (await looks()) > was, 'it is looked at again', 30_000);
  assert.is(count(OWNER), before, 'in the same message');
  await eventually(async () => /Seen at \d{4}-/.test(asked.text), 'and again', 30_000);
});

test.run();
