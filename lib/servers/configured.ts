import { EXIT, OpenClawError } from '../errors/index.ts';
import { askPostgres } from './postgresProbe.ts';
import { clientFolder } from './postgresPrograms.ts';
import { askRedis } from './redisProbe.ts';
import type { PostgresServer, RedisServer } from './types.ts';

const ANSWER_LIMIT_MS = 5_000;

/** The URL as it may be shown: without its password, wherever in it that stands. */
export function withoutPassword(url: string): string {
  const shown = url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^:@/?#]*):.*@(?=[^@]*$)/i, '$1:***@')
    .replace(/([?&](?:password|sslpassword)=)[^&#]*/gi, '$1***');
  return /^[a-z][a-z0-9+.-]*:\/\/|^\//i.test(shown) ? shown : '(not a URL)';
}

/** A server that the operator named: used as it is, and looked at only from outside. */
export async function configuredPostgres(url: string): Promise<PostgresServer> {
  const answer = await askPostgres(url, ANSWER_LIMIT_MS);
  if (answer.state !== 'ready') {
    throw new OpenClawError('E_POSTGRES_UNREACHABLE', `the configured Postgres does not take us in: ${answer.why}`, {
      value: withoutPassword(url),
      expected: `an answer within ${ANSWER_LIMIT_MS / 1000} s`,
      remedy: 'start that server or correct DATABASE_URL; without it OpenClaw starts a private Postgres',
      exitCode: EXIT.tempfail,
    });
  }
  return {
    origin: 'configured',
    adminUrl: url,
    urlFor: () => url,
    password: () => undefined,
    version: answer.version,
    pid: null,
    dataDir: null,
    binDir: await clientFolder(answer.major),
    env: {},
  };
}

export async function configuredRedis(url: string): Promise<RedisServer> {
  const answer = await askRedis(url, ANSWER_LIMIT_MS);
  if (answer.state !== 'ready') {
    throw new OpenClawError('E_REDIS_UNREACHABLE', `the configured Redis does not take us in: ${answer.why}`, {
      value: withoutPassword(url),
      expected: `an answer within ${ANSWER_LIMIT_MS / 1000} s`,
      remedy: 'start that server or correct REDIS_URL; without it OpenClaw starts a private Redis',
      exitCode: EXIT.tempfail,
    });
  }
  return { origin: 'configured', url, version: answer.version, pid: null };
}
