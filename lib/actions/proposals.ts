import { OpenClawError } from '../errors/index.ts';
import { parseId, parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const STATES = ['proposed', 'approved', 'rejected', 'expired', 'duplicate', 'all'] as const;

interface ProposalRow {
  id: string;
  kind: string;
  title: string;
  state: string;
  reason_code: string | null;
  reason: string | null;
  source: string;
  actor: string;
  risk: string;
  untrusted: boolean;
  cost_estimate_usd: string;
  mission_id: string | null;
  decided_by: string | null;
  created_at: Date;
  expires_at: Date | null;
  approval: string | null;
  plan: { steps: { name: string; task: string; needs?: string[] }[] };
}

/** Every mission that was asked for, and what policy or a person said. */
export const proposalActions: readonly Action[] = [
  {
    name: 'proposals list',
    title: 'Missions that were asked for, newest first, and what became of each',
    options: [
      { flags: '--state <state>', description: 'only these', choices: STATES, default: 'all' },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<ProposalRow>(
        `select p.id, p.kind, p.title, p.state, p.reason_code, p.reason, p.source, p.actor, p.risk, p.untrusted, p.cost_estimate_usd, p.mission_id, p.decided_by, p.created_at, p.expires_at,
                (select a.id from ops_approvals a where a.proposal_id = p.id and a.state = 'open') as approval
         from ops_mission_proposals p where $1 = 'all' or p.state = $1 order by p.id desc limit $2`,
        [options.state, parseNumber(options.limit, '--limit', 1, 1000)],
      );
      const lines = rows.map((row) => [
        `p${row.id}`,
        row.kind,
        row.mission_id
          ? `${row.state} (m${row.mission_id})`
          : row.approval
            ? `${row.state} (a${row.approval})`
            : row.state,
        row.risk + (row.untrusted ? ', untrusted' : ''),
        row.actor,
        timeText(row.created_at),
        row.reason_code,
        row.reason,
      ]);
      return {
        json: rows,
        text: textTable(['proposal', 'kind', 'state', 'risk', 'by', 'asked', 'code', 'reason'], lines, 'no proposals'),
      };
    },
  },
  {
    name: 'proposals show',
    title: 'One proposal: its steps, its risk, and why it is in its state',
    args: [{ name: 'proposal', description: 'its id, for example p3' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const id = parseId(args[0], 'p', 'proposal');
      const { rows } = await db.query<ProposalRow & { question: string | null }>(
        `select p.*, a.id as approval, approval_text(a.id) as question from ops_mission_proposals p
         left join lateral (select max(id) as id from ops_approvals where proposal_id = p.id) a on true where p.id = $1`,
        [id],
      );
      const row = rows[0];
      if (!row)
        throw new OpenClawError('E_NOT_FOUND', `there is no proposal p${id}`, { remedy: 'openclaw proposals list' });
      const facts = [
        `p${row.id}  ${row.title} (${row.kind}): ${row.state}${row.mission_id ? `, m${row.mission_id}` : ''}`,
        `why      ${[row.reason_code, row.reason].filter(Boolean).join(': ') || '-'}`,
        `asked    ${timeText(row.created_at)} by ${row.actor} (${row.source})`,
        `risk     ${row.risk}${row.untrusted ? ', with data from outside' : ''}; estimate $${Number(row.cost_estimate_usd)}`,
        ...(row.decided_by ? [`decided  by ${row.decided_by}`] : []),
        ...row.plan.steps.map(
          (step) => `step     ${step.name}: ${step.task}${step.needs?.length ? ` after ${step.needs.join(', ')}` : ''}`,
        ),
        ...(row.question ? ['', row.question] : []),
      ];
      return { json: row, text: facts.join('\n') };
    },
  },
];
