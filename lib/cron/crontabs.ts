import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ParsedCronItem } from 'graphile-worker';
import { CODE_ROOT, type Config } from '../config/index.ts';
import { messageOf } from '../errors/index.ts';

export interface Schedule {
  id: string;
  task: string;
  /** The line as it was written. */
  line: string;
  file: string;
  /** What becomes of runs that were missed. */
  missed: MissedRule;
  /** How old a missed run may be to be made up for. */
  madeUpForMs: number;
  item: ParsedCronItem;
}

const MISSED_RULES = ['skip', 'one', 'all'] as const;
export type MissedRule = (typeof MISSED_RULES)[number];

/** Older runs were missed, whatever the rule: nobody waits for them any more. */
export const MADE_UP_AT_MOST_MS = 31 * 24 * 3_600_000;

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
  const { parseCrontab } = await import('graphile-worker');
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
        const { stock, missed } = takeMissed(line);
        const [item] = parseCrontab(stock);
        if (!item) continue;
        const other = schedules.find((schedule) => schedule.id === item.identifier);
        if (other)
          throw new Error(
            `the id "${item.identifier}" is used by ${other.file}; give this one an id of its own (?id=...)`,
          );
        if (!known.has(item.task)) throw new Error(`unknown task "${item.task}"`);
        item.options.maxAttempts ??= known.get(item.task);
        const fillMs = item.options.backfillPeriod;
        // Made up for by settle_runs(), which knows which runs had a row.
        item.options.backfillPeriod = 0;
        schedules.push({
          id: item.identifier,
          task: item.task,
          line: line.trim(),
          file,
          missed: missed ?? (fillMs === 0 ? 'skip' : item.options.jobKey ? 'one' : 'all'),
          madeUpForMs: fillMs > 0 ? Math.min(fillMs, MADE_UP_AT_MOST_MS) : MADE_UP_AT_MOST_MS,
          item,
        });
      } catch (error) {
        faults.push({ file, line: index + 1, message: messageOf(error) });
      }
    }
  }
  return { schedules, faults };
}

/**
 * `missed=` is ours, the rest of a line is graphile-worker's. Without it the rule is what graphile-worker makes of the line: no
 * `fill`: skip; `fill` and a job key, by which later runs replace earlier ones: one; `fill` alone: all.
 */
function takeMissed(line: string): { stock: string; missed?: MissedRule } {
  const options = /^((?:\s*\S+){6}\s+)\?(\S*)/.exec(line);
  if (!options) return { stock: line };
  const given = options[2]!.split('&');
  const missed = given.find((option) => option.startsWith('missed='))?.slice('missed='.length) as
    | MissedRule
    | undefined;
  if (missed === undefined) return { stock: line };
  if (!MISSED_RULES.includes(missed)) throw new Error(`missed=${missed}: expected skip, one or all`);
  const rest = given.filter((option) => !option.startsWith('missed=')).join('&');
  return { stock: `${options[1]}${rest && `?${rest}`}${line.slice(options[0].length)}`, missed };
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
