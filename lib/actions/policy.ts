import { didYouMean, EXIT, OpenClawError } from '../errors/index.ts';
import { POLICY_KEYS, type PolicyName, policyKey, schemaOf } from '../policy/index.ts';
import { parseJson, parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action, ActionContext } from './types.ts';

interface Version {
  version: number;
  value: unknown;
  actor: string;
  reason: string | null;
  created_at: Date;
}

const KEY = { name: 'key', description: 'for example gate.caps (openclaw policy list)' } as const;

/** What may start and what it may cost: versioned, checked, in force within a second. */
export const policyActions: readonly Action[] = [
  {
    name: 'policy list',
    title: 'Every key of policy with the value in force',
    who: 'viewer',
    danger: 'none',
    run: async ({ db }) => {
      const { rows } = await db.query<{
        key: string;
        version: number | null;
        value: unknown;
        actor: string;
        fault: string | null;
      }>(
        `select k.key, p.version, p.value, p.actor, case when p.key is null then 'missing' else policy_fault(k.key, p.value) end as fault
         from ops_policy_keys k left join lateral (select * from ops_policy o where o.key = k.key order by version desc limit 1) p on true order by k.key`,
      );
      const faulty = rows.filter((row) => row.fault !== null);
      const table = textTable(
        ['key', 'version', 'by', 'value'],
        rows.map((row) => [row.key, row.version, row.actor, JSON.stringify(row.value)]),
      );
      return {
        json: rows,
        text: [table, ...faulty.map((row) => `faulty, which means no: ${row.key}: ${row.fault}`)].join('\n'),
        exitCode: faulty.length > 0 ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'policy show',
    title: 'The value of one key and its versions',
    args: [KEY],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const versions = await versionsOf(db, known(args[0]));
      return {
        json: { key: args[0], ...versions[0], versions },
        text: `${JSON.stringify(versions[0]?.value, null, 2)}\n${versionTable(versions)}`,
      };
    },
  },
  {
    name: 'policy set',
    title: 'Give a key a new value: a new version, in force within a second',
    args: [KEY, { name: 'value', description: 'JSON' }],
    options: [{ flags: '--reason <text>', description: 'why' }],
    who: 'operator',
    danger: 'confirm',
    example: `openclaw policy set budget.usd '{"day": 5, "month": 50, "mission": 3}' --reason "a busy week"`,
    run: async ({ db }, { args, options }) => {
      const key = known(args[0]);
      const value = parseJson(args[1] ?? '', 'the value');
      checkValue(key, value);
      const [before] = await versionsOf(db, key);
      const { rows } = await db.query<{ version: number }>('select set_policy($1, $2::jsonb, $3) as version', [
        key,
        JSON.stringify(value),
        options.reason ?? null,
      ]);
      const { version } = rows[0]!;
      const same = version === before?.version;
      const changes = diffLines(before?.value, value);
      return {
        json: { key, version, changed: !same },
        text: same
          ? `${key} has this value already (version ${version})`
          : [`${key} is at version ${version}`, ...changes].join('\n'),
      };
    },
  },
  {
    name: 'policy diff',
    title: 'What changed between two versions of a key; without numbers, between the last two',
    args: [
      KEY,
      { name: 'from', description: 'a version', optional: true },
      { name: 'to', description: 'a version', optional: true },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const versions = await versionsOf(db, known(args[0]));
      const newest = versions[0]?.version ?? 0;
      const from = args[1] === undefined ? Math.max(1, newest - 1) : parseNumber(args[1], 'from', 1, newest);
      const to = args[2] === undefined ? newest : parseNumber(args[2], 'to', 1, newest);
      const valueAt = (wanted: number) => versions.find((entry) => entry.version === wanted)?.value;
      const lines = diffLines(valueAt(from), valueAt(to));
      return {
        json: { key: args[0], from, to, before: valueAt(from), after: valueAt(to) },
        text: [`${args[0]}: version ${from} to ${to}`, ...(lines.length > 0 ? lines : ['  no difference'])].join('\n'),
      };
    },
  },
  {
    name: 'policy rollback',
    title: 'Go back to an earlier value of a key, by default the one before: a new version',
    args: [KEY, { name: 'version', description: 'which', optional: true }],
    options: [{ flags: '--reason <text>', description: 'why' }],
    who: 'operator',
    danger: 'confirm',
    run: async ({ db }, { args, options }) => {
      const key = known(args[0]);
      const { rows } = await db.query<{ version: number }>('select rollback_policy($1, $2, $3) as version', [
        key,
        args[1] === undefined ? null : parseNumber(args[1], 'version', 1, 1_000_000_000),
        options.reason ?? null,
      ]);
      const [latest] = await versionsOf(db, key);
      return {
        json: { key, ...latest },
        text: `${key} is at version ${rows[0]!.version}: ${JSON.stringify(latest?.value)}`,
      };
    },
  },
  {
    name: 'policy explain',
    title: 'What a key decides, what it may hold, and what is in force',
    args: [KEY],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const key = known(args[0]);
      const [latest] = await versionsOf(db, key);
      const { doc } = POLICY_KEYS[key];
      const schema = schemaOf(key);
      return {
        json: { key, doc, schema, ...latest },
        text: [
          `${key}: ${doc}`,
          latest
            ? `in force: ${JSON.stringify(latest.value)} (version ${latest.version}, by ${latest.actor}${latest.reason ? `: ${latest.reason}` : ''})`
            : 'in force: nothing, which means no',
          `may hold: ${JSON.stringify(schema)}`,
        ].join('\n'),
      };
    },
  },
];

