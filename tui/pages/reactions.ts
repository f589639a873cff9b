import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import type { Span } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';
import { RULE_ACTS } from './rules.ts';

interface Reaction {
  id: number;
  event_id: number;
  kind: string | null;
  rule: string;
  enabled: boolean;
  rule_version: number;
  state: string;
  reason: string | null;
  mission_id: number | null;
  depth: number;
  created_at: string;
}

const STYLES: Record<string, 'good' | 'warn' | 'bad'> = { fired: 'good', asked: 'warn', error: 'bad', refused: 'bad' };

export const reactions = listPage<Reaction>({
  name: 'reactions',
  title: 'reactions',
  about: 'what the rules decided, newest first: fired, or why not',
  section: {
    name: 'reactions',
    everyS: 2,
    needs: ['ops_reactions', 'ops_reaction_rules'],
    sql: listOf(`select d.id, d.event_id, e.kind, r.name as rule, r.enabled, d.rule_version, d.state, left(d.reason, 500) as reason, d.mission_id, d.depth, d.created_at
      from (select * from ops_reactions order by id desc limit 100) d join ops_reaction_rules r on r.id = d.rule_id left join ops_agent_events e on e.id = d.event_id order by d.id desc`),
  },
  columns: [
    { head: 'at', size: 12 },
    { head: 'rule', size: 20 },
    { head: 'decided', size: 11 },
    { head: 'on', size: 18 },
    { head: 'then', size: 7 },
    { head: 'why', grow: 1 },
  ],
  item: (row, { now }) => {
    const decided: Span = [row.state, STYLES[row.state] ?? 'dim'];
    return {
      row: {
        id: `reaction:${row.id}`,
        state: row.enabled ? 'on' : 'off',
        copy: `e${row.event_id}`,
        data: { rule: row.rule },
        ...(row.mission_id !== null ? { open: { page: 'mission', id: String(row.mission_id) } } : {}),
      },
      cells: [
        clock(row.created_at, now),
        row.rule,
        decided,
        row.kind ?? `e${row.event_id}`,
        row.mission_id === null ? '' : `m${row.mission_id}`,
        [row.reason ?? '', 'dim'],
      ],
    };
  },
  filters: ['fired', 'held back', 'error'],
  keep: (row, only) => (only === 'held back' ? !['fired', 'asked', 'error'].includes(row.state) : row.state === only),
  detail: (row, { now }) =>
    fields(
      ['rule', `${row.rule}, version ${row.rule_version}${row.enabled ? '' : ' (off by now)'}`],
      ['event', `e${row.event_id} ${row.kind ?? '(no longer kept)'}`],
      ['decided', `${clock(row.created_at, now)}: ${row.state}`],
      ['why', row.reason],
      ['then', row.mission_id && `m${row.mission_id}`],
      ['depth', row.depth > 0 ? `${row.depth}: started by what a rule had started` : ''],
    ),
  acts: RULE_ACTS.map((act) => ({
    ...act,
    on: (row) => act.on({ id: String(row.data?.rule), state: row.state }),
  })),
  empty: 'no rule has matched an event yet',
});
