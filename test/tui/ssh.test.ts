import { statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import * as assert from 'uvu/assert';
import { fingerprintOf } from '../../lib/devices/publicKey.ts';
import { createLogger } from '../../lib/log/index.ts';
import { openFeed } from '../../tui/feed/feed.ts';
import type { Device } from '../../tui/ssh/authenticate.ts';
import { hostKey } from '../../tui/ssh/hostKey.ts';
import { type ScreenServer, startScreenServer } from '../../tui/ssh/server.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { openSsh } from '../harness/openssh.ts';
import { openPty, type Pty } from '../harness/pty.ts';
import { suite } from '../harness/suite.ts';
import { temporaryHome } from '../harness/temporaryHome.ts';
import { eventually } from '../harness/workers.ts';
import { fakeActor } from './emulator.ts';

const test = suite('the screen by SSH', { timeoutMs: 90_000 });
const pair = ssh2.utils.generateKeyPairSync('ed25519');
const stranger = ssh2.utils.generateKeyPairSync('ed25519');
const fingerprint = fingerprintOf((ssh2.utils.parseKey(pair.public) as ssh2.ParsedKey).getPublicSSH());
let database: TestDatabase;
let server: ScreenServer;
let feed: ReturnType<typeof openFeed>;
let folder: string;
let revoked = false;
const logged: string[] = [];

test.before(async () => {
  database = await freshDatabase();
  folder = temporaryHome().layout.devices;
  feed = openFeed({ reader: () => database.urlFor('openclaw_tui') });
  server = await startScreenServer({
    host: '127.0.0.1',
    port: 0,
    hostKey: hostKey(folder),
    feed,
    admit: async (offered): Promise<Device | undefined> =>
      offered === fingerprint && !revoked ? { id: '1', name: 'ada', role: 'viewer', fingerprint } : undefined,
    stillPaired: async (offered) => new Set(revoked ? [] : offered),
    actorFor: () => fakeActor('viewer'),
    status: async () => '{"ok":true}',
    name: 'test',
    log: createLogger({ name: 'test', destination: { write: (line) => logged.push(line) } }),
    limits: { revokedMs: 50 },
  });
});
test.after(async () => {
  await server.stop('test');
  await feed.stop();
  await database.drop();
});

/** A client that has shown this key. @throws when it is not let in. */
function connect(privateKey: string | undefined, password?: string): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    client.once('ready', () => resolve(client));
    client.on('error', reject);
    client.connect({
      host: '127.0.0.1',
      port: server.port,
      username: 'x',
      readyTimeout: 60_000,
      ...(privateKey && { privateKey }),
      ...(password && { password }),
    });
  });
}

const shellOf = (client: Client, columns = 80, rows = 24): Promise<{ channel: ClientChannel; text: () => string }> =>
  new Promise((resolve, reject) => {
    client.shell({ term: 'xterm-256color', cols: columns, rows }, (error, channel) => {
      if (error) return reject(error);
      let text = '';
      channel.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      resolve({ channel, text: () => text });
    });
  });

const run = (client: Client, command: string): Promise<{ code: number; out: string }> =>
  new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error);
      let out = '';
      channel.on('data', (chunk: Buffer) => {
        out += chunk;
      });
      channel.stderr.on('data', (chunk: Buffer) => {
        out += chunk;
      });
      channel.on('close', (code: number) => resolve({ code, out }));
    });
  });

const failure = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return String((error as Error).message);
  }
  throw new Error('was not refused');
};

test('the host key is for its owner only, and stays', () => {
  const file = path.join(folder, 'dashboard_host_ed25519');
  assert.is(statSync(file).mode & 0o777, 0o600);
  assert.is(hostKey(folder), hostKey(folder));
});

test('a paired key opens the screen; keys, a resize and quit work', async () => {
  const client = await connect(pair.private);
  const { channel, text } = await shellOf(client);
  await eventually(async () => /OpenClaw/.test(text()) && /workers/.test(text()), 'the first frame', 60_000);
  channel.write('2');
  await eventually(async () => /Missions/.test(text()), 'the page of missions', 60_000);
  const before = text().length;
  channel.setWindow(30, 100, 0, 0);
  await eventually(async () => text().length > before + 500, 'a frame of the new size', 60_000);
  const closed = new Promise((resolve) => channel.once('close', resolve));
  channel.write('q');
  await closed;
  assert.ok(text().includes('\x1b[?1049l'), 'the terminal is given back');
  await eventually(async () => server.viewers() === 0, 'the viewer is gone');
  client.end();
});

