import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import { fields, listPage } from './listPage.ts';

interface PolicyRow {
  key: string;
  version: number;
  value: unknown;
  actor: string;
  reason: string | null;
  created_at: string;
}

export const policy = listPage<PolicyRow>({
  name: 'policy',
  title: 'policy',
  key: '8',
  about: 'what is allowed, within which limits, and who set it',
  section: {
    name: 'policy',
    everyS: 2,
    needs: ['ops_policy'],
    sql: listOf(
      'select distinct on (key) key, version, value, actor, reason, created_at from ops_policy order by key, version desc limit 200',
    ),
  },
  columns: [
    { head: 'key', size: 26 },
    { head: 'v', size: 3, right: true },
    { head: 'value', grow: 1 },
    { head: 'by', size: 14, from: 90 },
    { head: 'set', size: 12, from: 76 },
  ],
  item: (row, { now }) => ({
    row: { id: row.key, state: 'set' },
    cells: [row.key, String(row.version), JSON.stringify(row.value), row.actor, clock(row.created_at, now)],
  }),
  detail: (row, { now }) =>
    fields(
      ['key', row.key],
      ['version', `${row.version}, by ${row.actor}, ${clock(row.created_at, now)}`],
      ['why', row.reason],
      ['value', JSON.stringify(row.value, null, 2)],
    ),
  empty: 'no policy',
});
