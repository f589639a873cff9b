import type { ParsedCronItem } from 'graphile-worker';

const MINUTE_MS = 60_000;
/** Five years: `0 0 29 2 *` has a run in it. */
const HORIZON_MINUTES = 5 * 366 * 24 * 60;

/** The next `count` runs after `from`, in UTC as crontab means them; fewer when the horizon of five years is reached. */
export function nextRuns(item: ParsedCronItem, from: Date, count: number): Date[] {
  const runs: Date[] = [];
  let time = minuteOf(from);
  for (let step = 0; step < HORIZON_MINUTES && runs.length < count; step++) {
    time += MINUTE_MS;
    if (isPlanned(item, new Date(time))) runs.push(new Date(time));
  }
  return runs;
}

/** Every run after `from`, up to and with `until`. */
export function runsBetween(item: ParsedCronItem, from: Date, until: Date): Date[] {
  const runs: Date[] = [];
  for (let time = minuteOf(from) + MINUTE_MS; time <= until.getTime(); time += MINUTE_MS)
    if (isPlanned(item, new Date(time))) runs.push(new Date(time));
  return runs;
}

/** Whether the schedule has a run at this minute, in UTC. */
export function isPlanned(item: ParsedCronItem, at: Date): boolean {
  return item.match({
    min: at.getUTCMinutes(),
    hour: at.getUTCHours(),
    date: at.getUTCDate(),
    month: at.getUTCMonth() + 1,
    dow: at.getUTCDay(),
  });
}

function minuteOf(at: Date): number {
  return Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;
}
