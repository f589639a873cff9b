import { EXIT, OpenClawError } from '../errors/index.ts';
import { SIGNAL_TYPES } from '../research/index.ts';
import { VENUES } from '../search/index.ts';
import { durationMs } from '../tasks/index.ts';
import { parseId, parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

/** What Scout looks for again and again, and what it found. */
export const researchActions: readonly Action[] = [
  {
    name: 'interests list',
    title: 'What Scout looks for by itself: how often, where, and the most that one run may cost',
    who: 'viewer',
    danger: 'none',
    run: async ({ db }) => {
      const { rows } = await db.query<{
        id: string;
        query: string;
        every: string;
        venue: string | null;
        depth: string;
        budget_usd: string;
        runs: number;
        next_run_at: Date;
        last_error: string | null;
      }>(
        'select id, query, asset, cadence::text as every, venue, depth, budget_usd, enabled, runs, last_run_at, next_run_at, last_error from ops_interests order by id',
      );
      return {
        json: rows,
        text: textTable(
          ['interest', 'looks for', 'every', 'venue', 'depth', 'at most $', 'runs', 'next', 'last fault'],
          rows.map((row) => [
            `i${row.id}`,
            row.query,
            row.every,
            row.venue ?? 'any',
            row.depth,
            Number(row.budget_usd),
            row.runs,
            timeText(row.next_run_at),
            row.last_error ?? '',
          ]),
          'no interests; for example: openclaw interests add "releases of PostgreSQL" --every 1d',
        ),
      };
    },
  },
  {
    name: 'interests add',
    title: 'Scout looks for it from now on, again and again',
    args: [{ name: 'query', description: 'what to look for, in a few words' }],
    options: [
      { flags: '--every <time>', description: '15 minutes to 90 days', default: '1 day' },
      { flags: '--venue <venue>', description: 'only there', choices: VENUES },
      {
        flags: '--depth <depth>',
        description: 'deep reads more, and asks Perplexity',
        choices: ['quick', 'deep'],
        default: 'quick',
      },
      { flags: '--budget <usd>', description: 'the most that one run may cost', default: '0.05' },
      { flags: '--asset <name>', description: 'what it is about, for the signals' },
    ],
    who: 'operator',
    danger: 'none',
    example: 'openclaw interests add "security advisories for Node.js" --every 6h --asset nodejs',
    run: async ({ db }, { args, options }) => {
      const { rows } = await db.query<{ id: string }>(
        'select add_interest($1, make_interval(secs => $2::double precision / 1000), $3, $4, $5, $6) as id',
        [
          args[0],
          durationMs(String(options.every)),
          options.venue ?? null,
          options.depth,
          parseUsd(options.budget),
          options.asset ?? null,
        ],
      );
      return {
        json: { interest: `i${rows[0]!.id}` },
        text: `i${rows[0]!.id}: Scout looks for it now, and then every ${options.every}`,
      };
    },
  },
  {
    name: 'interests remove',
    title: 'Scout no longer looks for it; what it found stays until it expires',
    args: [{ name: 'interest', description: 'its id, for example i2' }],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const id = parseId(args[0], 'i', 'interest');
      const { rows } = await db.query<{ query: string }>('select remove_interest($1) as query', [id]);
      return { json: { interest: `i${id}`, removed: true }, text: `i${id} is removed: ${rows[0]!.query}` };
    },
  },
  {
    name: 'signals list',
    title: 'What research found and has not expired, the best first; all of it comes from outside',
    options: [
      { flags: '--type <type>', description: 'only these', choices: [...SIGNAL_TYPES, 'link'] },
      { flags: '--asset <name>', description: 'only about this' },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<
        Record<string, unknown> & { id: string; expires_at: Date; confidence: number; score: number }
      >(
        `select * from research_signals_now where ($1::text is null or type = $1) and ($2::text is null or lower(asset) = lower($2)) order by score desc, id desc limit $3`,
        [options.type ?? null, options.asset ?? null, parseNumber(options.limit, '--limit', 1, 1000)],
      );
      return {
        json: rows,
        text: textTable(
          ['signal', 'type', 'asset', 'score', 'sure', 'risk', 'until', 'what', 'suggested', 'where'],
          rows.map((row) => [
            row.id,
            row.type,
            row.asset,
            row.score.toFixed(2),
            row.confidence.toFixed(2),
            row.risk_level,
            timeText(row.expires_at),
            row.title,
            row.suggested_action,
            row.venue,
          ]),
          'no signals',
        ),
      };
    },
  },
  {
    name: 'incidents list',
    title: 'What went wrong: what, why, what was tried, and what is needed of a person',
    options: [
      { flags: '--open', description: 'only those that are not over' },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<{
        id: string;
        state: string;
        severity: string;
        what: string;
        why: string;
        tried: { act: string; result: string }[];
        needed: string;
        opened_at: Date;
        resolved_at: Date | null;
      }>(`select * from ops_incidents where ($1::boolean is null or (state = 'open') = $1) order by id desc limit $2`, [
        options.open ? true : null,
        parseNumber(options.limit, '--limit', 1, 1000),
      ]);
      return {
        json: rows,
        text: textTable(
          ['incident', 'state', 'severity', 'since', 'what', 'why', 'tried', 'needed'],
          rows.map((row) => [
            `n${row.id}`,
            row.state,
            row.severity,
            timeText(row.opened_at),
            row.what,
            row.why,
            row.tried.map(({ act, result }) => `${act}: ${result}`).join('; '),
            row.needed,
          ]),
          'no incidents',
        ),
      };
    },
  },
];

function parseUsd(text: string | boolean | undefined): number {
  const value = typeof text === 'string' && /^\d{1,3}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= 100) return value;
  throw new OpenClawError('E_ARGUMENT', `--budget is "${text}"`, {
    expected: 'USD, more than 0 and at most 100',
    exitCode: EXIT.usage,
  });
}
