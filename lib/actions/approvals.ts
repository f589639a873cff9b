import { EXIT, OpenClawError } from '../errors/index.ts';
import { parseId, parseJson, parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action, ActionContext, ActionInput, ActionResult } from './types.ts';

const STATES = ['open', 'answered', 'expired', 'cancelled', 'all'] as const;

interface ApprovalRow {
  id: string;
  kind: string;
  question: string;
  options: string[];
  who: string;
  state: string;
  answer: string | null;
  answered_by: string | null;
  on_expiry: string | null;
  expires_at: Date | null;
  mission_id: string | null;
  proposal_id: string | null;
  actor: string;
  created_at: Date;
}

/** Questions that wait for a person, and their answers. */
export const approvalActions: readonly Action[] = [
  {
    name: 'approvals list',
    title: 'The questions that wait for an answer, oldest first',
    options: [
      { flags: '--state <state>', description: 'only these', choices: STATES, default: 'open' },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<ApprovalRow>(
        `select id, kind, question, options, who, state, answer, answered_by, on_expiry, expires_at, mission_id, proposal_id, actor, created_at
         from ops_approvals where $1 = 'all' or state = $1 order by case when $1 = 'open' then id else -id end limit $2`,
        [options.state, parseNumber(options.limit, '--limit', 1, 1000)],
      );
      const lines = rows.map((row) => [
        `a${row.id}`,
        row.state === 'answered' ? `${row.answer} by ${row.answered_by}` : row.state,
        row.mission_id ? `m${row.mission_id}` : row.proposal_id ? `p${row.proposal_id}` : '-',
        row.actor,
        timeText(row.created_at),
        row.expires_at ? `${row.on_expiry ?? 'expires'} at ${timeText(row.expires_at)}` : 'waits',
        row.options.join('|'),
        row.question,
      ]);
      return {
        json: rows,
        text: textTable(
          ['approval', 'state', 'of', 'by', 'asked', 'without answer', 'answers', 'question'],
          lines,
          'nothing waits for an answer',
        ),
      };
    },
  },
  {
    name: 'approvals show',
    title: 'One question: what each answer does, what it costs, what happens without one',
    args: [{ name: 'approval', description: 'its id, for example a5' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const id = parseId(args[0], 'a', 'approval');
      const { rows } = await db.query<{ row: ApprovalRow; text: string }>(
        'select to_jsonb(a) as row, approval_text(a.id) as text from ops_approvals a where id = $1',
        [id],
      );
      if (!rows[0])
        throw new OpenClawError('E_NOT_FOUND', `there is no approval a${id}`, {
          remedy: 'openclaw approvals list',
          exitCode: EXIT.failed,
        });
      return { json: rows[0].row, text: rows[0].text };
    },
  },
  {
    name: 'approve',
    title: 'Answer a question: with "approve", or with another of its answers',
    args: [
      { name: 'approval', description: 'its id, for example a5, or p3 for the question of a proposal' },
      { name: 'answer', description: 'one of its answers', optional: true },
    ],
    options: [
      { flags: '--reason <text>', description: 'why' },
      { flags: '--output <json>', description: 'for "done": what the step would have given' },
    ],
    who: 'operator',
    danger: 'none',
    example: 'openclaw approve a5',
    run: (context, { args, options }) => answer(context, args[0], args[1] ?? 'approve', options),
  },
  {
    name: 'reject',
    title: 'Answer a question with "reject"',
    args: [{ name: 'approval', description: 'its id, for example a5, or p3 for the question of a proposal' }],
    options: [{ flags: '--reason <text>', description: 'why' }],
    who: 'operator',
    danger: 'none',
    example: 'openclaw reject a5 --reason "not today"',
    run: (context, { args, options }) => answer(context, args[0], 'reject', options),
  },
];

async function answer(
  { db }: ActionContext,
  approval: string | undefined,
  word: string,
  options: ActionInput['options'],
): Promise<ActionResult> {
  const id = await questionOf(db, approval);
  const output = options.output === undefined ? null : JSON.stringify(parseJson(String(options.output), 'the output'));
  const { rows } = await db.query<{ answer: string }>('select answer_approval($1, $2, $3, $4::jsonb) as answer', [
    id,
    word,
    options.reason ?? null,
    output,
  ]);
  const held = rows[0]!.answer;
  return { json: { approval: `a${id}`, answer: held }, text: `a${id} is answered: ${held}` };
}

/** `a5`, or the question of the proposal `p3`: while it is open its own, and then the last, so that the refusal says how it was answered. */
async function questionOf(db: ActionContext['db'], given: string | undefined): Promise<string> {
  if (!given?.startsWith('p')) return parseId(given, 'a', 'approval');
  const proposal = parseId(given, 'p', 'proposal');
  const { rows } = await db.query<{ id: string }>(
    `select id from ops_approvals where proposal_id = $1 order by (state = 'open') desc, id desc limit 1`,
    [proposal],
  );
  if (rows[0]) return rows[0].id;
  throw new OpenClawError('E_NOT_FOUND', `proposal p${proposal} has no question`, {
    remedy: `openclaw proposals show p${proposal}`,
  });
}
