import { EXIT, OpenClawError } from '../errors/index.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const SCOPES = ['all', 'agent', 'task', 'mission', 'schedule'];
const ARGS = [
  { name: 'scope', description: 'all, agent, task, mission or schedule' },
  {
    name: 'target',
    description: "the agent's, the task's or the schedule's name, or the mission (m12)",
    optional: true,
  },
];

function scopeOf(scope: string | undefined): string {
  if (scope !== undefined && SCOPES.includes(scope)) return scope;
  throw new OpenClawError('E_ARGUMENT', `"${scope ?? ''}" is no scope`, {
    expected: SCOPES.join(', '),
    exitCode: EXIT.usage,
  });
}

/** Pause and the kill switch. */
export const controlActions: readonly Action[] = [
  {
    name: 'pause',
    title: 'Nothing of it starts any more, until it is resumed; without a scope: what is paused',
    args: [{ ...ARGS[0]!, optional: true }, ARGS[1]!],
    options: [
      { flags: '--hard', description: 'abort what runs as well; it is given back and runs again after the resume' },
      { flags: '--reason <text>', description: 'why, for whoever asks' },
    ],
    who: 'operator',
    danger: 'none',
    example: 'openclaw pause all --hard --reason "the disk is being changed"',
    run: async ({ db }, { args, options }) => {
      if (args[0] === undefined) return listControls(db);
      const scope = scopeOf(args[0]);
      const { rows } = await db.query<{ fresh: boolean }>('select pause($1, $2, $3, $4) as fresh', [
        scope,
        args[1] ?? null,
        options.hard === true,
        options.reason ?? null,
      ]);
      const what = [scope, args[1]].filter(Boolean).join(' ');
      return {
        json: {
          scope,
          target: args[1] ?? null,
          hard: options.hard === true,
          paused: true,
          was_paused: !rows[0]!.fresh,
        },
        text: `${what} is paused${options.hard ? ', and what runs is aborted' : ''}; openclaw resume ${what} ends it`,
      };
    },
  },
  {
    name: 'resume',
    title: 'Ends a pause of the same scope and target; what waited for it goes on',
    args: ARGS,
    who: 'operator',
    danger: 'none',
    example: 'openclaw resume all',
    run: async ({ db }, { args }) => {
      const scope = scopeOf(args[0]);
      const { rows } = await db.query<{ was: boolean }>('select resume($1, $2) as was', [scope, args[1] ?? null]);
      const what = [scope, args[1]].filter(Boolean).join(' ');
      return {
        json: { scope, target: args[1] ?? null, was_paused: rows[0]!.was },
        text: rows[0]!.was ? `${what} goes on` : `${what} was not paused`,
      };
    },
  },
];

async function listControls(db: Parameters<Action['run']>[0]['db']) {
  const { rows } = await db.query<{
    scope: string;
    target: string;
    hard: boolean;
    actor: string;
    reason: string | null;
    since: Date;
  }>('select scope, target, hard, actor, reason, since from ops_controls order by since');
  return {
    json: rows,
    text: textTable(
      ['scope', 'target', 'how', 'since', 'by', 'reason'],
      rows.map((row) => [
        row.scope,
        row.target || '-',
        row.hard ? 'hard' : 'soft',
        timeText(row.since),
        row.actor,
        row.reason,
      ]),
      'nothing is paused',
    ),
  };
}
