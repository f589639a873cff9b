import { rowsOfSection } from '../feed/rows.ts';
import type { Section } from '../feed/sections.ts';
import { listOf } from '../feed/sections.ts';
import { between, clock, dollars, errorText, since } from '../view/format.ts';
import { type Line, line, type Rect, type Span } from '../view/frame.ts';
import { rowsOf } from '../view/layout.ts';
import { stateSpan, styleOf } from '../view/states.ts';
import { windowStart } from '../view/table.ts';
import { wrap } from '../view/text.ts';
import { payloadText } from './events.ts';
import { cursorOf } from './list.ts';
import { MISSION_ACTS, MISSION_PAUSES } from './missions.ts';
import type { Page, PageInput, RowRef } from './types.ts';

interface Step {
  id: number;
  name: string;
  task: string;
  state: string;
  attempt: number;
  max_attempts: number;
  needs: string[];
  effect: string;
  error: string | null;
  error_class: string | null;
  payload: string;
  output: string | null;
  wake_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  cost_usd: number | null;
  model: string | null;
}
interface Detail {
  id: number;
  kind: string;
  title: string;
  state: string;
  wait_reason: string | null;
  wake_at: string | null;
  paused: boolean;
  error: string | null;
  error_class: string | null;
  actor: string;
  source: string;
  agent: string | null;
  cost_usd: number;
  trace_id: string;
  epoch: number;
  input: string;
  output: string | null;
  untrusted: boolean;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  steps: Step[];
  events: { id: number; kind: string; severity: string; payload: string; created_at: string }[];
}

const DETAIL: Section = {
  name: 'mission',
  sql: listOf(`select m.id, m.kind, m.title, m.state, m.wait_reason, m.wake_at, m.paused, left(m.error, 2000) as error, m.error_class, m.actor, m.source, m.agent, m.cost_usd, m.trace_id,
      m.epoch, left(m.input::text, 2000) as input, left(m.output::text, 4000) as output, m.untrusted, m.created_at, m.started_at, m.finished_at,
      ${listOf(`select s.id, s.name, s.task, s.state, s.attempt, s.max_attempts, s.needs, s.effect, left(s.error, 2000) as error, s.error_class, left(s.payload::text, 2000) as payload,
          left(s.output::text, 4000) as output, s.wake_at, s.started_at, s.finished_at, o.cost_usd, o.model
        from (select * from ops_mission_steps where mission_id = m.id order by position limit 200) s left join ops_outcome_rows o on o.step_id = s.id order by s.position`)} as steps,
      ${listOf('select id, kind, severity, left(payload::text, 300) as payload, created_at from ops_agent_events where mission_id = m.id order by id desc limit 30')} as events
    from ops_missions m where m.id = any ($1)`),
};

/** How deep a step stands: one more than the deepest that it needs. */
function depths(steps: readonly Step[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const step of steps) found.set(step.name, Math.max(0, ...step.needs.map((need) => (found.get(need) ?? 0) + 1)));
  return found;
}

function head(mission: Detail, input: PageInput): Line[] {
  const { now, glyphs, area } = input;
  const columns = area.width - 2;
  const lines: Line[] = [];
  const waiting = mission.wait_reason
    ? `: ${mission.wait_reason}${mission.wake_at ? ` until ${clock(mission.wake_at, now)}` : ''}`
    : '';
  const took = mission.finished_at
    ? `took ${between(mission.started_at ?? mission.created_at, mission.finished_at)}`
    : `for ${since(mission.started_at ?? mission.created_at, now)}`;
  lines.push(
    line(
      ' ',
      stateSpan(mission.state, glyphs),
      [waiting, 'warn'],
      mission.paused ? [' (paused)', 'warn'] : '',
      `   ${took}   `,
      [
        `asked ${clock(mission.created_at, now)} by ${mission.actor} (${mission.source})${mission.agent ? ` for ${mission.agent}` : ''}`,
        'dim',
      ],
    ),
  );
  if (mission.error)
    for (const text of wrap(errorText(mission.error_class, mission.error), columns - 2, 3))
      lines.push(line([` ${text}`, 'bad']));
  lines.push(
    line([
      ` ${Number(mission.cost_usd) > 0 ? `cost ${dollars(mission.cost_usd)} ${glyphs.dot} ` : ''}trace ${mission.trace_id}${mission.epoch > 1 ? ` ${glyphs.dot} taken up ${mission.epoch} times` : ''}${mission.untrusted ? ` ${glyphs.dot} from outside, not believed` : ''}`,
      'dim',
    ]),
  );
  return lines;
}

