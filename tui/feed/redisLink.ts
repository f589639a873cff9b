import type { Redis } from 'ioredis';
import { messageOf } from '../../lib/errors/index.ts';
import type { Link } from './state.ts';

const PING_MS = 1000;
const ANSWER_LIMIT_MS = 2000;

/**
 * Asks Redis once a second whether it is there. It is only a doorbell, so nothing else depends on the answer, and its
 * library is read when the first picture stands.
 */
export function watchRedis(url: () => string | undefined, report: (link: Link) => void): { stop: () => void } {
  let link: Link = { up: true, since: Date.now() };
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let client: Redis | undefined;
  let fault: string | undefined;

  const tell = (up: boolean, error?: string) => {
    if (up === link.up) return;
    link = { up, since: Date.now(), ...(error && { error }) };
    report(link);
  };

  const open = async () => {
    const { connectRedis } = await import('../../lib/servers/redisConnection.ts');
    const target = url();
    if (target === undefined) throw new Error('it does not run');
    const opened = connectRedis(target, {
      connectTimeout: ANSWER_LIMIT_MS,
      commandTimeout: ANSWER_LIMIT_MS,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: () => PING_MS,
      lazyConnect: true,
    });
    opened.on('error', (error: Error) => {
      fault = messageOf(error);
    });
    await opened.connect();
    return opened;
  };

  const ping = async () => {
    try {
      client ??= await open();
      await client.ping();
      tell(true);
    } catch (error) {
      tell(false, fault ?? messageOf(error));
      if (client && client.status !== 'ready' && client.status !== 'reconnecting' && client.status !== 'connecting') {
        client.disconnect();
        client = undefined;
      }
    }
    if (!stopped) timer = setTimeout(() => void ping(), PING_MS);
  };
  timer = setTimeout(() => void ping(), PING_MS);
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      client?.disconnect();
    },
  };
}
