import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors/index.ts';
import { scrub } from '../log/index.ts';
import type { HealthReport } from './run.ts';
import { reportText } from './text.ts';

const LIMIT_MS = 10_000;
const TRIES = 3;

/**
 * Tells an address of healthchecks.io's kind that a run has begun, so that a run which hangs is late there too.
 *
 * @returns what went wrong, or undefined. An outside watch that is down is no fault of this system's.
 */
export function pingStart(url: string, pauseMs = 1000): Promise<string | undefined> {
  return ping(`${url}/start`, '', pauseMs);
}

/** The end, with the exit code; 3 (warnings only) counts there as well, since that knows only good and bad. */
export function pingEnd(url: string, report: HealthReport, pauseMs = 1000): Promise<string | undefined> {
  const code = report.exitCode === 1 ? 1 : 0;
  return ping(`${url}/${code}`, `exit ${report.exitCode}\n${reportText(report)}`, pauseMs);
}

async function ping(address: string, body: string, pauseMs: number): Promise<string | undefined> {
  let problem = '';
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    try {
      const response = await fetch(address, {
        method: 'POST',
        body: scrub(body),
        signal: AbortSignal.timeout(LIMIT_MS),
      });
      if (response.ok) return undefined;
      problem = `it answers ${response.status}`;
    } catch (error) {
      problem = messageOf((error as { cause?: unknown }).cause ?? error);
    }
    if (attempt < TRIES) await sleep(pauseMs * attempt);
  }
  return `the outside watch was not reached: ${scrub(problem)}`;
}
