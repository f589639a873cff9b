export interface Threshold {
  /** Bad from here on; for measures where less is worse, `on` is below `off`. */
  readonly on: number;
  /** Well again from here on. Between the two nothing changes. */
  readonly off: number;
  /** Looks in a row before it is bad, and before it is well. */
  readonly looks: number;
}

/**
 * Whether a measure is bad, without a change at every look: it must be beyond `on` for some looks in a row, and back behind
 * `off` for as many. A look without a figure changes nothing.
 */
export function hysteresis({ on, off, looks }: Threshold) {
  const worse = on >= off ? (value: number) => value >= on : (value: number) => value <= on;
  const better = on >= off ? (value: number) => value < off : (value: number) => value > off;
  let bad = false;
  let inARow = 0;
  return {
    look(value: number | null): { bad: boolean; changed: boolean } {
      if (value === null) return { bad, changed: false };
      const against = bad ? better(value) : worse(value);
      inARow = against ? inARow + 1 : 0;
      if (inARow < looks) return { bad, changed: false };
      inARow = 0;
      bad = !bad;
      return { bad, changed: true };
    },
  };
}
