import { createWriteStream, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { DUMP_ENTRY, MANIFEST_ENTRY } from './manifest.ts';
import { readArchive } from './openArchive.ts';

export interface FilesRestored {
  readonly files: number;
  /** Links that lead out of the folder, and what is there already. */
  readonly skipped: readonly string[];
}

/**
 * The archive's files below `folder`, each whole before it gets its name. Nothing is written outside of it, whatever the
 * archive or a link in the folder says; links come last, and only those that stay inside.
 *
 * @throws E_NOT_EMPTY without `force`.
 */
export async function restoreFiles(
  file: string,
  folder: string,
  { force, identity, signal }: { force: boolean; identity?: string | undefined; signal: AbortSignal },
): Promise<FilesRestored> {
  if (!force && existsSync(folder) && readdirSync(folder).length > 0) {
    throw new OpenClawError('E_NOT_EMPTY', `${folder} is not empty`, {
      expected: 'an empty folder, or none',
      remedy: 'name another one, or --force to write over what has the same names',
      exitCode: EXIT.usage,
    });
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const root = realpathSync(folder);
  const links: { name: string; target: string }[] = [];
  const skipped: string[] = [];
  let files = 0;
  await readArchive(
    file,
    async (header, content) => {
      if (header.name === DUMP_ENTRY || header.name === MANIFEST_ENTRY) return;
      if (header.type === 'symlink') {
        links.push({ name: header.name, target: header.linkname ?? '' });
        return;
      }
      if (header.type !== 'file') return;
      const target = inside(root, header.name);
      await pipeline(content, createWriteStream(`${target}.restoring`, { mode: (header.mode ?? 0o600) & 0o700 }));
      renameSync(`${target}.restoring`, target);
      files++;
    },
    { signal, ...(identity && { identity }) },
  );
  for (const { name, target } of links) {
    const at = inside(root, name);
    const leads = path.resolve(path.dirname(at), target);
    if (path.isAbsolute(target) || path.relative(root, leads).startsWith('..'))
      skipped.push(`${name} -> ${target}: leads out`);
    else if (existsSync(at)) skipped.push(`${name}: is there`);
    else symlinkSync(target, at);
  }
  return { files, skipped };
}

/** Where an entry goes, its folders made. @throws E_ARCHIVE when that is not below the root. */
function inside(root: string, name: string): string {
  const target = path.resolve(root, name);
  const refuse = () => new OpenClawError('E_ARCHIVE', `an entry of the archive leads out of the folder: ${name}`);
  if (target === root || path.relative(root, target).startsWith('..')) throw refuse();
  mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
  if (path.relative(root, realpathSync(path.dirname(target))).startsWith('..')) throw refuse();
  return target;
}
