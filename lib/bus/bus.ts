import type { Redis } from 'ioredis';
import type { Logger } from '../log/index.ts';
import { connectRedis } from '../servers/redisConnection.ts';
import { type Channel, type Envelope, envelope, readEnvelope } from './envelope.ts';

/**
 * Redis as the doorbell. A message says "look into Postgres", so a lost one costs time and nothing else: publishing never
 * fails its caller, and whoever subscribes looks into Postgres at each (re)connect by itself.
 */
export interface Bus {
  /** Rings; false where Redis did not take it. */
  publish(channel: Channel, type: string, ref: string, trace?: string | null): Promise<boolean>;
  /** `onRing` for each sound envelope, `onConnected` after each (re)connect: catch up there. */
  subscribe(channels: readonly Channel[], listener: Listener): { stop(): void };
  /** Commands on keys; undefined while Redis is away. */
  keys(): Redis | undefined;
  /** Envelopes that were dropped because they did not fit. */
  dropped(): number;
  close(): Promise<void>;
}

export interface Listener {
  onRing: (envelope: Envelope, channel: Channel) => void;
  onConnected?: () => void;
}

export interface BusOptions {
  /** Where Redis is now; undefined when it does not run. Asked again while there is no connection. */
  locate: () => Promise<string | undefined>;
  log: Logger;
}

const LOCATE_MS = 1000;
const COMMAND_LIMIT_MS = 2000;
const RECONNECT_MS = 500;

export function openBus({ locate, log }: BusOptions): Bus {
  let closed = false;
  let publisher: Redis | undefined;
  let subscriber: Redis | undefined;
  let retry: NodeJS.Timeout | undefined;
  let bad = 0;
  let away = false;
  const listeners = new Set<{ channels: readonly Channel[]; listener: Listener }>();

  const wanted = () => [...new Set([...listeners].flatMap((entry) => entry.channels))];
  const subscribeAll = async (client: Redis) => {
    const channels = wanted();
    if (channels.length > 0) await client.subscribe(...channels);
    for (const { listener } of listeners) listener.onConnected?.();
  };
  const connect = async (): Promise<void> => {
    const url = await locate();
    if (closed) return;
    if (!url) {
      retry = setTimeout(attempt, LOCATE_MS);
      return;
    }
    const options = {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_LIMIT_MS,
      connectTimeout: COMMAND_LIMIT_MS,
      retryStrategy: () => RECONNECT_MS,
      autoResubscribe: false,
    };
    publisher = connectRedis(url, options);
    subscriber = connectRedis(url, options);
    for (const client of [publisher, subscriber]) {
      client.on('error', (error) => {
        if (!away) log.warn({ err: error }, 'Redis is away; everything goes on through Postgres');
        away = true;
      });
    }
    subscriber.on('ready', () => {
      if (away) log.info('Redis is back');
      away = false;
      void subscribeAll(subscriber!).catch((error: unknown) =>
        log.warn({ err: error }, 'not subscribed; the next connection tries again'),
      );
    });
    subscriber.on('message', (channel: Channel, text: string) => {
      const ring = readEnvelope(text);
      if (!ring) {
        bad += 1;
        if (bad === 1 || bad % 100 === 0) log.warn({ channel, dropped: bad }, 'a bad message from Redis was dropped');
        return;
      }
      for (const { channels, listener } of listeners) if (channels.includes(channel)) listener.onRing(ring, channel);
    });
    // The first attempt may fail: `retryStrategy` goes on, and the error was logged.
    void publisher.connect().catch(() => undefined);
    void subscriber.connect().catch(() => undefined);
  };
  const attempt = () =>
    void connect().catch((error: unknown) => {
      log.warn({ err: error }, 'Redis could not be looked for');
      if (!closed) retry = setTimeout(attempt, LOCATE_MS);
    });
  attempt();

  return {
    publish: async (channel, type, ref, trace = null) => {
      if (publisher?.status !== 'ready') return false;
      try {
        await publisher.publish(channel, JSON.stringify(envelope(type, ref, trace)));
        return true;
      } catch {
        // A doorbell that did not ring: its listeners look by themselves.
        return false;
      }
    },
    subscribe: (channels, listener) => {
      const entry = { channels, listener };
      listeners.add(entry);
      if (subscriber?.status === 'ready') {
        void subscriber.subscribe(...channels).then(
          () => listener.onConnected?.(),
          // Redis went in this moment: its return subscribes anew.
          () => undefined,
        );
      }
      return { stop: () => void listeners.delete(entry) };
    },
    keys: () => (publisher?.status === 'ready' ? publisher : undefined),
    dropped: () => bad,
    close: async () => {
      closed = true;
      clearTimeout(retry);
      publisher?.disconnect();
      subscriber?.disconnect();
    },
  };
}
