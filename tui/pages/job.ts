import { rowsOfSection } from '../feed/rows.ts';
import { listOf, type Section } from '../feed/sections.ts';
import { between, clock, errorText, since } from '../view/format.ts';
import { line } from '../view/frame.ts';
import { stateSpan } from '../view/states.ts';
import { wrap } from '../view/text.ts';
import { JOB_ACTS, type PlaceWait, placeText } from './jobs.ts';
import { fields } from './listPage.ts';
import type { Page } from './types.ts';

interface JobDetail {
  id: number;
  task: string;
  state: string;
  attempts: number;
  max_attempts: number;
  priority: number;
  source: string;
  actor: string;
  mission_id: number | null;
  trace_id: string | null;
  worker: string | null;
  payload: string;
  result: string | null;
  error_class: string | null;
  last_error: string | null;
  run_at: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  place: PlaceWait | null;
  progress: { fraction: number; note: string | null } | null;
}

const JOB: Section = {
  name: 'job',
  sql: listOf(`select q.id, q.task, q.state, q.attempts, q.max_attempts, q.priority, q.source, q.actor, q.mission_id, q.trace_id, q.worker, left(q.payload::text, 4000) as payload,
      left(q.result::text, 8000) as result, q.error_class, left(q.last_error, 4000) as last_error, q.run_at, q.created_at, q.started_at, q.finished_at,
      (select json_build_object('fraction', round(p.fraction::numeric, 2), 'note', p.note) from job_progress p where p.job_id = q.id) as progress,
      (select json_build_object('key', p.key, 'most', p.most, 'taken', p.taken, 'interval_ms', p.interval_ms, 'free_at', p.free_at) from waits_for_place p where p.holder = 'j' || q.id) as place
    from task_queue q where q.id = any ($3)`),
};

export const job: Page = {
  name: 'job',
  title: 'job',
  detailOf: 'queue',
  about: 'one job: its error, its times, what it was given and what it gave',
  sections: [JOB],
  acts: JOB_ACTS,
  view: ({ state, place, area, ui, now, glyphs }) => {
    const found = rowsOfSection<JobDetail>(state, 'job').find(({ id }) => String(id) === place.id);
    const title = `Job j${place.id}`;
    if (!found) {
      return {
        panels: [
          {
            id: 'job',
            ...area,
            title,
            lines: [
              line([
                ` ${state.data.job === undefined ? 'reading' : `there is no job j${place.id}, or it is being read`}`,
                'dim',
              ]),
            ],
          },
        ],
        rows: [],
        cursor: -1,
      };
    }
    const took = found.started_at
      ? found.finished_at
        ? between(found.started_at, found.finished_at)
        : since(found.started_at, now)
      : '-';
    const text = fields(
      ['waits', found.place && `at a limit: ${placeText(found.place, now)}; openclaw why j${found.id} says more`],
      ['error', errorText(found.error_class, found.last_error)],
      [
        'progress',
        found.progress && !found.finished_at
          ? `${Math.round(found.progress.fraction * 100)} % ${found.progress.note ?? ''}`
          : '',
      ],
      ['attempts', `${found.attempts} of ${found.max_attempts}`],
      ['asked', `${clock(found.created_at, now)} by ${found.actor} (${found.source})`],
      ['run at', found.started_at ? '' : clock(found.run_at, now)],
      [
        'ran',
        found.started_at
          ? `${clock(found.started_at, now)}${found.finished_at ? ` to ${clock(found.finished_at, now)}` : ''}, ${took}`
          : '',
      ],
      ['worker', found.worker],
      ['mission', found.mission_id && `m${found.mission_id}`],
      ['trace', found.trace_id],
      ['payload', found.payload],
      ['result', found.result],
    );
    const lines = wrap(text, area.width - 4, 500);
    const room = area.height - 3;
    const from = Math.min(ui.scroll, Math.max(0, lines.length - room));
    return {
      panels: [
        {
          id: 'job',
          ...area,
          title: `${title} ${glyphs.dot} ${found.task}`,
          ...(lines.length > room ? { note: 'J and K scroll' } : {}),
          lines: [
            line(' ', stateSpan(found.state, glyphs)),
            ...lines.slice(from, from + room).map((one) => line(` ${one}`)),
          ],
        },
      ],
      rows: [
        {
          id: `j${found.id}`,
          state: found.state,
          ...(found.mission_id !== null ? { open: { page: 'mission', id: String(found.mission_id) } } : {}),
        },
      ],
      cursor: 0,
    };
  },
};
