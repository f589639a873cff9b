import { OpenClawError } from '../errors/index.ts';

/** A length of time: a number of ms, or a text like `500 ms`, `30 s`, `5m`, `2 hours`, `1 day`. */
export type Duration = number | string;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @returns ms. @throws E_DURATION. The same grammar as SQL's duration_ms(). */
export function durationMs(value: Duration): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  const parts = /^\s*(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)\s*$/.exec(
    String(value),
  );
  if (!parts) {
    throw new OpenClawError('E_DURATION', `"${value}" is not a length of time`, {
      expected: 'ms as a number, or a text like "30 s", "5 m", "2 h"',
      exitCode: 2,
    });
  }
  const unit = parts[2] === 'ms' ? 'ms' : parts[2]![0]!;
  return Number(parts[1]) * UNIT_MS[unit]!;
}
