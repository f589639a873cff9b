import { EventEmitter } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type ParsedCronItem, type Runner, run, type Task, type WorkerEvents } from 'graphile-worker';
import { createPool, type Pool } from '../db/index.ts';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { graphileLogger } from '../log/graphileLogger.ts';
import { type Endings, GoneJobs } from '../queue/endings.ts';
import { keepLedger, type LedgerOptions, poolIds } from '../queue/ledger.ts';
import { JobAborted, jobRunner, type RunningJob } from '../queue/runJob.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { PoolName } from '../tasks/types.ts';
import type { ProcessIdentity } from './identity.ts';
import type { LeaseBeat } from './lease.ts';
import { giveBackUnknown, registerPool, retirePool } from './registry.ts';
import { pausableTasks } from './taskKeys.ts';

export interface WorkerPoolOptions {
  runtime: TaskRuntime;
  /** For the lease, which must never wait for a busy pool. */
  leasePool: Pool;
  databaseUrl: string;
  pool: PoolName;
  name: string;
  own: ProcessIdentity;
  sessionTag: string;
  concurrency: number;
  /** Above 0: fetched in batches of this size. For short jobs; a long one would block what lies behind it. */
  localQueueSize?: number;
  cronItems?: ParsedCronItem[];
  pollIntervalMs?: number;
  drainTimeoutMs: number;
  /** The lease is lost or the pool has broken: the process must end with this code. */
  onFatal: (error: OpenClawError) => void;
  random?: () => number;
}

export interface WorkerPool {
  readonly pool: PoolName;
  readonly poolId: string;
  readonly running: ReadonlyMap<string, RunningJob>;
  /** What its next renewal says. */
  beat: () => LeaseBeat;
  /** Its lease is lost: everything that runs is aborted, and the process must end. */
  lost: () => void;
  /** Gives back what is locked in its name and unknown to it. */
  giveBackUnknown: () => Promise<number>;
  /** Aborts a running job of this pool, if it is one. */
  abort: (jobId: string, reason: JobAborted) => boolean;
  /** No new starts; running jobs get their signal and are given back; returns when all is released or the time is over. */
  stop: (reason: string) => Promise<void>;
}

/** Fetches and ends of many jobs share connections: a server has a hundred or two in all. */
const MOST_CONNECTIONS = 24;
/** Batches are fetched one at a time and ended two at a time, and one listens. More would only make Postgres start and plan for each. */
const BATCH_CONNECTIONS = 4;
/** Of the time to drain, what giving back and closing take. */
const CLOSING_MS = 1500;

