import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { OpenClawError } from '../errors/index.ts';
import { isEncrypted } from './names.ts';

export interface OpenOptions {
  /** For an age archive: AGE-SECRET-KEY-… of one of its recipients. */
  identity?: string;
  /** The archive's name, where the file still has another. */
  name?: string;
  signal?: AbortSignal;
}

/**
 * Streams the archive from its first to its last byte; `onEntry` takes each entry's content to its end.
 *
 * @returns what was read: bytes and SHA-256 of the archive as a whole.
 * @throws E_IDENTITY for an age archive without its identity, E_ARCHIVE when it cannot be read to its end.
 */
export async function readArchive(
  file: string,
  onEntry: (header: Header, content: Readable) => Promise<void>,
  { identity, signal, name = file }: OpenOptions = {},
): Promise<{ bytes: number; sha256: string }> {
  const sum = createHash('sha256');
  let bytes = 0;
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sum.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const tar = extract();
  let failure: unknown;
  let entry: { content: Readable; taken: Promise<void> } | undefined;
  tar.on('entry', (header, stream, next) => {
    const content = stream as unknown as Readable;
    entry = { content, taken: onEntry(header, content) };
    entry.taken.then(
      () => {
        stream.resume();
        next();
      },
      (error: Error) => {
        failure = error;
        next(error);
      },
    );
  });
  try {
    const raw = createReadStream(file, { highWaterMark: 1 << 18 });
    if (isEncrypted(name)) {
      if (!identity) throw noIdentity(name);
      // The whole file is hashed, also what age has no use for.
      const [plain] = await Promise.all([decrypted(raw.pipe(tap), identity, name), undefined]);
      raw.on('error', (error) => tap.destroy(error));
      await pipeline(plain, createZstdDecompress(), untilEnd(tar), { signal });
    } else {
      await pipeline(raw, tap, createGunzip(), untilEnd(tar), { signal });
    }
  } catch (error) {
    // Whoever takes an entry that does not end must end as well: a program that is fed by it would wait for ever.
    entry?.content.destroy(error as Error);
    await entry?.taken.catch(() => undefined);
    signal?.throwIfAborted();
    if (failure) throw failure;
    if (error instanceof OpenClawError) throw error;
    throw new OpenClawError('E_ARCHIVE', `the archive cannot be read: ${(error as Error).message}`, {
      value: file,
      remedy: 'take an older one (openclaw backup list), and look at the disk',
      cause: error,
    });
  }
  return { bytes, sha256: sum.digest('hex') };
}

/** tar-stream's own stream as the end of a pipeline, which it does not close by itself after the tar's end blocks. */
const untilEnd = (tar: ReturnType<typeof extract>) => tar as unknown as Writable;

async function decrypted(raw: Readable, identity: string, name: string): Promise<Readable> {
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  try {
    decrypter.addIdentity(identity);
    const stream = await decrypter.decrypt(Readable.toWeb(raw) as ReadableStream<Uint8Array>);
    return Readable.fromWeb(stream as never);
  } catch (error) {
    throw new OpenClawError('E_IDENTITY', `the identity does not open ${name}`, {
      expected: 'the AGE-SECRET-KEY-… that belongs to BACKUP_AGE_RECIPIENT',
      cause: error,
    });
  }
}

function noIdentity(name: string): OpenClawError {
  return new OpenClawError('E_IDENTITY', `${name} is encrypted, and no identity is given`, {
    remedy: 'give the file with the AGE-SECRET-KEY-… line: --identity <file>',
    exitCode: 2,
  });
}

/** A copy of what flows, into several streams, at the pace of the slowest. */
export async function copyInto(content: Readable, sinks: readonly Writable[]): Promise<void> {
  const gone = new Set<Writable>();
  for (const sink of sinks) sink.on('error', () => gone.add(sink));
  try {
    for await (const chunk of content) {
      for (const sink of sinks) {
        if (gone.has(sink) || sink.destroyed || sink.write(chunk)) continue;
        await roomIn(sink);
      }
    }
  } catch (error) {
    for (const sink of sinks) sink.destroy(error as Error);
    throw error;
  }
  for (const sink of sinks) if (!gone.has(sink) && !sink.destroyed) sink.end();
}

/** Until it takes more, or will never; the listeners of one wait go with it, of which an archive has thousands. */
function roomIn(sink: Writable): Promise<void> {
  const events = ['drain', 'error', 'close'];
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) sink.off(event, done);
      resolve();
    };
    for (const event of events) sink.on(event, done);
  });
}
