import type { Line, Span, Style } from './frame.ts';
import type { Glyphs } from './glyphs.ts';
import { clean, cut, width } from './text.ts';

export interface Column {
  readonly head: string;
  /** At most so many columns wide, and no wider than its longest text; of those that have none, `grow` shares what is left. */
  readonly size?: number;
  readonly grow?: number;
  readonly right?: boolean;
  /** Left out where the table is narrower than this. */
  readonly from?: number;
}

/** A row of a list, known by its id whatever its place. */
export interface Row {
  readonly id: string;
  readonly cells: readonly Span[];
  readonly tone?: Style;
}

export interface TableView {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly width: number;
  readonly height: number;
  readonly glyphs: Glyphs;
  /** Index of the row under the cursor; -1 for a table that is only looked at. */
  readonly cursor: number;
  readonly marked?: ReadonlySet<string>;
  readonly empty?: string;
}

/** The first row to show so that the cursor is in sight, with some rows around it where there are. */
export function windowStart(cursor: number, rows: number, height: number): number {
  if (rows <= height || cursor < 0) return 0;
  return Math.max(0, Math.min(rows - height, cursor - Math.floor(height / 2)));
}

/** Narrow columns stay as they are, so that a list does not move with each change of a number. */
const SHRINKS_FROM = 10;

function sizeOf({ size, head }: Column, index: number, rows: readonly Row[]): number | undefined {
  return size === undefined || size < SHRINKS_FROM ? size : longestOf(head, index, rows, size);
}

/** The longest text of a column, or `most`. */
function longestOf(head: string, index: number, rows: readonly Row[], most: number): number {
  let longest = head.length;
  for (const { cells } of rows) {
    const cell = cells[index] ?? '';
    longest = Math.max(longest, width(clean(typeof cell === 'string' ? cell : cell[0])));
    if (longest >= most) return most;
  }
  return longest;
}

interface Share {
  readonly size: number | undefined;
  readonly grow: number;
  readonly longest: () => number;
}

/** What is left of the width goes to the columns without a size: by their shares, but what one of them does not need is the next one's. */
function grown(columns: readonly Share[], room: number): number[] {
  const sizes = columns.map(({ size }) => size ?? 0);
  const open = columns.flatMap(({ size }, place) => (size === undefined ? [place] : []));
  // Those that need less than their share first; the last takes the rest.
  const shares = open.reduce((sum, place) => sum + columns[place]!.grow, 0);
  const needs = new Map(open.map((place) => [place, open.length === 1 ? room : columns[place]!.longest()]));
  const modest = (place: number) => needs.get(place)! - (room * columns[place]!.grow) / shares;
  let left = room;
  let grow = shares;
  for (const [turn, place] of open.toSorted((a, b) => modest(a) - modest(b)).entries()) {
    const share = Math.floor((left * columns[place]!.grow) / grow);
    sizes[place] = Math.max(1, turn === open.length - 1 ? left : Math.min(share, needs.get(place)!));
    left -= sizes[place];
    grow -= columns[place]!.grow;
  }
  return sizes;
}

/** A table as lines: a head, then only the rows that are in sight. */
export function table({
  columns,
  rows,
  width: total,
  height,
  glyphs,
  cursor,
  marked,
  empty = 'none',
}: TableView): Line[] {
  if (rows.length === 0) return [{ spans: [[` ${empty}`, 'dim']] }];
  const shown = columns.map((column, index) => ({ column, index })).filter(({ column }) => (column.from ?? 0) <= total);
  const gaps = shown.length;
  const most = shown.map(({ column, index }) => sizeOf(column, index, rows));
  const fixed = most.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const sizes = grown(
    shown.map(({ column, index }, place) => ({
      size: most[place],
      grow: column.grow ?? 1,
      longest: () => longestOf(column.head, index, rows, total),
    })),
    Math.max(0, total - 1 - fixed - gaps),
  );
  const cell = (span: Span, place: number): Span => {
    const [raw, style] = typeof span === 'string' ? ([span, 'plain'] as const) : span;
    const text = cut(glyphs.plain(clean(raw)), sizes[place]!, glyphs.more);
    const blanks = ' '.repeat(Math.max(0, sizes[place]! - width(text)));
    const last = place === shown.length - 1;
    return [
      shown[place]!.column.right ? `${blanks}${text}${last ? '' : ' '}` : `${text}${blanks}${last ? '' : ' '}`,
      style,
    ];
  };
  const lines: Line[] = [
    {
      spans: [
        ' ',
        ...shown.map(({ column }, place): Span => [(cell(column.head, place) as [string, Style])[0], 'dim']),
      ],
    },
  ];
  const start = windowStart(cursor, rows.length, height - 1);
  for (const [offset, row] of rows.slice(start, start + height - 1).entries()) {
    const here = start + offset === cursor;
    const isMarked = marked?.has(row.id) ?? false;
    const sign = here ? glyphs.cursor : isMarked ? glyphs.marked : ' ';
    lines.push({
      spans: [
        [sign, isMarked ? 'mark' : 'accent'],
        ...shown.map(({ index }, place) => cell(row.cells[index] ?? '', place)),
      ],
      ...(here
        ? { fill: 'select' as const }
        : row.tone
          ? { fill: row.tone }
          : isMarked
            ? { fill: 'mark' as const }
            : {}),
    });
  }
  return lines;
}
