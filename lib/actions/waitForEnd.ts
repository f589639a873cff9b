import type { Pool } from '../db/index.ts';

/** The database is asked at least this often: a notification may be lost with its connection. */
const POLL_MS = 1000;

/**
 * Waits until `look` gives something: asked at once, at each notification on `channel`, and once a second.
 *
 * @returns undefined when the signal aborts first.
 */
export async function waitForEnd<T>(
  db: Pool,
  channel: 'job:ended' | 'mission:ended',
  look: () => Promise<T | undefined>,
  signal: AbortSignal,
): Promise<T | undefined> {
  const client = await db.connect();
  let nudge: () => void = () => undefined;
  let broken: Error | undefined;
  const onNotification = () => nudge();
  const onError = (error: Error) => {
    broken = error;
    nudge();
  };
  client.on('notification', onNotification);
  client.on('error', onError);
  try {
    await client.query(`listen "${channel}"`);
    while (!signal.aborted) {
      const nudged = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        nudge = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener('abort', () => nudge(), { once: true });
      });
      const found = await look();
      if (found !== undefined) {
        nudge();
        return found;
      }
      await nudged;
    }
    return undefined;
  } finally {
    client.off('notification', onNotification);
    client.release(broken ?? true);
  }
}