function known(key: string | undefined): PolicyName {
  if (key !== undefined && policyKey(key)) return key as PolicyName;
  const near = didYouMean(key ?? '', Object.keys(POLICY_KEYS));
  throw new OpenClawError('E_NOT_FOUND', `there is no policy key "${key}"`, {
    remedy: near ? `did you mean "${near}"?` : 'openclaw policy list',
    exitCode: EXIT.usage,
  });
}

/** All faults at once, before the database names the first. */
function checkValue(key: PolicyName, value: unknown): void {
  const parsed = POLICY_KEYS[key].schema.safeParse(value);
  if (parsed.success) return;
  throw new OpenClawError('E_POLICY', `the value does not fit ${key}; nothing was changed`, {
    faults: parsed.error.issues.map((issue) => `${[key, ...issue.path].join('.')}: ${issue.message}`),
    remedy: `openclaw policy explain ${key}`,
    exitCode: EXIT.usage,
  });
}

async function versionsOf(db: ActionContext['db'], key: PolicyName): Promise<Version[]> {
  const { rows } = await db.query<Version>(
    'select version, value, actor, reason, created_at from ops_policy where key = $1 order by version desc',
    [key],
  );
  return rows;
}

function versionTable(versions: readonly Version[]): string {
  return textTable(
    ['version', 'at', 'by', 'value', 'why'],
    versions.map((entry) => [
      entry.version,
      timeText(entry.created_at),
      entry.actor,
      JSON.stringify(entry.value),
      entry.reason,
    ]),
    'no versions',
  );
}

/** `- path: value` for what went, `+ path: value` for what came. */
function diffLines(before: unknown, after: unknown): string[] {
  const was = leaves(before);
  const is = leaves(after);
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((path) => was.get(path) !== is.get(path))
    .flatMap((path) => [
      ...(was.has(path) ? [`  - ${path}${was.get(path)}`] : []),
      ...(is.has(path) ? [`  + ${path}${is.get(path)}`] : []),
    ]);
}

function leaves(value: unknown, path = ''): Map<string, string> {
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) {
    return new Map(value.map((item) => [`${path}[${JSON.stringify(item)}]`, '']));
  }
  if (value === null || typeof value !== 'object' || Object.keys(value).length === 0) {
    return value === undefined ? new Map() : new Map([[`${path}: `, JSON.stringify(value)]]);
  }
  return new Map(
    Object.entries(value).flatMap(([key, item]) => [...leaves(item, path === '' ? key : `${path}.${key}`)]),
  );
}
