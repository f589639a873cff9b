import { OpenClawError } from '../errors/index.ts';

/** A length of time: a number of ms, or a text like `500 ms`, `30 s`, `5m`, `2 hours`, `1 day`. */
export type Duration = number | string;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @returns ms, whole where a text was given. @throws E_DURATION. The same grammar as SQL's duration_ms(). */
export function durationMs(value: Duration): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  const parts =
    /^[ \t\r\n]*(\d{1,9})(?:\.(\d{1,3}))?[ \t\r\n]*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)[ \t\r\n]*$/.exec(
      String(value),
    );
  if (!parts) {
    throw new OpenClawError('E_DURATION', `"${value}" is not a length of time`, {
      expected: 'ms as a number, or a text like "30 s", "5 m", "2 h"',
      exitCode: 2,
    });
  }
  const [, whole, thousandths = '', name = ''] = parts;
  const unit = UNIT_MS[name === 'ms' ? 'ms' : name[0]!]!;
  // Not Number('102.842') * unit: that is off by one for long times, and SQL's numeric is not.
  return Number(whole) * unit + Math.round((Number(thousandths.padEnd(3, '0')) * unit) / 1000);
}
