import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Layout } from '../../../lib/config/layout.ts';
import { ensureServersFolder } from '../../../lib/servers/folder.ts';
import { findServersFolder, stopServers } from '../../../lib/servers/index.ts';
import { withServersLock } from '../../../lib/servers/lock.ts';
import { giveTo } from '../../../lib/servers/ownedFiles.ts';
import { commandLine, isAlive, waitForExit } from '../../../lib/servers/processes.ts';
import { suite } from '../../harness/suite.ts';
import type { TemporaryHome } from '../../harness/temporaryHome.ts';
import { freshHome, query, spawnStarter, start } from './homes.ts';

const test = suite('servers: recovery');
/** Of all tests that begin with servers that run: making a cluster is what takes long here. */
let shared: TemporaryHome;

test.before(async () => {
  shared = await freshHome();
});
test.after(() => shared.remove());
const inFolder = (layout: Layout, ...parts: string[]) => path.join(findServersFolder(layout)!.path, ...parts);

const processesIn = (folder: string) =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && commandLine(pid)?.some((word) => word.includes(folder)));

(existsSync('/proc/self/cmdline') ? test : test.skip)(
  'a cluster whose initdb was killed half-way is made anew',
  async () => {
    const { home, layout, remove } = await freshHome();
    const { child, line } = spawnStarter(home);
    await line('Creating a private PostgreSQL');
    await sleep(150);
    child.kill('SIGKILL');
    // The initdb that it started is killed too, as it would be by a crash of the machine.
    const initdb = processesIn(inFolder(layout)).filter((pid) => commandLine(pid)?.[0]?.endsWith('initdb'));
    assert.is(initdb.length, 1, 'the kill met initdb at work');
    process.kill(initdb[0]!, 'SIGKILL');
    assert.not(existsSync(inFolder(layout, 'postgres')), 'nothing stands in the place of a cluster');
    const { postgres } = await start(layout);
    assert.equal(await query(postgres.adminUrl, 'select 1 as one'), [{ one: 1 }]);
    assert.equal(
      readdirSync(inFolder(layout)).filter((name) => name.startsWith('work-')),
      [],
    );
    await remove();
  },
);

test('a folder in its place that is no cluster is put aside, not deleted', async () => {
  const { layout, remove } = await freshHome();
  const folder = await ensureServersFolder(layout);
  mkdirSync(path.join(folder.path, 'postgres'));
  writeFileSync(path.join(folder.path, 'postgres', 'PG_VERSION'), '15\n');
  await start(layout);
  const aside = readdirSync(folder.path).find((name) => name.startsWith('postgres.incomplete-'));
  assert.ok(aside && existsSync(path.join(folder.path, aside, 'PG_VERSION')));
  await remove();
});

test('a postmaster.pid that was left behind does not stop the start', async () => {
  const { layout } = shared;
  const { postgres, redis } = await start(layout);
  process.kill(postgres.pid!, 'SIGKILL');
  await waitForExit(postgres.pid!, 5_000);
  assert.ok(existsSync(inFolder(layout, 'postgres', 'postmaster.pid')));
  const second = (await start(layout)).postgres;
  assert.is.not(second.pid, postgres.pid);

  // The hard cases: by now the number belongs to a live process of the same user, or to a zombie that nobody reaps.
  const { account } = findServersFolder(layout)!;
  const identity = account ? { uid: account.uid, gid: account.gid } : {};
  const parent = spawn('/bin/sh', ['-c', 'true & echo $!; exec sleep 30'], { ...identity, cwd: '/' });
  const zombie = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)));
  while (isAlive(zombie)) await sleep(10);
  let last = second;
  for (const pid of [redis.pid!, zombie]) {
    process.kill(last.pid!, 'SIGKILL');
    await waitForExit(last.pid!, 5_000);
    for (const file of [
      inFolder(layout, 'postgres', 'postmaster.pid'),
      inFolder(layout, 'run', '.s.PGSQL.5432.lock'),
    ]) {
      const text = readFileSync(file, 'utf8').replace(/^\d+/, String(pid));
      rmSync(file);
      writeFileSync(file, text, { mode: 0o600 });
      giveTo(file, account);
    }
    last = (await start(layout)).postgres;
    assert.equal(await query(last.adminUrl, 'select 1 as one'), [{ one: 1 }]);
  }
  assert.ok(isAlive(redis.pid!), 'the process whose number stood there lives on');
  parent.kill('SIGKILL');
});

test('a passwords file that is lost is made anew, and the superuser follows it', async () => {
  const { layout } = shared;
  const before = await start(layout);
  rmSync(inFolder(layout, 'passwords.json'));
  const after = await start(layout);
  assert.is.not(after.postgres.password('postgres'), before.postgres.password('postgres'));
  assert.equal(await query(after.postgres.adminUrl, 'select 1 as one'), [{ one: 1 }]);
});

test('a Redis that hangs is replaced', async () => {
  const { layout } = shared;
  const { redis } = await start(layout);
  process.kill(redis.pid!, 'SIGSTOP');
  const second = (await start(layout)).redis;
  assert.is.not(second.pid, redis.pid);
  assert.not(isAlive(redis.pid!));
});

test('data of another major asks for that major', async () => {
  const { layout } = shared;
  await start(layout);
  await stopServers({ layout });
  const file = inFolder(layout, 'postgres', 'PG_VERSION');
  spawnSync('sh', ['-c', `echo 9 > "${file}"`]);
  const error = await start(layout).catch((thrown) => thrown);
  assert.is(error.code, 'E_POSTGRES_MAJOR');
  assert.is(error.exitCode, 78);
  assert.match(error.message, /PostgreSQL 9/);
  assert.match(error.remedy, /install PostgreSQL 9/);
});

test('the wait for the lock has an end, and a dead holder holds nothing', async () => {
  const { layout } = shared;
  const { path: folder, account } = await ensureServersFolder(layout);
  const busy = await withServersLock(folder, { account }, () =>
    withServersLock(folder, { account, waitMs: 200 }, async () => 'both').catch((error) => error),
  );
  assert.is(busy.code, 'E_SERVERS_BUSY');
  assert.is(busy.exitCode, 75);
  assert.is(await withServersLock(folder, { account, waitMs: 0 }, async () => 'free'), 'free');
});

test('an abort ends the wait', async () => {
  const { layout } = shared;
  const { path: folder, account } = await ensureServersFolder(layout);
  const stop = new AbortController();
  await withServersLock(folder, { account }, async () => {
    setTimeout(() => stop.abort(new Error('enough')), 100);
    const error = await withServersLock(folder, { account, signal: stop.signal }, async () => null).catch(
      (thrown) => thrown,
    );
    assert.match(String(error), /enough|abort/i);
  });
});

test('a command line is read, and a process that is gone has none', async () => {
  assert.ok(commandLine(process.pid)?.some((word) => word.includes('recovery.test.ts')));
  const { pid } = spawnSync('true');
  assert.is(commandLine(pid), null);
});

test.run();
