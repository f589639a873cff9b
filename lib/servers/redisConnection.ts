import { createRequire } from 'node:module';
import type { Redis, RedisOptions } from 'ioredis';
import { OpenClawError } from '../errors/index.ts';

/** Loaded when a connection is made: most verbs of the command line make none. */
const require = createRequire(import.meta.url);

/**
 * A connection to whatever REDIS_URL may be: `redis://`, `rediss://` (TLS), `redis://:password@localhost/0?path=/x.sock`
 * (a Unix socket: what `RedisServer.url` is), `unix:///x.sock?password=…&db=0` or a plain `/x.sock`.
 *
 * The caller listens to `error`; without a listener ioredis prints each one.
 */
export function connectRedis(url: string, options: RedisOptions = {}): Redis {
  const { Redis } = require('ioredis') as typeof import('ioredis');
  if (/^rediss?:\/\//i.test(url) || url.startsWith('/')) return new Redis(url, options);
  if (/^unix:\/\//i.test(url)) return new Redis({ ...unixOptions(url), ...options });
  // The scheme alone: the rest may hold a password.
  throw new OpenClawError('E_REDIS_URL', 'this is no URL of a Redis', {
    value: /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? '(no scheme)',
    expected: 'redis://, rediss://, unix:///path or the path of a socket',
    remedy: 'correct REDIS_URL',
    exitCode: 78,
  });
}

/** `unix://user:password@/path?db=1` has no host, which no URL parser accepts: a host is lent to it. */
function unixOptions(url: string): RedisOptions {
  const parsed = new URL(url.replace(/^unix:\/\/([^/?]*@)?\//i, 'redis://$1localhost/'));
  const setting = (name: string) => parsed.searchParams.get(name) ?? undefined;
  const password = decodeURIComponent(parsed.password) || setting('password');
  const username = decodeURIComponent(parsed.username) || setting('username');
  return {
    path: decodeURIComponent(parsed.pathname),
    db: Number(setting('db') ?? 0),
    ...(password ? { password } : {}),
    ...(username ? { username } : {}),
  };
}
