import type { AgentRow } from '../../lib/actions/agents.ts';
import { spanText } from '../../lib/actions/table.ts';
import type { Button } from '../../lib/agents/index.ts';
import { takeSnapshot } from '../../lib/status/index.ts';
import { bold, escapeHtml } from '../../lib/telegram/index.ts';
import type { Answer, ChatContext } from './types.ts';

const MARK: Record<string, string> = {
  succeeded: '✅',
  failed: '❌',
  cancelled: '⏹',
  running: '▶️',
  waiting: '⏳',
  approved: '🕓',
  unknown: '❓',
  queued: '·',
  skipped: '⤵️',
};

/** The state first, then what can be done. */
export async function statusView({ db }: ChatContext): Promise<Answer> {
  const snapshot = await takeSnapshot(db);
  const { rows: agents } = await db.query<AgentRow>('select * from agent_status order by number, id');
  const { rows: open } = await db.query<{ n: number }>(
    "select count(*)::int as n from ops_approvals where state = 'open'",
  );
  const bad = agents.filter((agent) => agent.status === 'down' && agent.wanted === 'running');
  const { queue, ended, missions } = snapshot;
  const faults = [
    ...(snapshot.workers.length === 0 ? ['no worker runs'] : []),
    ...bad.map((agent) => `${agent.name} is down`),
    ...agents.filter((agent) => agent.status === 'degraded').map((agent) => `${agent.name} has no Redis`),
    ...snapshot.workers.filter((worker) => worker.lease_age_s > 5).map((worker) => `worker ${worker.pool} is silent`),
    ...(queue.dead > 0 ? [`${queue.dead} dead jobs`] : []),
  ];
  const lines = [
    faults.length === 0 ? '✅ All well' : `⚠️ ${bold(faults.join(', '))}`,
    `Jobs: ${queue.queued} queued, ${queue.running} running, ${queue.retrying} retrying${queue.oldest_runnable_s && queue.oldest_runnable_s > 5 ? `, oldest waits ${spanText(queue.oldest_runnable_s * 1000)}` : ''}`,
    `24 h: ${ended.succeeded} ok, ${ended.failed} failed, ${ended.cancelled} cancelled`,
    `Missions: ${missions.approved} approved, ${missions.running} running, ${missions.waiting} waiting`,
    `Agents: ${agents.map((agent) => `${escapeHtml(agent.name)} ${agent.status}`).join(', ') || 'none'}`,
  ];
  const buttons: Button[] = [{ label: 'Missions', action: 'missions' }];
  if (open[0]!.n > 0) {
    lines.push(`${bold(String(open[0]!.n))} approval(s) wait for an answer`);
    buttons.unshift({ label: 'Approvals', action: 'approve' });
  }
  return { text: lines.join('\n'), html: true, buttons: [buttons] };
}

export async function agentsView({ db }: ChatContext): Promise<Answer> {
  const { rows } = await db.query<AgentRow>('select * from agent_status order by number, id');
  if (rows.length === 0) return { text: 'No agent has started yet.' };
  const lines = rows.map((agent) => {
    const seen = agent.received_at ? `, seen ${spanText(Date.now() - agent.received_at.getTime())} ago` : '';
    const waiting = Number(agent.waiting) > 0 ? `, ${agent.waiting} waiting` : '';
    return `${agent.status === 'alive' ? '✅' : agent.status === 'stopped' ? '⏹' : '⚠️'} ${bold(`${String(agent.number).padStart(3, '0')} ${agent.name}`)} (${escapeHtml(agent.role)})\n${agent.status}${seen}${waiting}, $${Number(agent.cost_today_usd).toFixed(2)} today${agent.current_job ? `\n${escapeHtml(agent.current_job)}` : ''}`;
  });
  return { text: lines.join('\n'), html: true };
}

