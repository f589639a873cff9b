import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../../lib/config/index.ts';
import type { Queryable } from '../../lib/db/index.ts';
import type { Artefact } from '../pages/canvas.ts';
import type { ScheduleRow } from '../pages/schedule.ts';

const ARTEFACT_LIMIT = { count: 50, bytes: 64 * 1024 };

/** By the name of their section; what they need of the database they read through the feed's own connection. */
export type Locals = Readonly<Record<string, (db: Queryable) => Promise<unknown>>>;

/** What a screen shows of this host and not of the database: the crontabs, and what agents drew. */
export function localSources(config: Config): Locals {
  return {
    schedules: (db) => readSchedules(config, db),
    canvas: () => readCanvas(path.join(config.home, '.openclaw', 'canvas')),
  };
}

async function readSchedules(config: Config, db: Queryable): Promise<ScheduleRow[]> {
  // The parser of crontabs is graphile-worker's: read only by a screen that shows them.
  const { nextRuns, readCrontabs } = await import('../../lib/cron/index.ts');
  const { rows } = await db.query<{
    tasks: Record<string, number>;
    last: Record<string, { at: string; state: string | null; error: string | null }>;
    paused: string[];
    now: Date;
  }>(
    `select (select coalesce(json_object_agg(identifier, max_attempts), '{}') from ops_tasks where retired_at is null) as tasks, clock_now() as now,
              (select coalesce(json_object_agg(r.schedule, json_build_object('at', r.planned_for, 'error', left(h.last_error, 300),
                       'state', case when r.state in ('missed', 'paused') then r.state else h.state end)), '{}')
               from ops_schedules s
               cross join lateral (select * from ops_cron_runs where schedule = s.id and state <> 'replaced' order by planned_for desc limit 1) r
               left join job_history h on h.job_id = r.job_id) as last,
              array(select target from ops_controls where scope = 'schedule') as paused`,
  );
  const { tasks, last, paused, now } = rows[0]!;
  const { schedules, faults } = await readCrontabs(config, new Map(Object.entries(tasks)));
  return [
    ...faults.map((fault, index) => ({
      id: `faulty:${index + 1}`,
      task: '',
      line: '',
      file: `${fault.file}:${fault.line}`,
      next: [],
      last: null,
      last_state: null,
      last_error: null,
      paused: false,
      missed: null,
      fault: fault.message,
    })),
    ...schedules.map(({ id, task, line, file, missed, item }) => ({
      id,
      task,
      line,
      file,
      next: nextRuns(item, now, 3).map((at) => at.toISOString()),
      last: last[id]?.at ?? null,
      last_state: last[id]?.state ?? null,
      last_error: last[id]?.error ?? null,
      paused: paused.includes(id),
      missed,
    })),
  ];
}

/** The newest texts; what is too large is cut, what is no text is named only. */
async function readCanvas(folder: string): Promise<Artefact[]> {
  let names: string[];
  try {
    names = await readdir(folder, { recursive: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const found = await Promise.all(
    names.map(async (name) => {
      // Not through a link: it could lead to anything that this process may read.
      const facts = await lstat(path.join(folder, name));
      return facts.isFile() ? { name, bytes: facts.size, changed: facts.mtime.toISOString() } : undefined;
    }),
  );
  const newest = found
    .filter((one) => one !== undefined)
    .sort((a, b) => b.changed.localeCompare(a.changed))
    .slice(0, ARTEFACT_LIMIT.count);
  return Promise.all(newest.map(async (one) => ({ ...one, text: await textOf(path.join(folder, one.name)) })));
}

async function textOf(file: string): Promise<string> {
  if (!/\.(md|txt|csv|log|json)$/i.test(file)) return 'this is no text';
  const content = await readFile(file, 'utf8');
  return content.length > ARTEFACT_LIMIT.bytes
    ? `${content.slice(0, ARTEFACT_LIMIT.bytes)}\n(cut: the file is longer)`
    : content;
}
