import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type ParsedCronItem, parseCrontab } from 'graphile-worker';
import { CODE_ROOT, type Config } from '../config/index.ts';
import { messageOf } from '../errors/index.ts';

export interface Schedule {
  id: string;
  task: string;
  /** The line as it was written. */
  line: string;
  file: string;
  item: ParsedCronItem;
}

export interface CrontabFault {
  file: string;
  line: number;
  message: string;
}

/**
 * The schedules of the built-in crontab and of the operator's `.openclaw/cron/*.crontab`. A faulty line is left out and
 * named; the others run.
 *
 * @param known attempts by identifier of the tasks that can be run: a schedule for another one would queue jobs that wait for
 * ever. A line without `max=` gets its task's attempts (graphile-worker's default would be 25).
 */
export async function readCrontabs(
  config: Config,
  known: ReadonlyMap<string, number>,
): Promise<{ schedules: Schedule[]; faults: CrontabFault[] }> {
  const schedules: Schedule[] = [];
  const faults: CrontabFault[] = [];
  for (const file of [path.join(CODE_ROOT, 'crontab'), ...(await operatorFiles(config))]) {
    let lines: string[];
    try {
      lines = (await readFile(file, 'utf8')).split(/\r?\n/);
    } catch (error) {
      faults.push({ file, line: 0, message: `cannot be read: ${messageOf(error)}` });
      continue;
    }
    for (const [index, line] of lines.entries()) {
      if (/^\s*(#|$)/.test(line)) continue;
      try {
        const [item] = parseCrontab(line);
        if (!item) continue;
        const other = schedules.find((schedule) => schedule.id === item.identifier);
        if (other)
          throw new Error(
            `the id "${item.identifier}" is used by ${other.file}; give this one an id of its own (?id=...)`,
          );
        if (!known.has(item.task)) throw new Error(`unknown task "${item.task}"`);
        item.options.maxAttempts ??= known.get(item.task);
        schedules.push({ id: item.identifier, task: item.task, line: line.trim(), file, item });
      } catch (error) {
        faults.push({ file, line: index + 1, message: messageOf(error) });
      }
    }
  }
  return { schedules, faults };
}

async function operatorFiles(config: Config): Promise<string[]> {
  try {
    const names = await readdir(config.layout.cron);
    return names
      .filter((name) => name.endsWith('.crontab'))
      .sort()
      .map((name) => path.join(config.layout.cron, name));
  } catch (error) {
    // A home without schedules of its own.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
