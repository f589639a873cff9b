import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import { fields, listPage } from './listPage.ts';

interface Device {
  id: number;
  kind: string;
  name: string;
  subject: string;
  role: string;
  created_by: string;
  created_at: string;
  last_seen_at: string | null;
  revoked_at: string | null;
}

export const devices = listPage<Device>({
  name: 'devices',
  title: 'devices',
  about: 'who may reach this system from elsewhere: SSH keys and Telegram users',
  section: {
    name: 'devices',
    everyS: 2,
    needs: ['ops_devices'],
    sql: listOf(
      'select id, kind, name, subject, role, created_by, created_at, last_seen_at, revoked_at from ops_devices order by revoked_at is not null, id desc limit 100',
    ),
  },
  columns: [
    { head: 'device', size: 7 },
    { head: 'kind', size: 9 },
    { head: 'name', size: 18 },
    { head: 'role', size: 9 },
    { head: 'last seen', size: 12 },
    { head: 'proof', grow: 1 },
  ],
  item: (row, { now }) => ({
    row: { id: `d${row.id}`, state: row.revoked_at ? 'revoked' : 'paired' },
    cells: [
      `d${row.id}`,
      row.kind,
      row.name,
      row.revoked_at ? ['revoked', 'dim'] : row.role,
      clock(row.last_seen_at, now),
      [row.subject, 'dim'],
    ],
  }),
  detail: (row, { now }) =>
    fields(
      ['device', `d${row.id}`],
      ['name', row.name],
      ['role', row.role],
      ['proof', row.subject],
      ['added', `${clock(row.created_at, now)} by ${row.created_by}`],
      ['last seen', row.last_seen_at && clock(row.last_seen_at, now)],
      ['revoked', row.revoked_at && clock(row.revoked_at, now)],
    ),
  acts: [
    {
      key: 'x',
      label: 'revoke',
      help: 'let the device in no more',
      action: 'devices revoke',
      on: (row) => (row.state === 'revoked' ? `${row.id} is revoked` : { args: [row.id], target: row.id }),
    },
  ],
  empty: 'none: openclaw devices add-key <file> --role viewer|operator --name <name>',
});
