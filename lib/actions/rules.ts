import { readFile } from 'node:fs/promises';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { RULE } from '../reactions/builtin.ts';
import { parseId, parseJson, parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

interface Explained {
  rule: string;
  enabled: boolean;
  matches: boolean;
  why: string | null;
  state: string | null;
  reason: string | null;
  mission_id: string | null;
}

const explainedTable = (rows: readonly Explained[]) =>
  textTable(
    ['rule', 'matches', 'decided', 'why'],
    rows.map((row) => [
      row.rule,
      row.matches ? 'yes' : 'no',
      row.state === null ? '' : `${row.state}${row.mission_id ? ` m${row.mission_id}` : ''}`,
      row.reason ?? (row.enabled ? row.why : 'disabled') ?? '',
    ]),
    'no rules',
  );

export const ruleActions: readonly Action[] = [
  {
    name: 'rules list',
    title: 'The reaction rules: what starts by itself, and how often it did',
    who: 'viewer',
    danger: 'none',
    run: async ({ db }) => {
      const { rows } = await db.query<Record<string, unknown> & { name: string; enabled: boolean; kind_glob: string }>(
        `select r.name, r.enabled, r.version, r.kind_glob, r.description, r.actor, r.over::text, d.fired, d.held, d.last
         from ops_reaction_rules r
         cross join lateral (select count(*) filter (where state = 'fired')::integer as fired, count(*) filter (where state <> 'fired')::integer as held,
                                    max(created_at) filter (where state = 'fired') as last
                             from ops_reactions where rule_id = r.id and created_at > clock_now() - interval '1 day') d
         order by r.name`,
      );
      const table = textTable(
        ['rule', 'on', 'kind', 'fired', 'held back', 'last', 'what'],
        rows.map((row) => [
          row.name,
          row.enabled ? 'yes' : 'no',
          row.over ? `${row.kind_glob} over ${row.over}` : row.kind_glob,
          row.fired,
          row.held,
          timeText(row.last as Date | null),
          row.description,
        ]),
        'no rules; openclaw rules add <file>',
      );
      return { json: rows, text: `${table}\nfired and held back: in the last 24 hours` };
    },
  },
  {
    name: 'rules show',
    title: 'One rule whole, with its newest decisions',
    args: [{ name: 'rule', description: 'its name' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ rule: Record<string, unknown>; decisions: Record<string, unknown>[] }>(
        `select to_jsonb(r) - 'kind_like' - 'kind_start' as rule,
                coalesce((select jsonb_agg(to_jsonb(d) order by d.id desc) from (select * from ops_reactions where rule_id = r.id order by id desc limit 10) d), '[]') as decisions
         from ops_reaction_rules r where r.name = $1`,
        [args[0]],
      );
      const found = rows[0];
      if (!found)
        throw new OpenClawError('E_NOT_FOUND', `there is no rule "${args[0]}"`, {
          remedy: 'openclaw rules list',
          exitCode: EXIT.usage,
        });
      const lines = Object.entries(found.rule)
        .filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0))
        .map(([key, value]) => `${key.padEnd(16)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
      const decided = textTable(
        ['event', 'decided', 'mission', 'why'],
        found.decisions.map((row) => [
          `e${row.event_id}`,
          row.state,
          row.mission_id ? `m${row.mission_id}` : '',
          row.reason,
        ]),
        'no decisions yet',
      );
      return { json: found, text: [...lines, '', decided].join('\n') };
    },
  },
  {
    name: 'rules add',
    title: 'Write a rule from a YAML or JSON file: new, or the next version of its name',
    args: [{ name: 'file', description: 'the rule' }],
    who: 'operator',
    danger: 'none',
    example: 'openclaw rules add disk-alarm.yaml',
    run: async ({ db }, { args }) => {
      const rule = await readRule(args[0] ?? '');
      const { rows } = await db.query<{ version: number }>(
        'with put as materialized (select put_rule($1) as id) select r.version from put join lateral (select version from ops_reaction_rules where id = put.id) r on true',
        [JSON.stringify(rule)],
      );
      const version = rows[0]?.version ?? 1;
      return { json: { rule: rule.name, version }, text: `rule ${rule.name}, version ${version}` };
    },
  },
  {
    name: 'rules lint',
    title: 'Check a rule from a file; nothing is stored',
    args: [{ name: 'file', description: 'the rule' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const rule = await readRule(args[0] ?? '');
      const client = await db.connect();
      try {
        await client.query('begin');
        await client.query('select put_rule($1)', [JSON.stringify(rule)]);
      } finally {
        await client.query('rollback');
        client.release();
      }
      return { json: { rule: rule.name, sound: true }, text: `rule ${rule.name} is sound` };
    },
  },
  {
    name: 'rules test',
    title: 'What each rule would say of an event that did not happen; nothing is stored',
    args: [{ name: 'event', description: 'a file with an event, or its JSON: {"kind": "...", "payload": {...}}' }],
    who: 'viewer',
    danger: 'none',
    example: `openclaw rules test '{"kind": "mission.failed", "payload": {"kind": "deploy"}}'`,
    run: async ({ db }, { args }) => {
      const text = (args[0] ?? '').trim();
      const event = text.startsWith('{') ? parseJson(text, 'the event') : await readYaml(text);
      const kind = (event as { kind?: unknown } | null)?.kind;
      if (typeof kind !== 'string')
        throw new OpenClawError('E_ARGUMENT', 'the event has no kind', {
          expected: '{"kind": "mission.failed", "payload": {}}',
          exitCode: EXIT.usage,
        });
      const { rows } = await db.query<Explained>('select * from explain_event($1)', [
        JSON.stringify({ payload: {}, ...(event as object) }),
      ]);
      return { json: rows, text: explainedTable(rows) };
    },
  },
  {
    name: 'rules explain',
    title: 'What each rule said of an event, and why',
    args: [{ name: 'event', description: 'its id, like e104' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const id = parseId(args[0], 'e', 'event');
      const { rows } = await db.query<Explained & { kind: string }>(
        'select e.kind, x.* from ops_agent_events e cross join lateral explain_event(event_document(e), e.id) x where e.id = $1',
        [id],
      );
      if (rows.length === 0) {
        const { rowCount } = await db.query('select from ops_agent_events where id = $1', [id]);
        if (!rowCount)
          throw new OpenClawError('E_NOT_FOUND', `there is no event e${id}`, {
            remedy: 'openclaw events list',
            exitCode: EXIT.usage,
          });
      }
      return { json: rows, text: explainedTable(rows) };
    },
  },
  ...(['enable', 'disable'] as const).map(
    (verb): Action => ({
      name: `rules ${verb}`,
      title: verb === 'enable' ? 'Let a rule fire' : 'Keep a rule from firing',
      args: [{ name: 'rule', description: 'its name' }],
      who: 'operator',
      danger: 'none',
      run: async ({ db }, { args }) => {
        const { rows } = await db.query<{ changed: boolean }>('select set_rule_enabled($1, $2) as changed', [
          args[0],
          verb === 'enable',
        ]);
        const changed = rows[0]?.changed ?? false;
        return {
          json: { rule: args[0], enabled: verb === 'enable', changed },
          text: `rule ${args[0]} ${changed ? 'is' : 'was already'} ${verb}d`,
        };
      },
    }),
  ),
  {
    name: 'reactions list',
    title: 'What the rules decided, newest first',
    options: [
      { flags: '--rule <name>', description: 'only of this rule' },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<Record<string, unknown> & { created_at: Date }>(
        `select d.id, d.event_id, e.kind, r.name as rule, d.state, d.reason, d.mission_id, d.created_at
         from ops_reactions d join ops_reaction_rules r on r.id = d.rule_id left join ops_agent_events e on e.id = d.event_id
         where $1::text is null or r.name = $1 order by d.id desc limit $2`,
        [options.rule ?? null, parseNumber(options.limit, '--limit', 1, 1000)],
      );
      return {
        json: rows,
        text: textTable(
          ['at', 'event', 'kind', 'rule', 'decided', 'mission', 'why'],
          rows.map((row) => [
            timeText(row.created_at),
            `e${row.event_id}`,
            row.kind,
            row.rule,
            row.state,
            row.mission_id ? `m${row.mission_id}` : '',
            row.reason,
          ]),
          'no decisions yet',
        ),
      };
    },
  },
];

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new OpenClawError('E_FILE', `${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
      exitCode: EXIT.usage,
    });
  }
}

const readYaml = async (file: string): Promise<unknown> => (await import('yaml')).parse(await readText(file));

/** @throws E_RULE naming every fault; what only the database knows (kinds, plans) it refuses itself. */
async function readRule(file: string) {
  let value: unknown;
  try {
    value = await readYaml(file);
  } catch (error) {
    if (error instanceof OpenClawError) throw error;
    throw new OpenClawError('E_RULE', `${file} is neither YAML nor JSON: ${messageOf(error)}`, {
      exitCode: EXIT.usage,
    });
  }
  const parsed = RULE.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new OpenClawError('E_RULE', `${file} is no rule`, {
    faults: parsed.error.issues.map((issue) => `${issue.path.join('.') || 'rule'}: ${issue.message}`),
    remedy: 'docs/reactions.md has an example',
    exitCode: EXIT.usage,
  });
}