export async function missionsView({ db }: ChatContext): Promise<Answer> {
  const { rows } = await db.query<{
    id: string;
    title: string;
    state: string;
    wait_reason: string | null;
    done: number;
    steps: number;
    age_s: number;
  }>(
    `select m.id, m.title, m.state, m.wait_reason, s.done, s.steps, extract(epoch from clock_now() - m.created_at)::float8 as age_s
     from (select * from ops_missions order by (finished_at is null) desc, id desc limit 8) m,
          lateral (select count(*)::int as steps, count(*) filter (where finished_at is not null)::int as done from ops_mission_steps where mission_id = m.id) s
     order by m.id desc`,
  );
  if (rows.length === 0) return { text: 'No missions yet.', buttons: [[{ label: 'New mission', action: 'new' }]] };
  const lines = rows.map(
    (m) =>
      `${MARK[m.state] ?? '·'} ${bold(`m${m.id}`)} ${escapeHtml(m.title.slice(0, 60))}\n${m.state}${m.wait_reason ? ` (${escapeHtml(m.wait_reason)})` : ''}, ${m.done}/${m.steps} steps, ${spanText(m.age_s * 1000)} ago`,
  );
  const open = rows.slice(0, 4).map((m) => ({ label: `m${m.id}`, action: 'mission', args: [`m${m.id}`] }));
  return { text: lines.join('\n'), html: true, buttons: [open, [{ label: 'New mission', action: 'new' }]] };
}

export async function missionView({ db }: Pick<ChatContext, 'db'>, id: string): Promise<Answer> {
  const { rows } = await db.query<{
    title: string;
    state: string;
    wait_reason: string | null;
    error: string | null;
    actor: string;
  }>('select title, state, wait_reason, left(error, 300) as error, actor from ops_missions where id = $1', [id]);
  const mission = rows[0];
  if (!mission) return { text: `There is no mission m${id}. /missions shows the newest.` };
  const { rows: steps } = await db.query<{ name: string; state: string; error: string | null }>(
    'select name, state, left(error, 120) as error from ops_mission_steps where mission_id = $1 order by position limit 30',
    [id],
  );
  const open = ['approved', 'running', 'waiting'].includes(mission.state);
  const lines = [
    `${MARK[mission.state] ?? '·'} ${bold(`m${id}`)} ${escapeHtml(mission.title)}`,
    `${mission.state}${mission.wait_reason ? ` (${escapeHtml(mission.wait_reason)})` : ''}, by ${escapeHtml(mission.actor)}`,
    ...(mission.error ? [escapeHtml(mission.error)] : []),
    ...steps.map(
      (step) => `${MARK[step.state] ?? '·'} ${escapeHtml(step.name)}${step.error ? `: ${escapeHtml(step.error)}` : ''}`,
    ),
  ];
  const buttons: Button[] = [{ label: 'Refresh', action: 'mission', args: [`m${id}`] }];
  if (open) buttons.push({ label: 'Cancel it', action: 'cancel', args: [`m${id}`] });
  return { text: lines.join('\n'), html: true, buttons: [buttons] };
}

export async function approvalsView({ db }: ChatContext): Promise<Answer> {
  const { rows } = await db.query<{ id: string; question: string; options: string[] }>(
    "select id, left(question, 300) as question, options from ops_approvals where state = 'open' order by id limit 5",
  );
  if (rows.length === 0) return { text: '✅ Nothing waits for an answer.' };
  return {
    text: rows.map((row) => `${bold(`a${row.id}`)} ${escapeHtml(row.question)}`).join('\n\n'),
    html: true,
    buttons: rows.map((row) => approvalButtons(row.id, row.options)),
  };
}

/** One press answers; `approve` and `reject` by their words, any other option by its own. */
export function approvalButtons(id: string, options: readonly string[]): Button[] {
  return options
    .slice(0, 6)
    .map((option) => ({ label: `${option} a${id}`, action: 'answer', args: [`a${id}`, option] }));
}
