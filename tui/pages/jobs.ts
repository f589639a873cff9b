import type { FailureGroup } from '../feed/rows.ts';
import { listOf, type Section } from '../feed/sections.ts';
import { clock, count, errorText, since } from '../view/format.ts';
import type { Span } from '../view/frame.ts';
import { stateSpan } from '../view/states.ts';
import type { ListItem } from './list.ts';
import type { Act, ActTarget, PageInput, RowRef } from './types.ts';

/** What a job of a limited task waits for. */
export interface PlaceWait {
  key: string;
  most: number | null;
  taken: number;
  interval_ms: number | null;
  free_at: string | null;
}
export interface Job {
  id: number;
  task: string;
  state: string;
  attempts: number;
  max_attempts: number;
  priority: number;
  run_at: string;
  locked_at: string | null;
  created_at: string;
  last_error: string | null;
  mission_id: number | null;
  worker: string | null;
  place: PlaceWait | null;
}

const PLACE =
  "json_build_object('key', p.key, 'most', p.most, 'taken', p.taken, 'interval_ms', p.interval_ms, 'free_at', p.free_at)";

/** Those that run, those that are next, and those that wait for a place of their limited task. */
export const JOBS: Section = {
  name: 'jobs',
  sql: listOf(`select * from (
    (select j.id, t.identifier as task,
      case when p.holder is not null then 'limited' when j.locked_at is not null then 'running' when j.attempts >= j.max_attempts then 'dead' when j.attempts > 0 then 'retrying' when j.run_at > now() then 'later' else 'ready' end as state,
      j.attempts, j.max_attempts, j.priority, case when p.holder is null then j.run_at else p.since end as run_at, j.locked_at, j.created_at, left(j.last_error, 300) as last_error,
      (select r.mission_id from job_requests r where r.id = j.id) as mission_id, w.pool || ' on ' || w.host as worker, case when p.holder is not null then ${PLACE} end as place
    from (select * from (
            (select * from graphile_worker._private_jobs where locked_at is not null order by locked_at limit 100) union all
            (select * from graphile_worker._private_jobs where locked_at is null order by priority, run_at, id limit 200)) u) j
    join graphile_worker._private_tasks t on t.id = j.task_id left join workers w on w.pool_id = j.locked_by
    left join waits_for_place p on p.parked and p.holder = 'j' || j.id)
    union all
    (select p.id, p.task, 'limited', p.attempts, p.max_attempts, p.priority, p.since, null, p.since, left(p.last_error, 300), null, null, ${PLACE}
    from waits_for_place p where p.mission_id is null and not p.parked order by p.task, p.priority, p.since, p.holder limit 100)) l
    order by (locked_at is not null) desc, (attempts > 0) desc, (state = 'later'), (state = 'limited'), priority, run_at, id`),
};

/** Which of its limits holds a job up. */
export function placeText({ key, most, taken, interval_ms, free_at }: PlaceWait, now: number): string {
  if (most !== null && taken >= most) return `${taken} of ${most} run${key === '' ? '' : ` for "${key}"`}`;
  if (interval_ms !== null && free_at !== null && new Date(free_at).getTime() > now)
    return `next ${clock(free_at, now)}, one each ${interval_ms >= 1000 ? `${interval_ms / 1000} s` : `${interval_ms} ms`}`;
  return 'it is let in within a second';
}

const SIGNS: Readonly<Record<string, string>> = {
  dead: 'failed',
  ready: 'queued',
  later: 'queued',
  limited: 'waiting',
};

export const jobItem = (job: Job, { now, glyphs }: PageInput): ListItem => {
  const waits =
    job.state === 'running'
      ? since(job.locked_at, now)
      : job.state === 'later' || job.state === 'retrying'
        ? `at ${clock(job.run_at, now)}`
        : since(job.run_at, now);
  const sign = SIGNS[job.state] ?? job.state;
  const note: Span = job.place
    ? [placeText(job.place, now), 'warn']
    : job.last_error
      ? [job.last_error, 'warn']
      : [job.worker ?? (job.mission_id !== null ? `of m${job.mission_id}` : ''), 'dim'];
  return {
    row: {
      id: `j${job.id}`,
      state: job.state,
      open:
        job.task === 'mission' && job.mission_id !== null
          ? { page: 'mission', id: String(job.mission_id) }
          : { page: 'job', id: String(job.id) },
    },
    cells: [
      `j${job.id}`,
      stateSpan(sign, glyphs, job.state),
      job.task,
      `${job.attempts}/${job.max_attempts}`,
      waits,
      note,
    ],
  };
};

export const groupItem = (group: FailureGroup, { now, glyphs }: PageInput): ListItem => ({
  row: {
    // Numbers differ from one failure to the next; the group stays the same.
    id: `group:${group.task}:${group.error_class}:${(group.error ?? '').replace(/\d+/g, '#')}`,
    state: 'failed',
    open: { page: 'job', id: String(group.newest) },
    copy: `j${group.newest}`,
    data: { jobs: group.jobs },
  },
  cells: [
    `${count(group.count)}x`,
    stateSpan('failed', glyphs),
    group.task,
    '',
    clock(group.last, now),
    [errorText(group.error_class, group.error), 'bad'],
  ],
});

const idsOf = (row: RowRef): string[] =>
  row.data?.jobs ? (row.data.jobs as number[]).map((id) => `j${id}`) : [row.id];
const targetsOf = (row: RowRef): ActTarget[] => idsOf(row).map((id) => ({ args: [id], target: id }));

export const JOB_ACTS: readonly Act[] = [
  {
    key: 'r',
    label: 'retry',
    help: 'run it now, or again as a new job; of a group each job (history is kept)',
    action: 'jobs retry',
    on: (row) => (row.state === 'running' || row.state === 'succeeded' ? `${row.id} is ${row.state}` : targetsOf(row)),
  },
  {
    key: 'x',
    label: 'cancel',
    help: 'end a waiting job, or tell a running one to stop',
    action: 'jobs cancel',
    on: (row) =>
      row.data?.jobs
        ? 'these have ended already'
        : ['succeeded', 'failed', 'cancelled'].includes(row.state)
          ? `${row.id} has ended (${row.state})`
          : targetsOf(row),
  },
];
