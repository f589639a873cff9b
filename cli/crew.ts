import { startGateway } from '../agents/milkbot/gateway.ts';
import { agentFolders, startAgent, startBridge } from '../lib/agents/index.ts';
import { EXIT, messageOf, OpenClawError } from '../lib/errors/index.ts';
import type { Logger } from '../lib/log/index.ts';
import { type Loop, type LoopParts, runLoop } from './loops.ts';

const AGAIN_MS = { first: 500, max: 30_000 };
const STEADY_MS = 60_000;

/**
 * The gateway, the agents and the bridge in one process: each costs a few megabytes here, and 60 to 90 as a process of its own.
 * One that fails is started again by itself, and the others go on.
 */
export function crew(): Promise<number> {
  return runLoop('crew', {}, async (parts) => {
    const folders = agentFolders(parts.config);
    const members: [string, (parts: LoopParts) => Promise<Loop>][] = [
      ['bridge', startBridge],
      ['gateway', (own) => startGateway({ ...own, folder: folders.get('milkbot')! })],
      ...[...folders]
        .filter(([id]) => id !== 'milkbot')
        .map(([id, folder]): [string, (parts: LoopParts) => Promise<Loop>] => [
          `agent:${id}`,
          (own) => startAgent({ ...own, id, folder }),
        ]),
    ];
    const kept = members.map(([name, start]) => keepRunning(name, start, parts));
    await Promise.all(kept.map((member) => member.tried));
    return {
      // Only a signal ends the crew.
      ended: new Promise<OpenClawError>(() => undefined),
      stop: async () => {
        await Promise.all(kept.map((member) => member.stop()));
      },
    };
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
      const startedAt = Date.now();
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
      if (Date.now() - startedAt > STEADY_MS) pauseMs = AGAIN_MS.first;
      await Promise.race([new Promise((resolve) => setTimeout(resolve, pauseMs)), aborted(parts.signal)]);
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
