import { EXIT, OpenClawError } from '../errors/index.ts';
import { namedPlans } from '../missions/planFiles.ts';
import { loadTasks, taskFolders } from '../tasks/index.ts';
import { parseId, parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

/** What there is to run, and what happened. */
export const catalogueActions: readonly Action[] = [
  {
    name: 'tasks list',
    title: 'The tasks that can be run, and files that are no tasks',
    who: 'viewer',
    danger: 'none',
    run: async ({ db, config }) => {
      const { rows } = await db.query<{
        identifier: string;
        title: string;
        pool: string;
        effect: string;
        max_attempts: number;
        file: string;
      }>(
        'select identifier, title, pool, effect, max_attempts, timeout_ms, file, payload_schema from ops_tasks where retired_at is null order by identifier',
      );
      const { faults } = await loadTasks(taskFolders(config));
      const table = textTable(
        ['task', 'pool', 'effect', 'tries', 'title'],
        rows.map((task) => [task.identifier, task.pool, task.effect, task.max_attempts, task.title]),
        'no tasks: no worker has started yet',
      );
      return {
        json: { tasks: rows, faults },
        text: [table, ...faults.map((fault) => `faulty: ${fault.file}: ${fault.message}`)].join('\n'),
        exitCode: faults.length > 0 ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'tasks show',
    title: 'One task with the schema of its payload',
    args: [{ name: 'task', description: 'its name' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<Record<string, unknown>>('select * from ops_tasks where identifier = $1', [
        args[0],
      ]);
      if (!rows[0])
        throw new OpenClawError('E_UNKNOWN_TASK', `there is no task "${args[0]}"`, {
          remedy: 'openclaw tasks list',
          exitCode: EXIT.usage,
        });
      return {
        json: rows[0],
        text: Object.entries(rows[0])
          .map(
            ([key, value]) =>
              `${key.padEnd(18)} ${typeof value === 'object' && value !== null && !(value instanceof Date) ? JSON.stringify(value, null, 2) : value instanceof Date ? timeText(value) : value}`,
          )
          .join('\n'),
      };
    },
  },
  {
    name: 'plans list',
    title: 'The plans that missions can be made of',
    who: 'viewer',
    danger: 'none',
    run: async ({ config }) => {
      const plans = [...(await namedPlans(config))].map(([name, file]) => ({ name, file }));
      return {
        json: plans,
        text: textTable(
          ['plan', 'file'],
          plans.map((plan) => [plan.name, plan.file]),
          'no plans',
        ),
      };
    },
  },
  {
    name: 'events list',
    title: 'The newest events',
    options: [
      { flags: '--mission <id>', description: 'only of this mission' },
      { flags: '--kind <kind>', description: 'only of this kind: worker.blocked, or worker for all that begin so' },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const mission = options.mission === undefined ? null : parseId(String(options.mission), 'm', 'mission');
      const { rows } = await db.query<{
        id: string;
        kind: string;
        severity: string;
        mission_id: string | null;
        job: string | null;
        payload: unknown;
        created_at: Date;
      }>(
        "select id, kind, severity, mission_id, job, payload, created_at from ops_agent_events where ($1::bigint is null or mission_id = $1) and ($3::text is null or kind = $3 or starts_with(kind, $3 || '.')) order by id desc limit $2",
        [mission, parseNumber(options.limit, '--limit', 1, 1000), options.kind ?? null],
      );
      const lines = rows.map((event) => [
        `e${event.id}`,
        timeText(event.created_at),
        event.severity,
        event.kind,
        event.mission_id ? `m${event.mission_id}` : event.job ? `j${event.job}` : '',
        event.payload,
      ]);
      return { json: rows, text: textTable(['event', 'at', 'severity', 'kind', 'of', 'what'], lines, 'no events') };
    },
  },
  {
    name: 'audit list',
    title: 'Who changed what, newest first',
    options: [{ flags: '--limit <n>', description: 'how many', default: '20' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<{
        id: string;
        actor: string;
        surface: string;
        verb: string;
        target: string;
        before: unknown;
        after: unknown;
        created_at: Date;
      }>(
        "select id, actor, surface, verb, target, before, after, created_at from agent_events where kind = 'act' order by id desc limit $1",
        [parseNumber(options.limit, '--limit', 1, 1000)],
      );
      return {
        json: rows,
        text: textTable(
          ['at', 'actor', 'surface', 'verb', 'target', 'before', 'after'],
          rows.map((act) => [
            timeText(act.created_at),
            act.actor,
            act.surface,
            act.verb,
            act.target,
            act.before,
            act.after,
          ]),
          'no acts',
        ),
      };
    },
  },
];
