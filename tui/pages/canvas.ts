import type { Section } from '../feed/sections.ts';
import { bytes, clock } from '../view/format.ts';
import { clean, width } from '../view/text.ts';
import { listPage } from './listPage.ts';

export interface Artefact {
  name: string;
  bytes: number;
  changed: string;
  text: string;
}

const CANVAS: Section = { name: 'canvas', sql: '', local: true, everyS: 2 };

/** As a terminal shows it: marks of emphasis and links are taken out, the columns of tables stand below each other. */
export function readableMarkdown(text: string): string {
  return text
    .replace(/^#{1,6}\s+(.*)$/gm, (_all, head: string) => `${head.toUpperCase()}`)
    .replace(/\*\*([^*\n]+)\*\*/g, '$1')
    .replace(/`([^`\n]+)`/g, '$1')
    .replace(/!?\[([^\]\n]*)\]\(([^)\s]+)\)/g, '$1 ($2)')
    .replace(/^\s*[-*]\s+/gm, '- ')
    .replace(/^ *\|.*\|[ \t]*(\n *\|.*\|[ \t]*)+$/gm, alignedTable);
}

/** Numbers stand to the right; the line of dashes goes below the head. */
function alignedTable(text: string): string {
  const rows = text.split('\n').map((row) =>
    row
      .trim()
      .slice(1, -1)
      .split('|')
      .map((cell) => clean(cell.trim())),
  );
  const isRule = (cells: readonly string[]) => cells.every((cell) => /^:?-+:?$/.test(cell));
  const body = rows.filter((cells) => !isRule(cells));
  const columns = Math.max(...body.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, n) => Math.max(...body.map((cells) => width(cells[n] ?? ''))));
  const right = widths.map((_, n) => body.slice(1).every((cells) => /^[-+$]?[\d., ]+ ?%?$|^$/.test(cells[n] ?? '')));
  return rows
    .map((cells) =>
      widths
        .map((wide, n) => {
          const cell = isRule(cells) ? '-'.repeat(wide) : (cells[n] ?? '');
          const blanks = ' '.repeat(wide - width(cell));
          return right[n] ? blanks + cell : cell + blanks;
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export const canvas = listPage<Artefact>({
  name: 'canvas',
  title: 'canvas',
  about: 'texts and tables that agents have drawn for people (.openclaw/canvas)',
  section: CANVAS,
  columns: [
    { head: 'artefact', grow: 1 },
    { head: 'size', size: 8, right: true },
    { head: 'changed', size: 12 },
  ],
  item: (row, { now }) => ({
    row: { id: row.name, state: 'drawn' },
    cells: [row.name, bytes(row.bytes), clock(row.changed, now)],
  }),
  detail: (row) => (row.name.endsWith('.md') ? readableMarkdown(row.text) : row.text),
  empty: 'no agent has drawn anything yet',
});
