import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { liveName, rotatedFiles } from './rotatingFile.ts';
import { scrubJsonText } from './secrets.ts';

export interface LogLine {
  /** backup, openclaw, … */
  readonly file: string;
  /** ISO; empty for a line that is no JSON. */
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly raw: string;
}

export interface LogFilter {
  /** Only this file, by its name without `.log`. */
  file?: string | undefined;
  /** Only lines that name this trace. */
  trace?: string | undefined;
  /** At least this level. */
  level?: string | undefined;
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'];
/** Read from the end of one file; a person asks for the last lines. */
const TAIL_BYTES = 4 << 20;

export function logFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.log') && !liveName(name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The last lines of all files (or one), in the order of their times. */
export function lastLines(folder: string, filter: LogFilter, count: number): LogLine[] {
  const lines = chosen(folder, filter).flatMap((name) => linesOf(path.join(folder, name), filter, count));
  return lines.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)).slice(-count);
}

const chosen = (folder: string, { file }: LogFilter) =>
  logFiles(folder).filter((name) => file === undefined || name === `${file}.log`);

/** Backwards through the rotated files until there are enough. */
function linesOf(file: string, filter: LogFilter, count: number): LogLine[] {
  let lines: LogLine[] = [];
  for (const each of [file, ...rotatedFiles(file)]) {
    lines = [...tail(each).flatMap((raw) => matching(path.basename(file, '.log'), raw, filter)), ...lines];
    if (lines.length >= count) break;
  }
  return lines.slice(-count);
}

function tail(file: string): string[] {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const from = Math.max(0, size - TAIL_BYTES);
    const buffer = Buffer.alloc(size - from);
    const read = readSync(descriptor, buffer, 0, buffer.length, from);
    const lines = buffer.toString('utf8', 0, read).split('\n');
    return from > 0 ? lines.slice(1) : lines;
  } finally {
    closeSync(descriptor);
  }
}

function matching(file: string, raw: string, filter: LogFilter): LogLine[] {
  if (!raw.trim()) return [];
  const line = parse(file, raw);
  if (!line)
    return filter.file && !filter.trace && !filter.level
      ? [{ file, time: '', level: '', message: scrubJsonText(raw), fields: {}, raw: scrubJsonText(raw) }]
      : [];
  if (filter.level && LEVELS.indexOf(line.level) < LEVELS.indexOf(filter.level)) return [];
  if (filter.trace && !raw.includes(filter.trace)) return [];
  return [line];
}

function parse(file: string, raw: string): LogLine | undefined {
  try {
    const {
      time,
      level,
      msg,
      pid: _pid,
      hostname: _hostname,
      ...fields
    } = JSON.parse(scrubJsonText(raw)) as Record<string, unknown>;
    return {
      file,
      time: String(time ?? ''),
      level: String(level ?? ''),
      message: String(msg ?? ''),
      fields,
      raw: scrubJsonText(raw),
    };
  } catch {
    // What a crash or a program wrote beside the log.
    return undefined;
  }
}

const LOOK_EVERY_MS = 250;

/** Calls `onLine` for each line that is written from now on, through rotations, until the signal. */
export async function followLogs(
  folder: string,
  filter: LogFilter,
  onLine: (line: LogLine) => void,
  signal: AbortSignal,
): Promise<void> {
  const places = new Map<string, { ino: number; offset: number; rest: string }>();
  const look = (first: boolean) => {
    for (const name of chosen(folder, filter)) {
      const file = path.join(folder, name);
      const stat = statSync(file, { throwIfNoEntry: false });
      if (!stat) continue;
      let place = places.get(name);
      if (place && place.ino !== stat.ino) {
        // Renamed: what was written to it last is still to be read.
        const old = rotatedFiles(file).find((each) => statSync(each, { throwIfNoEntry: false })?.ino === place!.ino);
        if (old) read(old, name, place);
        place = undefined;
      }
      if (!place) {
        place = { ino: stat.ino, offset: first ? stat.size : 0, rest: '' };
        places.set(name, place);
      }
      read(file, name, place);
    }
  };
  const read = (file: string, name: string, place: { offset: number; rest: string }) => {
    const descriptor = openSync(file, 'r');
    try {
      const buffer = Buffer.alloc(1 << 16);
      for (;;) {
        const count = readSync(descriptor, buffer, 0, buffer.length, place.offset);
        if (count === 0) return;
        place.offset += count;
        const lines = (place.rest + buffer.toString('utf8', 0, count)).split('\n');
        place.rest = lines.pop() ?? '';
        for (const raw of lines) for (const line of matching(path.basename(name, '.log'), raw, filter)) onLine(line);
      }
    } finally {
      closeSync(descriptor);
    }
  };
  look(true);
  while (!signal.aborted) {
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    look(false);
  }
}
