import type { Glyphs } from './glyphs.ts';
import { clean, cut, width } from './text.ts';

/** What a piece of text means; a theme says how that looks. */
export type Style =
  | 'plain'
  | 'dim'
  | 'bold'
  | 'good'
  | 'warn'
  | 'bad'
  | 'info'
  | 'accent'
  | 'select'
  | 'mark'
  | 'alarm'
  | 'bar';

export type Span = string | readonly [text: string, style: Style];
/** One row of a panel. `fill` colours the whole row and wins over the styles in it. */
export interface Line {
  readonly spans: readonly Span[];
  readonly fill?: Style;
}

export interface Series {
  readonly title: string;
  readonly style: 'good' | 'bad' | 'info';
  readonly values: readonly number[];
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A part of the screen with lines in it; with a title it has a border. */
export interface Panel extends Rect {
  readonly id: string;
  readonly title?: string;
  /** At the right end of the title's row. */
  readonly note?: Span;
  readonly lines: readonly Line[];
  /** A line chart over the inside of the panel, where the terminal can draw one; `lines` are its plain form. */
  readonly chart?: readonly Series[];
  readonly tone?: Style;
}

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly panels: readonly Panel[];
}

export const line = (...spans: Span[]): Line => ({ spans });
export const inside = (rect: Rect): Rect => ({
  x: rect.x + 1,
  y: rect.y + 1,
  width: Math.max(0, rect.width - 2),
  height: Math.max(0, rect.height - 2),
});

/** A span whose text is clean and fits. */
export type Piece = readonly [text: string, style: Style];

/** The spans of a line as pieces that fill exactly `columns`. */
export function fitLine({ spans, fill }: Line, columns: number, glyphs: Glyphs): Piece[] {
  const pieces: Piece[] = [];
  let left = columns;
  for (const span of spans) {
    if (left <= 0) break;
    const [raw, style] = typeof span === 'string' ? ([span, 'plain'] as const) : span;
    const text = cut(glyphs.plain(clean(raw)), left, glyphs.more);
    if (text === '') continue;
    pieces.push([text, fill ?? style]);
    left -= width(text);
  }
  if (left > 0) pieces.push([' '.repeat(left), fill ?? 'plain']);
  return pieces;
}

/** A panel as rows of exactly its width: with a border when it has a title. */
export function panelRows(panel: Panel, glyphs: Glyphs): Piece[][] {
  const { width: columns, height, title, note, lines, tone = 'dim' } = panel;
  if (columns <= 0 || height <= 0) return [];
  if (title === undefined)
    return Array.from({ length: height }, (_, row) => fitLine(lines[row] ?? line(), columns, glyphs));
  const { horizontal, vertical, corners } = glyphs.border;
  const [noteText, noteStyle] =
    note === undefined ? ['', tone] : typeof note === 'string' ? [note, 'dim' as Style] : note;
  const head = cut(glyphs.plain(clean(title)), Math.max(0, columns - 6), glyphs.more);
  const room = columns - width(head) - 7;
  const right = noteText === '' || room < 4 ? '' : ` ${cut(glyphs.plain(clean(noteText)), room - 2, glyphs.more)} `;
  const rule = Math.max(0, columns - 5 - width(head) - width(right));
  const rows: Piece[][] = [
    [
      [corners[0] + horizontal, tone],
      [` ${head} `, 'bold'],
      [horizontal.repeat(rule), tone],
      [right, noteStyle],
      [corners[1], tone],
    ],
  ];
  for (let row = 0; row < height - 2; row++) {
    rows.push([[vertical, tone], ...fitLine(lines[row] ?? line(), columns - 2, glyphs), [vertical, tone]]);
  }
  if (height > 1) rows.push([[corners[2] + horizontal.repeat(columns - 2) + corners[3], tone]]);
  return rows;
}

/** A frame as text, for `dash --once --text` and tests; later panels lie over earlier ones. */
export function frameText(frame: Frame, glyphs: Glyphs): string {
  const grid: string[][] = Array.from({ length: frame.height }, () => Array<string>(frame.width).fill(' '));
  for (const panel of frame.panels) {
    for (const [index, pieces] of panelRows(panel, glyphs).entries()) {
      const row = grid[panel.y + index];
      if (!row) continue;
      let x = panel.x;
      for (const character of pieces.map(([text]) => text).join('')) {
        if (x >= frame.width) break;
        row[x] = character;
        // The second column of a wide character.
        if (width(character) === 2 && x + 1 < frame.width) row[x + 1] = '';
        x += Math.max(1, width(character));
      }
    }
  }
  return grid.map((row) => row.join('').trimEnd()).join('\n');
}
