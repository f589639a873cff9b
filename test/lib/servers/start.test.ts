import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import {
  connectRedis,
  ensureServers,
  findRunningServers,
  findServersFolder,
  stopServers,
} from '../../../lib/servers/index.ts';
import { commandLine, isAlive } from '../../../lib/servers/processes.ts';
import { suite } from '../../harness/suite.ts';
import { type TemporaryHome, temporaryHome } from '../../harness/temporaryHome.ts';
import { freshHome, isRoot, query, spawnStarter, start, uidOf } from './homes.ts';

const test = suite('servers: start');
/** Of all tests that need no first start of their own: making a cluster is what takes long here. */
let shared: TemporaryHome;
/** Of those whose first start is made by others, and then met together. */
let ours: TemporaryHome;
let theirs: TemporaryHome;

test.before(async () => {
  shared = await freshHome();
  ours = await freshHome();
  theirs = await freshHome();
});
test.after(async () => {
  for (const one of [shared, ours, theirs]) await one.remove();
});

test('a first start makes both, a second adopts them, a start after a stop keeps the data', async () => {
  const { layout } = shared;
  assert.equal(await findRunningServers({ layout }), {});
  const first = await start(layout);
  await query(first.postgres.adminUrl, 'create database openclaw');
  await query(first.postgres.urlFor('postgres'), 'create table kept as select 7 as n');

  const again = await start(layout);
  assert.is(again.postgres.pid, first.postgres.pid);
  assert.is(again.redis.pid, first.redis.pid);
  const found = await findRunningServers({ layout });
  assert.is(found.postgres?.adminUrl, first.postgres.adminUrl);
  assert.is(found.redis?.url, first.redis.url);

  assert.equal(await stopServers({ layout }), { postgres: true, redis: true });
  assert.equal(await stopServers({ layout }), { postgres: false, redis: false });
  assert.equal(await findRunningServers({ layout }), {});
  const began = performance.now();
  const later = await start(layout);
  const ms = performance.now() - began;
  assert.ok(ms < 3_000, `a start on existing data took ${ms} ms`);
  assert.is.not(later.postgres.pid, first.postgres.pid);
  assert.equal(await query(later.postgres.urlFor('postgres'), 'select n from kept'), [{ n: 7 }]);
});

test('neither server is run by root, and only their user can reach them or read their passwords', async () => {
  const { layout } = shared;
  const { postgres, redis } = await start(layout);
  const own = isRoot ? undefined : process.getuid?.();
  for (const pid of [postgres.pid!, redis.pid!]) {
    const uid = uidOf(pid);
    assert.is.not(uid, 0);
    if (own !== undefined && uid !== undefined) assert.is(uid, own);
  }
  const folder = findServersFolder(layout)!.path;
  assert.is(statSync(folder).mode & 0o777, 0o700);
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name);
    if (/password|\.conf$|\.json$/.test(name)) assert.is(statSync(file).mode & 0o777, 0o600, name);
    if (statSync(file).isDirectory()) assert.is(statSync(file).mode & 0o077, 0, name);
  }
  for (const name of readdirSync(path.join(folder, 'run'))) {
    assert.is(statSync(path.join(folder, 'run', name)).mode & 0o077, 0, name);
  }
  for (const pid of [postgres.pid!, redis.pid!]) {
    const command = commandLine(pid)!.join(' ');
    for (const secret of [postgres.password('postgres')!, redis.url.split('@')[0]!.slice('redis://:'.length)]) {
      assert.not(command.includes(secret));
    }
  }
});

(isRoot ? test : test.skip)('another user cannot enter the folder of the servers', async () => {
  const { layout } = shared;
  await start(layout);
  const folder = findServersFolder(layout)!.path;
  const NOBODY = 65_534;
  const seen = spawnSync('ls', [path.join(folder, 'run')], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });
  assert.is.not(seen.status, 0);
  assert.match(seen.stderr, /Permission denied/);
});

