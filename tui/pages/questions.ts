import { listOf, type Section } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import { listPage } from './listPage.ts';
import type { Act } from './types.ts';

export interface Question {
  id: number;
  kind: string;
  question: string;
  options: string[];
  who: string;
  state: string;
  answer: string | null;
  answered_by: string | null;
  reason: string | null;
  on_expiry: string | null;
  expires_at: string | null;
  mission_id: number | null;
  actor: string;
  created_at: string;
  answered_at: string | null;
  text: string | null;
}

/** Open ones, oldest first, then the last answered. */
export const QUESTIONS: Section = {
  name: 'questions',
  needs: ['ops_approvals', 'approval_text()'],
  sql: listOf(`select a.id, a.kind, left(a.question, 500) as question, a.options, a.who, a.state, a.answer, a.answered_by, a.reason, a.on_expiry, a.expires_at, a.mission_id, a.actor, a.created_at, a.answered_at,
      case when a.state = 'open' then left(approval_text(a.id), 4000) end as text
    from (select * from ((select * from ops_approvals where state = 'open' order by id limit 100) union all (select * from ops_approvals where state <> 'open' order by id desc limit 30)) u) a
    order by a.state = 'open' desc, case when a.state = 'open' then a.id else -a.id end`),
};

const answerAct = (key: string, word: string, help: string): Act => ({
  key,
  label: word,
  help,
  action: word,
  on: (row) => {
    if (row.state !== 'open') return `${row.id} is ${row.state}`;
    const options = (row.data?.options as string[] | undefined) ?? [];
    if (!options.includes(word)) return `the answers to ${row.id} are ${options.join(', ')}: n asks which`;
    return { args: [row.id], target: row.id };
  },
});

export const questions = listPage<Question>({
  name: 'questions',
  title: 'questions',
  short: 'asks',
  key: '7',
  about: 'what waits for your answer, with what each answer does; the last answered',
  section: QUESTIONS,
  columns: [
    { head: 'id', size: 6 },
    { head: 'state', size: 11 },
    { head: 'asked', size: 12 },
    { head: 'by', size: 14, from: 90 },
    { head: 'of', size: 6 },
    { head: 'answers', size: 18, from: 100 },
    { head: 'question', grow: 1 },
  ],
  filters: ['open', 'answered'],
  keep: (row, only) => row.state === only,
  item: (row, { now, glyphs }) => ({
    row: {
      id: `a${row.id}`,
      state: row.state,
      data: { options: row.options },
      ...(row.mission_id !== null ? { open: { page: 'mission', id: String(row.mission_id) } } : {}),
    },
    cells: [
      `a${row.id}`,
      row.state === 'open' ? [`${glyphs.states.ask} open`, 'warn'] : [row.answer ?? row.state, 'dim'],
      clock(row.created_at, now),
      row.actor,
      row.mission_id === null ? '' : `m${row.mission_id}`,
      row.options.join(' '),
      row.question,
    ],
  }),
  detail: (row, { now }) =>
    row.text ??
    `${row.question}\n${row.answer ?? row.state} by ${row.answered_by ?? '-'} ${clock(row.answered_at, now)}${row.reason ? `: ${row.reason}` : ''}`,
  acts: [
    answerAct('a', 'approve', 'answer with approve'),
    answerAct('d', 'reject', 'answer with reject'),
    {
      key: 'n',
      label: 'answer',
      help: 'answer with another of its answers',
      action: 'approve',
      ask: { question: 'Which answer? They are in the column "answers" and in the text.' },
      on: (row) => (row.state === 'open' ? { args: [row.id], target: row.id } : `${row.id} is ${row.state}`),
    },
  ],
  empty: 'nothing was asked yet',
  note: (rows) => `${rows.filter(({ state }) => state === 'open').length} open`,
});