/** Starts one graphile-worker runner for the tasks of one pool, with its ledger and its lease. */
export async function startPool(options: WorkerPoolOptions): Promise<WorkerPool> {
  const { runtime, pool, concurrency, localQueueSize = 0 } = options;
  const poolSize = localQueueSize > 0 ? BATCH_CONNECTIONS : Math.min(concurrency, MOST_CONNECTIONS) + 4;
  const log = runtime.log.child({ pool });
  const endings: Endings = new Map();
  const running = new Map<string, RunningJob>();
  let poolId = '';
  let stopping = false;

  const held = new Set<string>();
  const gone = new GoneJobs();
  const ledger: LedgerOptions = { endings, held, gone, log };
  const pgPool = createPool(options.databaseUrl, {
    name: `worker:${pool}@${options.sessionTag}`,
    max: poolSize,
    actor: 'system',
    log,
    settings: { 'openclaw.ledger': 'ride' },
  });
  keepLedger(pgPool, ledger);

  // The runner fetches as soon as it exists, but its id is known only then: its connections wait for the registration.
  let registered: Promise<void> = Promise.resolve();
  const connect = pgPool.connect.bind(pgPool) as (...args: never[]) => Promise<never>;
  Object.assign(pgPool, {
    connect: (callback?: (error: Error | undefined, client?: unknown, release?: unknown) => void) => {
      if (!callback) return registered.then(() => connect());
      registered.then(() => connect(callback as never)).catch((error: Error) => callback(error));
      return undefined;
    },
  });

  const events: WorkerEvents = new EventEmitter();
  events.on('pool:create', ({ workerPool }) => {
    poolId = workerPool.id;
    poolIds.set(ledger, poolId);
    registered = registerPool(options.leasePool, {
      poolId,
      name: options.name,
      pool,
      concurrency,
      localQueue: localQueueSize > 0,
      sessionTag: options.sessionTag,
      own: options.own,
    });
    registered.catch(() => {
      // Reported by the await below; without this the rejection would be reported as unhandled first.
    });
  });

  const runnerOf = (identifier: string): Task =>
    jobRunner(runtime.registry.tasks.get(identifier)!, {
      runtime,
      endings,
      gone,
      held,
      running,
      poolId: () => poolId,
      ...(options.random && { random: options.random }),
    });
  const identifiers = [...runtime.registry.tasks.values()]
    .filter((task) => task.pool === pool)
    .map((task) => task.identifier);
  const tasks = Object.fromEntries(identifiers.map((identifier) => [identifier, runnerOf(identifier)]));
  const { controls } = runtime;
  const abortPaused = () => {
    for (const job of running.values()) {
      // A mission's segment looks for itself: its steps belong to tasks of their own.
      const control = job.task === 'mission' ? undefined : controls?.pausedBy({ task: job.task });
      if (control?.hard) job.abort(new JobAborted('paused', `paused: ${control.scope} ${control.target}`));
    }
  };
  controls?.onChange(abortPaused);
  const runner: Runner = await run({
    pgPool,
    taskList: controls ? pausableTasks(tasks, controls) : tasks,
    parsedCronItems: options.cronItems ?? [],
    events,
    logger: graphileLogger(log),
    noHandleSignals: true,
    preset: {
      worker: {
        concurrentJobs: concurrency,
        maxPoolSize: poolSize,
        pollInterval: options.pollIntervalMs ?? 1000,
        ...(localQueueSize > 0 && { localQueue: { size: Math.max(localQueueSize, concurrency), ttl: 5_000 } }),
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  try {
    await registered;
  } catch (error) {
    await runner.stop().catch((stopError: unknown) => log.warn({ err: stopError }, 'the runner did not stop cleanly'));
    await pgPool.end();
    throw error;
  }

  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  let runnerEnded = false;
  runner.promise
    .catch(() => undefined)
    .finally(() => {
      runnerEnded = true;
    });
  // graphile-worker stops its pool on a database error during completion, and its promise then resolves.
  runner.promise.then(
    () =>
      !stopping &&
      options.onFatal(
        new OpenClawError('E_POOL_STOPPED', `pool ${pool} stopped by itself`, {
          exitCode: EXIT.tempfail,
          remedy: 'the supervisor starts it again',
        }),
      ),
    (error: unknown) =>
      !stopping &&
      options.onFatal(
        new OpenClawError('E_POOL_STOPPED', `pool ${pool} stopped: ${messageOf(error)}`, {
          cause: error,
          exitCode: EXIT.tempfail,
        }),
      ),
  );

  return {
    pool,
    poolId,
    running,
    beat: () => {
      const loopLagMs = lag.percentile(99) / 1e6;
      lag.reset();
      return {
        pool_id: poolId,
        running: [...running.keys()],
        rss_bytes: process.memoryUsage.rss(),
        loop_lag_ms: loopLagMs,
      };
    },
    lost: () => {
      if (stopping) return;
      for (const job of running.values()) job.abort(new JobAborted('lease_lost', 'this worker lost its lease'));
      options.onFatal(
        new OpenClawError(
          'E_LEASE_LOST',
          `pool ${poolId} was declared dead while it lived; its jobs belong to others now`,
          { exitCode: EXIT.tempfail, remedy: 'the supervisor starts it again' },
        ),
      );
    },
    giveBackUnknown: () => giveBackUnknown(options.leasePool, poolId, [...held]),
    abort: (jobId, reason) => {
      const job = running.get(jobId);
      job?.abort(reason);
      return job !== undefined;
    },
    stop: async (reason) => {
      stopping = true;
      // One that stopped by itself refuses to be stopped again.
      const stopped = runnerEnded ? Promise.resolve() : runner.stop(reason);
      for (const job of running.values()) job.abort(new JobAborted('stopping', 'the worker is stopping'));
      await withinDeadline(stopped, Math.max(500, options.drainTimeoutMs - CLOSING_MS), () =>
        log.warn({ running: [...running.values()] }, 'jobs did not end in time; they are given back'),
      );
      lag.disable();
      const givenBack = await retirePool(options.leasePool, poolId, reason);
      if (givenBack > 0) log.info({ count: givenBack }, 'jobs were given back');
      // Unbounded waits end here: a connection in use by a job that ignores its signal is cut with the process.
      await withinDeadline(pgPool.end(), 500, () => log.warn('connections are still in use'));
    },
  };
}

async function withinDeadline(work: Promise<unknown>, ms: number, onLate: () => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  const outcome = await Promise.race([work, late]);
  clearTimeout(timer);
  if (outcome === 'late') onLate();
}
