import { copyFileSync, type Dirent, lstatSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';

/** Makes `target` hold the regular files of `source`, and nothing else but what git keeps. Links are not followed or copied. */
export function mirror(source: string, target: string): void {
  mkdirSync(target, { recursive: true, mode: 0o700 });
  const wanted = new Map(entriesOf(source).map((entry) => [entry.name, entry]));
  for (const entry of entriesOf(target)) {
    const same = wanted.get(entry.name);
    if (!same || same.isDirectory() !== entry.isDirectory()) rmSync(path.join(target, entry.name), { recursive: true });
  }
  for (const [name, entry] of wanted) {
    const from = path.join(source, name);
    const to = path.join(target, name);
    if (entry.isDirectory()) mirror(from, to);
    else copyIfChanged(from, to);
  }
}

function copyIfChanged(from: string, to: string): void {
  const wanted = statSync(from, { throwIfNoEntry: false });
  if (!wanted) return;
  const there = lstatSync(to, { throwIfNoEntry: false });
  if (there?.isFile() && there.size === wanted.size && Math.abs(there.mtimeMs - wanted.mtimeMs) < 2) return;
  rmSync(to, { force: true });
  copyFileSync(from, to);
  utimesSync(to, wanted.atime, wanted.mtime);
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).filter(
      (entry) => (entry.isFile() || entry.isDirectory()) && entry.name !== '.git',
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
