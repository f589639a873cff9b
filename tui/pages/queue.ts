import { type FailureGroup, rowsOfSection, sectionOf, type Trouble, type Work } from '../feed/rows.ts';
import { listOf, RATE, type Section, TROUBLE } from '../feed/sections.ts';
import { clock, count, errorText, since } from '../view/format.ts';
import { type Line, line, type Panel, type Rect, type Span } from '../view/frame.ts';
import { columnsOf, rowsOf } from '../view/layout.ts';
import { stateSpan } from '../view/states.ts';
import { table } from '../view/table.ts';
import { chartPanel } from './chartPanel.ts';
import { type ListItem, listPanel } from './list.ts';
import { bulkActs } from './missions.ts';
import type { Act, ActTarget, Page, PageInput, RowRef } from './types.ts';

interface Job {
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
}
interface TaskCount {
  task: string;
  ready: number;
  running: number;
  retrying: number;
  oldest: string | null;
}

const JOBS: Section = {
  name: 'jobs',
  sql: listOf(`select j.id, t.identifier as task,
      case when j.locked_at is not null then 'running' when j.attempts >= j.max_attempts then 'dead' when j.attempts > 0 then 'retrying' when j.run_at > now() then 'later' else 'ready' end as state,
      j.attempts, j.max_attempts, j.priority, j.run_at, j.locked_at, j.created_at, left(j.last_error, 300) as last_error, (select r.mission_id from job_requests r where r.id = j.id) as mission_id, w.name as worker
    from (select * from (
            (select * from graphile_worker._private_jobs where locked_at is not null order by locked_at limit 100) union all
            (select * from graphile_worker._private_jobs where locked_at is null order by priority, run_at, id limit 200)) u) j
    join graphile_worker._private_tasks t on t.id = j.task_id left join workers w on w.pool_id = j.locked_by
    order by (j.locked_at is not null) desc, (j.attempts > 0) desc, j.priority, j.run_at, j.id`),
};

const BY_TASK: Section = {
  name: 'by_task',
  everyS: 2,
  sql: listOf(`select t.identifier as task, count(*) filter (where j.locked_at is null and j.run_at <= now() and j.attempts < j.max_attempts)::integer as ready,
      count(*) filter (where j.locked_at is not null)::integer as running, count(*) filter (where j.locked_at is null and j.attempts > 0)::integer as retrying,
      min(j.run_at) filter (where j.locked_at is null and j.attempts < j.max_attempts and j.run_at < now() - interval '2 seconds') as oldest
    from (select task_id, locked_at, run_at, attempts, max_attempts from graphile_worker._private_jobs limit 50000) j join graphile_worker._private_tasks t on t.id = j.task_id
    group by 1 order by count(*) desc limit 30`),
};

const jobItem = (job: Job, { now, glyphs }: PageInput): ListItem => {
  const waits =
    job.state === 'running'
      ? since(job.locked_at, now)
      : job.state === 'later' || job.state === 'retrying'
        ? `at ${clock(job.run_at, now)}`
        : since(job.run_at, now);
  const sign = job.state === 'dead' ? 'failed' : job.state === 'ready' || job.state === 'later' ? 'queued' : job.state;
  const note: Span = job.last_error
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

const groupItem = (group: FailureGroup, { now, glyphs }: PageInput): ListItem => ({
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

function counters(input: PageInput, area: Rect): Panel {
  const { state, now, glyphs } = input;
  const work = sectionOf<Work>(state, 'work');
  const tasks = rowsOfSection<TaskCount>(state, 'by_task');
  const head: Line[] = work
    ? [
        line(
          ' ',
          [`${count(work.jobs.running)} running`, 'info'],
          `  ${count(work.jobs.ready)} ready  ${count(work.jobs.later)} later`,
        ),
        line(
          ' ',
          [`${count(work.jobs.retrying)} retrying`, work.jobs.retrying > 0 ? 'warn' : 'dim'],
          '  ',
          [`${count(work.jobs.dead)} dead`, work.jobs.dead > 0 ? 'bad' : 'dim'],
          work.jobs.oldest ? [`  oldest waits ${since(work.jobs.oldest, now)}`, 'warn'] : '',
        ),
      ]
    : [line([' reading', 'dim'])];
  const lines = table({
    columns: [
      { head: 'task', grow: 1 },
      { head: 'ready', size: 6, right: true },
      { head: 'runs', size: 5, right: true },
      { head: 'again', size: 5, right: true, from: 44 },
      { head: 'oldest', size: 9, right: true },
    ],
    rows: tasks.map((task) => ({
      id: task.task,
      cells: [
        task.task,
        count(task.ready),
        count(task.running),
        count(task.retrying),
        task.oldest ? since(task.oldest, now) : '-',
      ],
    })),
    width: area.width - 2,
    height: area.height - 4,
    glyphs,
    cursor: -1,
    empty: '',
  });
  return { id: 'queue:counts', ...area, title: 'Queue', lines: [...head, ...(tasks.length > 0 ? lines : [])] };
}

export const queue: Page = {
  name: 'queue',
  title: 'queue',
  key: '3',
  about: 'jobs that wait and run, by task; what failed in 24 hours, grouped by error',
  sections: [JOBS, BY_TASK, TROUBLE, RATE],
  filters: ['failed', 'running', 'retrying', 'ready', 'later', 'dead'],
  acts: [...JOB_ACTS, ...bulkActs('jobs', 'state=failed task=backup error_class=timeout since=2h')],
  view: (input) => {
    const { state, area, ui, glyphs } = input;
    const [upper, lower] = rowsOf(area, Math.max(8, Math.min(14, Math.floor(area.height * 0.4))), { grow: 1 }) as [
      Rect,
      Rect,
    ];
    const [left, right] = columnsOf(upper, { grow: 1 }, { grow: 1 }) as [Rect, Rect];
    const groups = sectionOf<Trouble>(state, 'trouble')?.groups ?? [];
    const items = [
      ...groups.map((group) => groupItem(group, input)),
      ...rowsOfSection<Job>(state, 'jobs').map((job) => jobItem(job, input)),
    ].filter(({ row }) => ui.only === '' || row.state === ui.only);
    const list = listPanel(input, lower, {
      id: 'queue',
      title: `Failed and live jobs${ui.only ? ` ${glyphs.path} ${ui.only}` : ''}`,
      columns: [
        { head: 'job', size: 8 },
        { head: 'state', size: 10 },
        { head: 'task', size: area.width >= 100 ? 22 : 14 },
        { head: 'tries', size: 5, right: true },
        { head: 'waits', size: 12, right: true },
        { head: 'what', grow: 1 },
      ],
      items,
      empty: state.data.jobs === undefined ? 'reading' : 'no job waits or runs, and none failed in 24 hours',
      note: 'the first 300 live',
    });
    return { ...list, panels: [counters(input, left), chartPanel('queue:chart', right, input), list.panel] };
  },
};
