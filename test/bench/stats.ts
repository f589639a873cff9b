export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** @throws RangeError for no values at all. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('there is no median of no values');
  return { median: quantile(values, 0.5), min: Math.min(...values), max: Math.max(...values) };
}

/** Linear between the two nearest values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

export const round = (value: number, digits = 2) => Number(value.toFixed(digits));

/** The sides of a round in turn: whoever goes first has a quieter or a colder machine, so that changes every round. */
export function turns<Side>(sides: readonly Side[], roundNumber: number): Side[] {
  return roundNumber % 2 === 0 ? [...sides] : [...sides].reverse();
}
