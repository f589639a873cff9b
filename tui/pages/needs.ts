import { rowsOfSection, sectionOf, type Trouble, type Work, type WorkerRow } from '../feed/rows.ts';
import type { Place } from '../session/ui.ts';
import { clock, errorText, plural, since } from '../view/format.ts';
import { type Line, line } from '../view/frame.ts';
import type { AgentRow } from './agents.ts';
import type { Breaker } from './breakers.ts';
import type { Check } from './health.ts';
import type { Question } from './questions.ts';
import type { PageInput } from './types.ts';

export interface Need {
  readonly line: Line;
  readonly open?: Place;
}

interface Control {
  scope: string;
  target: string;
  actor: string;
  reason: string | null;
  since: string;
}

/** What a person should look at, worst first. Empty when all is well. */
export function needs({ state, now, glyphs }: PageInput): Need[] {
  const found: Need[] = [];
  const work = sectionOf<Work>(state, 'work');
  const trouble = sectionOf<Trouble>(state, 'trouble');
  const workers = rowsOfSection<WorkerRow>(state, 'workers').filter((worker) => worker.state === 'live');
  const add = (sign: 'bad' | 'warn' | 'ask', what: string, text: string, open?: Place) =>
    found.push({
      line: line(
        [` ${glyphs.states[sign]} `, sign === 'bad' ? 'bad' : 'warn'],
        [`${what.padEnd(12)} `, sign === 'bad' ? 'bad' : 'warn'],
        text,
      ),
      ...(open ? { open } : {}),
    });
  for (const control of rowsOfSection<Control>(state, 'controls')) {
    const of = control.scope === 'all' ? 'everything' : `${control.scope} ${control.target}`;
    add(
      'warn',
      'paused',
      `${of} is paused by ${control.actor} since ${clock(control.since, now)}${control.reason ? `: ${control.reason}` : ''}; U resumes all`,
    );
  }
  for (const question of rowsOfSection<Question>(state, 'questions').filter((one) => one.state === 'open'))
    add(
      'ask',
      `a${question.id}`,
      `${question.question}${question.mission_id === null ? '' : ` (m${question.mission_id})`} ${glyphs.dot} 7 to answer`,
      { page: 'questions' },
    );
  for (const agent of rowsOfSection<AgentRow>(state, 'agents').filter(({ status }) => status === 'down'))
    add('bad', agent.name, `the agent is down since ${clock(agent.beat, now)}`, { page: 'agents' });
  for (const agent of rowsOfSection<AgentRow>(state, 'agents').filter(({ status }) => status === 'stopped'))
    add('warn', agent.name, `the agent was stopped ${clock(agent.beat, now)}; 9 and n let it go on`, {
      page: 'agents',
    });
  for (const check of rowsOfSection<Check>(state, 'health').filter((one) => one.state === 'firing'))
    add('bad', 'health', `${check.check_id}: ${check.summary}`, { page: 'health' });
  for (const breaker of rowsOfSection<Breaker>(state, 'breakers').filter((one) => one.state !== 'closed'))
    add(
      'warn',
      'breaker',
      `${breaker.name} is open${breaker.open_until ? ` until ${clock(breaker.open_until, now)}` : ''}: ${breaker.last_error ?? breaker.reason ?? ''}`,
      { page: 'breakers' },
    );
  if (work && workers.length === 0)
    add('bad', 'workers', 'none runs: nothing is worked on; openclaw up starts them', { page: 'workers' });
  for (const worker of workers.filter((one) => one.silent_since))
    add('bad', 'worker', `${worker.name} has been silent for ${since(worker.silent_since, now)}`, { page: 'workers' });
  for (const step of trouble?.unknown ?? [])
    add(
      'ask',
      `m${step.mission_id}`,
      `step ${step.name} (${step.task}) may or may not have happened: its worker died`,
      { page: 'mission', id: String(step.mission_id) },
    );
  for (const mission of trouble?.failed ?? [])
    add(
      'bad',
      `m${mission.id}`,
      `failed ${clock(mission.finished_at, now)}: ${mission.title}${mission.error ? `: ${mission.error}` : ''}`,
      { page: 'mission', id: String(mission.id) },
    );
  const dead = (trouble?.groups ?? []).filter(({ error_class: kind }) => kind !== 'cancelled');
  for (const group of dead.slice(0, 5))
    add(
      'warn',
      group.task,
      `${plural(group.count, 'job')} failed, last ${clock(group.last, now)}: ${errorText(group.error_class, group.error)}`,
      { page: 'queue' },
    );
  if (work?.jobs.oldest && now - new Date(work.jobs.oldest).getTime() > 60_000)
    add('warn', 'queue', `the oldest runnable job waits for ${since(work.jobs.oldest, now)}`, { page: 'queue' });
  return found;
}
