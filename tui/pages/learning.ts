import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import type { Span, Style } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';
import type { Act } from './types.ts';

interface Change {
  id: number;
  kind: string;
  task: string;
  policy_key: string;
  before: unknown;
  after: unknown;
  evidence: Record<string, unknown> & { why?: string };
  state: string;
  approval_id: number | null;
  approval_state: string | null;
  verdict: string | null;
  created_at: string;
  applied_at: string | null;
  settled_at: string | null;
}

const STYLES: Record<string, Style> = {
  proposed: 'warn',
  applied: 'info',
  kept: 'good',
  undone: 'bad',
  rejected: 'dim',
};
const SIGNS: Record<string, string> = {
  proposed: 'ask',
  applied: 'running',
  kept: 'ok',
  undone: 'bad',
  rejected: 'off',
};

const answer = (key: string, word: 'approve' | 'reject', help: string): Act => ({
  key,
  label: word,
  help,
  action: word,
  on: (row) =>
    row.data?.question
      ? { args: [String(row.data.question)], target: String(row.data.question) }
      : `${row.id} asks nothing: it is ${row.state}`,
});

export const learning = listPage<Change>({
  name: 'learning',
  title: 'learning',
  about: 'what the outcomes propose to change, with the evidence, and what became of it',
  section: {
    name: 'learning',
    everyS: 2,
    needs: ['ops_learned_changes', 'ops_approvals'],
    sql: listOf(`select c.id, c.kind, c.task, c.policy_key, c.before, c.after, c.evidence, c.state, c.approval_id, a.state as approval_state, c.verdict, c.created_at, c.applied_at, c.settled_at
      from (select * from ops_learned_changes order by id desc limit 100) c left join ops_approvals a on a.id = c.approval_id order by c.state = 'proposed' desc, c.id desc`),
  },
  columns: [
    { head: 'change', size: 7 },
    { head: 'state', size: 11 },
    { head: 'at', size: 12, from: 76 },
    { head: 'of', size: 18 },
    { head: 'what', size: 14 },
    { head: 'why', grow: 1 },
  ],
  item: (row, { now, glyphs }) => {
    const state: Span = [`${glyphs.states[SIGNS[row.state] ?? 'off']} ${row.state}`, STYLES[row.state] ?? 'dim'];
    return {
      row: {
        id: `l${row.id}`,
        state: row.state,
        data: { question: row.approval_state === 'open' ? `a${row.approval_id}` : undefined },
      },
      cells: [
        `l${row.id}`,
        state,
        clock(row.created_at, now),
        row.task,
        row.kind.replace('_', ' '),
        row.verdict ?? row.evidence.why ?? '',
      ],
    };
  },
  filters: ['proposed', 'applied', 'kept', 'undone', 'rejected'],
  keep: (row, only) => row.state === only,
  detail: (row, { now }) =>
    fields(
      ['change', `${row.policy_key}, of ${row.task}`],
      ['from', row.before],
      ['to', row.after],
      ['why', row.evidence.why],
      ...Object.entries(row.evidence)
        .filter(([key]) => key !== 'why')
        .map(([key, value]) => [key.replace(/_/g, ' '), value] as const),
      ['asked', row.approval_id && `a${row.approval_id} (${row.approval_state})`],
      ['applied', row.applied_at && clock(row.applied_at, now)],
      ['settled', row.settled_at && `${clock(row.settled_at, now)}: ${row.verdict ?? row.state}`],
    ),
  acts: [answer('a', 'approve', 'approve the change'), answer('d', 'reject', 'reject the change')],
  empty: 'nothing was proposed yet: twenty outcomes of a task are the least',
  note: (rows) => `${rows.filter(({ state }) => state === 'proposed').length} proposed`,
});
