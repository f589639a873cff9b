import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import { fields, listPage } from './listPage.ts';

interface Memory {
  id: number;
  kind: string;
  agent: string | null;
  text: string;
  tags: string[];
  confidence: number;
  untrusted: boolean;
  created_at: string;
}

export const memory = listPage<Memory>({
  name: 'memory',
  title: 'memory',
  about: 'what the agents keep: insights, patterns, strategies, preferences, lessons',
  section: {
    name: 'memory',
    everyS: 3,
    needs: ['ops_memory'],
    sql: listOf(
      'select id, kind, agent, left(text, 1000) as text, tags, confidence, untrusted, created_at from ops_memory order by id desc limit 100',
    ),
  },
  columns: [
    { head: 'at', size: 12 },
    { head: 'kind', size: 11 },
    { head: 'of', size: 12 },
    { head: 'sure', size: 5, right: true },
    { head: 'text', grow: 1 },
  ],
  item: (row, { now }) => ({
    row: { id: `memory:${row.id}`, state: row.kind },
    cells: [
      clock(row.created_at, now),
      row.kind,
      row.agent ?? '',
      `${Math.round(Number(row.confidence) * 100)} %`,
      row.text,
    ],
  }),
  detail: (row) =>
    fields(['text', row.text], ['tags', row.tags.join(', ')], ['from', row.untrusted ? 'outside: not believed' : '']),
  empty: 'nothing is remembered yet',
});
