import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream, readlinkSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress, type ZlibParams } from 'node:zlib';
import { pack as tarPack } from 'tar-stream';
import { type Contents, codeOf } from './contents.ts';
import { DUMP_ENTRY, MANIFEST_ENTRY, type Manifest } from './manifest.ts';
import { readSteadily } from './steadyFile.ts';

export interface PackOptions {
  dump: string;
  contents: Contents;
  /** All of the manifest but what only the reading tells. */
  facts: Omit<Manifest, 'files' | 'links' | 'unreadable' | 'changing' | 'leftOut' | 'format'>;
  /** A folder for copies of large files. */
  scratch: string;
  target: string;
  /** age recipients: then the archive is zstd inside of age. */
  recipients?: readonly string[];
  signal: AbortSignal;
}

export interface Packed {
  manifest: Manifest;
  bytes: number;
  sha256: string;
}

const TEXT_LEVEL = 6;

/** Writes the archive: dump, files, manifest. Its memory does not grow with its size. */
export async function packArchive(options: PackOptions): Promise<Packed> {
  const tar = tarPack();
  const { stages, level } = await compression(options.recipients);
  const sum = createHash('sha256');
  let bytes = 0;
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sum.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  // flush: on disk before it gets its name.
  const file = createWriteStream(options.target, { mode: 0o600, flags: 'wx', flush: true });
  const written = pipeline([Readable.from(tar as AsyncIterable<Buffer>, { objectMode: false }), ...stages, tap, file], {
    signal: options.signal,
  });
  const entries = addEntries(tar, options, level);
  // Whichever fails first ends the other.
  entries.catch((error: Error) => tar.destroy(error));
  written.catch((error: Error) => tar.destroy(error));
  const [added, wrote] = await Promise.allSettled([entries, written]);
  options.signal.throwIfAborted();
  if (wrote.status === 'rejected' && added.status === 'rejected')
    throw isClosed(added.reason) ? wrote.reason : added.reason;
  if (wrote.status === 'rejected') throw wrote.reason;
  if (added.status === 'rejected') throw added.reason;
  return { manifest: added.value, bytes, sha256: sum.digest('hex') };
}

const isClosed = (error: unknown) =>
  /STREAM_DESTROYED|PREMATURE_CLOSE|Stream was destroyed|closed/i.test(`${codeOf(error)} ${error}`);

type Tar = ReturnType<typeof tarPack>;

async function compression(recipients: readonly string[] | undefined) {
  if (!recipients) {
    // The dump is compressed already: it goes through stored, and only what follows it is worth the work.
    const gzip = createGzip({ level: constants.Z_NO_COMPRESSION }) as ReturnType<typeof createGzip> & ZlibParams;
    const level = () =>
      new Promise<void>((resolve, reject) =>
        gzip.params(TEXT_LEVEL, constants.Z_DEFAULT_STRATEGY, (error?: Error | null) =>
          error ? reject(error) : resolve(),
        ),
      );
    return { stages: [gzip] as NodeJS.ReadWriteStream[], level };
  }
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  const zstd = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const plain = new PassThrough();
  const sealed = Readable.fromWeb(
    (await encrypter.encrypt(Readable.toWeb(plain) as ReadableStream<Uint8Array>)) as never,
  );
  // Both ends of age's web stream as one stage.
  const { Duplex } = await import('node:stream');
  const age = Duplex.from({ writable: plain, readable: sealed });
  return { stages: [zstd, age] as NodeJS.ReadWriteStream[], level: async () => undefined };
}

async function addEntries(
  tar: Tar,
  { dump, contents, facts, scratch, signal }: PackOptions,
  level: () => Promise<void>,
): Promise<Manifest> {
  const files: Manifest['files'] = [];
  const links: Manifest['links'] = [];
  const changing: string[] = [];
  const unreadable = [...contents.unreadable];
  const add = async (name: string, content: Buffer | Readable, size: number, mode: number, mtime: Date) => {
    signal.throwIfAborted();
    const sha256 = await addEntry(tar, { name, size, mode, mtime }, content);
    files.push({ path: name, size, sha256 });
  };
  const dumped = await stat(dump);
  await add(DUMP_ENTRY, createReadStream(dump, { highWaterMark: 1 << 18 }), dumped.size, 0o600, dumped.mtime);
  await level();
  for (const { path: name, text } of contents.texts) {
    const buffer = Buffer.from(text);
    await add(name, buffer, buffer.length, 0o600, new Date());
  }
  const copy = path.join(scratch, 'copy');
  for (const { path: name, file } of contents.files) {
    try {
      const steady = await readSteadily(file, copy);
      if (steady.changing) changing.push(name);
      await add(name, steady.content, steady.size, steady.mode, steady.modified);
      await steady.done();
    } catch (error) {
      signal.throwIfAborted();
      // Removed since it was listed: there is nothing to keep.
      if (codeOf(error) === 'ENOENT') continue;
      if (!READ_ERRORS.has(codeOf(error))) throw error;
      unreadable.push(`${name}: ${codeOf(error)}`);
    }
  }
  for (const { path: name, file } of contents.links) {
    try {
      const target = readlinkSync(file);
      await new Promise<void>((resolve, reject) => {
        tar.entry({ name, type: 'symlink', linkname: target }, (error) => (error ? reject(error) : resolve()));
      });
      links.push({ path: name, target });
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
  const manifest: Manifest = { format: 1, ...facts, files, links, unreadable, changing, leftOut: contents.leftOut };
  const text = Buffer.from(JSON.stringify(manifest, null, 1));
  await addEntry(tar, { name: MANIFEST_ENTRY, size: text.length, mode: 0o600, mtime: new Date() }, text);
  tar.finalize();
  return manifest;
}

/** Faults of one file, which do not concern the archive; a full disk or too many open files do. */
const READ_ERRORS = new Set([
  'EACCES',
  'EPERM',
  'EIO',
  'ELOOP',
  'EISDIR',
  'ENXIO',
  'ESTALE',
  'ENOTDIR',
  'EBUSY',
  'ENODATA',
  'EINVAL',
]);

function addEntry(
  tar: Tar,
  header: { name: string; size: number; mode: number; mtime: Date },
  content: Buffer | Readable,
): Promise<string> {
  const sum = createHash('sha256');
  return new Promise((resolve, reject) => {
    const entry = tar.entry(header, (error?: Error | null) => (error ? reject(error) : resolve(sum.digest('hex'))));
    if (Buffer.isBuffer(content)) {
      sum.update(content);
      entry.end(content);
      return;
    }
    pipeline(content, hashing(sum), entry as unknown as Writable).catch(reject);
  });
}

const hashing = (sum: Hash) =>
  new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sum.update(chunk);
      done(null, chunk);
    },
  });
