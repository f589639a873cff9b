import type { ParsedCronItem } from 'graphile-worker';
import { isPlanned } from './nextRuns.ts';

const MINUTE_MS = 60_000;
/** A month and a day: who asks wants to know of a run that is recent. */
const HORIZON_MINUTES = 32 * 24 * 60;

/** The last planned run at or before `until`, or undefined when there is none within the horizon. */
export function previousRun(item: ParsedCronItem, until: Date): Date | undefined {
  const last = Math.floor(until.getTime() / MINUTE_MS) * MINUTE_MS;
  for (let step = 0; step < HORIZON_MINUTES; step++) {
    const at = new Date(last - step * MINUTE_MS);
    if (isPlanned(item, at)) return at;
  }
  return undefined;
}