/** A step's time as a bar between the mission's start and end. */
function timeline(step: Step, mission: Detail, now: number, columns: number, full: string): string {
  const from = new Date(mission.started_at ?? mission.created_at).getTime();
  const to = mission.finished_at ? new Date(mission.finished_at).getTime() : now;
  if (!step.started_at || columns < 4) return ' '.repeat(Math.max(0, columns));
  const total = Math.max(1, to - from);
  const start = Math.max(
    0,
    Math.min(columns - 1, Math.floor(((new Date(step.started_at).getTime() - from) / total) * columns)),
  );
  const end = step.finished_at ? new Date(step.finished_at).getTime() : now;
  const long = Math.max(
    1,
    Math.min(columns - start, Math.round(((end - new Date(step.started_at).getTime()) / total) * columns)),
  );
  return ' '.repeat(start) + full.repeat(long) + ' '.repeat(Math.max(0, columns - start - long));
}

function stepLine(step: Step, depth: number, mission: Detail, input: PageInput, columns: number, here: boolean): Line {
  const { now, glyphs } = input;
  const took = step.started_at
    ? step.finished_at
      ? between(step.started_at, step.finished_at)
      : since(step.started_at, now)
    : '';
  const nameWidth = Math.max(14, Math.min(34, Math.floor(columns * 0.3)));
  const name = `${'  '.repeat(Math.min(depth, 4))}${depth > 0 ? `${glyphs.corner} ` : ''}${step.name}`
    .slice(0, nameWidth)
    .padEnd(nameWidth);
  const tries = step.attempt > 1 || step.state === 'failed' ? ` ${step.attempt}/${step.max_attempts}` : '';
  const note = noteOf(step, now);
  const barWidth = columns >= 90 ? Math.floor(columns * 0.25) : 0;
  const style = styleOf(step.state);
  const fixed: Span[] = [
    [here ? glyphs.cursor : ' ', 'accent'],
    name,
    ' ',
    stateSpan(step.state, glyphs, step.state.padEnd(9)),
    took.padStart(9),
    [tries.padEnd(5), 'warn'],
    ' ',
  ];
  const spans: Span[] =
    barWidth > 0
      ? [...fixed, [timeline(step, mission, now, barWidth, glyphs.full), style === 'plain' ? 'info' : style], ' ', note]
      : [...fixed, note];
  return { spans, ...(here ? { fill: 'select' as const } : {}) };
}

function noteOf(step: Step, now: number): Span {
  if (step.error)
    return [
      errorText(step.error_class, step.error),
      step.state === 'failed' || step.state === 'unknown' ? 'bad' : 'warn',
    ];
  if (step.wake_at && step.state !== 'succeeded') return [`not before ${clock(step.wake_at, now)}`, 'warn'];
  if (step.state === 'queued' && step.needs.length > 0) return [`needs ${step.needs.join(', ')}`, 'dim'];
  return [step.task === step.name ? '' : step.task, 'dim'];
}

/** The folded-out step: its error in full, what went in, what came out. */
function stepText(step: Step, now: number, columns: number): Line[] {
  const lines: Line[] = [];
  const part = (label: string, text: string | null, style: 'plain' | 'bad') => {
    if (text === null || text === '') return;
    for (const [index, row] of wrap(text, columns - 11, 12).entries())
      lines.push(line([` ${(index === 0 ? label : '').padEnd(8)} `, 'dim'], [row, style]));
  };
  part('error', step.error && errorText(step.error_class, step.error), 'bad');
  part(
    'task',
    `${step.task} (${step.effect}), attempt ${step.attempt} of ${step.max_attempts}${step.needs.length > 0 ? `, needs ${step.needs.join(', ')}` : ''}`,
    'plain',
  );
  if (step.started_at)
    part(
      'time',
      `${clock(step.started_at, now)}${step.finished_at ? ` to ${clock(step.finished_at, now)} (${between(step.started_at, step.finished_at)})` : ''}`,
      'plain',
    );
  if (step.cost_usd) part('cost', `${dollars(step.cost_usd)}${step.model ? ` (${step.model})` : ''}`, 'plain');
  part('in', step.payload, 'plain');
  part('out', step.output, 'plain');
  return lines;
}

/** Lines below the steps: of the chosen step, else the mission's own input, output and events. */
function below(
  mission: Detail,
  step: Step | undefined,
  { now }: PageInput,
  columns: number,
): { title: string; lines: Line[] } {
  if (step) return { title: `Step ${step.name}`, lines: stepText(step, now, columns) };
  const lines: Line[] = [];
  for (const text of wrap(`in       ${mission.input}`, columns - 2, 4)) lines.push(line(` ${text}`));
  if (mission.output)
    for (const text of wrap(`out      ${mission.output}`, columns - 2, 12)) lines.push(line(` ${text}`));
  return { title: 'Mission', lines };
}

