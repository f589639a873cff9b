import * as assert from 'uvu/assert';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually } from '../../harness/workers.ts';
import { OWNER, startWorld, type World } from './world.ts';

const test = suite('the gateway: what comes in and what goes out', { timeoutMs: 60_000 });

let world: World;
let telegram: World['telegram'];
const query: World['query'] = (...given) => world.query(...given);
const next: World['next'] = (...given) => world.next(...given);
const count: World['count'] = (...given) => world.count(...given);

test.before(async () => {
  world = await startWorld();
  telegram = world.telegram;
});
test.after(() => world.end());

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
  await world.restart(() =>
    query(
      "insert into outbox (recipient, chat_id, text, state, started_at) values ('telegram:607', 607, 'on its way', 'sending', now())",
    ),
  );
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
  const refused = await refusal(world.start(300));
  assert.is(refused.code, 'E_TAKEN');
  assert.match(refused.message, new RegExp(`gateway runs already: process ${process.pid} on `));
});

test('a flood of strangers keeps nobody waiting who is paired', async () => {
  await world.restart(async () => {
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
  });
});

test.run();
