import { type EventRow, rowsOfSection } from '../feed/rows.ts';
import { EVENTS } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import { type Line, line, type Span, type Style } from '../view/frame.ts';
import type { Glyphs } from '../view/glyphs.ts';
import { type ListItem, listPanel } from './list.ts';
import type { Page, PageInput } from './types.ts';

const SEVERITY: Record<string, Style> = {
  critical: 'alarm',
  error: 'bad',
  warning: 'warn',
  info: 'plain',
  debug: 'dim',
};
const ORDER = ['debug', 'info', 'warning', 'error', 'critical'];

const subject = (event: EventRow): string =>
  event.mission_id !== null ? `m${event.mission_id}` : event.job !== null ? `j${event.job}` : '';

/** What is read first where not all of it has room. */
const FIRST = ['error', 'step', 'title', 'task', 'key', 'question', 'answer'];
const place = (key: string): number => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length);

/** A payload as `key: value` pairs, which read easier than JSON. */
export function payloadText(payload: string): string {
  try {
    const value = JSON.parse(payload) as Record<string, unknown>;
    return Object.entries(value)
      .filter(([, one]) => one !== null && one !== '')
      .sort(([a], [b]) => place(a) - place(b))
      .map(
        ([key, one]) =>
          `${key}: ${typeof one === 'object' ? JSON.stringify(one) : typeof one === 'number' ? Math.round(one * 100) / 100 : String(one)}`,
      )
      .join('  ');
  } catch {
    // Cut off by the snapshot: shown as it came.
    return payload;
  }
}

export function eventLine(event: EventRow, now: number, glyphs: Glyphs): Line {
  const style = SEVERITY[event.severity] ?? 'plain';
  const sign = style === 'bad' || style === 'alarm' ? glyphs.states.bad : style === 'warn' ? glyphs.states.warn : ' ';
  return line(
    [` ${clock(event.created_at, now).padEnd(12)} `, 'dim'],
    [`${sign} ${event.kind.padEnd(18)}`, style],
    ` ${subject(event).padEnd(6)} `,
    [payloadText(event.payload), 'dim'],
  );
}

function item(event: EventRow, now: number, glyphs: Glyphs): ListItem {
  const style = SEVERITY[event.severity] ?? 'plain';
  const sign = style === 'bad' || style === 'alarm' ? glyphs.states.bad : style === 'warn' ? glyphs.states.warn : ' ';
  const kind: Span = [`${sign} ${event.kind}`, style];
  return {
    row: {
      id: `e${event.id}`,
      state: event.severity,
      ...(event.mission_id !== null
        ? { open: { page: 'mission', id: String(event.mission_id) } }
        : event.job !== null
          ? { open: { page: 'job', id: String(event.job) } }
          : {}),
    },
    cells: [clock(event.created_at, now), kind, subject(event), event.agent ?? event.actor, payloadText(event.payload)],
  };
}

export const events: Page = {
  name: 'events',
  title: 'events',
  short: 'log',
  key: '6',
  about: 'what happened, newest first; the cursor holds its place while more comes in',
  sections: [EVENTS],
  filters: ['warning', 'error'],
  acts: [],
  view: (input: PageInput) => {
    const { state, area, now, glyphs, ui } = input;
    const least = ui.only === '' ? 0 : ORDER.indexOf(ui.only);
    const rows = rowsOfSection<EventRow>(state, 'events').filter((event) => ORDER.indexOf(event.severity) >= least);
    return listPanel(input, area, {
      id: 'events',
      title: `Events${ui.only ? ` ${glyphs.path} ${ui.only} and worse` : ''}`,
      columns: [
        { head: 'at', size: 12 },
        { head: 'kind', size: 22 },
        { head: 'of', size: 7 },
        { head: 'by', size: 12, from: 100 },
        { head: 'what', grow: 1 },
      ],
      items: rows.map((event) => item(event, now, glyphs)),
      empty: state.data.events === undefined ? 'reading' : 'no events',
      note: 'the newest 200',
    });
  },
};
