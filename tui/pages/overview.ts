import {
  type Day,
  type EventRow,
  type MissionRow,
  rowsOfSection,
  sectionOf,
  type Work,
  type WorkerRow,
} from '../feed/rows.ts';
import { CONTROLS, DAY, EVENTS, MISSIONS, RATE, TROUBLE } from '../feed/sections.ts';
import { bytes, count, plural, since } from '../view/format.ts';
import { type Line, line, type Rect, type Span } from '../view/frame.ts';
import { columnsOf, rowsOf } from '../view/layout.ts';
import { AGENTS } from './agents.ts';
import { BREAKERS } from './breakers.ts';
import { chartPanel } from './chartPanel.ts';
import { eventLine } from './events.ts';
import { HEALTH } from './health.ts';
import { type ListItem, listPanel } from './list.ts';
import { MISSION_ACTS, missionItem } from './missions.ts';
import { needs } from './needs.ts';
import { QUESTIONS } from './questions.ts';
import type { Page, PageInput } from './types.ts';

const OPEN = new Set(['approved', 'running', 'waiting']);

function workLines(input: PageInput, columns: number): Line[] {
  const { state, now, glyphs } = input;
  const work = sectionOf<Work>(state, 'work');
  const day = sectionOf<Day>(state, 'day');
  const workers = rowsOfSection<WorkerRow>(state, 'workers').filter((worker) => worker.state === 'live');
  if (!work) return [line([' reading', 'dim'])];
  const { jobs } = work;
  const label = (text: string): Span => [` ${text.padEnd(10)}`, 'dim'];
  const lines: Line[] = [
    line(
      label('jobs'),
      [count(jobs.running), 'info'],
      ' running  ',
      `${count(jobs.ready)} ready`,
      jobs.later > 0 && columns >= 40 ? `  ${count(jobs.later)} later` : '',
    ),
  ];
  if (jobs.retrying > 0 || jobs.dead > 0)
    lines.push(
      line(
        label(''),
        jobs.retrying > 0 ? [`${count(jobs.retrying)} retrying  `, 'warn'] : '',
        jobs.dead > 0 ? [`${count(jobs.dead)} dead`, 'bad'] : '',
      ),
    );
  if (jobs.oldest) lines.push(line(label('oldest'), [`waits for ${since(jobs.oldest, now)}`, 'warn']));
  if (day) {
    lines.push(
      line(label('24 hours'), [`${count(day.jobs.succeeded)} ok`, 'good'], '  ', [
        `${count(day.jobs.failed)} failed`,
        day.jobs.failed > 0 ? 'bad' : 'dim',
      ]),
    );
  }
  for (const worker of workers) {
    const silent: Span = worker.silent_since ? [` silent for ${since(worker.silent_since, now)}`, 'bad'] : '';
    const memory = columns >= 44 && worker.rss_bytes ? `  ${bytes(worker.rss_bytes)}` : '';
    lines.push(
      line(
        label(worker.pool),
        [`${worker.busy}/${worker.concurrency}`, worker.busy > 0 ? 'info' : 'plain'],
        ' busy',
        [`  ${worker.host} ${worker.pid}${memory}`, 'dim'],
        silent,
      ),
    );
  }
  if (workers.length === 0) lines.push(line(label('workers'), ['none: nothing is worked on', 'bad']));
  return lines.map((one) => ({ ...one, spans: one.spans.filter((part) => part !== '' && glyphs !== undefined) }));
}

function openMissions(input: PageInput): ListItem[] {
  const rows = rowsOfSection<MissionRow>(input.state, 'missions');
  const open = rows.filter(({ state }) => OPEN.has(state));
  const ended = rows.filter(({ state }) => !OPEN.has(state)).slice(0, 20);
  return [
    ...open.toSorted((a, b) => Number(b.state === 'running') - Number(a.state === 'running') || b.id - a.id),
    ...ended,
  ].map((mission) => missionItem(mission, input.now, input.glyphs));
}

