import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import type { Style } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';

interface Alert {
  id: number;
  severity: string;
  kind: string;
  fingerprint: string;
  title: string;
  body: string;
  runbook: string | null;
  state: string;
  reason: string | null;
  created_at: string;
}

const STYLES: Record<string, Style> = { critical: 'alarm', error: 'bad', warning: 'warn', info: 'plain' };

export const alerts = listPage<Alert>({
  name: 'alerts',
  title: 'alerts',
  about: 'what a person was told, what was held back, and why',
  section: {
    name: 'alerts',
    everyS: 2,
    needs: ['ops_alerts'],
    sql: listOf(
      'select id, severity, kind, fingerprint, title, left(body, 2000) as body, runbook, state, reason, created_at from ops_alerts order by id desc limit 100',
    ),
  },
  columns: [
    { head: 'at', size: 12 },
    { head: 'severity', size: 10 },
    { head: 'kind', size: 9 },
    { head: 'told', size: 8 },
    { head: 'what', grow: 1 },
  ],
  item: (row, { now }) => ({
    row: { id: row.fingerprint, state: row.state },
    cells: [
      clock(row.created_at, now),
      [row.severity, STYLES[row.severity] ?? 'plain'],
      row.kind,
      row.state,
      row.title,
    ],
  }),
  detail: (row) =>
    fields(
      ['what', row.title],
      ['text', row.body],
      ['told', `${row.state}${row.reason ? `: ${row.reason}` : ''}`],
      ['runbook', row.runbook && `docs/runbooks/${row.runbook}.md`],
    ),
  empty: 'no alert was raised',
});
