import { constants, createReadStream } from 'node:fs';
import { copyFile, type FileHandle, open, rm, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';

const IN_MEMORY_BYTES = 4 << 20;
const TRIES = 3;

/** A reading of a file that has the size it says, whatever is done to the file meanwhile. */
export interface SteadyFile {
  readonly size: number;
  readonly modified: Date;
  readonly mode: number;
  /** It was written to during each of three readings; this is the last one. */
  readonly changing: boolean;
  readonly content: Buffer | Readable;
  /** Removes what was copied. */
  done(): Promise<void>;
}

/**
 * An archive's entry has its size in front, so that a file is read to its end first: small ones into memory, large ones
 * into a copy at `scratch`. A reading in which the file changed is thrown away and made again.
 *
 * @throws the error of node:fs; ENOENT when the file is gone.
 */
export async function readSteadily(file: string, scratch: string): Promise<SteadyFile> {
  for (let attempt = 1; ; attempt++) {
    const before = await stat(file, { bigint: true });
    const small = before.size <= BigInt(IN_MEMORY_BYTES);
    const content = small ? await readWhole(file) : await copyWhole(file, scratch);
    const after = await stat(file, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      // Removed since: what was read is whole.
      if (error.code === 'ENOENT') return before;
      throw error;
    });
    const size = Buffer.isBuffer(content) ? content.length : (await stat(scratch)).size;
    const same = before.mtimeNs === after.mtimeNs && before.ino === after.ino && BigInt(size) === after.size;
    if (!same && attempt < TRIES) continue;
    return {
      size,
      modified: new Date(Number(before.mtimeMs)),
      mode: Number(before.mode & 0o777n),
      changing: !same,
      content: Buffer.isBuffer(content) ? content : createReadStream(scratch),
      done: () => rm(scratch, { force: true }),
    };
  }
}

/** Not through a link that has taken the file's place, and not waiting on a pipe. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function readWhole(file: string): Promise<Buffer> {
  const handle: FileHandle = await open(file, FLAGS);
  try {
    // A file that grows without end is cut at twice the limit; it is `changing` then.
    const chunks: Buffer[] = [];
    let size = 0;
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(1 << 18), 0, 1 << 18, null);
      if (bytesRead === 0 || size > 2 * IN_MEMORY_BYTES) return Buffer.concat(chunks);
      chunks.push(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

async function copyWhole(file: string, scratch: string): Promise<undefined> {
  await rm(scratch, { force: true });
  await copyFile(file, scratch, constants.COPYFILE_FICLONE);
}
