import { readFile } from 'node:fs/promises';
import os from 'node:os';
import type { Queryable } from '../db/index.ts';
import { mayAct, noteTried, openIncident, resolveIncident } from './incidents.ts';

interface AgentRow {
  id: string;
  name: string;
  status: 'alive' | 'degraded' | 'stopped' | 'down' | 'never';
  wanted: string;
  doing: string | null;
  host: string | null;
  pid: number | null;
  received_at: Date | null;
  silent_s: number | null;
}

const RESTARTS = { most: 3, span: '1 hour' };

export interface AgentWatch {
  /** The agent that watches; it does not watch itself. */
  readonly watcher: string;
  /** Whether it may end a process that hangs, or only tells. */
  readonly mayRestart: boolean;
  /** How long the watcher itself runs. */
  readonly upS: number;
}

/** After a start of the whole, or of the machine, the others come within it: their silence from before says nothing. */
const COMING_S = 30;

/**
 * Looks at the other agents from outside their processes, by their beats. Silence is an incident; an agent that was told to
 * stop is none. A process that is there and says nothing hangs: it is told to end, and its supervisor brings it back.
 */
export async function watchAgents(
  db: Queryable,
  { watcher, mayRestart, upS }: AgentWatch,
  signal: (pid: number) => void = terminate,
): Promise<void> {
  const { rows } = await db.query<AgentRow>(
    `select id, name, status, wanted, doing, host, pid, received_at, extract(epoch from clock_now() - received_at)::float8 as silent_s from agent_status where id <> $1 order by id`,
    [watcher],
  );
  for (const agent of rows) {
    const subject = `agent:${agent.id}`;
    // Never started here, or stopped by a person: nothing to expect of it.
    if (agent.status === 'never' || agent.wanted === 'stopped') continue;
    const down = agent.status === 'down';
    await db.query('select note_state($1, $2, $3)', [subject, down ? 'down' : 'up', down ? agent.received_at : null]);
    if (!down) {
      await resolveIncident(db, 'agent_down', agent.id, `${agent.name} beats again.`);
      continue;
    }
    if (upS < COMING_S && (agent.silent_s ?? 0) > upS) continue;
    const hangs =
      agent.host === os.hostname() &&
      agent.pid !== null &&
      agent.doing !== 'ended' &&
      (await isOurAgent(agent.pid, agent.id));
    const incident = await openIncident(db, {
      kind: 'agent_down',
      subject: agent.id,
      severity: 'critical',
      what: `${agent.name} is down`,
      why: `no beat for ${Math.round(agent.silent_s ?? 0)} s; ${agent.doing === 'ended' ? 'it ended in order' : hangs ? `its process ${agent.pid} is there and hangs` : `its process ${agent.pid} on ${agent.host} is gone`}`,
      needed: hangs
        ? ''
        : `its supervisor should have started it again: systemctl status openclaw-${agent.id}, or openclaw up`,
    });
    if (!hangs || !mayRestart || !incident.isNew) continue;
    if (!(await mayAct(db, 'restart', subject, RESTARTS.most, RESTARTS.span, incident.id))) {
      await noteTried(db, incident.id, 'restart', `not done: ${RESTARTS.most} in ${RESTARTS.span} is the limit`);
      continue;
    }
    try {
      signal(agent.pid!);
      await noteTried(db, incident.id, 'restart', `SIGTERM to ${agent.pid}; its supervisor starts it again`);
    } catch (error) {
      await noteTried(db, incident.id, 'restart', `could not: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`);
    }
  }
}

function terminate(pid: number): void {
  process.kill(pid, 'SIGTERM');
}

/** Pids are used again: only a process whose command line is this agent's is meant. */
async function isOurAgent(pid: number, id: string): Promise<boolean> {
  try {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    return words.includes('agent') && words.includes(id);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
