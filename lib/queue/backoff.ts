import { RetryAfter } from '../tasks/define.ts';
import type { Backoff } from '../tasks/types.ts';

/**
 * ms to wait after attempt `attempt` (1 for the first) has failed: initial * factor^(attempt - 1), at most max, of which the
 * upper half is random, so that what failed together does not come back together.
 */
export function backoffMs(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const full = Math.min(backoff.initialMs * backoff.factor ** (Math.max(1, attempt) - 1), backoff.maxMs);
  return Math.round(full * (0.5 + random() / 2));
}

/** ms to wait after this error: what it says itself (RetryAfter), else the task's backoff. */
export function delayAfter(error: unknown, backoff: Backoff, attempt: number, random?: () => number): number {
  return error instanceof RetryAfter ? error.delayMs() : backoffMs(backoff, attempt, random);
}
