import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';
import { messageOf } from '../errors/index.ts';

export interface GoodFileOptions<T> {
  /** The operator's file; where it is missing, the built-in one counts. */
  readonly file: string;
  readonly builtIn?: string;
  readonly schema: z.ZodType<T>;
  /** A folder for the text that was good last, so that a restart beside a bad edit keeps it too. */
  readonly keepIn: string;
}

export interface GoodFile<T> {
  /** What is in force, and what is wrong with the file as it stands now, if anything. */
  read: () => { value: T | undefined; fault: string | undefined; file: string };
}

/**
 * A JSON file that people edit while the system runs. It is read again when it has changed; a text that does not fit its
 * schema changes nothing: the last good one stays in force, and `fault` says why.
 */
export function goodFile<T>({ file, builtIn, schema, keepIn }: GoodFileOptions<T>): GoodFile<T> {
  let seen: string | undefined;
  let value: T | undefined;
  let fault: string | undefined;
  let from = file;
  const kept = path.join(
    keepIn,
    `${createHash('sha256').update(file).digest('hex').slice(0, 12)}-${path.basename(file)}`,
  );

  const parse = (text: string): T => {
    const parsed = schema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    throw new Error(
      parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`).join('; '),
    );
  };

  const shipped = () =>
    builtIn === undefined || stampOf(builtIn) === undefined ? undefined : parse(readFileSync(builtIn, 'utf8'));

  return {
    read: () => {
      const stamp = stampOf(file) ?? (builtIn === undefined ? undefined : stampOf(builtIn));
      if (stamp === undefined) return { value: undefined, fault: undefined, file };
      if (stamp !== seen) {
        from = stampOf(file) !== undefined || builtIn === undefined ? file : builtIn;
        try {
          const text = readFileSync(from, 'utf8');
          value = parse(text);
          fault = undefined;
          if (from === file) keep(kept, text);
        } catch (error) {
          fault = `${from}: ${messageOf(error)}`;
          value ??= lastGood(kept, parse) ?? shipped();
        }
        seen = stamp;
      }
      return { value, fault, file: from };
    },
  };
}

function stampOf(file: string): string | undefined {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${file} ${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    // A file that may not be read is a fault of the file, which reading it will name.
    return `${file} ${messageOf(error)}`;
  }
}

function keep(kept: string, text: string): void {
  try {
    mkdirSync(path.dirname(kept), { recursive: true, mode: 0o700 });
    writeFileSync(`${kept}.${process.pid}`, text, { mode: 0o600 });
    renameSync(`${kept}.${process.pid}`, kept);
  } catch {
    // A home that cannot be written (a read-only unit): the last good text is then kept in memory alone.
  }
}

function lastGood<T>(kept: string, parse: (text: string) => T): T | undefined {
  try {
    return parse(readFileSync(kept, 'utf8'));
  } catch {
    // None was kept, or it was good for an earlier schema only.
    return undefined;
  }
}
