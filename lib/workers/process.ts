import { randomBytes } from 'node:crypto';
import type { Config } from '../config/index.ts';
import { startPlanner } from '../cron/index.ts';
import type { OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { createRecorder } from '../missions/durable/index.ts';
import { useWriter } from '../missions/runtime.ts';
import { activeSegments } from '../missions/segment.ts';
import { createWriter } from '../missions/writer.ts';
import { createStartGate } from '../queue/startGate.ts';
import { registerBuiltinRules } from '../reactions/builtin.ts';
import { loadTasks, registerTasks, taskFolders } from '../tasks/index.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { PoolName } from '../tasks/types.ts';
import { deliverCancels, listenForControl } from './control.ts';
import { every } from './every.ts';
import { ownIdentity } from './identity.ts';
import { createLeases } from './lease.ts';
import { tellBlocked, watchLoop } from './loopWatch.ts';
import { startPool, type WorkerPool } from './pool.ts';
import { databaseOf, openSessions, readerOf } from './sessions.ts';
import { admitLimited, reconcile, recover, tick } from './ticks.ts';

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
/** Jobs `react` that are in hand at once are decided by one statement (lib/reactions/together.ts), so many cost little more than one. */
const DEFAULT_CONCURRENCY: Record<PoolName, number> = { missions: 8, reactions: 16, learning: 1, upkeep: 4 };

/** Starts the pools of one process. The start is the recovery: what the dead of this host held is given back first. */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  const { config, log, workerUrl } = options;
  const concurrencyOf = (pool: PoolName) =>
    options.concurrency?.[pool] ??
    (pool === 'missions' || pool === 'upkeep' ? config.concurrency[pool] : DEFAULT_CONCURRENCY[pool]);
  const total = options.pools.reduce((sum, pool) => sum + concurrencyOf(pool), 0);
  const own = ownIdentity(config.hostId);
  const sessionTag = randomBytes(6).toString('hex');
  const sessions = openSessions({ ...options, sessionTag, jobsAtOnce: total });
  const { tasks: taskPool, lease: leasePool } = sessions;

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
    reader: readerOf(sessions.reader),
    paths: databaseOf(sessions.paths),
    registry,
    controls: leases.controls,
    starts: createStartGate(taskPool),
  };
  useWriter(runtime, createWriter(sessions.writer, log), createRecorder(sessions.writer, log));

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
    await sessions.end();
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
      await Promise.race([sessions.end(), new Promise((resolve) => setTimeout(resolve, 500).unref())]);
    },
  };
}
