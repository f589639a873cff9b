import { type Line, line, type Panel, type Rect } from '../view/frame.ts';
import { clean, width, wrap } from '../view/text.ts';
import { keyHelp } from './keyTable.ts';
import type { ShellInput } from './shell.ts';

export type Overlay =
  | { readonly kind: 'help'; readonly scroll: number }
  | { readonly kind: 'text'; readonly title: string; readonly lines: readonly string[]; readonly scroll: number }
  | {
      readonly kind: 'confirm';
      readonly title: string;
      readonly lines: readonly string[];
      readonly word: string;
      readonly typed: string;
    }
  | { readonly kind: 'ask'; readonly title: string; readonly lines: readonly string[]; readonly typed: string };

export interface Prompt {
  readonly kind: 'filter' | 'palette';
  readonly text: string;
  readonly suggestions: readonly string[];
}

/** What lies over the page: the help, a text, a question. */
export function overlayPanels(input: ShellInput, area: Rect): Panel[] {
  const { overlay, page, columns, rows } = input;
  if (!overlay) return [];
  if (overlay.kind === 'help') {
    const lines = keyHelp(page).flatMap(({ group, rows: keys }) => [
      line([` ${group}`, 'accent']),
      ...keys.map(([key, help]) => line([`   ${key.padEnd(20)} `, 'bold'], help)),
      line(),
    ]);
    return [
      boxed(
        'over:help',
        'Keys',
        lines.slice(overlay.scroll),
        area,
        Math.min(columns - 4, 96),
        lines.length > area.height - 2 ? 'j k scroll, any other key closes' : 'any key closes',
      ),
    ];
  }
  if (overlay.kind === 'text') {
    const lines = overlay.lines.flatMap((text) => wrap(text, columns - 8, 50)).map((text) => line(` ${text}`));
    return [
      boxed(
        'over:text',
        overlay.title,
        lines.slice(overlay.scroll),
        area,
        columns - 4,
        lines.length > area.height - 2 ? 'j k scroll, esc closes' : 'esc closes',
      ),
    ];
  }
  const lines = [
    line(),
    ...overlay.lines
      .flatMap((text) => (text === '' ? [''] : wrap(text, columns - 10, 6)))
      .map((text) => line(`  ${text}`)),
    line(),
    line(['  > ', 'accent'], overlay.typed, ['▏', 'accent']),
    line(),
  ];
  const height = Math.min(rows - 4, lines.length + 2);
  const columnsWide = Math.min(columns - 4, Math.max(50, ...overlay.lines.map((text) => width(clean(text)) + 6)));
  return [
    {
      id: 'over:dialog',
      x: Math.floor((columns - columnsWide) / 2),
      y: Math.max(2, Math.floor((rows - height) / 2)),
      width: columnsWide,
      height,
      title: overlay.title,
      note: ['esc: nothing happens', 'dim'],
      tone: overlay.kind === 'confirm' ? 'bad' : 'accent',
      lines,
    },
  ];
}

function boxed(id: string, title: string, lines: readonly Line[], area: Rect, wide: number, note: string): Panel {
  const height = Math.min(area.height, lines.length + 2);
  return {
    id,
    x: Math.floor((area.width - wide) / 2),
    y: area.y + Math.floor((area.height - height) / 2),
    width: wide,
    height,
    title,
    note,
    tone: 'accent',
    lines,
  };
}