test('no other key, no password, no shell of another kind, no forwarding', async () => {
  assert.match(await failure(connect(stranger.private)), /authentication/i);
  assert.match(await failure(connect(undefined, 'password')), /authentication/i);
  assert.ok(logged.some((line) => /an SSH key was refused/.test(line) && /SHA256:/.test(line)));
  const client = await connect(pair.private);
  assert.equal(await run(client, 'status --json'), { code: 0, out: '{"ok":true}\n' });
  const refused = await run(client, 'sh -c id');
  assert.is(refused.code, 2);
  assert.match(refused.out, /only "status --json"/);
  assert.ok(
    await failure(
      new Promise((resolve, reject) =>
        client.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, (error) => (error ? reject(error) : resolve(undefined))),
      ),
    ),
  );
  assert.ok(
    await failure(
      new Promise((resolve, reject) =>
        client.forwardIn('127.0.0.1', 0, (error) => (error ? reject(error) : resolve(undefined))),
      ),
    ),
  );
  assert.ok(
    await failure(
      new Promise((resolve, reject) => client.sftp((error) => (error ? reject(error) : resolve(undefined)))),
    ),
  );
  client.end();
});

test('many viewers cost the queries of one, and a frozen or killed one harms nobody', async () => {
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(pair.private)));
  const shells = await Promise.all(clients.map((client, index) => shellOf(client, 80 + index * 10, 24 + index)));
  await eventually(async () => shells.every(({ text }) => /OpenClaw/.test(text())), 'five first frames', 60_000);
  const polls = feed.polls();
  const from = Date.now();
  // One reads no more, one vanishes.
  shells[0]!.channel.pause();
  (clients[1] as unknown as { _sock: { destroy(): void } })._sock.destroy();
  await eventually(async () => server.viewers() === 4, 'the killed one is gone', 60_000);
  const before = shells[4]!.text().length;
  shells[4]!.channel.write('3');
  await eventually(async () => shells[4]!.text().length > before, 'the others go on', 60_000);
  const seconds = (Date.now() - from) / 1000;
  assert.ok(
    feed.polls() - polls <= seconds * 2 + 3,
    `${feed.polls() - polls} queries in ${seconds} s for five viewers`,
  );
  for (const client of clients) client.end();
  await eventually(async () => server.viewers() === 0, 'all are gone', 60_000);
});

test("twenty of OpenSSH's own clients on real terminals: joined, resized, one frozen, half of them killed", async () => {
  const ssh = await openSsh();
  if (!ssh) return console.log("skipped: OpenSSH's client is neither installed nor to be had");
  const file = path.join(folder, 'client_key');
  writeFileSync(file, pair.private, { mode: 0o600 });
  const options = ['IdentitiesOnly=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  const args = ['-i', file, '-p', String(server.port), '-F', '/dev/null', ...options.flatMap((one) => ['-o', one])];
  const env = { ...ssh.env, TERM: 'xterm-256color', LANG: 'C.UTF-8', HOME: folder };
  const command = (...more: string[]) =>
    openPty([ssh.program, ...args, '127.0.0.1', ...more], { columns: 80, rows: 24, env });

  const status = command('status --json');
  assert.is((await status.ended).code, 0);
  assert.match(status.output(), /\{"ok":true\}/);
  status.hangUp();

  const viewers: Pty[] = [];
  // Five at a time: who has shown no key yet is limited.
  for (let group = 0; group < 4; group++) {
    const joined = Array.from({ length: 5 }, () => command());
    viewers.push(...joined);
    await eventually(async () => joined.every((one) => /workers/.test(one.output())), 'their first frames', 60_000);
  }
  assert.is(server.viewers(), 20);
  const polls = feed.polls();
  const from = Date.now();
  const lengths = viewers.map((one) => one.output().length);
  for (const [index, one] of viewers.entries()) one.resize(100 + index, 30);
  await eventually(
    async () => viewers.every((one, index) => one.output().length > lengths[index]! + 500),
    'a frame of the new size on each',
    60_000,
  );
  // One stands still, ten vanish without a word; the others go on, and leave by themselves.
  const still = viewers[0]!;
  const stillPid = await still.pid();
  process.kill(stillPid, 'SIGSTOP');
  for (const one of viewers.slice(10)) process.kill(await one.pid(), 'SIGKILL');
  await eventually(async () => server.viewers() === 10, 'the killed ones are gone', 60_000);
  const last = viewers[9]!;
  const before = last.output().length;
  last.write('2');
  await eventually(async () => /Missions/.test(last.output().slice(before)), 'the others go on', 60_000);
  const seconds = (Date.now() - from) / 1000;
  assert.ok(
    feed.polls() - polls <= seconds * 2 + 3,
    `${feed.polls() - polls} queries in ${seconds} s for twenty viewers`,
  );
  process.kill(stillPid, 'SIGCONT');
  for (const one of viewers.slice(0, 10)) one.write('q');
  for (const one of viewers.slice(0, 10)) {
    const { code, restored } = await one.ended;
    assert.is(code, 0);
    assert.ok(restored);
  }
  await eventually(async () => server.viewers() === 0, 'all are gone', 60_000);
  for (const one of viewers) one.hangUp();
});

test('a revoked device is sent away', async () => {
  const client = await connect(pair.private);
  const { channel, text } = await shellOf(client);
  const closed = new Promise((resolve) => channel.once('close', resolve));
  revoked = true;
  await closed;
  assert.match(text(), /this device was revoked/);
  assert.match(await failure(connect(pair.private)), /authentication/i);
});

test.run();
