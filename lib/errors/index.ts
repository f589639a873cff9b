/**
 * Every error that a person or a program meets has a code and says what happened, the value, what was expected, and
 * the remedy. A mistyped command never shows a stack: the command line prints `format()` and exits with `exitCode`.
 */
export interface ErrorDetails {
  /** The offending value; never a secret. */
  value?: unknown;
  expected?: string;
  /** What to do now, as a sentence or a command. */
  remedy?: string;
  cause?: unknown;
  /** 1 failed, 2 usage, 3 degraded or pending, 75 try again, 78 configuration. */
  exitCode?: number;
  /** Further faults, one a line: a plan, for example, names all of its faults at once. */
  faults?: readonly string[];
}

export const EXIT = { ok: 0, failed: 1, usage: 2, degraded: 3, tempfail: 75, config: 78 } as const;

export class OpenClawError extends Error {
  readonly code: string;
  readonly value: unknown;
  readonly expected: string | undefined;
  readonly remedy: string | undefined;
  readonly exitCode: number;
  readonly faults: readonly string[];

  /** @param code `E_…`, stable: programs and tests compare it. */
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'OpenClawError';
    this.code = code;
    this.value = details.value;
    this.expected = details.expected;
    this.remedy = details.remedy;
    this.exitCode = details.exitCode ?? EXIT.failed;
    this.faults = details.faults ?? [];
  }

  /** The error as a person reads it: the message, then the faults, then the remedy. */
  format(): string {
    const lines = [`${this.code}: ${this.message}`];
    if (this.value !== undefined)
      lines.push(`  value: ${typeof this.value === 'string' ? this.value : JSON.stringify(this.value)}`);
    if (this.expected) lines.push(`  expected: ${this.expected}`);
    for (const fault of this.faults) lines.push(`  - ${fault}`);
    if (this.remedy) lines.push(`  remedy: ${this.remedy}`);
    return lines.join('\n');
  }
}

/** The message of whatever was thrown; never empty. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message || error.name : error) || 'unknown error';
  } catch {
    // No text, whatever is tried: an object without a prototype, say.
    return 'unknown error';
  }
}

/** The value in `candidates` nearest to `given`, if it is near enough to be a typing error (Levenshtein distance, at most a third of the word). */
export function didYouMean(given: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(given.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(given.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length]!;
}
