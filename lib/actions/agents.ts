import type { Identity } from '../agents/identity.ts';
import { registerAllAgents } from '../agents/load.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { parseJson } from './ids.ts';
import { spanText, textTable, timeText } from './table.ts';
import type { Action, ActionContext } from './types.ts';

export interface AgentRow {
  id: string;
  number: number;
  name: string;
  role: string;
  domains: string[];
  wanted: string;
  identity_fault: string | null;
  status: 'alive' | 'degraded' | 'stopped' | 'down' | 'never';
  doing: string | null;
  via: string | null;
  host: string | null;
  pid: number | null;
  current_job: string | null;
  rss_bytes: string | null;
  loop_lag_ms: number | null;
  received_at: Date | null;
  waiting: string;
  cost_today_usd: string;
}

const NAME = { name: 'agent', description: 'its name, for example scout' };

export const agentActions: readonly Action[] = [
  {
    name: 'agents list',
    title: 'The agents: number, role, status, last beat, job, cost of today',
    who: 'viewer',
    danger: 'none',
    run: async ({ db, config }) => {
      await registerAllAgents(db, config);
      const { rows } = await db.query<AgentRow>('select * from agent_status order by number, id');
      const lines = rows.map((agent) => [
        String(agent.number).padStart(3, '0'),
        agent.id,
        agent.role,
        agent.domains.join(', '),
        statusText(agent),
        agent.received_at ? `${spanText(Date.now() - agent.received_at.getTime())} ago` : '-',
        agent.current_job ?? '-',
        agent.waiting,
        `$${Number(agent.cost_today_usd).toFixed(2)}`,
      ]);
      const table = textTable(
        ['no', 'agent', 'role', 'domain', 'status', 'last beat', 'job', 'waiting', 'today'],
        lines,
      );
      const faults = rows.flatMap((agent) => (agent.identity_fault ? [`${agent.id}: ${agent.identity_fault}`] : []));
      const down = rows.some((agent) => agent.status === 'down' && agent.wanted === 'running');
      return {
        json: rows,
        text: [table, ...faults].join('\n'),
        exitCode: down || faults.length > 0 ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'agents show',
    title: 'One agent: identity, last beat, newest messages',
    args: [NAME],
    who: 'viewer',
    danger: 'none',
    run: async ({ db, config }, { args }) => {
      await registerAllAgents(db, config);
      const agent = await findAgent(db, args[0]);
      const { rows: found } = await db.query<{ identity: Identity }>('select identity from ops_agents where id = $1', [
        agent.id,
      ]);
      const { rows: messages } = await db.query<{
        id: string;
        kind: string;
        sender: string;
        state: string;
        attempts: number;
        created_at: Date;
        error: string | null;
      }>(
        'select id, kind, sender, state, attempts, created_at, left(error, 120) as error from agent_messages where recipient = $1 order by id desc limit 10',
        [agent.id],
      );
      const { identity } = found[0]!;
      const fields: [string, unknown][] = [
        ['agent', `${String(agent.number).padStart(3, '0')} ${agent.name} (${agent.id})`],
        ['status', statusText(agent)],
        ['role', `${agent.role}: ${agent.domains.join(', ')}`],
        [
          'process',
          agent.pid
            ? `${agent.pid} on ${agent.host}, ${Math.round(Number(agent.rss_bytes ?? 0) / 1e6)} MB, loop lag ${spanText(agent.loop_lag_ms)}`
            : '-',
        ],
        ['last beat', agent.received_at ? `${timeText(agent.received_at)} (${agent.via})` : '-'],
        ['job', agent.current_job ?? '-'],
        ['waiting', `${agent.waiting} message(s)`],
        ['today', `$${Number(agent.cost_today_usd).toFixed(4)}`],
        ['tools', identity.tools.join(', ') || '-'],
        ['models', identity.models.join(', ') || 'as failover.json says'],
        ['quotas', JSON.stringify(identity.quotas)],
        ...(agent.identity_fault ? [['fault', agent.identity_fault] as [string, unknown]] : []),
      ];
      const text = [
        ...fields.map(([name, value]) => `${name.padEnd(10)}  ${value}`),
        '',
        identity.soul,
        '',
        textTable(
          ['message', 'kind', 'from', 'state', 'tries', 'at', 'error'],
          messages.map((m) => [m.id, m.kind, m.sender, m.state, m.attempts, timeText(m.created_at), m.error ?? '']),
          'no messages',
        ),
      ];
      return { json: { ...agent, identity, messages }, text: text.join('\n') };
    },
  },
  {
    name: 'agents start',
    title: 'Let an agent that was stopped go on',
    args: [NAME],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ was: string }>("select set_agent_wanted($1, 'running') as was", [args[0]]);
      return {
        json: { agent: args[0], wanted: 'running', was: rows[0]!.was },
        text: rows[0]!.was === 'running' ? `${args[0]} was not stopped` : `${args[0]} goes on`,
      };
    },
  },
  {
    name: 'agents stop',
    title: 'Let an agent rest: it takes no message and does nothing by itself; what is sent to it waits',
    args: [NAME],
    who: 'operator',
    danger: 'confirm',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ was: string }>("select set_agent_wanted($1, 'stopped') as was", [args[0]]);
      return {
        json: { agent: args[0], wanted: 'stopped', was: rows[0]!.was },
        text:
          rows[0]!.was === 'stopped' ? `${args[0]} was stopped already` : `${args[0]} stops after the message in hand`,
      };
    },
  },
  {
    name: 'agents send',
    title: 'Tell an agent something',
    args: [NAME, { name: 'text', description: 'what to say; with --kind a JSON object' }],
    options: [
      { flags: '--kind <kind>', description: 'the kind of message, as its handlers name it', default: 'message' },
      { flags: '--key <key>', description: 'the same key twice is one message' },
    ],
    who: 'operator',
    danger: 'none',
    example: 'openclaw agents send scout "what is new about solar inverters?"',
    run: async ({ db }, { args, options }) => {
      const text = args[1] ?? '';
      const payload = text.trimStart().startsWith('{') ? parseJson(text, 'the message') : { text };
      const { rows } = await db.query<{ id: string }>('select send_to_agent($1, $2, $3::jsonb, $4) as id', [
        args[0],
        options.kind,
        JSON.stringify(payload),
        options.key ?? null,
      ]);
      return { json: { message: rows[0]!.id }, text: `message ${rows[0]!.id} waits for ${args[0]}` };
    },
  },
];

async function findAgent(db: ActionContext['db'], id: string | undefined): Promise<AgentRow> {
  const { rows } = await db.query<AgentRow>('select * from agent_status where id = $1', [id]);
  if (!rows[0]) throw new OpenClawError('E_NOT_FOUND', `there is no agent "${id}"`, { remedy: 'openclaw agents list' });
  return rows[0];
}

export function statusText({ status, doing }: Pick<AgentRow, 'status' | 'doing'>): string {
  if (status === 'alive') return doing ?? status;
  if (status === 'degraded') return `${doing} (degraded: no Redis)`;
  return status;
}
