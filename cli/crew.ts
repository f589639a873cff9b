import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway } from '../agents/milkbot/gateway.ts';
import { agentFolders, startAgent, startBridge } from '../lib/agents/index.ts';
import { EXIT, messageOf, OpenClawError } from '../lib/errors/index.ts';
import type { Logger } from '../lib/log/index.ts';
import { POOLS } from '../lib/tasks/types.ts';
import { type Loop, type LoopParts, runLoop } from './loops.ts';
import { startPools, workerLog } from './worker.ts';

const AGAIN_MS = { first: 500, max: 30_000 };
const STEADY_MS = 60_000;
const STOP_MARGIN_MS = 5000;
const BRIDGE_FIRST_MS = 2000;

/** What the crew tells `up`, part by part. */
export interface CrewNews {
  ready?: boolean;
  faults?: { file: string; message: string }[];
  agents?: string[];
  screen?: number;
}

const tell = (news: CrewNews) => void process.send?.(news);

/**
 * The pools, the gateway, the agents, the bridge and the screen in one process: each costs a few megabytes here, and 60 to 90 as
 * a process of its own. A loop that fails is started again by itself, and the others go on; where the pools cannot go on, the
 * process ends and is started again whole.
 */
export function crew(): Promise<number> {
  return runLoop('crew', { stopLimitMs: (config) => config.drainTimeoutMs + STOP_MARGIN_MS }, async (parts) => {
    const { config } = parts;
    const fatal = Promise.withResolvers<OpenClawError>();
    const log = workerLog(config);
    const pools = await startPools({ config, log, pools: POOLS, cron: true, onFatal: fatal.resolve });
    tell({ ready: true, faults: [...pools.faults] });
    const folders = agentFolders(config);
    const loops: [string, (parts: LoopParts) => Promise<Loop>][] = [
      ['bridge', startBridge],
      ['gateway', (own) => startGateway({ ...own, folder: folders.get('milkbot')! })],
      ...[...folders]
        .filter(([id]) => id !== 'milkbot')
        .map(([id, folder]): [string, (parts: LoopParts) => Promise<Loop>] => [
          `agent:${id}`,
          (own) => startAgent({ ...own, id, folder }),
        ]),
    ];
    const [bridge, ...others] = loops;
    const kept = [keepRunning(...bridge!, parts)];
    // The first beats of the others find it there; where it cannot start, they say so and go on.
    await Promise.race([kept[0]!.tried, sleep(BRIDGE_FIRST_MS, undefined, { ref: false })]);
    kept.push(...others.map(([name, start]) => keepRunning(name, start, parts)));
    void Promise.all(kept.map((loop) => loop.tried)).then(() => tell({ agents: [...folders.keys(), 'bridge'] }));
    if (config.dashboard.port !== 0) kept.push(keepRunning('screen', startScreen, parts));
    logFaultsOfTheScreen(parts.log);
    return {
      ended: fatal.promise,
      stop: async () => {
        await Promise.all([pools.stop('told to stop'), ...kept.map((loop) => loop.stop())]);
      },
    };
  });
}

async function startScreen({ config, log }: LoopParts): Promise<Loop> {
  const [{ serveScreen }, { screenSource }] = await Promise.all([
    import('./dashboard.ts'),
    import('./screenSource.ts'),
  ]);
  const { host, port } = config.dashboard;
  const served = await serveScreen(screenSource(), { host, port, log });
  tell({ screen: served.port });
  return { ended: new Promise(() => undefined), stop: served.stop };
}

/** One viewer's fault must not end the others; any other promise that nobody waits for ends the process, as in a worker. */
function logFaultsOfTheScreen(log: Logger): void {
  process.on('unhandledRejection', (error) => {
    if (error instanceof Error && /\/tui\//.test(error.stack ?? ''))
      return log.error({ err: error }, 'a fault of the screen');
    throw error;
  });
}

/** Starts a loop again whenever it ends or does not start, with a growing pause; not where its configuration is at fault. */
function keepRunning(name: string, start: (parts: LoopParts) => Promise<Loop>, parts: LoopParts) {
  const log: Logger = parts.log.child({ loop: name });
  const tried = Promise.withResolvers<void>();
  let current: Loop | undefined;
  const run = async () => {
    let pauseMs = AGAIN_MS.first;
    while (!parts.signal.aborted) {
      const startedAt = performance.now();
      try {
        current = await start({ ...parts, log });
        tried.resolve();
        const fault = await Promise.race([current.ended, aborted(parts.signal)]);
        if (!fault) return;
        log.warn({ err: fault }, 'the loop ended; it is started again');
        await current.stop();
        current = undefined;
      } catch (error) {
        if (parts.signal.aborted) return;
        if (error instanceof OpenClawError && error.exitCode === EXIT.config) {
          log.error(
            { err: error, faults: error.faults },
            `the loop refuses its configuration and is not started again: ${error.message}`,
          );
          return;
        }
        log.warn({ err: error }, `the loop did not start; trying again: ${messageOf(error)}`);
      } finally {
        tried.resolve();
      }
      if (performance.now() - startedAt > STEADY_MS) pauseMs = AGAIN_MS.first;
      await sleep(pauseMs, undefined, { signal: parts.signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, AGAIN_MS.max);
    }
  };
  const running = run();
  return {
    tried: tried.promise,
    stop: async () => {
      await current?.stop();
      await running;
    },
  };
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
