import {
  closeSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';

export interface RotationLimits {
  /** A file that has grown to this gets a name with its time, and a new one begins. */
  maxBytes: number;
  /** So does one that was begun this long ago. */
  maxAgeMs: number;
  /** Rotated files of one name that stay; policy retention.logs deletes by age as well. */
  keep: number;
}

export const ROTATION: RotationLimits = { maxBytes: 16 << 20, maxAgeMs: 86_400_000, keep: 30 };
const LOOK_EVERY_MS = 1000;

/**
 * Appends whole lines to a file that several processes may share. Whoever finds it too large or too old renames it; the
 * others see that the name leads elsewhere within a second and follow. No line is lost or cut by that: what is written
 * meanwhile is in the file with the old lines. `openclaw.log` becomes `openclaw.20261128T071500123-<pid>.log`.
 */
export function rotatingFile(file: string, limits: RotationLimits = ROTATION): { write(line: string): void } {
  let descriptor: number | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let written = 0;
  const open = () => {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    descriptor = openSync(file, 'a', 0o600);
    // The mode is for a new file only.
    fchmodSync(descriptor, 0o600);
  };
  const reopen = () => {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
    open();
  };
  const look = () => {
    lookedAt = performance.now();
    written = 0;
    const named = statSync(file, { throwIfNoEntry: false });
    const opened = fstatSync(descriptor!);
    if (!named || named.ino !== opened.ino) return reopen();
    if (named.size === 0 || (named.size < limits.maxBytes && Date.now() - named.birthtimeMs < limits.maxAgeMs)) return;
    try {
      renameSync(file, rotatedName(file));
    } catch (error) {
      // Another was quicker.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    reopen();
    prune(file, limits.keep);
  };
  open();
  return {
    write: (line) => {
      if (written >= limits.maxBytes || performance.now() - lookedAt >= LOOK_EVERY_MS) look();
      const bytes = Buffer.from(line);
      for (let done = 0; done < bytes.length; ) done += writeSync(descriptor!, bytes, done);
      written += bytes.length;
    },
  };
}

function rotatedName(file: string): string {
  const { dir, name, ext } = path.parse(file);
  const at = new Date().toISOString().replace(/[-:.Z]/g, '');
  return path.join(dir, `${name}.${at}-${process.pid}${ext}`);
}

const ROTATED = /^(.+)\.\d{8}T\d{9}-\d+(\.\w+)$/;

/** The name that a rotated file had while it was written to; undefined for another. */
export function liveName(name: string): string | undefined {
  const match = ROTATED.exec(name);
  return match ? `${match[1]}${match[2]}` : undefined;
}

/** The rotated files of a live one, the newest first. */
export function rotatedFiles(file: string): string[] {
  const { dir, base } = path.parse(file);
  return readdirSync(dir)
    .filter((name) => liveName(name) === base)
    .sort()
    .reverse()
    .map((name) => path.join(dir, name));
}

function prune(file: string, keep: number): void {
  for (const old of rotatedFiles(file).slice(keep)) rmSync(old, { force: true });
}

/** Deletes the rotated files that were last written to before `before`, and what detached starts have left. @returns how many. */
export function deleteOldLogs(folder: string, before: Date): number {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  const old = names.filter((name) => {
    if (!liveName(name) && !/^up\.\d+\.out$/.test(name)) return false;
    const stat = statSync(path.join(folder, name), { throwIfNoEntry: false });
    return stat !== undefined && stat.mtimeMs < before.getTime();
  });
  for (const name of old) rmSync(path.join(folder, name), { force: true });
  return old.length;
}
