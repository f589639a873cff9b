import { createPool, type Pool, transaction } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import type { Database } from '../tasks/runtime.ts';

/** Longer than any sound path takes on outputs of at most a megabyte each. */
const PATH_LIMIT_MS = 2000;

/** Settings of the checkpoint writer's own connection: prepared once, by index, never by the luck of the statistics. Elsewhere they would ruin graphile-worker's fetch. */
const WRITER_SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

export interface SessionsOptions {
  log: Logger;
  workerUrl: string;
  readerUrl: string;
  readerRole?: string;
  /** Ends the name of every session, so that those of a dead process can be found. */
  sessionTag: string;
  jobsAtOnce: number;
}

/** A process's connections, by what must not wait for what; each is opened when it is first used. */
export interface Sessions {
  /** What tasks ask by themselves. */
  readonly tasks: Pool;
  /** Leases, ticks and cancels: never behind a busy task. */
  readonly lease: Pool;
  readonly writer: Pool;
  readonly reader: Pool;
  readonly paths: Pool;
  end: () => Promise<void>;
}

export function openSessions(options: SessionsOptions): Sessions {
  const { log, workerUrl, sessionTag } = options;
  const shared = { log, actor: 'system' };
  const named = (name: string) => ({ name: `${name}@${sessionTag}` });
  const tasks = createPool(workerUrl, {
    ...shared,
    ...named('tasks'),
    max: Math.min(options.jobsAtOnce + 2, 20),
    source: 'mission',
  });
  const lease = createPool(workerUrl, { ...shared, ...named('lease'), max: 3 });
  const writer = createPool(workerUrl, {
    ...shared,
    ...named('missions-writer'),
    // One a group that is under way.
    max: 2,
    source: 'mission',
    settings: WRITER_SETTINGS,
  });
  const reader = createPool(options.readerUrl, {
    ...shared,
    name: 'read',
    max: 4,
    settings: { default_transaction_read_only: 'on', ...(options.readerRole && { role: options.readerRole }) },
  });
  const paths = createPool(workerUrl, {
    ...shared,
    ...named('paths'),
    max: 2,
    settings: { statement_timeout: String(PATH_LIMIT_MS) },
  });
  const all = { paths, tasks, lease, writer, reader };
  return { ...all, end: async () => void (await Promise.all(Object.values(all).map((pool) => pool.end()))) };
}

/**
 * A reader's session goes back as it came: what a query set, locked or notified is undone, whether it succeeded or not.
 */
export function readerOf(pool: Pool): Database {
  return {
    query: pool.query.bind(pool) as Database['query'],
    transaction: async (work) => {
      const client = await pool.connect();
      let broken: Error | undefined;
      try {
        await client.query('begin');
        return await work(client);
      } finally {
        await client
          .query('rollback')
          .then(() => client.query('discard all'))
          .catch((error: Error) => {
            broken = error;
          });
        client.release(broken);
      }
    },
  };
}

export function databaseOf(pool: Pool): Database {
  return { query: pool.query.bind(pool) as Database['query'], transaction: (work) => transaction(pool, work) };
}
