import { count } from './format.ts';
import type { Line, Series, Style } from './frame.ts';
import type { Glyphs } from './glyphs.ts';

/** The last values as one row of blocks. */
export function spark(values: readonly number[], columns: number, glyphs: Glyphs): string {
  const shown = values.slice(-columns);
  const top = Math.max(1, ...shown);
  const levels = glyphs.levels.length - 1;
  return shown
    .map((value) => glyphs.levels[value <= 0 ? 0 : Math.max(1, Math.round((value / top) * levels))]!)
    .join('')
    .padStart(columns);
}

/** A share of a whole as a bar of `columns` cells. */
export function bar(share: number, columns: number, glyphs: Glyphs): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * columns);
  return glyphs.full.repeat(filled) + glyphs.light.repeat(columns - filled);
}

/** Series as columns of blocks, the first on top of the others' sum: the plain form of the line chart. */
export function blockChart(series: readonly Series[], columns: number, rows: number, glyphs: Glyphs): Line[] {
  const labels = 6;
  const room = Math.max(1, columns - labels);
  const sums = Array.from({ length: room }, (_, column) =>
    series.reduce((sum, one) => sum + (one.values[one.values.length - room + column] ?? 0), 0),
  );
  const bad = series.filter((one) => one.style === 'bad');
  const isBad = Array.from({ length: room }, (_, column) =>
    bad.some((one) => (one.values[one.values.length - room + column] ?? 0) > 0),
  );
  const top = Math.max(1, ...sums);
  const levels = glyphs.levels.length - 1;
  return Array.from({ length: rows }, (_, row): Line => {
    const label = row === 0 ? count(top) : row === rows - 1 ? '0' : '';
    const spans: [string, Style][] = [[`${label.padStart(labels - 1)} `, 'dim']];
    let text = '';
    let style: Style = 'good';
    for (let column = 0; column < room; column++) {
      const height = (sums[column]! / top) * rows * levels - (rows - 1 - row) * levels;
      const level = Math.max(sums[column]! > 0 && row === rows - 1 ? 1 : 0, Math.min(levels, Math.round(height)));
      const next: Style = isBad[column] ? 'bad' : 'good';
      if (next !== style && text !== '') {
        spans.push([text, style]);
        text = '';
      }
      style = next;
      text += glyphs.levels[level];
    }
    spans.push([text, style]);
    return { spans };
  });
}
