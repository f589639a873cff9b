import type { Section } from '../feed/sections.ts';
import { line } from '../view/frame.ts';
import { rowsOf } from '../view/layout.ts';
import type { Column } from '../view/table.ts';
import { wrap } from '../view/text.ts';
import { type ListItem, listPanel } from './list.ts';
import type { Act, Page, PageInput } from './types.ts';

export interface ListPageOptions<Row> {
  readonly name: string;
  readonly title: string;
  readonly short?: string;
  readonly key?: string;
  readonly about: string;
  readonly section: Section;
  readonly more?: readonly Section[];
  readonly columns: readonly Column[];
  readonly item: (row: Row, input: PageInput) => ListItem;
  readonly empty: string;
  readonly filters?: readonly string[];
  /** Whether a row belongs to a chosen filter. */
  readonly keep?: (row: Row, only: string) => boolean;
  readonly acts?: readonly Act[];
  /** The text below the list: all of the row under the cursor. */
  readonly detail?: (row: Row, input: PageInput) => string;
  readonly note?: (rows: readonly Row[], input: PageInput) => string;
}

/** A page that is one list, with the whole of the chosen row below it. */
export function listPage<Row>(options: ListPageOptions<Row>): Page {
  const { name, title, section, detail } = options;
  return {
    name,
    title,
    ...(options.key && { key: options.key }),
    ...(options.short && { short: options.short }),
    about: options.about,
    sections: [section, ...(options.more ?? [])],
    ...(options.filters && { filters: options.filters }),
    acts: options.acts ?? [],
    view: (input) => {
      const { state, area, ui, glyphs } = input;
      const given = state.data[section.name];
      const fault = state.broken.get(section.name) ?? (given as { fault?: string } | undefined)?.fault;
      const all = Array.isArray(given) ? (given as Row[]) : [];
      const rows = ui.only === '' ? all : all.filter((row) => options.keep?.(row, ui.only) ?? true);
      const items = rows.map((row) => ({ row, item: options.item(row, input) }));
      // The text gets a third of the page where there is one.
      const [upper, lower] = rowsOf(
        area,
        { grow: 2 },
        detail && items.length > 0 && area.height >= 14 ? { grow: 1, least: 6 } : 0,
      );
      const head = title[0]!.toUpperCase() + title.slice(1);
      const list = listPanel(input, upper!, {
        id: name,
        title: `${head}${ui.only ? ` ${glyphs.path} ${ui.only}` : ''}`,
        columns: options.columns,
        items: items.map(({ item }) => item),
        empty: fault
          ? `cannot be read: ${fault}`
          : given === undefined
            ? state.absent.has(section.name)
              ? 'this part is not installed yet'
              : 'reading'
            : options.empty,
        note: options.note?.(all, input) ?? `${rows.length}`,
      });
      if (!detail || lower!.height < 3) return list;
      const chosen = items.find(({ item }) => item.row.id === list.rows[list.cursor]?.id);
      const room = lower!.height - 2;
      const text = chosen ? wrap(detail(chosen.row, input), lower!.width - 4, 400) : [];
      const from = Math.min(ui.scroll, Math.max(0, text.length - room));
      return {
        ...list,
        panels: [
          list.panel,
          {
            id: `${name}:text`,
            ...lower!,
            title: chosen?.item.row.id ?? head,
            ...(text.length > room ? { note: 'J and K scroll' } : {}),
            lines: text.slice(from, from + room).map((one) => line(` ${one}`)),
          },
        ],
      };
    },
  };
}

/** Named values as lines: `name   value`, without those that are empty. */
export const fields = (...pairs: readonly (readonly [string, unknown])[]): string =>
  pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => {
      const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
      // What has lines of its own starts on one.
      return text.includes('\n') ? `${name}\n${text}` : `${name.padEnd(10)} ${text}`;
    })
    .join('\n');
