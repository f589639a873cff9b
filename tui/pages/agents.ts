import { listOf } from '../feed/sections.ts';
import { bytes, clock, dollars, since } from '../view/format.ts';
import type { Span, Style } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';

export interface AgentRow {
  number: number;
  id: string;
  name: string;
  role: string;
  domains: string[];
  status: string;
  doing: string | null;
  via: string | null;
  host: string | null;
  pid: number | null;
  current_job: string | null;
  rss_bytes: number | null;
  beat: string | null;
  waiting: number;
  cost_usd: number;
  identity_fault: string | null;
}

/** The last beat is rounded to ten seconds while the agent lives: it changes all the time, and an idle screen should not. */
export const AGENTS = {
  name: 'agents',
  needs: ['agent_status'],
  sql: listOf(`select s.number, s.id, s.name, s.role, s.domains, s.status, s.doing, s.via, s.host, s.pid, s.current_job, round(s.rss_bytes / 10485760.0) * 10485760 as rss_bytes, s.waiting, s.identity_fault,
      case when s.status in ('alive', 'degraded') then date_trunc('minute', s.received_at) else s.received_at end as beat,
      (select coalesce(sum(o.cost_usd), 0) from ops_outcome_rows o where o.agent = s.id and o.created_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc') as cost_usd
    from agent_status s order by s.number limit 50`),
};

const STYLES: Record<string, Style> = { alive: 'good', degraded: 'warn', down: 'bad', stopped: 'dim', never: 'dim' };
const SIGNS: Record<string, string> = { alive: 'ok', degraded: 'warn', down: 'bad', stopped: 'off', never: 'off' };

export const agents = listPage<AgentRow>({
  name: 'agents',
  title: 'agents',
  key: '9',
  about: 'who works by itself: alive or not, what it does, what waits for it, what it cost today',
  section: AGENTS,
  columns: [
    { head: 'no', size: 3 },
    { head: 'agent', size: 12 },
    { head: 'status', size: 11 },
    { head: 'does', grow: 1 },
    { head: 'waits', size: 5, right: true },
    { head: 'today', size: 8, right: true },
    { head: 'memory', size: 7, right: true, from: 90 },
    { head: 'last beat', size: 12, from: 76 },
    { head: 'role', size: 24, from: 120 },
  ],
  item: (row, { now, glyphs }) => {
    const status: Span = [`${glyphs.states[SIGNS[row.status] ?? 'off']} ${row.status}`, STYLES[row.status] ?? 'plain'];
    return {
      row: { id: row.id, state: row.status },
      cells: [
        String(row.number).padStart(3, '0'),
        row.name,
        status,
        row.current_job ?? row.doing ?? '',
        String(row.waiting),
        dollars(row.cost_usd),
        bytes(row.rss_bytes),
        row.status === 'down' && row.beat ? `${since(row.beat, now)} ago` : clock(row.beat, now),
        row.role,
      ],
    };
  },
  detail: (row, { now }) =>
    fields(
      ['agent', `${row.name} (${row.id}), ${row.role}`],
      ['identity', row.identity_fault],
      ['domains', row.domains.join(', ')],
      ['runs on', row.host && `${row.host}, pid ${row.pid}`],
      [
        'beats',
        row.beat && `${clock(row.beat, now)}${row.via === 'direct' ? ', straight to Postgres: Redis refused' : ''}`,
      ],
      ['waiting', row.waiting > 0 ? `${row.waiting} messages` : ''],
    ),
  acts: [
    {
      key: 'n',
      label: 'start',
      help: 'let the agent run',
      action: 'agents start',
      on: (row) => (row.state === 'alive' ? `${row.id} is alive` : { args: [row.id], target: row.id }),
    },
    {
      key: 'x',
      label: 'stop',
      help: 'stop the agent',
      action: 'agents stop',
      on: (row) => (row.state === 'stopped' ? `${row.id} is stopped` : { args: [row.id], target: row.id }),
    },
    {
      key: 'P',
      label: 'pause',
      help: 'start nothing more for the agent',
      action: 'pause',
      on: (row) => ({ args: ['agent', row.id], target: row.id }),
    },
    {
      key: 'U',
      label: 'resume',
      help: 'end the pause of the agent',
      action: 'resume',
      on: (row) => ({ args: ['agent', row.id], target: row.id }),
    },
  ],
  empty: 'no agent has started yet',
});
