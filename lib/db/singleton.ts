import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EXIT, OpenClawError } from '../errors/index.ts';

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
}

/** Any number, the same for every version of this program: the class of our singletons among advisory locks. */
const LOCK_CLASS = 7_246_002;
const WAIT_MS = 15_000;
const TRY_MS = 250;

/** A host that vanished frees its lock after 2 + 2 * 1 s: a standby elsewhere takes over within 5 s. */
const SESSION = '-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2';

/** @throws E_TAKEN (75), naming the holder, when another has it after `waitMs`. */
export async function takeSingleton(options: SingletonOptions): Promise<Singleton> {
  const { url, name, waitMs = WAIT_MS, listen = [], signal } = options;
  const client = new pg.Client({
    connectionString: url,
    // The host's name is shortened, never the pid: this is what names the holder to whoever finds it taken.
    application_name: `openclaw/${name} ${os.hostname().slice(0, 24)} ${process.pid}`.slice(0, 63),
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
    const deadline = Date.now() + waitMs;
    while (!(await tryLock(client, name))) {
      signal?.throwIfAborted();
      if (Date.now() >= deadline) throw await takenBy(client, name);
      await sleep(TRY_MS, undefined, { signal });
    }
    for (const channel of listen) await client.query(`listen ${client.escapeIdentifier(channel)}`);
  } catch (error) {
    await client.end();
    throw error;
  }
  return {
    onNotification: (listener) =>
      void client.on('notification', ({ channel, payload }) => listener(channel, payload ?? '')),
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

async function takenBy(client: pg.Client, name: string): Promise<OpenClawError> {
  const { rows } = await client.query<{ application_name: string; since: Date }>(
    `select a.application_name, a.backend_start as since from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.classid = $1 and l.objid = (hashtext($2)::bigint & 4294967295)::oid and l.granted
       and l.database = (select oid from pg_database where datname = current_database())`,
    [LOCK_CLASS, name],
  );
  const [, host, pid] = /^openclaw\/\S+ (\S+) (\d+)$/.exec(rows[0]?.application_name ?? '') ?? [];
  const holder = pid
    ? `process ${pid} on ${host}, since ${rows[0]!.since.toISOString()}`
    : 'another process (its name cannot be read with the rights of this role)';
  return new OpenClawError('E_TAKEN', `${name} runs already: ${holder}`, {
    remedy: 'there is one on a database; stop that one, or start this one with --standby to take over from it',
    exitCode: EXIT.tempfail,
  });
}
