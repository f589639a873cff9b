import { type MissionRow, rowsOfSection } from '../feed/rows.ts';
import { MISSION_LIMIT, MISSIONS } from '../feed/sections.ts';
import { between, clock, since } from '../view/format.ts';
import type { Span } from '../view/frame.ts';
import type { Glyphs } from '../view/glyphs.ts';
import { stateSpan, waitText } from '../view/states.ts';
import { type ListItem, listPanel } from './list.ts';
import type { Act, Page, PageInput } from './types.ts';

const OPEN = new Set(['approved', 'running', 'waiting']);

/** Whether it runs although an attempt has failed already. */
const isRetrying = (mission: MissionRow): boolean => OPEN.has(mission.state) && (mission.tries ?? 0) > 1;

/** What needs a person first, then what moves, then what waits, then the ended, newest first. */
function rank(mission: MissionRow): number {
  if (mission.unknown > 0 && OPEN.has(mission.state)) return 0;
  if (mission.state === 'failed') return 1;
  if (isRetrying(mission)) return 2;
  return ['running', 'waiting', 'approved'].indexOf(mission.state) + 1 ? 3 : 4;
}

/** What a mission does or why it does not, in a few words. */
export function doing(mission: MissionRow, now: number): Span {
  if (mission.error) return [mission.error, OPEN.has(mission.state) || mission.state === 'failed' ? 'bad' : 'dim'];
  if (mission.cancelling && OPEN.has(mission.state)) return ['is being cancelled', 'warn'];
  if (mission.paused) return ['paused', 'warn'];
  if (mission.unknown > 0 && OPEN.has(mission.state)) return ['a step ended unknown: somebody must look', 'bad'];
  if (mission.state === 'waiting') {
    const later = mission.wake_at !== null && new Date(mission.wake_at).getTime() > now;
    return [waitText(mission.wait_reason ?? 'its turn', later ? clock(mission.wake_at, now) : undefined), 'warn'];
  }
  if (mission.now) return [`at ${mission.now}`, 'info'];
  return '';
}

export function missionItem(mission: MissionRow, now: number, glyphs: Glyphs): ListItem {
  const word = isRetrying(mission) ? 'retrying' : mission.state;
  return {
    row: {
      id: `m${mission.id}`,
      state: mission.state,
      open: { page: 'mission', id: String(mission.id) },
      data: { agent: mission.agent ?? '', kind: mission.kind },
    },
    cells: [
      `m${mission.id}`,
      stateSpan(word === 'retrying' ? 'retrying' : mission.state, glyphs, word),
      `${mission.done}/${mission.steps}`,
      OPEN.has(mission.state)
        ? since(mission.started_at ?? mission.created_at, now)
        : between(mission.started_at ?? mission.created_at, mission.finished_at),
      clock(mission.finished_at ?? mission.created_at, now),
      mission.agent ?? mission.actor,
      mission.title,
      doing(mission, now),
    ],
  };
}

export const MISSION_COLUMNS = [
  { head: 'mission', size: 7 },
  { head: 'state', size: 11 },
  { head: 'steps', size: 5, right: true },
  { head: 'took', size: 9, right: true },
  { head: 'at', size: 12, from: 110 },
  { head: 'by', size: 12, from: 130 },
  { head: 'title', grow: 2 },
  { head: 'what now', grow: 3 },
];

const FILTERS = ['failed', 'running', 'retrying', 'waiting', 'succeeded', 'cancelled'];

export function chosenMissions({ state, ui }: PageInput): MissionRow[] {
  const rows = rowsOfSection<MissionRow>(state, 'missions').filter(
    (mission) => ui.only === '' || (ui.only === 'retrying' ? isRetrying(mission) : mission.state === ui.only),
  );
  return rows.toSorted((a, b) => rank(a) - rank(b) || b.id - a.id);
}

/** What may be done to a mission, wherever it is shown. */
export const MISSION_ACTS: readonly Act[] = [
  {
    key: 'r',
    label: 'retry',
    help: 'take an ended mission up again: what did not succeed; history is kept',
    action: 'missions retry',
    on: (row) =>
      row.state === 'failed' || row.state === 'cancelled'
        ? { args: [row.id], target: row.id }
        : `${row.id} is ${row.state}: only what has failed or was cancelled is taken up again`,
  },
  {
    key: 'x',
    label: 'cancel',
    help: 'cancel the mission; a step that runs is told to stop',
    action: 'missions cancel',
    on: (row) => (OPEN.has(row.state) ? { args: [row.id], target: row.id } : `${row.id} has ended (${row.state})`),
  },
];

/** A pause of one mission; on the overview these keys are for everything. */
export const MISSION_PAUSES: readonly Act[] = [
  {
    key: 'P',
    label: 'pause',
    help: 'start no further step of the mission until it is resumed',
    action: 'pause',
    on: (row) =>
      OPEN.has(row.state) ? { args: ['mission', row.id], target: row.id } : `${row.id} has ended (${row.state})`,
  },
  {
    key: 'U',
    label: 'resume',
    help: 'end the pause of the mission',
    action: 'resume',
    on: (row) => ({ args: ['mission', row.id], target: row.id }),
  },
];

/** The same act for all that match, shown or not. */
export const bulkActs = (noun: 'missions' | 'jobs', conditions: string): readonly Act[] =>
  (
    [
      ['B', 'retry'],
      ['X', 'cancel'],
    ] as const
  ).map(([key, verb]) => ({
    key,
    label: `${verb} all`,
    help: `${verb} all ${noun} that match conditions (${conditions}), shown or not: counted first`,
    action: `${noun} ${verb}`,
    bulk: true,
    ask: { question: `Which ${noun}? For example: ${conditions}`, option: 'filter' },
    on: () => ({ args: [], target: noun }),
  }));

export const missions: Page = {
  name: 'missions',
  title: 'missions',
  key: '2',
  about: 'every mission: what failed first, then what moves, then the ended',
  sections: [MISSIONS],
  filters: FILTERS,
  acts: [...MISSION_ACTS, ...MISSION_PAUSES, ...bulkActs('missions', 'state=failed kind=deploy since=2h')],
  view: (input) => {
    const { state, area, now, glyphs, ui } = input;
    const loaded = state.data.missions !== undefined;
    const rows = chosenMissions(input);
    const all = rowsOfSection<MissionRow>(state, 'missions').length;
    return listPanel(input, area, {
      id: 'missions',
      title: `Missions${ui.only ? ` ${glyphs.path} ${ui.only}` : ''}`,
      columns: MISSION_COLUMNS,
      items: rows.map((mission) => missionItem(mission, now, glyphs)),
      empty: loaded
        ? ui.only
          ? `none is ${ui.only}`
          : 'no mission yet: openclaw missions new host_report'
        : 'reading',
      note: all >= MISSION_LIMIT ? `the ${all} newest` : `${rows.length}`,
    });
  },
};
