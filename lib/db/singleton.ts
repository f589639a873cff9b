import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EXIT, OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { ASK_CHANNEL, type Holder, watchHolder } from './silentHolder.ts';

/** There is one of a name on one database, however many hosts: a session-level advisory lock, which falls with its holder. */
export interface Singleton {
  /** Notifications of the channels that were asked for arrive on the same connection. */
  onNotification(listener: (channel: string, payload: string) => void): void;
  /** Settles when the connection, and with it the lock, is lost. */
  readonly lost: Promise<OpenClawError>;
  release(): Promise<void>;
}

export interface SingletonOptions {
  url: string;
  /** `agent:scout`, `gateway`, `bridge`. */
  name: string;
  /** How long a taken lock is waited for; Infinity for a standby. Default 15 s. */
  waitMs?: number;
  listen?: readonly string[];
  signal?: AbortSignal;
  log?: Logger;
}

/** Any number, the same for every version of this program: the class of our singletons among advisory locks. */
const LOCK_CLASS = 7_246_002;
const WAIT_MS = 15_000;
const TRY_MS = 250;

/**
 * A host that vanished frees its lock after 1 + 2 * 1 s; where a notification was on its way to it, keepalive does not count and
 * the user timeout does. A standby elsewhere takes over within 5 s.
 */
const SESSION =
  '-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2 -c tcp_user_timeout=3000';

/** The name of what this process does as the only one, for its sessions: the host's is shortened, the pid never is. */
export const singletonName = (name: string) => `${name} ${os.hostname().slice(0, 24)} ${process.pid}`;

/** @throws E_TAKEN (75), naming the holder, when another has it after `waitMs`. */
export async function takeSingleton(options: SingletonOptions): Promise<Singleton> {
  const { url, name, waitMs = WAIT_MS, listen = [], signal, log } = options;
  const client = new pg.Client({
    connectionString: url,
    // This is what names the holder to whoever finds it taken.
    application_name: `openclaw/${singletonName(name)}`.slice(0, 63),
    options: SESSION,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  const lost = Promise.withResolvers<OpenClawError>();
  const onLost = (error?: Error) =>
    lost.resolve(
      new OpenClawError('E_SINGLETON_LOST', `the connection that makes this the only ${name} is lost`, {
        cause: error,
        remedy: 'it is started again by itself',
        exitCode: EXIT.tempfail,
      }),
    );
  client.on('error', onLost);
  client.on('end', () => onLost());
  await client.connect();
  try {
    const deadline = performance.now() + waitMs;
    const watch = watchHolder(client, { name, holder: () => holderOf(client, name), log });
    while (!(await tryLock(client, name))) {
      signal?.throwIfAborted();
      if (performance.now() >= deadline) throw takenBy(name, await holderOf(client, name));
      await watch();
      await sleep(TRY_MS, undefined, { signal });
    }
    for (const channel of [ASK_CHANNEL, ...listen]) await client.query(`listen ${client.escapeIdentifier(channel)}`);
    client.on('notification', ({ channel, payload }) => {
      // Whatever runs here is the answer; where it cannot, the connection is lost and says so itself.
      if (channel === ASK_CHANNEL && payload === name) client.query('select').catch(onLost);
    });
  } catch (error) {
    await client.end();
    throw error;
  }
  return {
    onNotification: (listener) =>
      void client.on('notification', ({ channel, payload }) => {
        if (channel !== ASK_CHANNEL) listener(channel, payload ?? '');
      }),
    lost: lost.promise,
    release: () => client.end(),
  };
}

async function tryLock(client: pg.Client, name: string): Promise<boolean> {
  const { rows } = await client.query<{ got: boolean }>('select pg_try_advisory_lock($1, hashtext($2)) as got', [
    LOCK_CLASS,
    name,
  ]);
  return rows[0]!.got;
}

async function holderOf(client: pg.Client, name: string): Promise<Holder | undefined> {
  const { rows } = await client.query<Holder>(
    `select a.pid, a.application_name, a.backend_start as since, a.state_change, clock_timestamp() as now
     from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.classid = $1 and l.objid = (hashtext($2)::bigint & 4294967295)::oid and l.granted
       and l.database = (select oid from pg_database where datname = current_database())`,
    [LOCK_CLASS, name],
  );
  return rows[0];
}

function takenBy(name: string, found: Holder | undefined): OpenClawError {
  const [, host, pid] = /^openclaw\/\S+ (\S+) (\d+)$/.exec(found?.application_name ?? '') ?? [];
  const holder = pid
    ? `process ${pid} on ${host}, since ${found!.since.toISOString()}`
    : 'another process (its name cannot be read with the rights of this role)';
  return new OpenClawError('E_TAKEN', `${name} runs already: ${holder}`, {
    remedy: 'there is one on a database; stop that one, or start this one with --standby to take over from it',
    exitCode: EXIT.tempfail,
  });
}