test('every connection needs a password, Redis evicts nothing, the clock is UTC', async () => {
  const { layout } = shared;
  const { postgres, redis } = await start(layout);
  const rules = await query(postgres.adminUrl, 'select distinct auth_method from pg_hba_file_rules');
  assert.equal(rules, [{ auth_method: 'scram-sha-256' }]);
  const settings = await query(
    postgres.adminUrl,
    `select current_setting('TimeZone') as zone, current_setting('jit') as jit, current_setting('server_encoding') as encoding,
      current_setting('max_connections') as connections, current_setting('data_checksums') as checksums`,
  );
  assert.equal(settings, [
    {
      zone: existsSync('/usr/share/zoneinfo/UTC') ? 'UTC' : 'GMT',
      jit: 'off',
      encoding: 'UTF8',
      connections: '200',
      checksums: 'on',
    },
  ]);
  const wrong = postgres.adminUrl.replace(postgres.password('postgres')!, 'wrong');
  const refused = await query(wrong, 'select 1').catch((error: { code: string }) => error.code);
  assert.is(refused, '28P01');
  assert.throws(() => postgres.urlFor('nobody'), /no password for this role/);

  const client = connectRedis(redis.url);
  assert.equal(await client.config('GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction']);
  client.disconnect();
  const stranger = connectRedis(redis.url.replace(/:[^:@]*@/, '@'), { lazyConnect: true, retryStrategy: null });
  stranger.on('error', () => {});
  const answer = await stranger.ping().catch((error: Error) => error.message);
  assert.match(answer, /NOAUTH|closed/i);
  stranger.disconnect();
});

test('psql reads the same URL as node-postgres, whatever PGPORT says', async () => {
  const { layout } = shared;
  const { postgres } = await start(layout);
  assert.ok(postgres.binDir, 'psql and pg_dump are beside the server');
  const env = { ...process.env, ...postgres.env, PGPORT: '1', PGHOST: 'nowhere.invalid', PGSSLMODE: 'require' };
  const shown = spawnSync(path.join(postgres.binDir!, 'psql'), [postgres.adminUrl, '-Atc', 'select 6 * 7'], {
    env,
    encoding: 'utf8',
  });
  assert.is(shown.stdout.trim(), '42', shown.stderr);
});

test('servers outlive a SIGKILLed parent, and the next start adopts them', async () => {
  const { home, layout } = theirs;
  const { child, line } = spawnStarter(home);
  const pids = await line('pids ');
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  const { postgres, redis } = await start(layout);
  assert.is(`pids ${postgres.pid} ${redis.pid}`, pids);
});

test('two that start at once get the same servers', async () => {
  const starters = [spawnStarter(ours.home), spawnStarter(ours.home)];
  const [one, two] = await Promise.all(starters.map(({ line }) => line('pids ')));
  assert.is(one, two);
  for (const { child } of starters) child.kill('SIGKILL');
});

test('stop touches neither the servers of another home nor configured ones', async () => {
  await start(ours.layout);
  const other = await start(theirs.layout);
  const configured = { databaseUrl: other.postgres.adminUrl, redisUrl: other.redis.url };
  assert.equal(await stopServers({ layout: ours.layout, ...configured }), { postgres: true, redis: true });
  assert.ok(isAlive(other.postgres.pid!));
  assert.ok(isAlive(other.redis.pid!));
  const used = await ensureServers({ layout: ours.layout, ...configured });
  assert.is(used.postgres.origin, 'configured');
  assert.is(used.postgres.urlFor('binaryrogue'), configured.databaseUrl);
  assert.is(used.redis.origin, 'configured');
});

test('a socket path that is too long gives a loopback port, which is kept over a restart', async () => {
  const parent = temporaryHome();
  const deep = path.join(parent.home, 'x'.repeat(90));
  mkdirSync(deep);
  // Open to the servers' account, else root's servers would go to a folder with a short path.
  for (const folder of [parent.home, deep]) chmodSync(folder, 0o755);
  const { layout, remove } = await freshHome({ under: deep, mode: 0o755 });
  const { postgres, redis } = await start(layout);
  assert.match(postgres.adminUrl, /@127\.0\.0\.1:\d+\//);
  assert.match(redis.url, /@127\.0\.0\.1:\d+\//);
  assert.is((await start(layout)).redis.pid, redis.pid);
  await stopServers({ layout });
  const again = await start(layout);
  assert.is(again.postgres.adminUrl, postgres.adminUrl);
  assert.is(again.redis.url, redis.url);
  await remove();
  await parent.remove();
});

test('a failed start says why, with the end of the log, and the next one is not hindered', async () => {
  const { layout } = shared;
  await start(layout);
  await stopServers({ layout });
  const settings = path.join(findServersFolder(layout)!.path, 'postgres', 'postgresql.auto.conf');
  const good = readFileSync(settings, 'utf8');
  spawnSync('sh', ['-c', `echo "shared_buffers = 'much'" >> "${settings}"`]);
  const error = await start(layout).catch((thrown) => thrown);
  assert.is(error.code, 'E_POSTGRES_START');
  assert.match(error.format(), /shared_buffers/);
  assert.match(error.remedy, /postgres\.log/);
  spawnSync('sh', ['-c', `cat > "${settings}"`], { input: good });
  await start(layout);
});

test.run();
