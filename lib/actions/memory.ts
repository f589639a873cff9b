import { EXIT, OpenClawError } from '../errors/index.ts';
import { scrub } from '../log/index.ts';
import { parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

interface MemoryRow extends Record<string, unknown> {
  id: string;
  kind: string;
  agent: string | null;
  text: string;
  confidence: number;
  untrusted: boolean;
  created_at: Date;
}

const table = (rows: readonly MemoryRow[], empty: string) =>
  textTable(
    ['id', 'kind', 'of', 'sure', 'since', 'what'],
    rows.map((row) => [
      row.id,
      row.kind,
      row.agent ?? 'all',
      `${Math.round(row.confidence * 100)} %${row.untrusted ? ' (untrusted)' : ''}`,
      timeText(row.created_at),
      row.text,
    ]),
    empty,
  );

const idOf = (text: string | undefined): string => {
  if (/^\d{1,18}$/.test(text ?? '')) return text!;
  throw new OpenClawError('E_ID', `"${text ?? ''}" is not the id of a memory`, {
    expected: 'a number, as memory list shows it',
    exitCode: EXIT.usage,
  });
};

export const memoryActions: readonly Action[] = [
  {
    name: 'memory search',
    title: 'What is known about some words, best first',
    args: [{ name: 'words', description: 'what to look for; misspelt is found too' }],
    options: [
      { flags: '--agent <name>', description: 'only what this agent knows, and what all know' },
      { flags: '--limit <n>', description: 'how many', default: '10' },
    ],
    who: 'viewer',
    danger: 'none',
    example: `openclaw memory search 'provider timeout'`,
    run: async ({ db }, { args, options }) => {
      const { rows } = await db.query<MemoryRow>('select * from search_memory($1, $2, $3)', [
        args[0],
        options.agent ?? null,
        parseNumber(options.limit, '--limit', 1, 200),
      ]);
      return { json: rows, text: table(rows, 'nothing is known about that') };
    },
  },
  {
    name: 'memory list',
    title: 'The newest memories',
    options: [
      {
        flags: '--kind <kind>',
        description: 'only of this kind',
        choices: ['insight', 'pattern', 'strategy', 'preference', 'lesson'],
      },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<MemoryRow>(
        'select id, kind, agent, text, tags, confidence, untrusted, created_at from ops_memory where superseded_by is null and ($1::text is null or kind = $1) order by id desc limit $2',
        [options.kind ?? null, parseNumber(options.limit, '--limit', 1, 1000)],
      );
      return { json: rows, text: table(rows, `nothing yet; openclaw memory add lesson '...'`) };
    },
  },
  {
    name: 'memory add',
    title: 'Write down something to be known: insight, pattern, strategy, preference or lesson',
    args: [
      { name: 'kind', description: 'insight, pattern, strategy, preference or lesson' },
      { name: 'text', description: 'one thought' },
    ],
    options: [
      { flags: '--agent <name>', description: 'only for this agent' },
      { flags: '--tags <tags>', description: 'words with commas between' },
      { flags: '--confidence <0 to 1>', description: 'how sure', default: '0.9' },
      { flags: '--supersedes <id>', description: 'the memory whose place it takes' },
    ],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args, options }) => {
      const confidence = Number(options.confidence);
      const { rows } = await db.query<{ id: string }>('select remember($1, $2, $3, $4, $5, $6, false, $7) as id', [
        args[0],
        scrub(args[1] ?? ''),
        options.agent ?? null,
        String(options.tags ?? '')
          .split(',')
          .map((tag) => tag.trim())
          .filter(Boolean),
        Number.isFinite(confidence) ? confidence : 2,
        JSON.stringify({ by: 'operator' }),
        options.supersedes === undefined ? null : idOf(String(options.supersedes)),
      ]);
      return { json: { id: rows[0]!.id }, text: `memory ${rows[0]!.id}` };
    },
  },
  {
    name: 'memory remove',
    title: 'Forget a memory',
    args: [{ name: 'id', description: 'as memory list shows it' }],
    who: 'operator',
    danger: 'confirm',
    run: async ({ db }, { args }) => {
      await db.query('select forget_memory($1)', [idOf(args[0])]);
      return { json: { removed: args[0] }, text: `memory ${args[0]} is gone; its file goes with the next mirror` };
    },
  },
];
