import { randomBytes } from 'node:crypto';
import type { Config } from '../config/index.ts';
import { startPlanner } from '../cron/index.ts';
import { createPool, type Pool, type PoolClient, transaction } from '../db/index.ts';
import type { OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { createRecorder } from '../missions/durable/index.ts';
import { useWriter } from '../missions/runtime.ts';
import { activeSegments } from '../missions/segment.ts';
import { createWriter } from '../missions/writer.ts';
import { JobAborted } from '../queue/runJob.ts';
import { createStartGate } from '../queue/startGate.ts';
import { registerBuiltinRules } from '../reactions/builtin.ts';
import { loadTasks, registerTasks, taskFolders } from '../tasks/index.ts';
import type { Database, TaskRuntime } from '../tasks/runtime.ts';
import type { PoolName } from '../tasks/types.ts';
import { every } from './every.ts';
import { ownIdentity, type ProcessIdentity } from './identity.ts';
import { createLeases } from './lease.ts';
import { tellBlocked, watchLoop } from './loopWatch.ts';
import { startPool, type WorkerPool } from './pool.ts';
import { releaseDeadOnThisHost } from './registry.ts';

export interface WorkersOptions {
  config: Config;
  log: Logger;
  workerUrl: string;
  readerUrl: string;
  /** The role to take on there, where the URL is not that role's own. */
  readerRole?: string;
  pools: readonly PoolName[];
  /** Whether this process plans the schedules; any number may, each run is queued once. */
  withCron: boolean;
  onFatal: (error: OpenClawError) => void;
  localQueueSize?: number;
  concurrency?: Partial<Record<PoolName, number>>;
}

export interface Workers {
  readonly pools: readonly WorkerPool[];
  readonly faults: readonly { file: string; message: string }[];
  stop: (reason: string) => Promise<void>;
}

/** The age from which a lock of ours that we do not know is given back is 10 s (give_back_unknown). */
const UNKNOWN_AFTER_MS = 11_000;
/** Longer than any sound path takes on outputs of at most a megabyte each. */
const PATH_LIMIT_MS = 2000;

/** Jobs `react` that are in hand at once are decided by one statement (lib/reactions/together.ts), so many cost little more than one. */
const DEFAULT_CONCURRENCY: Record<PoolName, number> = { missions: 8, reactions: 16, learning: 1, upkeep: 4 };

/** Settings of the checkpoint writer's own connection: prepared once, by index, never by the luck of the statistics. Elsewhere they would ruin graphile-worker's fetch. */
const WRITER_SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

/** Starts the pools of one process. The start is the recovery: what the dead of this host held is given back first. */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  const { config, log, workerUrl } = options;
  const concurrencyOf = (pool: PoolName) =>
    options.concurrency?.[pool] ??
    (pool === 'missions' || pool === 'upkeep' ? config.concurrency[pool] : DEFAULT_CONCURRENCY[pool]);
  const total = options.pools.reduce((sum, pool) => sum + concurrencyOf(pool), 0);
  const shared = { log, actor: 'system' };
  const own = ownIdentity(config.hostId);
  const sessionTag = randomBytes(6).toString('hex');
  const named = (name: string) => ({ name: `${name}@${sessionTag}` });
  const taskPool = createPool(workerUrl, {
    ...shared,
    ...named('tasks'),
    max: Math.min(total + 2, 20),
    source: 'mission',
  });
  const leasePool = createPool(workerUrl, { ...shared, ...named('lease'), max: 3 });
  const writerPool = createPool(workerUrl, {
    ...shared,
    ...named('missions-writer'),
    // One a group that is under way.
    max: 2,
    source: 'mission',
    settings: WRITER_SETTINGS,
  });
  const readerPool = createPool(options.readerUrl, {
    ...shared,
    name: 'read',
    max: 4,
    settings: { default_transaction_read_only: 'on', ...(options.readerRole && { role: options.readerRole }) },
  });
  const pathsPool = createPool(workerUrl, {
    ...shared,
    ...named('paths'),
    max: 2,
    settings: { statement_timeout: String(PATH_LIMIT_MS) },
  });
  const allPools = [pathsPool, taskPool, leasePool, writerPool, readerPool];

  const registry = await loadTasks(taskFolders(config));
  for (const fault of registry.faults) log.error(fault, 'a file in a tasks folder is no task; the others run');
  await registerTasks(taskPool, registry.tasks.values(), config.home);
  if (options.pools.includes('reactions')) await registerBuiltinRules(taskPool, log);
  const pools: WorkerPool[] = [];
  let brokenAt = Number.POSITIVE_INFINITY;
  const leases = createLeases({
    db: leasePool,
    log,
    beats: () => pools.map((pool) => pool.beat()),
    onLost: (poolId) => pools.find((pool) => pool.poolId === poolId)?.lost(),
    onBroken: () => {
      brokenAt = Math.min(brokenAt, performance.now());
    },
  });
  const runtime: TaskRuntime = {
    config,
    log,
    db: databaseOf(taskPool),
    reader: readerOf(readerPool),
    paths: databaseOf(pathsPool),
    registry,
    controls: leases.controls,
    starts: createStartGate(taskPool),
  };
  useWriter(runtime, createWriter(writerPool, log), createRecorder(writerPool, log));

  await recover(leasePool, own, log);
  // What is paused is known before anything can start.
  await leases.controls.confirm();
  const attempts = new Map([...registry.tasks.values()].map((task) => [task.identifier, task.maxAttempts]));
  const planner = options.withCron ? await startPlanner(leasePool, config, attempts, log) : undefined;

  try {
    for (const [index, pool] of options.pools.entries()) {
      pools.push(
        await startPool({
          runtime,
          leasePool,
          databaseUrl: workerUrl,
          pool,
          own,
          sessionTag,
          name: `${own.host}:${config.home}:${pool}`,
          concurrency: concurrencyOf(pool),
          localQueueSize: options.localQueueSize ?? 0,
          cronItems: (index === 0 && planner?.items) || [],
          drainTimeoutMs: config.drainTimeoutMs,
          onFatal: options.onFatal,
        }),
      );
    }
  } catch (error) {
    for (const pool of pools) await pool.stop('the start failed');
    await Promise.all(allPools.map((pool) => pool.end()));
    throw error;
  }

  leases.controls.onChange(() => {
    for (const segment of activeSegments.values()) segment.controlsChanged();
  });
  leases.start();
  const loop = watchLoop(tellBlocked(leasePool, log));
  const deliver = () => deliverCancels(leasePool, pools);
  const giveBackUnknown = async (why: string) => {
    for (const pool of pools) {
      const count = await pool.giveBackUnknown();
      if (count > 0)
        log.warn({ pool: pool.pool, count, why }, 'jobs were locked in our name without our knowledge; given back');
    }
  };
  const afterBreak = async () => {
    if (performance.now() - brokenAt < UNKNOWN_AFTER_MS) return;
    brokenAt = Number.POSITIVE_INFINITY;
    await giveBackUnknown('a connection had broken');
  };
  const control = await listenForControl(leasePool, log, async (channel) => {
    if (channel === 'ops:control') await leases.controls.confirm(0);
    else if (channel === 'limit:poke') await admitLimited(leasePool);
    else await deliver();
  });
  const onTickError = (error: unknown) => log.warn({ err: error }, 'a tick failed; the next one tries again');
  // By the monotonic clock: a host whose clock is set back by an hour would else stand still for an hour.
  const ticks = [
    every(1000, () => tick(leasePool, own, log, deliver).then(afterBreak), onTickError),
    every(60_000, () => reconcile(leasePool, log).then(() => giveBackUnknown('looked')), onTickError),
    ...(planner ? [every(60_000, planner.look, onTickError)] : []),
  ];
  return {
    pools,
    faults: [
      ...registry.faults,
      ...(planner?.faults ?? []).map((fault) => ({ file: `${fault.file}:${fault.line}`, message: fault.message })),
    ],
    stop: async (reason) => {
      for (const one of ticks) one.stop();
      loop.stop();
      // Renewed until everything is given back: a slow drain must not look like a death.
      await Promise.all(pools.map((pool) => pool.stop(reason)));
      leases.stop();
      control.stop();
      await Promise.race([
        Promise.all(allPools.map((pool) => pool.end())),
        new Promise((resolve) => setTimeout(resolve, 500).unref()),
      ]);
    },
  };
}

