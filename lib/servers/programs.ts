import { accessSync, constants, readdirSync } from 'node:fs';
import path from 'node:path';

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Not there, not ours or not executable: in each case it is no program that we can start.
    return false;
  }
}

const pathFolders = () => (process.env.PATH ?? '').split(':').filter((folder) => path.isAbsolute(folder));

/** As it is named there, not what a link leads to: Debian's redis-server is redis-check-rdb under another name. */
export function onPath(name: string, more: readonly string[] = []): string | null {
  return [...pathFolders(), ...more].map((folder) => path.join(folder, name)).find(isExecutable) ?? null;
}

/** `/usr/lib/postgresql/*\/bin`: one level of `*`, for which a glob library would be too much. */
export function expandStar(pattern: string): string[] {
  const [before, after] = pattern.split('*') as [string, string | undefined];
  if (after === undefined) return [pattern];
  const parent = path.dirname(`${before}x`);
  const prefix = before.slice(parent.length + 1);
  let names: string[];
  try {
    names = readdirSync(parent);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
  return names.filter((name) => name.startsWith(prefix)).map((name) => path.join(parent, name + after));
}
