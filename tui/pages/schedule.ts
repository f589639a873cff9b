import type { Section } from '../feed/sections.ts';
import { clock, span } from '../view/format.ts';
import type { Span } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';

export interface ScheduleRow {
  id: string;
  task: string;
  line: string;
  file: string;
  next: string[];
  /** The planned time of the last run that was queued. */
  last: string | null;
  last_state: string | null;
  last_error: string | null;
  paused: boolean;
  /** What becomes of missed runs: skip, one, all. */
  missed: string | null;
  fault?: string;
}

const SCHEDULES: Section = { name: 'schedules', sql: '', local: true, everyS: 5 };

export const schedule = listPage<ScheduleRow>({
  name: 'schedule',
  title: 'schedule',
  short: 'cron',
  key: '5',
  about: 'each schedule: its next runs, how the last went, whether it is late',
  section: SCHEDULES,
  columns: [
    { head: 'schedule', size: 20 },
    { head: 'task', size: 16, from: 90 },
    { head: 'last', size: 12 },
    { head: 'went', size: 12 },
    { head: 'next', size: 12 },
    { head: 'in', size: 10, right: true, from: 70 },
    { head: 'line', grow: 1, from: 90 },
  ],
  item: (row, { now, glyphs }) => {
    const wentStyle = row.last_state === 'failed' ? 'bad' : row.last_state === 'succeeded' ? 'good' : 'plain';
    const went: Span = row.fault
      ? [`${glyphs.states.bad} faulty`, 'bad']
      : row.last_state
        ? [`${glyphs.states[row.last_state] ?? ' '} ${row.last_state}`, wentStyle]
        : ['-', 'dim'];
    const until = row.next[0] ? new Date(row.next[0]).getTime() - now : null;
    return {
      row: { id: row.id, state: row.fault ? 'faulty' : row.paused ? 'paused' : 'planned' },
      // Whole minutes: an idle screen stays as it is.
      cells: [
        row.id,
        row.task,
        clock(row.last, now),
        went,
        row.paused ? [`${glyphs.states.paused} paused`, 'warn'] : clock(row.next[0], now),
        row.paused
          ? ''
          : until === null
            ? '-'
            : until < 60_000
              ? 'soon'
              : span(Math.floor(until / 60_000) * 60_000).replace(/ 00 s$/, ''),
        [row.fault ?? row.line, row.fault ? 'bad' : 'dim'],
      ],
    };
  },
  detail: (row, { now }) =>
    fields(
      ['fault', row.fault],
      ['line', row.line],
      ['file', row.file],
      ['task', row.task],
      ['last', row.last && `planned for ${clock(row.last, now)}: ${row.last_state ?? 'its job is not known any more'}`],
      ['error', row.last_error],
      ['paused', row.paused ? 'plans no runs until it is resumed' : ''],
      ['missed', row.missed && `what becomes of missed runs: ${row.missed}`],
      ['next', row.next.map((at) => clock(at, now)).join('   ')],
    ),
  acts: [
    {
      key: 'P',
      label: 'pause',
      help: 'plan no runs of the schedule until it is resumed',
      action: 'cron pause',
      on: (row) => (row.state === 'planned' ? { args: [row.id], target: row.id } : `${row.id} is ${row.state}`),
    },
    {
      key: 'U',
      label: 'resume',
      help: 'plan the runs of the schedule again, from the next one on',
      action: 'cron resume',
      on: (row) => (row.state === 'paused' ? { args: [row.id], target: row.id } : `${row.id} is not paused`),
    },
    {
      key: 'n',
      label: 'run now',
      help: 'queue its job now',
      action: 'cron run',
      on: (row) => (row.state === 'faulty' ? `the line of ${row.id} is faulty` : { args: [row.id], target: row.id }),
    },
  ],
  empty: 'no schedules',
});
