import { messageOf, OpenClawError } from '../errors/index.ts';
import { configuredPostgres, configuredRedis } from './configured.ts';
import { openDebianPackages } from './debianPackages.ts';
import { ensureServersFolder, findServersFolder, type ServersFolder } from './folder.ts';
import { withServersLock } from './lock.ts';
import { ensurePostgres, findPostgres, stopPostgres } from './postgres.ts';
import { ensureRedis, findRedis, stopRedis } from './redis.ts';
import { openStartContext } from './startContext.ts';
import type { PostgresServer, RedisServer, Servers, ServersOptions } from './types.ts';

export { withoutPassword } from './configured.ts';
export { findServersFolder, type ServersFolder } from './folder.ts';
export { connectRedis } from './redisConnection.ts';
export type { PostgresServer, RedisServer, ServerOrigin, Servers, ServersOptions } from './types.ts';

/**
 * Postgres and Redis, running when this resolves: the configured ones, or private ones that are adopted where they run
 * and started where they do not. May be called at any time, by any number of processes at once.
 */
export async function ensureServers(options: ServersOptions): Promise<Servers> {
  const { databaseUrl, redisUrl } = options;
  const configured = both(
    databaseUrl ? configuredPostgres(databaseUrl) : undefined,
    redisUrl ? configuredRedis(redisUrl) : undefined,
  );
  const [postgres, redis] = await configured;
  if (postgres && redis) return { postgres, redis };
  const folder = await ensureServersFolder(options.layout);
  return withServersLock(folder.path, { ...options, account: folder.account }, () =>
    ensurePrivate(folder, options, postgres, redis),
  );
}

async function ensurePrivate(
  folder: ServersFolder,
  options: ServersOptions,
  postgres?: PostgresServer,
  redis?: RedisServer,
): Promise<Servers> {
  const context = await openStartContext(folder, options);
  const packages = openDebianPackages(context);
  try {
    const [foundPostgres, foundRedis] = await both(
      postgres ? Promise.resolve(postgres) : ensurePostgres(context, packages),
      redis ? Promise.resolve(redis) : ensureRedis(context, packages),
    );
    return { postgres: foundPostgres, redis: foundRedis };
  } finally {
    await packages.close();
  }
}

/** What runs now. Starts nothing, waits for nobody's lock; a server that does not answer is absent. */
export async function findRunningServers(options: ServersOptions): Promise<Partial<Servers>> {
  const folder = options.databaseUrl && options.redisUrl ? null : findServersFolder(options.layout);
  const [postgres, redis] = await both(
    options.databaseUrl ? ifReachable(configuredPostgres(options.databaseUrl)) : folder && findPostgres(folder),
    options.redisUrl ? ifReachable(configuredRedis(options.redisUrl)) : folder && findRedis(folder),
  );
  return { ...(postgres ? { postgres } : {}), ...(redis ? { redis } : {}) };
}

/** Of both only Postgres: Redis is not asked. */
export async function findRunningPostgres(
  options: Pick<ServersOptions, 'layout' | 'databaseUrl'>,
): Promise<PostgresServer | null> {
  if (options.databaseUrl) return ifReachable(configuredPostgres(options.databaseUrl));
  const folder = findServersFolder(options.layout);
  return folder && findPostgres(folder);
}

/** Stops the private servers of this home, and says which of them ran. A configured server is never touched. */
export async function stopServers(options: ServersOptions): Promise<{ postgres: boolean; redis: boolean }> {
  const folder = findServersFolder(options.layout);
  if (!folder) return { postgres: false, redis: false };
  return withServersLock(folder.path, { ...options, account: folder.account }, async () => {
    const [postgres, redis] = await both(stopPostgres(folder), stopRedis(folder));
    return { postgres, redis };
  });
}

async function ifReachable<T>(server: Promise<T>): Promise<T | null> {
  try {
    return await server;
  } catch (error) {
    if (error instanceof OpenClawError && /^E_(POSTGRES|REDIS)_UNREACHABLE$/.test(error.code)) return null;
    throw error;
  }
}

/** Both to their end, side by side: the lock is not given up while one still works. The first failure names the second. */
async function both<A, B>(first: A | Promise<A>, second: B | Promise<B>): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'fulfilled' && b.status === 'fulfilled') return [a.value, b.value];
  const reasons = [a, b].flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const [reason, other] = reasons;
  if (other === undefined || !(reason instanceof OpenClawError)) throw reason;
  const text = other instanceof OpenClawError ? other.format() : messageOf(other);
  throw new OpenClawError(reason.code, reason.message, { ...reason, cause: reason, faults: [...reason.faults, text] });
}
