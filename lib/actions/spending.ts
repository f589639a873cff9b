import { EXIT } from '../errors/index.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const BY = ['agent', 'mission', 'model', 'day'] as const;

export const spendingActions: readonly Action[] = [
  {
    name: 'quota',
    title: 'Starts of today against the quotas, and calls against the windows of providers',
    who: 'viewer',
    danger: 'none',
    run: async ({ db }) => {
      const { rows: tasks } = await db.query<{
        task: string;
        used: number;
        quota: number;
        held: number;
        turns_at: Date;
      }>(
        `select q.key as task, coalesce(u.used, 0) as used, (q.value #>> '{}')::integer as quota,
                (utc_day() + 1)::timestamp at time zone 'UTC' as turns_at
         from jsonb_each(sound_policy('quota.tasks')) q left join ops_quota_use u on u.task = q.key and u.day = utc_day() order by q.key`,
      );
      const { rows: windows } = await db.query<{ provider: string; calls: number; limit: number; window: string }>(
        `select w.value ->> 'provider' as provider, (w.value ->> 'calls')::integer as "limit", w.value ->> 'window' as "window",
                (select count(*)::integer from ops_spend s where s.provider = w.value ->> 'provider' and s.kind = 'call' and s.state <> 'released'
                   and s.created_at > clock_now() - (w.value ->> 'window')::interval) as calls
         from jsonb_array_elements(sound_policy('budget.calls')) w order by 1`,
      );
      const full = tasks.some((row) => row.used >= row.quota) || windows.some((row) => row.calls >= row.limit);
      const lines = [
        ...tasks.map((row) => [
          row.task,
          row.used,
          row.quota,
          'a day (UTC)',
          row.used >= row.quota ? `none left until ${timeText(row.turns_at)}` : '',
        ]),
        ...windows.map((row) => [
          row.provider,
          row.calls,
          row.limit,
          `calls in ${row.window}`,
          row.calls >= row.limit ? 'none left' : '',
        ]),
      ];
      return {
        json: { tasks, windows },
        text: textTable(['of', 'used', 'limit', 'counted', ''], lines, 'no quotas'),
        exitCode: full ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'cost',
    title: 'What models and searches cost this month, against the budgets, with a forecast for its end',
    options: [{ flags: '--by <what>', description: 'summed by', choices: BY, default: 'agent' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows: totals } = await db.query<{
        today: number;
        month: number;
        reserved: number;
        forecast: number;
        day_limit: number | null;
        month_limit: number | null;
      }>(TOTALS);
      const total = totals[0]!;
      const { rows } = await db.query<{ of: string; calls: number; usd: number; tokens: string; today: number }>(
        SUMS[options.by as (typeof BY)[number]],
      );
      const money = (usd: number | null) =>
        usd === null ? 'no limit' : `$${usd.toFixed(usd !== 0 && usd < 0.01 ? 4 : 2)}`;
      return {
        json: { ...total, by: options.by, rows },
        text: [
          `today ${money(total.today)} of ${money(total.day_limit)}, this month ${money(total.month)} of ${money(total.month_limit)} (UTC)${total.reserved > 0 ? `, ${money(total.reserved)} reserved` : ''}`,
          `forecast for the month: ${money(total.forecast)}${total.month_limit !== null && total.forecast > total.month_limit ? ', above its budget' : ''}`,
          textTable(
            [String(options.by), 'this month', 'today', 'calls', 'tokens'],
            rows.map((row) => [row.of, money(row.usd), money(row.today), row.calls, row.tokens]),
            'nothing was spent this month',
          ),
        ].join('\n'),
      };
    },
  },
];

/**
 * The forecast: what is spent, and for the days to come as much a day as in the last seven full days of this month; before there is a full
 * one, as today so far.
 */
const TOTALS = `
with d as (select utc_day() as today, date_trunc('month', utc_day()::timestamp)::date as first, (date_trunc('month', utc_day()::timestamp) + interval '1 month')::date as next),
s as (select d.*, coalesce(sum(cost_usd) filter (where day = d.today), 0)::float8 as today_usd, coalesce(sum(cost_usd), 0)::float8 as month_usd,
             coalesce(sum(cost_usd) filter (where day < d.today and day >= greatest(d.first, d.today - 7)), 0)::float8 as recent
      from d left join ops_spend on state = 'settled' and day >= d.first and day < d.next group by d.today, d.first, d.next)
select today_usd as today, month_usd as month,
       coalesce((select sum(reserved_usd) from ops_spend where state = 'reserved'), 0)::float8 as reserved,
       month_usd + (next - today - 1) * case when today > first then recent / (today - greatest(first, today - 7)) else today_usd end as forecast,
       budget_limit('all', to_char(today, 'YYYY-MM-DD'))::float8 as day_limit, budget_limit('all', to_char(today, 'YYYY-MM'))::float8 as month_limit
from s`;

const sumBy = (of: string, order = 'usd desc, 1') => `
select ${of} as of, count(*)::integer as calls, coalesce(sum(cost_usd), 0)::float8 as usd, coalesce(sum(cost_usd) filter (where day = utc_day()), 0)::float8 as today,
       (coalesce(sum(prompt_tokens), 0) + coalesce(sum(completion_tokens), 0))::text as tokens
from ops_spend where state = 'settled' and day >= date_trunc('month', utc_day()::timestamp)::date group by 1 order by ${order} limit 100`;

const SUMS: Record<(typeof BY)[number], string> = {
  agent: sumBy("coalesce(agent, 'no agent')"),
  mission: sumBy("coalesce('m' || mission_id, 'no mission')"),
  model: sumBy("provider || coalesce('/' || model, '')"),
  day: sumBy("to_char(day, 'YYYY-MM-DD')", '1 desc'),
};
