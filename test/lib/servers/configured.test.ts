import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import type { OpenClawError } from '../../../lib/errors/index.ts';
import { connectRedis, ensureServers, findRunningServers, withoutPassword } from '../../../lib/servers/index.ts';
import { testServers } from '../../harness/servers.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('servers: configured');
const SECRET = 'hunter2-is-secret';

async function failureOf(options: { databaseUrl?: string; redisUrl?: string }): Promise<OpenClawError> {
  const { layout } = temporaryHome();
  const error = await ensureServers({
    layout,
    databaseUrl: 'postgresql://u@localhost/x',
    redisUrl: 'redis://localhost',
    ...options,
  }).catch((thrown) => thrown);
  assert.ok(error.code, String(error));
  assert.not(JSON.stringify([error.format(), error.stack, String(error.cause ?? '')]).includes(SECRET));
  return error;
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('a Postgres that is not there is named without its password', async () => {
  const { redis } = await testServers();
  const port = await closedPort();
  const error = await failureOf({ databaseUrl: `postgresql://me:${SECRET}@127.0.0.1:${port}/x`, redisUrl: redis.url });
  assert.is(error.code, 'E_POSTGRES_UNREACHABLE');
  assert.is(error.value, `postgresql://me:***@127.0.0.1:${port}/x`);
  assert.match(error.remedy!, /DATABASE_URL/);
});

test('a Redis that is not there is named without its password', async () => {
  const { postgres } = await testServers();
  const port = await closedPort();
  const error = await failureOf({ databaseUrl: postgres.adminUrl, redisUrl: `redis://:${SECRET}@127.0.0.1:${port}` });
  assert.is(error.code, 'E_REDIS_UNREACHABLE');
  assert.is(error.value, `redis://:***@127.0.0.1:${port}`);
  assert.match(error.message, /ECONNREFUSED/);
});

test('both that are wrong are in one error', async () => {
  const port = await closedPort();
  const error = await failureOf({
    databaseUrl: `postgresql://u:${SECRET}@127.0.0.1:${port}/x`,
    redisUrl: `redis://:${SECRET}@127.0.0.1:${port}`,
  });
  assert.is(error.code, 'E_POSTGRES_UNREACHABLE');
  assert.match(error.format(), /E_REDIS_UNREACHABLE/);
});

test('a wrong password is told as such', async () => {
  const { postgres, redis } = await testServers();
  const wrong = (url: string) => url.replace(/:[^:@/]+@/, `:${SECRET}@`);
  const first = await failureOf({ databaseUrl: wrong(postgres.adminUrl), redisUrl: redis.url });
  assert.match(first.message, /password authentication failed/);
  const second = await failureOf({ databaseUrl: postgres.adminUrl, redisUrl: wrong(redis.url) });
  assert.match(second.message, /WRONGPASS/);
});

test('a server that accepts and says nothing is given up after 5 s', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as AddressInfo;
  const began = performance.now();
  const error = await failureOf({
    databaseUrl: `postgresql://u:${SECRET}@127.0.0.1:${port}/x`,
    redisUrl: `redis://127.0.0.1:${port}`,
  });
  const ms = performance.now() - began;
  assert.is(error.code, 'E_POSTGRES_UNREACHABLE');
  assert.ok(ms > 4_000 && ms < 8_000, `${ms} ms`);
  silent.close();
});

test('what cannot be a URL is refused without being shown', async () => {
  const { postgres } = await testServers();
  const error = await failureOf({ databaseUrl: postgres.adminUrl, redisUrl: `${SECRET}@somewhere` });
  assert.is(error.code, 'E_REDIS_UNREACHABLE');
});

test('what runs is found by its configured URL, and what does not is absent', async () => {
  const { postgres, redis } = await testServers();
  const { layout } = temporaryHome();
  const port = await closedPort();
  const found = await findRunningServers({
    layout,
    databaseUrl: postgres.adminUrl,
    redisUrl: `redis://127.0.0.1:${port}`,
  });
  assert.is(found.postgres?.origin, 'configured');
  assert.is(found.redis, undefined);
  assert.is((await findRunningServers({ layout, redisUrl: redis.url })).redis?.origin, 'configured');
});

test('passwords are taken out of every form of URL', () => {
  const cases = [
    ['postgresql://me:pw@host/x', 'postgresql://me:***@host/x'],
    ['postgresql://me:p@w:x@host/x', 'postgresql://me:***@host/x'],
    ['postgresql://me@host/x?password=pw&a=1', 'postgresql://me@host/x?password=***&a=1'],
    ['redis://:pw@host', 'redis://:***@host'],
    ['unix:///x.sock?password=pw', 'unix:///x.sock?password=***'],
    ['/x.sock?password=pw&db=1', '/x.sock?password=***&db=1'],
    ['redis://host:6379/0', 'redis://host:6379/0'],
    ['host=h password=pw', '(not a URL)'],
  ] as const;
  for (const [url, shown] of cases) assert.is(withoutPassword(url), shown);
});

test('every form of a Redis URL leads to the same socket', async () => {
  const { redis } = await testServers();
  const parsed = new URL(redis.url);
  const socket = parsed.searchParams.get('path');
  if (!socket) return;
  const password = decodeURIComponent(parsed.password);
  for (const url of [
    redis.url,
    `unix://:${password}@${socket}?db=2`,
    `unix://${socket}?password=${password}`,
    `${socket}?password=${password}`,
  ]) {
    const client = connectRedis(url, { lazyConnect: true, retryStrategy: null });
    client.on('error', () => {});
    assert.is(await client.ping(), 'PONG', url.replace(password, '***'));
    client.disconnect();
  }
  const tls = connectRedis('rediss://host:1', { lazyConnect: true });
  assert.ok(tls.options.tls);
  assert.throws(() => connectRedis('http://x'), /no URL of a Redis/);
});

test.run();