/**
 * A reader's session goes back as it came: what a query set, locked or notified is undone, whether it succeeded or not.
 */
function readerOf(pool: Pool): Database {
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

function databaseOf(pool: Pool): Database {
  return { query: pool.query.bind(pool) as Database['query'], transaction: (work) => transaction(pool, work) };
}

async function recover(db: Pool, own: ProcessIdentity, log: Logger): Promise<void> {
  const dead = await releaseDeadOnThisHost(db, own);
  if (dead.pools.length > 0) log.warn(dead, 'workers had died; their jobs were given back');
  await reconcile(db, log);
}

/**
 * What somebody had the right to cancel is a row, and so is what a mission may wait for; a notification, which anybody may
 * send, only makes us look.
 */
async function deliverCancels(db: Pool, pools: readonly WorkerPool[]): Promise<void> {
  const jobs = pools.flatMap((pool) => [...pool.running.keys()]);
  const missions = [...activeSegments.keys()];
  if (jobs.length + missions.length === 0) return;
  const { rows } = await db.query<{
    jobs: string[];
    missions: { id: string; cancelled: boolean; signal_seq: number }[] | null;
  }>(
    `select array(select job_id::text from job_cancels where job_id = any ($1::bigint[])) as jobs,
            (select json_agg(json_build_object('id', id::text, 'cancelled', cancel_requested_by is not null, 'signal_seq', signal_seq)) from ops_missions where id = any ($2::bigint[])) as missions`,
    [jobs, missions],
  );
  for (const id of rows[0]!.jobs) {
    for (const pool of pools) pool.abort(id, new JobAborted('cancelled', 'cancelled on request'));
  }
  for (const { id, cancelled, signal_seq } of rows[0]!.missions ?? []) {
    if (cancelled) activeSegments.get(id)?.cancel();
    activeSegments.get(id)?.poke(signal_seq);
  }
}

/**
 * Each second: give back what a process that died on this host held, let in what has a place, wake parked missions that are due,
 * deliver cancels. One that fails holds up none of the others.
 */
async function tick(db: Pool, own: ProcessIdentity, log: Logger, deliver: () => Promise<void>): Promise<void> {
  const parts: (() => Promise<unknown>)[] = [
    async () => {
      const dead = await releaseDeadOnThisHost(db, own);
      if (dead.pools.length > 0) log.warn(dead, 'workers had died; their jobs were given back');
    },
    // By itself: it may wait for the lock of a task's places, and must hold no mission's meanwhile.
    () => db.query('select admit_limited()'),
    () => db.query('select release_strays(), wake_missions(), expire_approvals(), expire_spend()'),
    deliver,
  ];
  for (const part of parts)
    await part().catch((error: unknown) =>
      log.warn({ err: error }, 'a part of a tick failed; the next one tries again'),
    );
}

/** A place has come free, or something was asked for that needs one. */
async function admitLimited(db: Pool): Promise<void> {
  const { rows } = await db.query<{ admitted: number }>('select admit_limited() as admitted');
  // Among them may be steps, whose missions are woken.
  if (rows[0]!.admitted > 0) await db.query('select wake_missions()');
}

async function reconcile(db: Pool, log: Logger): Promise<void> {
  try {
    const places = await db.query<{ freed: number }>('select reconcile_limits() as freed');
    if (places.rows[0]!.freed > 0) log.warn({ places: places.rows[0]!.freed }, 'places of ended work were free again');
    const { rows } = await db.query<{ mended: number }>('select reconcile_missions() as mended');
    if (rows[0]!.mended > 0) log.warn({ missions: rows[0]!.mended }, 'missions had lost their job; each got a new one');
  } catch (error) {
    log.warn({ err: error }, 'missions were not reconciled; the next minute tries again');
  }
}

/** Cancels at once instead of within the second. A lost listener connects anew; the tick covers the gap. */
async function listenForControl(
  db: Pool,
  log: Logger,
  look: (channel: string) => Promise<void>,
): Promise<{ stop: () => void }> {
  let stopped = false;
  let client: PoolClient | undefined;
  const connect = async (): Promise<void> => {
    const connected = await db.connect();
    if (stopped) return connected.release();
    client = connected;
    connected.on(
      'notification',
      ({ channel }) =>
        void look(channel).catch((error: unknown) =>
          log.warn({ err: error, channel }, 'what changed was not looked up; the tick does'),
        ),
    );
    connected.once('error', (error) => {
      client = undefined;
      connected.release(error);
      if (!stopped) setTimeout(() => void connect().catch(retry), 1000);
    });
    await connected.query('listen "job:control"; listen "mission:control"; listen "ops:control"; listen "limit:poke"');
  };
  const retry = (error: unknown) => {
    log.warn({ err: error }, 'not listening for cancels; the tick delivers them');
    if (!stopped) setTimeout(() => void connect().catch(retry), 5000);
  };
  await connect();
  return {
    stop: () => {
      stopped = true;
      client?.release(true);
    },
  };
}
