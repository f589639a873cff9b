import type { Section } from '../feed/sections.ts';
import { bytes, clock } from '../view/format.ts';
import { listPage } from './listPage.ts';

export interface Artefact {
  name: string;
  bytes: number;
  changed: string;
  text: string;
}

const CANVAS: Section = { name: 'canvas', sql: '', local: true, everyS: 2 };

/** A table of Markdown keeps its columns in a terminal's font already; marks of emphasis and links are taken out. */
export function readableMarkdown(text: string): string {
  return text
    .replace(/^#{1,6}\s+(.*)$/gm, (_all, head: string) => `${head.toUpperCase()}`)
    .replace(/\*\*([^*\n]+)\*\*/g, '$1')
    .replace(/`([^`\n]+)`/g, '$1')
    .replace(/!?\[([^\]\n]*)\]\(([^)\s]+)\)/g, '$1 ($2)')
    .replace(/^\s*[-*]\s+/gm, '- ');
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
