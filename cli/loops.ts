import { folderOf, registerAllAgents, startAgent, startBridge } from '../lib/agents/index.ts';
import { type Bus, openBus } from '../lib/bus/index.ts';
import { type Config, loadConfig } from '../lib/config/index.ts';
import { createPool, DATABASE } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { startService } from '../lib/host/serviceManager.ts';
import { createLogger, type Logger } from '../lib/log/index.ts';
import { findRunningServers } from '../lib/servers/index.ts';
import { runningPostgres } from './context.ts';

export interface LoopOptions {
  standby?: boolean;
  /** Of the whole end, whatever hangs. Default 9.5 s. */
  stopLimitMs?: (config: Config) => number;
}

/** What a loop is started with; several of one process share it. */
export interface LoopParts {
  config: Config;
  databaseUrl: string;
  bus: Bus;
  log: Logger;
  waitMs?: number;
  signal: AbortSignal;
}

/** A loop that runs: it ends by itself only when it cannot go on. */
export interface Loop {
  readonly ended: Promise<OpenClawError>;
  stop(): Promise<void>;
}

/** One agent, until SIGTERM or until it cannot go on. */
export function agent(name: string, options: LoopOptions): Promise<number> {
  // MilkBot is the gateway: there is no second way to run it.
  if (name === 'milkbot') return gateway(options);
  const folder = folderOf(loadConfig(), name);
  return runLoop(`agent:${name}`, options, (parts) => startAgent({ ...parts, id: name, folder }));
}

/** MilkBot with everything that people reach it by. */
export async function gateway(options: LoopOptions): Promise<number> {
  const folder = folderOf(loadConfig(), 'milkbot');
  // What speaks with Telegram is large, and the other loops do without. It is read while Postgres is looked for.
  const code = import('../agents/milkbot/gateway.ts');
  code.catch(() => undefined);
  return runLoop('gateway', options, async (parts) => (await code).startGateway({ ...parts, folder }));
}

export function bridge(options: LoopOptions): Promise<number> {
  return runLoop('bridge', options, startBridge);
}

/** A loop as a process: ready is told to whoever started it, SIGTERM ends it in order, a lost singleton with 75. */
export async function runLoop(
  name: string,
  { standby, stopLimitMs }: LoopOptions,
  start: (parts: LoopParts) => Promise<Loop>,
): Promise<number> {
  const config = loadConfig();
  const log = createLogger({ name, level: config.logLevel });
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort(signal));
  // Started by `up`: without it nobody would stop this process again.
  process.once('disconnect', () => stopping.abort('its parent is gone'));
  const parts = await loopParts(config, log, stopping.signal);
  if (standby) parts.waitMs = Number.POSITIVE_INFINITY;
  const pulse = createPool(parts.databaseUrl, { name: `${name}:pulse`, max: 1, log });
  const service = startService({ log, alive: () => pulse.query('select') });
  try {
    const loop = await start(parts).catch((error: unknown) => {
      if (stopping.signal.aborted) return undefined;
      throw error;
    });
    if (!loop) return EXIT.ok;
    process.send?.({ ready: true });
    await service.ready(`${name} works`);
    const stopped = new Promise<undefined>((resolve) => {
      if (stopping.signal.aborted) resolve(undefined);
      stopping.signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const fault = await Promise.race([loop.ended, stopped]);
    await service.stopping();
    setTimeout(() => process.exit(EXIT.tempfail), stopLimitMs?.(config) ?? STOP_LIMIT_MS).unref();
    await loop.stop();
    if (fault) throw fault;
    return EXIT.ok;
  } finally {
    await pulse.end();
    await parts.bus.close();
    if (process.connected) process.disconnect();
  }
}

const STOP_LIMIT_MS = 9500;

export async function loopParts(config: Config, log: Logger, signal: AbortSignal): Promise<LoopParts> {
  const postgres = await runningPostgres(config);
  const databaseUrl = postgres.urlFor('openclaw_worker', DATABASE);
  const db = createPool(databaseUrl, { name: 'roster', max: 1, log });
  try {
    await registerAllAgents(db, config);
  } catch (error) {
    if ((error as { code?: string }).code !== '42P01') throw error;
    throw new OpenClawError('E_SCHEMA_OLDER', 'the database has no table for agents yet', {
      remedy: 'openclaw up migrates it',
      exitCode: EXIT.tempfail,
      cause: error,
    });
  } finally {
    await db.end();
  }
  const bus = openBus({ locate: () => redisUrl(config), log });
  return { config, databaseUrl, bus, log, signal };
}

async function redisUrl(config: Config): Promise<string | undefined> {
  if (config.redisUrl) return config.redisUrl;
  return (await findRunningServers({ layout: config.layout, databaseUrl: config.databaseUrl })).redis?.url;
}
