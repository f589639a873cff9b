import type { ParsedCronItem } from 'graphile-worker';

const MINUTE_MS = 60_000;
/** Five years: `0 0 29 2 *` has a run in it. */
const HORIZON_MINUTES = 5 * 366 * 24 * 60;

/** The next `count` runs after `from`, in UTC as crontab means them; fewer when the horizon of five years is reached. */
export function nextRuns(item: ParsedCronItem, from: Date, count: number): Date[] {
  const runs: Date[] = [];
  let time = Math.floor(from.getTime() / MINUTE_MS) * MINUTE_MS;
  for (let step = 0; step < HORIZON_MINUTES && runs.length < count; step++) {
    time += MINUTE_MS;
    const at = new Date(time);
    if (
      item.match({
        min: at.getUTCMinutes(),
        hour: at.getUTCHours(),
        date: at.getUTCDate(),
        month: at.getUTCMonth() + 1,
        dow: at.getUTCDay(),
      })
    )
      runs.push(at);
  }
  return runs;
}
