import { listOf } from '../feed/sections.ts';
import { bar } from '../view/chart.ts';
import { dollars } from '../view/format.ts';
import { fields, listPage } from './listPage.ts';

interface Spend {
  key: string;
  period: string;
  spent_usd: number;
  reserved_usd: number;
  cap_usd: number | null;
}

export const spend = listPage<Spend>({
  name: 'spend',
  title: 'spend',
  about: 'what model and search calls have cost today and this month, against what is allowed',
  section: {
    name: 'spend',
    everyS: 2,
    needs: ['ops_budget_use', 'budget_limit()'],
    sql: listOf(`select u.key, u.period, u.spent_usd, u.reserved_usd, budget_limit(u.key, u.period) as cap_usd from ops_budget_use u
      where u.period in (to_char(now() at time zone 'utc', 'YYYY-MM-DD'), to_char(now() at time zone 'utc', 'YYYY-MM')) order by u.key <> 'all', length(u.period) desc, u.spent_usd desc limit 100`),
  },
  columns: [
    { head: 'of', size: 28 },
    { head: 'in', size: 10 },
    { head: 'spent', size: 10, right: true },
    { head: 'held', size: 10, right: true },
    { head: 'cap', size: 10, right: true },
    { head: 'share', grow: 1 },
  ],
  item: (row, { glyphs, area }) => {
    const used = Number(row.spent_usd) + Number(row.reserved_usd);
    const share = row.cap_usd ? used / Number(row.cap_usd) : null;
    return {
      row: { id: `${row.key} ${row.period}`, state: 'counted' },
      cells: [
        row.key,
        row.period,
        dollars(row.spent_usd),
        dollars(row.reserved_usd),
        row.cap_usd === null ? '-' : dollars(row.cap_usd),
        share === null
          ? ''
          : [
              `${bar(share, Math.max(5, Math.min(30, area.width - 86)), glyphs)} ${Math.round(share * 100)} %`,
              share >= 0.9 ? 'bad' : share >= 0.75 ? 'warn' : 'good',
            ],
      ],
    };
  },
  detail: (row) =>
    fields(
      ['of', row.key],
      ['in', row.period],
      ['spent', dollars(row.spent_usd)],
      ['reserved', dollars(row.reserved_usd)],
      ['cap', row.cap_usd && dollars(row.cap_usd)],
    ),
  empty: 'nothing was spent this month',
});
