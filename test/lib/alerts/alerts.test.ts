import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('alerts', { timeoutMs: 60_000 });
let database: TestDatabase;
let clock = Date.UTC(2026, 0, 1, 12);

test.before(async () => {
  database = await freshDatabase();
  await at(0);
});
test.after(() => database.drop());

/** Minutes pass. */
async function at(minutes: number): Promise<void> {
  clock += minutes * 60_000;
  await database.admin.query(
    'insert into clock_override (at) values ($1) on conflict (only_row) do update set at = excluded.at',
    [new Date(clock)],
  );
}
/** What became of it: `sent`, `held repeated` … */
async function raise(
  fingerprint: string,
  { severity = 'error', kind = 'problem', hold = false } = {},
): Promise<string> {
  const raised = await database.pool.query('select raise_alert($1, $2, $3, $4, null, $5, $6) as id', [
    severity,
    fingerprint,
    `about ${fingerprint}`,
    'text',
    kind,
    hold,
  ]);
  const { rows } = await database.pool.query('select state, reason from ops_alerts where id = $1', [raised.rows[0].id]);
  return [rows[0].state, rows[0].reason].filter(Boolean).join(' ');
}
async function digest(): Promise<{ title: string; body: string } | undefined> {
  const { rows } = await database.pool.query('select send_alert_digest() as id');
  return (await database.pool.query('select title, body from ops_alerts where id = $1', [rows[0].id])).rows[0];
}

test('one a fingerprint in a quarter of an hour, the rest in one digest; an all-clear only for what was told', async () => {
  assert.is(await raise('a'), 'sent');
  assert.is(await raise('a'), 'held repeated');
  assert.is(await raise('b'), 'sent');
  assert.is(await raise('a', { kind: 'resolved', severity: 'info' }), 'sent');
  assert.is(await raise('never', { kind: 'resolved', severity: 'info' }), 'held problem never sent');
  assert.is(await raise('a', { hold: true }), 'held flapping');
  const told = await digest();
  assert.is(told?.title, '3 alerts were held back');
  assert.match(told!.body, /^2 x about a \(flapping, repeated\)$/m);
  assert.is(await digest(), undefined, 'nothing is left, and the last one is young');
  await at(16);
  assert.is(await raise('a'), 'sent');
  assert.is(await digest(), undefined, 'nothing was held since');
});

test('twenty an hour in all, also when fifty are raised at once', async () => {
  await at(61);
  const became = await Promise.all(Array.from({ length: 50 }, (_, index) => raise(`many-${index}`)));
  assert.is(became.filter((state) => state === 'sent').length, 20);
  assert.is(became.filter((state) => state === 'held bucket').length, 30);
  assert.is((await digest())!.title, '30 alerts were held back');
  await at(61);
  assert.is(await raise('many-49'), 'sent');
});

test('a mute silences a pattern, is recorded, ends by itself; a critical one is heard unless it is named', async () => {
  await at(61);
  await database.pool.query("select mute_alerts('health:*', '2 hours', 'moving house')");
  assert.is(await raise('health:disk'), 'muted mute');
  assert.is(await raise('healthy'), 'sent');
  assert.is(await raise('health:postgres', { severity: 'critical' }), 'sent');
  await database.pool.query("select mute_alerts('health:redis', '1 hour')");
  assert.is(await raise('health:redis', { severity: 'critical' }), 'muted mute');
  await at(121);
  assert.is(await raise('health:disk'), 'sent');
  assert.is((await refusal(database.pool.query("select mute_alerts('x', '31 days')"))).code, 'OC009');
  const { rows } = await database.pool.query("select target from agent_events where verb = 'alerts mute' order by id");
  assert.equal(
    rows.map(({ target }) => target),
    ['health:*', 'health:redis'],
  );
});

test('in quiet hours what is below the severity waits, across midnight and in the operator’s zone', async () => {
  await at(121);
  await database.pool.query(
    `insert into ops_policy (key, version, value) select 'alerts.quiet', max(version) + 1, '{"from": "22:00", "to": "07:00", "zone": "Europe/Vienna", "below": "error"}' from ops_policy where key = 'alerts.quiet'`,
  );
  clock = Date.UTC(2026, 0, 3, 21, 30); // 22:30 in Vienna
  await at(0);
  assert.is(await raise('night', { severity: 'warning' }), 'held quiet hours');
  assert.is(await raise('night', { severity: 'error' }), 'sent');
  assert.is(await digest(), undefined, 'the digest waits as well');
  clock = Date.UTC(2026, 0, 4, 6, 30);
  await at(0);
  assert.match((await digest())!.body, /about night/);
});