export const overview: Page = {
  name: 'overview',
  title: 'overview',
  short: 'home',
  key: '1',
  about: 'what needs you, what moves, how it goes',
  sections: [MISSIONS, TROUBLE, DAY, RATE, EVENTS, CONTROLS, QUESTIONS, AGENTS, HEALTH, BREAKERS],
  acts: [
    ...MISSION_ACTS,
    {
      key: 'P',
      label: 'pause all',
      help: 'nothing starts any more, anywhere, until it is resumed',
      action: 'pause',
      ask: { question: 'Why? (enter alone: no reason)', option: 'reason', optional: true },
      on: () => ({ args: ['all'], target: 'all' }),
    },
    {
      key: 'U',
      label: 'resume all',
      help: 'end the pause of everything',
      action: 'resume',
      on: () => ({ args: ['all'], target: 'all' }),
    },
  ],
  view: (input) => {
    const { area, now, glyphs, ui } = input;
    const wide = area.width >= 100;
    const troubles = needs(input);
    // Before the first answer nothing is known, and all well would be a lie.
    const known = input.state.data.trouble !== undefined || input.state.broken.has('trouble');
    const trouble = Math.max(1, Math.min(troubles.length, Math.floor(area.height / 4)));
    const [top, middle, bottom] = rowsOf(area, trouble + 2, { grow: 3, least: 8 }, { grow: 2, least: 5 }) as [
      Rect,
      Rect,
      Rect,
    ];
    const [left, right] = wide ? columnsOf(middle, { grow: 3 }, { grow: 2 }) : columnsOf(middle, { grow: 1 }, 34);
    // One cursor for both lists: what needs somebody comes first.
    const missions = openMissions(input);
    const list = listPanel({ ...input, ui: { ...ui, filter: ui.filter } }, left!, {
      id: 'overview:missions',
      title: 'Missions',
      columns: missionColumns(left!.width),
      items: missions,
      empty: input.state.data.missions ? 'no mission yet: openclaw missions new host_report' : 'reading',
      note: 'enter opens',
    });
    const chartHeight = right!.height >= 15 ? Math.floor(right!.height / 2) : 0;
    const [work, chart] = rowsOf(right!, { grow: 1 }, chartHeight) as [Rect, Rect];
    const events = rowsOfSection<EventRow>(input.state, 'events');
    return {
      ...list,
      panels: [
        {
          id: 'overview:needs',
          ...top,
          title: troubles.length > 0 ? `Needs you: ${troubles.length}` : known ? 'Nothing needs you' : 'What needs you',
          tone: troubles.length === 0 ? 'dim' : 'warn',
          lines:
            troubles.length === 0
              ? [
                  known
                    ? line([` ${glyphs.states.ok} `, 'good'], ['no failure in 24 hours, no question open', 'dim'])
                    : line([' reading', 'dim']),
                ]
              : troubles
                  .slice(0, trouble)
                  .map((one, index) =>
                    index === trouble - 1 && troubles.length > trouble
                      ? line([` and ${plural(troubles.length - index, 'more', 'more')}`, 'dim'])
                      : one.line,
                  ),
        },
        list.panel,
        { id: 'overview:work', ...work, title: 'Work', lines: workLines(input, work.width - 2) },
        ...(chart.height > 2 ? [chartPanel('overview:chart', chart, input)] : []),
        {
          id: 'overview:events',
          ...bottom,
          title: 'Events',
          note: 'newest first',
          lines: events.slice(0, Math.max(0, bottom.height - 2)).map((event) => eventLine(event, now, glyphs)),
        },
      ],
    };
  },
};

function missionColumns(width: number) {
  return [
    { head: 'mission', size: 7 },
    { head: 'state', size: 11 },
    { head: 'steps', size: 5, right: true },
    { head: 'took', size: 9, right: true, from: 84 },
    { head: 'at', size: 12, from: 200 },
    { head: 'by', size: 12, from: 200 },
    { head: 'title', grow: 3 },
    { head: 'what now', grow: width < 60 ? 1 : 2, from: 60 },
  ];
}
