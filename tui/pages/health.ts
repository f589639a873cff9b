import { listOf } from '../feed/sections.ts';
import { clock, since } from '../view/format.ts';
import type { Span, Style } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';

export interface Check {
  check_id: string;
  state: string;
  verdict: string;
  summary: string;
  failures: number;
  failed_since: string | null;
  flapping: boolean;
  passed_at: string | null;
}

export const HEALTH = {
  name: 'health',
  everyS: 2,
  needs: ['ops_health'],
  sql: listOf(`select check_id, state, verdict, left(summary, 500) as summary, failures, failed_since, flapping, date_trunc('minute', passed_at) as passed_at from ops_health
    order by array_position(array['fail', 'unknown', 'warn', 'pass', 'skipped'], verdict), check_id limit 100`),
};

const STYLES: Record<string, Style> = { pass: 'good', warn: 'warn', fail: 'bad', unknown: 'bad', skipped: 'dim' };
const SIGNS: Record<string, string> = { pass: 'ok', warn: 'warn', fail: 'bad', unknown: 'ask', skipped: 'off' };

export const health = listPage<Check>({
  name: 'health',
  title: 'health',
  key: '0',
  about: 'each check: what it found, since when it fails, when it last passed',
  section: HEALTH,
  columns: [
    { head: 'check', size: 22 },
    { head: 'found', size: 10 },
    { head: 'alarm', size: 11, from: 70 },
    { head: 'fails for', size: 10, right: true },
    { head: 'passed', size: 12, from: 90 },
    { head: 'what', grow: 1 },
  ],
  item: (row, { now, glyphs }) => {
    const verdict: Span = [
      `${glyphs.states[SIGNS[row.verdict] ?? 'off']} ${row.verdict}`,
      STYLES[row.verdict] ?? 'plain',
    ];
    return {
      row: { id: row.check_id, state: row.verdict },
      cells: [
        row.check_id,
        verdict,
        [row.state === 'ok' ? '' : `${row.state}${row.flapping ? ' (flaps)' : ''}`, 'warn'],
        row.failed_since ? since(row.failed_since, now) : '',
        clock(row.passed_at, now),
        row.summary,
      ],
    };
  },
  filters: ['fail', 'warn', 'unknown', 'skipped', 'pass'],
  keep: (row, only) => row.verdict === only,
  detail: (row, { now }) =>
    fields(
      ['check', row.check_id],
      ['found', row.verdict],
      ['what', row.summary],
      ['in a row', row.failures > 0 ? `${row.failures} times` : ''],
      ['since', row.failed_since && clock(row.failed_since, now)],
    ),
  empty: 'no check has run yet: openclaw health',
  note: (rows) => `${rows.filter(({ verdict }) => verdict === 'pass').length} pass of ${rows.length}`,
});