test('an unknown severity is refused; history is append-only', async () => {
  assert.is((await refusal(database.pool.query("select raise_alert('fatal', 'x', 'x')"))).code, 'OC009');
  assert.is((await refusal(database.pool.query('delete from ops_alerts'))).code, 'OC010');
});

// The second path, as the alert@ unit runs it.

interface Received {
  url: string;
  body: string;
}

test('shell and curl alone reach Telegram and the mail server; keys and what looks like one do not leave', async () => {
  const received: Received[] = [];
  const telegram = await listen(
    createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        received.push({ url: request.url!, body });
        response.end('{"ok":true}');
      });
    }),
  );
  const mails: string[] = [];
  const smtp = createTcpServer((socket) => {
    let data = false;
    let asked = false;
    let text = '';
    socket.on('error', () => undefined);
    socket.write('220 test\r\n');
    socket.on('data', (chunk) => {
      for (const line of chunk.toString().split('\r\n')) {
        if (data) {
          text += `${line}\n`;
          if (line === '.') {
            data = false;
            mails.push(text);
            socket.write('250 taken\r\n');
          }
        } else if (asked && line) {
          asked = false;
          socket.write('235 well\r\n');
        } else if (/^EHLO/i.test(line)) socket.write('250-test\r\n250 AUTH PLAIN\r\n');
        else if (/^AUTH/i.test(line)) {
          asked = true;
          socket.write('334 \r\n');
        } else if (/^DATA/i.test(line)) {
          data = true;
          socket.write('354 go on\r\n');
        } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
        else if (line) socket.write('250 ok\r\n');
      }
    });
  });
  smtp.unref();
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
  const { home } = temporaryHome();
  mkdirSync(`${home}/config`);
  mkdirSync(`${home}/run`);
  const token = '123456:abcdefghijklmnopqrstuvwxyz0123456789';
  writeFileSync(`${home}/run/alert-recipients`, '77\n');
  writeFileSync(
    `${home}/config/.env`,
    `TELEGRAM_BOT_TOKEN="${token}"\nTELEGRAM_ALLOWED_USER_IDS=42\nTELEGRAM_BASE_URL=http://127.0.0.1:${telegram}\n` +
      `GMAIL_ADDRESS=me@example.org\nGMAIL_APP_PASSWORD=abcd efgh ijkl\nGMAIL_BASE_URL=smtp://127.0.0.1:${(smtp.address() as AddressInfo).port}\n`,
    { mode: 0o600 },
  );
  const first = await script(
    home,
    ['critical', 'unit:x', 'x "has" $(failed)'],
    `the log: ${token} and postgres://a:hunter22@h/d`,
  );
  assert.is(first.code, 0, first.stderr);
  assert.match(first.stderr, /sent by telegram, telegram, mail/);
  assert.equal(
    received.map(({ url, body }) => [url, new URLSearchParams(body).get('chat_id')]),
    [
      [`/bot${token}/sendMessage`, '42'],
      [`/bot${token}/sendMessage`, '77'],
    ],
  );
  const text = new URLSearchParams(received[0]!.body).get('text')!;
  assert.match(text, /^CRITICAL: x "has" \$\(failed\)\nthe log: \[redacted\] and postgres:\/\/a:\[redacted\]@h\/d/);
  assert.is(mails.length, 1);
  assert.match(mails[0]!, /^Subject: \[openclaw\] CRITICAL: x "has" \$\(failed\)$/m);
  assert.not.match(first.stderr, /abcdefghij|hunter22|efgh/);

  assert.is((await script(home, ['critical', 'unit:x', 'again'], '')).code, 3, 'a repetition within 15 minutes');
  assert.is(received.length, 2);
  smtp.close();
});

test('with nobody configured it says so, and with nobody reached it fails', async () => {
  const { home } = temporaryHome();
  const nobody = await script(home, ['error', 'x', 'x'], 'text');
  assert.is(nobody.code, 3);
  assert.match(nobody.stderr, /nobody to tell: set TELEGRAM_BOT_TOKEN/);
  const down = await script(home, ['error', 'x', 'x'], 'text', {
    TELEGRAM_BOT_TOKEN: '1:a',
    TELEGRAM_ALLOWED_USER_IDS: '1',
    TELEGRAM_BASE_URL: 'http://127.0.0.1:9',
  });
  assert.is(down.code, 1, down.stderr);
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return (server.address() as AddressInfo).port;
}

function script(home: string, args: string[], text: string, env: Record<string, string> = {}) {
  return new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
    const child = spawn(path.join(CODE_ROOT, 'systemd/openclaw-alert'), args, {
      env: { PATH: process.env.PATH, OPENCLAW_HOME: home, ...env },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stderr }));
    child.stdin.end(text);
  });
}

test.run();
