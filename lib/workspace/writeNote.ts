import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { OpenClawError } from '../errors/index.ts';
import { badPath, resolveNote } from './notePath.ts';

export interface NoteRequest {
  /** The workspace, absolute; made where absent. */
  root: string;
  /** Relative to the root, with slashes. */
  path: string;
  content: string;
  /** `create` refuses an existing note; `append` makes an absent one. */
  mode: 'replace' | 'append' | 'create';
}

export interface WrittenNote {
  /** Relative to the root, as asked for. */
  readonly path: string;
  /** Of the whole note, after the write. */
  readonly bytes: number;
  /** Of the whole note, in hex. */
  readonly sha256: string;
}

export const NOTE_LIMIT_BYTES = 1_048_576;

/**
 * Writes one note of the workspace, readable by this user only. When it returns, the note is on disk; when the process
 * is killed within, the note is as before (`append`: or has a part of the addition).
 *
 * @throws E_NOTE_PATH, E_NOTE_TOO_LARGE (over 1 MiB, for `append` with what is there), E_NOTE_EXISTS; the error of
 *   node:fs when the disk refuses.
 */
export async function writeNote({ root, path: given, content, mode }: NoteRequest): Promise<WrittenNote> {
  const bytes = Buffer.from(content, 'utf8');
  if (bytes.length > NOTE_LIMIT_BYTES) throw tooLarge(given, bytes.length);
  const file = await resolveNote(root, given);
  const there = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  // A pipe or a device would take the write elsewhere, or wait for ever.
  if (there && !there.isFile()) throw badPath(given, 'there is something else than a file');

  if (mode === 'append') return noteOf(given, await append(file, given, bytes));
  if (mode === 'create' && there) throw exists(given);
  await put(file, bytes, mode === 'create' ? given : undefined);
  return noteOf(given, bytes);
}

/** Complete under another name first, then in its place at once. As `newNote`, never over a note that is there. */
async function put(file: string, bytes: Buffer, newNote: string | undefined): Promise<void> {
  const draft = path.join(path.dirname(file), `.${randomUUID()}.tmp`);
  try {
    await withFile(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, async (handle) => {
      await handle.writeFile(bytes);
      await handle.sync();
    });
    if (newNote === undefined) await rename(draft, file);
    else await link(draft, file);
  } catch (error) {
    if (newNote !== undefined && (error as NodeJS.ErrnoException).code === 'EEXIST') throw exists(newNote);
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(path.dirname(file));
}

/** One write at the end, so that two that append at once both stay. Answers with the whole note. */
async function append(file: string, given: string, bytes: Buffer): Promise<Buffer> {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  await withFile(file, flags, async (handle) => {
    const size = (await handle.stat()).size + bytes.length;
    if (size > NOTE_LIMIT_BYTES) throw tooLarge(given, size);
    await handle.chmod(0o600);
    // Not writeFile, which makes several writes of half a mebibyte.
    const { bytesWritten } = await handle.write(bytes);
    if (bytesWritten < bytes.length) throw new Error(`the disk took only ${bytesWritten} of ${bytes.length} bytes`);
    await handle.sync();
  });
  await syncFolder(path.dirname(file));
  return await readFile(file);
}

async function withFile(file: string, flags: number, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(file, flags, 0o600);
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}

/** Without it the name of a new file may be lost with the power. */
async function syncFolder(folder: string): Promise<void> {
  await withFile(folder, constants.O_RDONLY | constants.O_DIRECTORY, (handle) => handle.sync());
}

function noteOf(given: string, whole: Buffer): WrittenNote {
  return { path: given, bytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex') };
}

function tooLarge(given: string, bytes: number): OpenClawError {
  return new OpenClawError('E_NOTE_TOO_LARGE', `the note ${given} would have ${bytes} bytes`, {
    value: bytes,
    expected: `at most ${NOTE_LIMIT_BYTES} bytes`,
    remedy: 'shorten it, or begin another note',
  });
}

function exists(given: string): OpenClawError {
  return new OpenClawError('E_NOTE_EXISTS', `the note ${given} is there already`, {
    value: given,
    expected: 'a path without a note',
    remedy: "choose another path, or the mode 'replace' or 'append'",
  });
}
