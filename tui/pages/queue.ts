import { rowsOfSection, sectionOf, type Trouble, type Work } from '../feed/rows.ts';
import { listOf, RATE, type Section, TROUBLE } from '../feed/sections.ts';
import { count, since } from '../view/format.ts';
import { type Line, line, type Panel, type Rect } from '../view/frame.ts';
import { columnsOf, rowsOf } from '../view/layout.ts';
import { table } from '../view/table.ts';
import { chartPanel } from './chartPanel.ts';
import { groupItem, JOB_ACTS, JOBS, type Job, jobItem } from './jobs.ts';
import { listPanel } from './list.ts';
import { bulkActs } from './missions.ts';
import type { Page, PageInput } from './types.ts';

interface TaskCount {
  task: string;
  ready: number;
  running: number;
  retrying: number;
  limited: number;
  oldest: string | null;
}

const BY_TASK: Section = {
  name: 'by_task',
  everyS: 2,
  sql: listOf(`select task, sum(ready)::integer as ready, sum(running)::integer as running, sum(retrying)::integer as retrying, sum(limited)::integer as limited, min(oldest) as oldest from (
      select t.identifier as task, count(*) filter (where j.locked_at is null and j.run_at <= now() and j.attempts < j.max_attempts)::integer as ready,
        count(*) filter (where j.locked_at is not null)::integer as running, count(*) filter (where j.locked_at is null and j.attempts > 0)::integer as retrying, 0 as limited,
        min(j.run_at) filter (where j.locked_at is null and j.attempts < j.max_attempts and j.run_at < now() - interval '2 seconds') as oldest, count(*) as live
      from (select task_id, locked_at, run_at, attempts, max_attempts from graphile_worker._private_jobs limit 50000) j join graphile_worker._private_tasks t on t.id = j.task_id
      group by 1
      union all
      select task, 0, 0, 0, count(*)::integer, min(since), count(*) from (select task, since from limit_waits where mission_id is null limit 50000) l group by 1) u
    group by 1 order by sum(live) desc limit 30`),
};

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
          work.jobs.limited > 0 ? [`  ${count(work.jobs.limited)} at a limit`, 'warn'] : '',
          work.jobs.oldest ? [`  oldest waits ${since(work.jobs.oldest, now)}`, 'warn'] : '',
        ),
      ]
    : [line([' reading', 'dim'])];
  const lines = table({
    columns: [
      { head: 'task', grow: 1 },
      { head: 'ready', size: 5, right: true },
      { head: 'runs', size: 4, right: true },
      { head: 'again', size: 5, right: true, from: 44 },
      ...(tasks.some(({ limited }) => limited > 0) ? [{ head: 'limit', size: 5, right: true }] : []),
      { head: 'oldest', size: 8, right: true },
    ],
    rows: tasks.map((task) => ({
      id: task.task,
      cells: [
        task.task,
        count(task.ready),
        count(task.running),
        count(task.retrying),
        ...(tasks.some(({ limited }) => limited > 0) ? [count(task.limited)] : []),
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
  filters: ['failed', 'running', 'retrying', 'limited', 'ready', 'later', 'dead'],
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
