import { openBus } from '../lib/bus/index.ts';
import { type Config, loadConfig } from '../lib/config/index.ts';
import { createPool, DATABASE, type Pool } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { startService } from '../lib/host/serviceManager.ts';
import { learnWhenRung } from '../lib/learning/doorbell.ts';
import { createLogger, type Logger } from '../lib/log/index.ts';
import { ringForMissions } from '../lib/missions/doorbell.ts';
import { findRunningServers } from '../lib/servers/index.ts';
import { POOLS, type PoolName } from '../lib/tasks/types.ts';
import { startWorkers, type Workers } from '../lib/workers/process.ts';
import { runningPostgres } from './context.ts';

/** Runs pools until SIGTERM or SIGINT, or until whoever started it is gone. */
export async function worker(names: string[], { cron }: { cron: boolean }): Promise<number> {
  const pools = names.map(poolName);
  const config = loadConfig();
  const log = workerLog(config);
  let stop: (reason: string, exitCode: number) => void = () => undefined;
  const stopped = new Promise<{ reason: string; exitCode: number }>((resolve) => {
    stop = (reason, exitCode) => resolve({ reason, exitCode });
  });
  process.once('SIGTERM', () => stop('SIGTERM', EXIT.ok));
  process.once('SIGINT', () => stop('SIGINT', EXIT.ok));
  // Started by `up`: without it nobody would stop this process again.
  process.once('disconnect', () => stop('its parent is gone', EXIT.ok));
  const starting = startPools({ config, log, pools, cron, onFatal: (error) => stop(error.message, error.exitCode) });
  // Told to stop before it works: nothing to drain.
  const early = stopped.then(({ reason }) => {
    throw new OpenClawError('E_STOPPED', `stopped during the start: ${reason}`, { exitCode: EXIT.tempfail });
  });
  early.catch(() => undefined);
  const running = await Promise.race([starting, early]).catch((error: unknown) => {
    log.error({ err: error }, 'the worker could not start');
    throw error;
  });
  process.send?.({ ready: true, faults: running.faults });
  const service = startService({ log, alive: running.alive });
  await service.ready(`working: ${pools.join(', ')}`);

  const { reason, exitCode } = await stopped;
  log.info({ reason }, 'stopping');
  await service.stopping();
  // A second signal, or a drain that hangs, ends the process; the next start gives its jobs back.
  const giveUp = () => process.exit(EXIT.tempfail);
  process.once('SIGTERM', giveUp);
  process.once('SIGINT', giveUp);
  setTimeout(giveUp, config.drainTimeoutMs + 5000).unref();
  await running.stop(reason);
  log.info('stopped');
  if (process.connected) process.disconnect();
  return exitCode;
}

export function workerLog(config: Config): Logger {
  return createLogger({
    name: 'worker',
    level: config.logLevel,
    ...(config.logFile && { destination: config.logFile }),
  });
}

export interface RunningPools {
  readonly faults: Workers['faults'];
  /** Rejects when the database does not answer or a pool does not renew its lease. */
  alive(): Promise<void>;
  stop(reason: string): Promise<void>;
}

/** Pools and the doorbell of their missions, on servers that run already. A pool that lost its lease ends the process. */
export async function startPools({
  config,
  log,
  pools,
  cron,
  onFatal,
}: {
  config: Config;
  log: Logger;
  pools: readonly PoolName[];
  cron: boolean;
  onFatal: (error: OpenClawError) => void;
}): Promise<RunningPools> {
  const postgres = await runningPostgres(config);
  const workerUrl = postgres.urlFor('openclaw_worker', DATABASE);
  const probe = createPool(workerUrl, { name: 'worker:probe', max: 1, log });
  const readerRole = await probeDatabase(probe, postgres.origin === 'configured').finally(() => probe.end());
  const workers = await startWorkers({
    config,
    log,
    workerUrl,
    readerUrl: postgres.urlFor('openclaw_tui', DATABASE),
    ...(readerRole && { readerRole }),
    pools,
    withCron: cron,
    onFatal: (error) => {
      log.error({ err: error }, 'the worker must end');
      // A lost lease: no drain, because everything that runs here belongs to others.
      if (error.code === 'E_LEASE_LOST') process.exit(error.exitCode);
      onFatal(error);
    },
  });
  log.info({ pools, pid: process.pid }, 'working');
  const bus = openBus({
    locate: async () =>
      config.redisUrl ??
      (await findRunningServers({ layout: config.layout, databaseUrl: config.databaseUrl })).redis?.url,
    log,
  });
  const doorbellDb = createPool(workerUrl, { name: 'doorbell', max: 1, log });
  const doorbell = ringForMissions({ db: doorbellDb, bus, log });
  const watch = createPool(workerUrl, { name: 'worker:watch', max: 1, log });
  const learner = pools.includes('learning') ? learnWhenRung({ db: watch, bus, log }) : undefined;
  const ids = workers.pools.map((pool) => pool.poolId);
  return {
    faults: workers.faults,
    alive: () => leasesAdvance(watch, ids),
    stop: async (reason) => {
      await doorbell.stop();
      learner?.stop();
      await Promise.all([bus.close(), doorbellDb.end(), watch.end(), workers.stop(reason)]);
    },
  };
}

const LEASE_LIMIT_S = 20;

/** What the watchdog is fed for: the database answers, and every pool of this process has renewed its lease of late. */
async function leasesAdvance(db: Pool, poolIds: readonly string[]): Promise<void> {
  const { rows } = await db.query<{ renewed: number }>(
    "select count(*)::integer as renewed from workers where pool_id = any ($1) and state = 'live' and seen_at > now() - $2 * interval '1 second'",
    [poolIds, LEASE_LIMIT_S],
  );
  if (rows[0]!.renewed < poolIds.length)
    throw new OpenClawError(
      'E_LEASE_STALLED',
      `${poolIds.length - rows[0]!.renewed} of ${poolIds.length} leases were not renewed within ${LEASE_LIMIT_S} s`,
    );
}

function poolName(name: string): PoolName {
  if ((POOLS as readonly string[]).includes(name)) return name as PoolName;
  throw new OpenClawError('E_POOL', `there is no pool "${name}"`, { expected: POOLS.join(', '), exitCode: EXIT.usage });
}

/** That the schema is there, and on a configured server the reading role, where the configured user may take it on. */
async function probeDatabase(db: Pool, configured: boolean): Promise<string | undefined> {
  await db.query('select from ops_tasks limit 1');
  if (!configured) return undefined;
  const { rowCount } = await db.query(
    "select from pg_roles where rolname = 'openclaw_tui' and pg_has_role(current_user, oid, 'member')",
  );
  return rowCount ? 'openclaw_tui' : undefined;
}