function events(mission: Detail, now: number): Line[] {
  return mission.events.map((event) =>
    line(
      [` ${clock(event.created_at, now)} `, 'dim'],
      [
        event.kind.padEnd(20),
        event.severity === 'error' || event.severity === 'critical'
          ? 'bad'
          : event.severity === 'warning'
            ? 'warn'
            : 'info',
      ],
      [` ${payloadText(event.payload)}`, 'dim'],
    ),
  );
}

/** The cursor is on a step; most acts are on its mission. */
const ofMission = (row: RowRef): RowRef => ({ id: String(row.data?.mission), state: String(row.data?.missionState) });

export const mission: Page = {
  name: 'mission',
  title: 'mission',
  detailOf: 'missions',
  about: 'one mission: its error first, its steps as a tree with their times, what went in and came out',
  sections: [DETAIL],
  acts: [
    ...[...MISSION_ACTS, ...MISSION_PAUSES].map((act) => ({ ...act, on: (row: RowRef) => act.on(ofMission(row)) })),
    {
      key: 'f',
      label: 'from here',
      help: 'take the ended mission up again from this step on, with all that follows from it; history is kept',
      action: 'missions retry',
      confirm: true,
      on: (row) => {
        const { id, state } = ofMission(row);
        return ['succeeded', 'failed', 'cancelled'].includes(state)
          ? { args: [id], options: { from: String(row.data?.step) }, target: id }
          : `${id} is ${state}: it is taken up from a step when it has ended`;
      },
    },
  ],
  view: (input) => {
    const { state, place, area, ui, now } = input;
    const found = rowsOfSection<Detail>(state, 'mission').find(({ id }) => String(id) === place.id);
    if (!found) {
      const lines = [
        line([
          ` ${state.data.mission === undefined || state.at === 0 ? 'reading' : `there is no mission m${place.id}, or it is being read`}`,
          'dim',
        ]),
      ];
      return { panels: [{ id: 'mission', ...area, title: `Mission m${place.id}`, lines }], rows: [], cursor: -1 };
    }
    const top = head(found, input);
    const rows: RowRef[] = found.steps.map((step) => ({
      id: `step:${step.id}`,
      state: step.state,
      folds: true,
      copy: found.trace_id,
      data: { mission: `m${found.id}`, missionState: found.state, step: step.name, stepState: step.state },
    }));
    const cursor = ui.selected === undefined ? firstTrouble(found.steps) : cursorOf(ui, rows);
    const wanted = Math.min(found.steps.length, Math.max(3, Math.floor(area.height * 0.5)));
    const [upper, lower, last] = rowsOf(
      area,
      top.length + wanted + 3,
      { grow: 2, least: 4 },
      area.height >= 34 ? { grow: 1, least: 5 } : 0,
    ) as [Rect, Rect, Rect];
    const depth = depths(found.steps);
    const columns = area.width - 2;
    const height = upper.height - 3 - top.length;
    const start = windowStart(cursor, rows.length, height);
    const stepLines = found.steps
      .slice(start, start + height)
      .map((step, index) => stepLine(step, depth.get(step.name) ?? 0, found, input, columns, start + index === cursor));
    const detail = below(found, found.steps[cursor], input, columns);
    const done = found.steps.filter(({ state: one }) => !['queued', 'running', 'waiting'].includes(one)).length;
    return {
      panels: [
        {
          id: 'mission',
          ...upper,
          title: `m${found.id} ${found.title}`,
          note: `${done}/${found.steps.length} steps`,
          lines: [...top, line(), ...stepLines],
        },
        {
          id: 'mission:text',
          ...lower,
          title: detail.title,
          ...(detail.lines.length > lower.height - 2 ? { note: 'J and K scroll' } : {}),
          lines: detail.lines.slice(Math.min(ui.scroll, Math.max(0, detail.lines.length - lower.height + 2))),
        },
        ...(last.height > 2 ? [{ id: 'mission:events', ...last, title: 'Events', lines: events(found, now) }] : []),
      ],
      rows,
      cursor,
      listAt: { y: upper.y + 2 + top.length, first: start, height },
    };
  },
};

/** The step that needs the eye first: what failed, else what runs. */
function firstTrouble(steps: readonly Step[]): number {
  if (steps.length === 0) return -1;
  const bad = steps.findIndex(({ state }) => state === 'failed' || state === 'unknown');
  const running = steps.findIndex(({ state }) => state === 'running');
  return bad >= 0 ? bad : running >= 0 ? running : steps.length - 1;
}
