import { EXIT } from '../errors/index.ts';
import { durationMs } from '../tasks/duration.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const NAME = { name: 'breaker', description: 'service:<name>, kind:<kind of mission> or task:<name>' } as const;

export const breakerActions: readonly Action[] = [
  {
    name: 'breakers list',
    title: 'The breakers: what is stopped, since when, until when, and why',
    who: 'viewer',
    danger: 'none',
    run: async ({ db }) => {
      const { rows } = await db.query<{
        name: string;
        state: string;
        failures: number;
        opens: number;
        opened_at: Date | null;
        open_until: Date | null;
        probe: string | null;
        reason: string | null;
        last_error: string | null;
        actor: string;
      }>('select * from ops_breakers order by (state = $1), name', ['closed']);
      const open = rows.filter((row) => row.state !== 'closed').length;
      return {
        json: rows,
        text: textTable(
          ['breaker', 'state', 'failures', 'opened', 'until', 'why'],
          rows.map((row) => [
            row.name,
            row.state === 'half_open' ? `half open (${row.probe} tries)` : row.state,
            row.failures,
            timeText(row.opened_at),
            timeText(row.open_until),
            [row.reason, row.last_error].filter(Boolean).join('; ') || null,
          ]),
          'no breaker has counted a failure',
        ),
        exitCode: open > 0 ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'breakers reset',
    title: 'Close a breaker: calls and starts go on at once',
    args: [NAME],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ was: string }>('select reset_breaker($1) as was', [args[0]]);
      return {
        json: { breaker: args[0], was: rows[0]!.was, state: 'closed' },
        text: `${args[0]} is closed (it was ${rows[0]!.was})`,
      };
    },
  },
  {
    name: 'breakers trip',
    title: 'Open a breaker: nothing of it starts until its time is over',
    args: [NAME],
    options: [
      { flags: '--for <time>', description: 'how long, for example "2 h"; by default as policy says' },
      { flags: '--reason <text>', description: 'why' },
    ],
    who: 'operator',
    danger: 'confirm',
    example: 'openclaw breakers trip service:brave --for "2 h" --reason "their outage"',
    run: async ({ db }, { args, options }) => {
      const lasts = options.for === undefined ? null : durationMs(String(options.for));
      const { rows } = await db.query<{ until: Date }>(
        `select trip_breaker($1, $2::float8 * interval '1 millisecond', $3) as until`,
        [args[0], lasts, options.reason ?? null],
      );
      return {
        json: { breaker: args[0], state: 'open', until: rows[0]!.until },
        text: `${args[0]} is open until ${timeText(rows[0]!.until)}`,
      };
    },
  },
];
