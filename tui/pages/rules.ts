import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import { fields, listPage } from './listPage.ts';
import type { Act } from './types.ts';

interface Rule {
  id: number;
  name: string;
  description: string | null;
  enabled: boolean;
  version: number;
  kind_glob: string;
  does: string;
  cooldown: string;
  daily_cap: number | null;
  last: string | null;
  last_state: string | null;
  last_reason: string | null;
  fired: number;
}

export const RULE_ACTS: readonly Act[] = [
  {
    key: 'e',
    label: 'enable',
    help: 'switch the rule on',
    action: 'rules enable',
    on: (row) => (row.state === 'on' ? `${row.id} is on` : { args: [row.id], target: row.id }),
  },
  {
    key: 'd',
    label: 'disable',
    help: 'switch the rule off',
    action: 'rules disable',
    on: (row) => (row.state === 'off' ? `${row.id} is off` : { args: [row.id], target: row.id }),
  },
];

export const rules = listPage<Rule>({
  name: 'rules',
  title: 'rules',
  about: 'what starts by itself after an event, when it last did, and what it decided',
  section: {
    name: 'rules',
    everyS: 2,
    needs: ['ops_reaction_rules', 'ops_reactions', 'ops_reaction_days'],
    sql: listOf(`select r.id, r.name, r.description, r.enabled, r.version, r.kind_glob, coalesce('tells ' || r.agent, 'starts ' || coalesce(r.plan ->> 'kind', 'a plan')) as does, r.cooldown::text as cooldown, r.daily_cap,
        d.created_at as last, d.state as last_state, d.reason as last_reason, coalesce((select y.fired from ops_reaction_days y where y.rule_id = r.id and y.day = (now() at time zone 'utc')::date), 0) as fired
      from (select * from ops_reaction_rules order by name limit 200) r left join lateral (select * from ops_reactions x where x.rule_id = r.id order by x.id desc limit 1) d on true order by r.name`),
  },
  columns: [
    { head: 'rule', size: 22 },
    { head: 'state', size: 8 },
    { head: 'on', size: 20 },
    { head: 'does', grow: 1 },
    { head: 'today', size: 6, right: true },
    { head: 'last', size: 12, from: 76 },
    { head: 'decided', size: 12, from: 96 },
  ],
  item: (row, { now, glyphs }) => ({
    row: { id: row.name, state: row.enabled ? 'on' : 'off' },
    cells: [
      row.name,
      row.enabled ? [`${glyphs.states.ok} on`, 'good'] : [`${glyphs.states.off} off`, 'dim'],
      row.kind_glob,
      row.does,
      row.daily_cap ? `${row.fired}/${row.daily_cap}` : String(row.fired),
      clock(row.last, now),
      [row.last_state ?? '', row.last_state === 'error' ? 'bad' : 'dim'],
    ],
  }),
  detail: (row, { now }) =>
    fields(
      ['rule', row.name],
      ['what', row.description],
      ['on', row.kind_glob],
      ['does', row.does],
      ['rests', row.cooldown],
      ['a day', row.daily_cap],
      [
        'last',
        row.last && `${clock(row.last, now)}: ${row.last_state}${row.last_reason ? `, ${row.last_reason}` : ''}`,
      ],
    ),
  acts: RULE_ACTS,
  empty: 'no rules: openclaw rules add',
});
