import type { PageUi } from '../session/ui.ts';
import type { Panel, Rect, Span } from '../view/frame.ts';
import { type Column, type Row, table, windowStart } from '../view/table.ts';
import type { PageInput, PageView, RowRef } from './types.ts';

/** Where the cursor is: on the chosen row, or where that row was. */
export function cursorOf(ui: PageUi, rows: readonly { readonly id: string }[]): number {
  if (rows.length === 0) return -1;
  const found = ui.selected === undefined ? -1 : rows.findIndex((row) => row.id === ui.selected);
  return found >= 0 ? found : Math.min(ui.index, rows.length - 1);
}

export interface ListItem {
  readonly row: RowRef;
  readonly cells: readonly Span[];
}

/** The words of a filter must all be in a row's text; one with `!` before it must not. */
export function matches(filter: string, text: string): boolean {
  const low = text.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => (word.startsWith('!') ? word === '!' || !low.includes(word.slice(1)) : low.includes(word)));
}

export const textOf = (cells: readonly Span[]): string =>
  cells.map((cell) => (typeof cell === 'string' ? cell : cell[0])).join(' ');

export const filtered = (ui: PageUi, items: readonly ListItem[]): ListItem[] =>
  ui.filter.trim() === ''
    ? [...items]
    : items.filter(({ row, cells }) => matches(ui.filter, `${row.id} ${row.state} ${textOf(cells)}`));

export interface ListOptions {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly items: readonly ListItem[];
  readonly empty: string;
  readonly note?: string;
}

/** A panel with a list that the cursor moves in, and the rows that it shows. */
export function listPanel({ ui, glyphs }: PageInput, area: Rect, options: ListOptions): PageView & { panel: Panel } {
  const shown = filtered(ui, options.items);
  const cursor = cursorOf(
    ui,
    shown.map(({ row }) => row),
  );
  const hidden = options.items.length - shown.length;
  const height = Math.max(0, area.height - 2);
  const rows: Row[] = shown.map(({ row, cells }) => ({ id: row.id, cells }));
  const panel: Panel = {
    id: options.id,
    ...area,
    title: options.title,
    ...(hidden > 0 || options.note
      ? {
          note: [
            [options.note, hidden > 0 && `${hidden} hidden by the filter`].filter(Boolean).join(` ${glyphs.dot} `),
            'dim',
          ] as const,
        }
      : {}),
    lines: table({
      columns: options.columns,
      rows,
      width: area.width - 2,
      height,
      glyphs,
      cursor,
      marked: ui.marked,
      empty: hidden > 0 ? 'nothing fits the filter; esc clears it' : options.empty,
    }),
  };
  return {
    panel,
    panels: [panel],
    rows: shown.map(({ row }) => row),
    cursor,
    listAt: { y: area.y + 2, first: windowStart(cursor, shown.length, height - 1), height: height - 1 },
  };
}
