import { EXIT, OpenClawError } from '../errors/index.ts';
import { parseId, parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const percent = (value: unknown) => (value === null ? '' : `${Math.round(Number(value) * 1000) / 10} %`);
const ms = (value: unknown) => (value === null ? '' : `${Math.round(Number(value))} ms`);

export const learningActions: readonly Action[] = [
  {
    name: 'learn stats',
    title: 'Seven days of outcomes by task, provider and model',
    args: [{ name: 'task', description: 'only this task', optional: true }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<Record<string, unknown>>(
        'select * from ops_task_stats where $1::text is null or task = $1 order by outcomes desc, task limit 200',
        [args[0] ?? null],
      );
      const text = textTable(
        ['task', 'with', 'outcomes', 'success', 'surely', 'p50', 'p95', 'USD', 'top error'],
        rows.map((row) => [
          row.task,
          [row.provider, row.model].filter(Boolean).join(' '),
          row.outcomes,
          percent(row.success_rate),
          `${percent(row.rate_low)} to ${percent(row.rate_high)}`,
          ms(row.p50_ms),
          ms(row.p95_ms),
          Number(row.cost_usd) > 0 ? Number(row.cost_usd).toFixed(4) : '',
          row.top_error === null ? '' : `${row.top_error} (${row.top_error_outcomes})`,
        ]),
        'no outcomes in seven days',
      );
      return { json: rows, text };
    },
  },
  {
    name: 'learn changes',
    title: 'What the learner proposed, and what became of it',
    options: [{ flags: '--limit <n>', description: 'how many', default: '20' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<Record<string, unknown> & { created_at: Date; evidence: { why?: string } }>(
        'select * from ops_learned_changes order by id desc limit $1',
        [parseNumber(options.limit, '--limit', 1, 1000)],
      );
      const text = textTable(
        ['at', 'change', 'of', 'state', 'asked', 'why'],
        rows.map((row) => [
          timeText(row.created_at),
          row.kind,
          row.task,
          row.state,
          row.approval_id ? `a${row.approval_id}` : '',
          row.verdict ?? row.evidence.why,
        ]),
        'nothing proposed yet',
      );
      return { json: rows, text };
    },
  },
  {
    name: 'learn status',
    title: 'How far the learner has followed the outcomes',
    who: 'viewer',
    danger: 'none',
    run: async ({ db }) => {
      const { rows } = await db.query<{ behind: number; at: Date | null; drifts: number; open: number }>(
        `with c as (select w.name, coalesce(k.tx, '0') as tx, coalesce(k.id, 0) as id, k.updated_at from (values ('learn'), ('learn_jobs')) w(name) left join ops_cursors k using (name))
         select (select count(*)::integer from (select from ops_outcome_rows o, c where c.name = 'learn' and (o.tx, o.id) > (c.tx, c.id) limit 100000) b)
                + (select count(*)::integer from (select from job_history h, c where c.name = 'learn_jobs' and (h.tx, h.job_id) > (c.tx, c.id) limit 100000) b) as behind,
                (select max(updated_at) from c) as at,
                (select count(*)::integer from ops_drifts where drifted_at > clock_now() - interval '1 day') as drifts,
                (select count(*)::integer from ops_learned_changes where state = 'proposed') as open`,
      );
      const row = rows[0]!;
      return {
        json: row,
        text: [
          `outcomes waiting   ${row.behind}${row.behind >= 100_000 ? ' or more' : ''}`,
          `last batch         ${row.at ? timeText(row.at) : 'never: openclaw run learn {} --wait'}`,
          `fallen in 24 h     ${row.drifts}`,
          `proposals open     ${row.open}`,
        ].join('\n'),
      };
    },
  },
  {
    name: 'missions rate',
    title: 'Say whether a mission was any good: an outcome like any other',
    args: [
      { name: 'mission', description: 'its id' },
      { name: 'rating', description: 'up or down' },
    ],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const id = parseId(args[0], 'm', 'mission');
      if (args[1] !== 'up' && args[1] !== 'down')
        throw new OpenClawError('E_ARGUMENT', `"${args[1] ?? ''}" is no rating`, {
          expected: 'up or down',
          exitCode: EXIT.usage,
        });
      const { rows } = await db.query<{ outcome: string | null }>('select rate_mission($1, $2) as outcome', [
        id,
        args[1] === 'up' ? 1 : -1,
      ]);
      const repeated = rows[0]!.outcome === null;
      return {
        json: { mission: `m${id}`, rating: args[1], repeated },
        text: `m${id} is rated ${args[1]}${repeated ? ', as you said before' : ''}`,
      };
    },
  },
];
