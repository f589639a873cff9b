import { listOf } from '../feed/sections.ts';
import { clock, since } from '../view/format.ts';
import type { Span } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';

export interface Breaker {
  name: string;
  state: string;
  failures: number;
  opens: number;
  opened_at: string | null;
  open_until: string | null;
  last_error: string | null;
  reason: string | null;
}

export const BREAKERS = {
  name: 'breakers',
  needs: ['ops_breakers'],
  sql: listOf(
    `select name, state, failures, opens, opened_at, open_until, left(last_error, 300) as last_error, reason from ops_breakers order by state <> 'closed' desc, failures desc, name limit 100`,
  ),
};

export const breakers = listPage<Breaker>({
  name: 'breakers',
  title: 'breakers',
  about: 'which services and kinds of missions are stopped because they fail',
  section: BREAKERS,
  columns: [
    { head: 'breaker', size: 26 },
    { head: 'state', size: 12 },
    { head: 'failures', size: 8, right: true },
    { head: 'until', size: 12 },
    { head: 'last error', grow: 1 },
  ],
  item: (row, { now, glyphs }) => {
    const state: Span =
      row.state === 'open'
        ? [`${glyphs.states.bad} open`, 'bad']
        : row.state === 'half_open'
          ? [`${glyphs.states.waiting} one tries`, 'warn']
          : [`${glyphs.states.ok} closed`, 'good'];
    return {
      row: { id: row.name, state: row.state },
      cells: [row.name, state, String(row.failures), clock(row.open_until, now), [row.last_error ?? '', 'dim']],
    };
  },
  detail: (row, { now }) =>
    fields(
      ['breaker', row.name],
      [
        'opened',
        row.opened_at && `${clock(row.opened_at, now)}, ${since(row.opened_at, now)} ago, ${row.opens} times in a row`,
      ],
      ['until', row.open_until && clock(row.open_until, now)],
      ['why', row.reason],
      ['error', row.last_error],
    ),
  acts: [
    {
      key: 'b',
      label: 'reset',
      help: 'close the breaker: calls go through again',
      action: 'breakers reset',
      on: (row) => (row.state === 'closed' ? `${row.id} is closed` : { args: [row.id], target: row.id }),
    },
  ],
  empty: 'no breaker has counted a failure',
  note: (rows) => `${rows.filter(({ state }) => state !== 'closed').length} open`,
});
