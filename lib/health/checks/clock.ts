import { fail, pass, warn } from '../findings.ts';
import type { Check } from '../types.ts';

const LIMIT_S = { database: 5, world: 30 };

export const clock: Check = {
  id: 'clock',
  title: 'Clock',
  severity: 'warning',
  failuresNeeded: 2,
  passesNeeded: 2,
  looks: 2,
  needs: ['postgres'],
  remedy: 'timedatectl set-ntp true; apt-get install systemd-timesyncd',
  runbook: 'clock-skew',
  probe: async ({ db, config, signal }) => {
    const before = Date.now();
    const { rows } = await db!.query<{ at: number }>(
      'select extract(epoch from clock_timestamp())::float8 * 1000 as at',
    );
    const after = Date.now();
    // Outside of what the round trip leaves open.
    const skew = Math.max(before - rows[0]!.at, rows[0]!.at - after, 0) / 1000;
    if (skew > LIMIT_S.database) return fail(`this host and Postgres are ${skew.toFixed(1)} s apart`);
    const world = await skewToWorld(config, signal);
    if (world === undefined) return pass(`within ${(skew + (after - before) / 1000).toFixed(2)} s of Postgres`);
    const text = `${world.toFixed(0)} s from the world's time`;
    return world > LIMIT_S.world ? warn(text) : pass(`within ${skew.toFixed(2)} s of Postgres, ${text}`);
  },
};

/** From the Date header of a service that is called anyway; undefined where none is configured or none answers. */
async function skewToWorld(
  { services }: Parameters<Check['probe']>[0]['config'],
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!services.telegram.token) return undefined;
  try {
    const start = Date.now();
    const response = await fetch(services.telegram.baseUrl, { method: 'HEAD', redirect: 'manual', signal });
    const date = Date.parse(response.headers.get('date') ?? '');
    if (Number.isNaN(date)) return undefined;
    // The header has whole seconds.
    return Math.max(0, start - date - 1000, date - Date.now()) / 1000;
  } catch {
    // The network is Telegram's check.
    return undefined;
  }
}
