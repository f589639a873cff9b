import { rowsOfSection } from '../feed/rows.ts';
import { between, clock, dollars, errorText, since } from '../view/format.ts';
import { type Line, line, type Rect } from '../view/frame.ts';
import { rowsOf } from '../view/layout.ts';
import { stateSpan, waitText } from '../view/states.ts';
import { windowStart } from '../view/table.ts';
import { wrap } from '../view/text.ts';
import { payloadText } from './events.ts';
import { cursorOf } from './list.ts';
import { DETAIL, type Detail, type Step } from './missionDetail.ts';
import { depths, firstTrouble, stepLine, stepText } from './missionSteps.ts';
import { MISSION_ACTS, MISSION_PAUSES } from './missions.ts';
import type { Act, Page, PageInput, RowRef } from './types.ts';

function head(mission: Detail, input: PageInput): Line[] {
  const { now, glyphs, area } = input;
  const columns = area.width - 2;
  const lines: Line[] = [];
  const waiting = mission.wait_reason
    ? `: ${waitText(mission.wait_reason, mission.wake_at ? clock(mission.wake_at, now) : undefined)}`
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
const onMission = (act: Act): Act => ({ ...act, on: (row) => act.on(ofMission(row)) });

export const mission: Page = {
  name: 'mission',
  title: 'mission',
  detailOf: 'missions',
  about: 'one mission: its error first, its steps as a tree with their times, what went in and came out',
  sections: [DETAIL],
  acts: [
    ...MISSION_ACTS.map(onMission),
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
    ...MISSION_PAUSES.map(onMission),
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
