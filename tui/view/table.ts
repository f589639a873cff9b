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
  if (size === undefined || size < SHRINKS_FROM) return size;
  let longest = head.length;
  for (const { cells } of rows) {
    const cell = cells[index] ?? '';
    longest = Math.max(longest, width(clean(typeof cell === 'string' ? cell : cell[0])));
    if (longest >= size) return size;
  }
  return longest;
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
  const shares = shown.reduce((sum, { column }) => sum + (column.size === undefined ? (column.grow ?? 1) : 0), 0);
  let spare = Math.max(0, total - 1 - fixed - gaps);
  const sizes = shown.map(({ column }, place) => {
    if (most[place] !== undefined) return most[place];
    const rest = shown.slice(place + 1).some((other) => other.column.size === undefined);
    const size = rest ? Math.floor((Math.max(0, total - 1 - fixed - gaps) * (column.grow ?? 1)) / shares) : spare;
    spare -= size;
    return Math.max(1, size);
  });
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
