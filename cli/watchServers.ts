import { messageOf } from '../lib/errors/index.ts';
import type { Logger } from '../lib/log/index.ts';
import { ensureServers, findRunningServers, type ServersOptions } from '../lib/servers/index.ts';
import { every } from '../lib/workers/every.ts';

const WATCH_MS = 2000;

/** Starts a private server again when it has died (the kernel's memory killer, an operator's mistake); a configured one is somebody else's. */
export function watchServers(
  options: ServersOptions,
  log: Logger,
  onChange: (line: string) => void,
  onBack: () => void,
): { stop: () => void } {
  let away = false;
  const back = () => {
    if (away) onBack();
    away = false;
  };
  const look = async () => {
    const found = await findRunningServers(options);
    const gone = [!found.postgres && !options.databaseUrl && 'Postgres', !found.redis && !options.redisUrl && 'Redis']
      .filter(Boolean)
      .join(' and ');
    if (options.signal?.aborted) return;
    // It may have come up after a start that was given up.
    if (!gone) return back();
    away = true;
    log.warn({ gone }, 'a private server does not answer; starting it again');
    onChange(`${gone} had gone; starting again`);
    await ensureServers(options);
    onChange(`${gone} ${gone.includes(' and ') ? 'are' : 'is'} back`);
    back();
  };
  return every(WATCH_MS, look, (error) =>
    log.error({ err: error }, `the private servers could not be started again: ${messageOf(error)}`),
  );
}
