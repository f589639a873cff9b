import { lstat, mkdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { OpenClawError } from '../errors/index.ts';

const ENDINGS: ReadonlySet<string> = new Set(['.md', '.txt', '.json', '.csv']);
const EXPECTED = 'a relative path of plain names, ending in .md, .txt, .json or .csv, that stays in the workspace';

export function badPath(given: string, why: string, cause?: unknown): OpenClawError {
  return new OpenClawError('E_NOTE_PATH', `a note cannot be written there: ${why}`, {
    value: given.slice(0, 300),
    expected: EXPECTED,
    remedy: 'choose a path inside of the workspace, such as memory/today.md',
    cause,
  });
}

/**
 * The real file that `given` names below `root`, its folders made (0700). Links inside of the root are followed; one
 * that leads out, anywhere on the way, is refused.
 *
 * The folders are the operator's own (0700): who could swap one for a link between this check and the write could write
 * the file himself. What is kept out here is a path, not a rival.
 *
 * @throws E_NOTE_PATH.
 */
export async function resolveNote(root: string, given: string): Promise<string> {
  const names = namesOf(given);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const realRoot = await realpath(root);
  let folder = realRoot;
  for (const name of names.slice(0, -1)) {
    folder = await existing(path.join(folder, name), realRoot, given, makeFolder);
    if (!(await lstat(folder)).isDirectory()) throw badPath(given, `${name} is not a folder`);
  }
  const file = await existing(path.join(folder, names.at(-1)!), realRoot, given);
  checkEnding(file, given);
  return file;
}

function namesOf(given: string): string[] {
  // A backslash is a separator elsewhere, and a control character hides a name in a listing.
  if (/[\p{Cc}\\]/u.test(given)) throw badPath(given, 'it has a control character or a backslash');
  if (path.isAbsolute(given)) throw badPath(given, 'it is absolute');
  const names = given.split('/');
  for (const name of names) {
    if (name === '') throw badPath(given, 'a name in it is empty');
    // `..` too, and `.git`: hidden files configure programs.
    if (name.startsWith('.')) throw badPath(given, 'a name in it begins with a dot');
    if (Buffer.byteLength(name) > 200) throw badPath(given, 'a name in it is longer than 200 bytes');
  }
  checkEnding(given, given);
  return names;
}

function checkEnding(file: string, given: string): void {
  const ending = path.extname(file).toLowerCase();
  if (!ENDINGS.has(ending))
    throw badPath(given, `the ending ${ending || 'is missing'}${ending && ' is not one of notes'}`);
}

/** The real path of `target`; where there is nothing yet, `make` is asked, or `target` itself is the answer. */
async function existing(target: string, realRoot: string, given: string, make?: (target: string) => Promise<void>) {
  const entry = await lstat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw badPath(given, error.message, error);
  });
  if (!entry) {
    await make?.(target);
    return target;
  }
  if (!entry.isSymbolicLink()) return target;
  const real = await realpath(target).catch((error: Error) => {
    throw badPath(given, 'a link in it leads nowhere', error);
  });
  if (!real.startsWith(`${realRoot}${path.sep}`)) throw badPath(given, 'a link in it leads out of the workspace');
  return real;
}

async function makeFolder(target: string): Promise<void> {
  await mkdir(target, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    // Another note made it meanwhile; what it is, is checked by the caller.
    if (error.code !== 'EEXIST') throw error;
  });
}
