import { messageOf } from '../errors/index.ts';
import { connectRedis } from './redisConnection.ts';

export type RedisAnswer =
  | { state: 'ready'; version: string | null; pid: number | null }
  | { state: 'not-now' | 'silent'; why: string };

/** What the server behind this URL answers within the limit. */
export async function askRedis(url: string, limitMs: number): Promise<RedisAnswer> {
  let redis: ReturnType<typeof connectRedis> | undefined;
  let failure = '';
  let timer: NodeJS.Timeout | undefined;
  try {
    redis = connectRedis(url, {
      lazyConnect: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
      connectTimeout: limitMs,
    });
    // The connection's own error says more than the "Connection is closed." that a waiting command ends with.
    redis.on('error', (error) => {
      failure ||= messageOf(error);
    });
    const limit = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${limitMs / 1000} s`)), limitMs);
    });
    await Promise.race([redis.connect().then(() => redis?.ping()), limit]);
    return { state: 'ready', ...(await Promise.race([identityOf(redis), limit])) };
  } catch (error) {
    const why = failure || messageOf(error);
    return { state: /^(LOADING|BUSY)\b/.test(messageOf(error)) ? 'not-now' : 'silent', why };
  } finally {
    clearTimeout(timer);
    redis?.disconnect();
  }
}

/** A managed Redis may refuse INFO to its users; it is no less there for that. */
async function identityOf(
  redis: ReturnType<typeof connectRedis>,
): Promise<{ version: string | null; pid: number | null }> {
  let info: string;
  try {
    info = await redis.info('server');
  } catch (error) {
    if (/^(NOPERM|ERR)\b/.test(messageOf(error))) return { version: null, pid: null };
    throw error;
  }
  const pid = /^process_id:(\d+)/m.exec(info)?.[1];
  return { version: /^redis_version:(\S+)/m.exec(info)?.[1] ?? null, pid: pid ? Number(pid) : null };
}
