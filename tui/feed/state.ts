/** What is known of Postgres or Redis: whether it answers, since when not, why, and when it is tried again. */
export interface Link {
  readonly up: boolean;
  readonly since: number;
  readonly error?: string;
  /** Epoch ms of the next try. */
  readonly retryAt?: number;
}

/** The one state that all viewers of a process share. Replaced, never changed; unchanged sections keep their identity. */
export interface State {
  readonly data: Readonly<Record<string, unknown>>;
  /** Sections whose tables are not there. */
  readonly absent: ReadonlySet<string>;
  /** Sections that the database refuses to give, with its reason. */
  readonly broken: ReadonlyMap<string, string>;
  /** The database's clock minus ours, ms. */
  readonly skewMs: number;
  /** When the last snapshot came, by our clock; 0 before the first. */
  readonly at: number;
  readonly postgres: Link;
  readonly redis: Link;
  /** Jobs that ended, a value a second, newest last. */
  readonly rate: { readonly second: number; readonly ok: readonly number[]; readonly bad: readonly number[] };
}

export const RATE_SECONDS = 180;

export function emptyState(now: number): State {
  return {
    data: {},
    absent: new Set(),
    broken: new Map(),
    skewMs: 0,
    at: 0,
    postgres: { up: false, since: now },
    redis: { up: true, since: now },
    rate: { second: 0, ok: Array(RATE_SECONDS).fill(0), bad: Array(RATE_SECONDS).fill(0) },
  };
}

/**
 * The ring of the chart moved on to `second`, the last whole one, with the counts that the database has of its end. A
 * count is overwritten by a later one, because an end may be committed after its second has passed.
 */
export function moveRate(
  rate: State['rate'],
  second: number,
  counts: readonly (readonly [second: number, ok: number, bad: number])[],
  covered: number,
): State['rate'] {
  const ok = Array<number>(RATE_SECONDS).fill(0);
  const bad = Array<number>(RATE_SECONDS).fill(0);
  const first = second - RATE_SECONDS + 1;
  for (let place = 0; place < RATE_SECONDS; place++) {
    const before = place + first - (rate.second - RATE_SECONDS + 1);
    if (first + place <= second - covered && before >= 0 && before < RATE_SECONDS) {
      ok[place] = rate.ok[before]!;
      bad[place] = rate.bad[before]!;
    }
  }
  for (const [at, good, failed] of counts) {
    const place = at - first;
    if (place < 0 || place >= RATE_SECONDS) continue;
    ok[place] = good;
    bad[place] = failed;
  }
  return { second, ok, bad };
}
