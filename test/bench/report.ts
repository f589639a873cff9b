import { round, type Spread, spreadOf } from './stats.ts';

/** A ratio of ours to the peer's in the same round; the verdict is on the median of the rounds. */
export interface Ratio {
  name: string;
  values: readonly number[];
  /** The median is to be at least, or at most, this. Neither: for information. */
  atLeast?: number;
  atMost?: number;
}

export interface Result {
  measure: string;
  /** Medians of the rounds, by name, with their unit in the name. */
  figures: Record<string, number>;
  ratios: readonly Ratio[];
}

interface Verdict extends Spread {
  name: string;
  floor: string;
  met: boolean | null;
}

function judge({ name, values, atLeast, atMost }: Ratio, judged: boolean): Verdict {
  const { median, min, max } = spreadOf(values);
  const spread = { median: round(median, 3), min: round(min, 3), max: round(max, 3) };
  if (!judged) return { name, ...spread, floor: '', met: null };
  if (atLeast !== undefined) return { name, ...spread, floor: `>= ${atLeast}`, met: median >= atLeast };
  if (atMost !== undefined) return { name, ...spread, floor: `<= ${atMost}`, met: median <= atMost };
  return { name, ...spread, floor: '', met: null };
}

/** Prints a line of JSON for the measure. @returns the names of the floors that were missed. */
export function printResult({ measure, figures, ratios }: Result, judged: boolean): string[] {
  const verdicts = ratios.map((ratio) => judge(ratio, judged));
  const rounded = Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value)]));
  console.log(JSON.stringify({ measure, figures: rounded, ratios: verdicts }));
  return verdicts.filter(({ met }) => met === false).map(({ name }) => `${measure}: ${name}`);
}

/** One table of everything: the figures first, then what they are to each other. */
export function printTable(results: readonly Result[], judged: boolean): void {
  const figures = results.flatMap(({ measure, figures }) =>
    Object.entries(figures).map(([name, value]) => [measure, name, String(round(value))]),
  );
  print(['measure', 'figure', 'median'], figures);
  const ratios = results.flatMap(({ measure, ratios }) =>
    ratios.map((ratio) => {
      const { name, median, min, max, floor, met } = judge(ratio, judged);
      return [measure, name, `${median} (${min}..${max})`, floor, met === null ? '' : met ? 'met' : 'MISSED'];
    }),
  );
  print(['measure', 'ratio to raw graphile-worker, or budget', 'median (min..max)', 'floor', ''], ratios);
}

function print(head: string[], rows: string[][]): void {
  if (rows.length === 0) return;
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  console.log(['', line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n'));
}
