import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import { fields, listPage } from './listPage.ts';

interface ActRow {
  id: number;
  actor: string;
  surface: string;
  verb: string | null;
  target: string | null;
  before: string | null;
  after: string | null;
  created_at: string;
}

export const acts = listPage<ActRow>({
  name: 'acts',
  title: 'acts',
  about: 'who changed what, from which surface, from what to what',
  section: {
    name: 'acts',
    sql: listOf(
      "select id, actor, surface, verb, target, left(before::text, 1000) as before, left(after::text, 1000) as after, created_at from agent_events where kind = 'act' order by id desc limit 200",
    ),
  },
  columns: [
    { head: 'at', size: 12 },
    { head: 'who', size: 18 },
    { head: 'from', size: 10, from: 76 },
    { head: 'did', size: 18 },
    { head: 'to', size: 12 },
    { head: 'then', grow: 1 },
  ],
  item: (row, { now }) => ({
    row: {
      id: `act:${row.id}`,
      state: 'done',
      copy: row.target ?? row.actor,
      ...(/^m\d+$/.test(row.target ?? '')
        ? { open: { page: 'mission', id: row.target!.slice(1) } }
        : /^j\d+$/.test(row.target ?? '')
          ? { open: { page: 'job', id: row.target!.slice(1) } }
          : {}),
    },
    cells: [
      clock(row.created_at, now),
      row.actor,
      row.surface,
      row.verb ?? '',
      row.target ?? '',
      [row.after ?? '', 'dim'],
    ],
  }),
  detail: (row, { now }) =>
    fields(
      ['at', clock(row.created_at, now)],
      ['who', `${row.actor} (${row.surface})`],
      ['did', `${row.verb} ${row.target ?? ''}`],
      ['before', row.before],
      ['after', row.after],
    ),
  empty: 'nobody has changed anything yet',
  note: () => 'the newest 200',
});
