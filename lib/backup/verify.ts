import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { messageOf, OpenClawError } from '../errors/index.ts';
import { DUMP_ENTRY, MANIFEST_ENTRY, Manifest } from './manifest.ts';
import { copyInto, type OpenOptions, readArchive } from './openArchive.ts';
import { runProgram } from './program.ts';
import type { PostgresTools } from './source.ts';

export interface Verified {
  readonly manifest: Manifest;
  readonly bytes: number;
  readonly sha256: string;
  /** pg_restore's table of contents of the dump. */
  readonly contents: string;
}

export interface VerifyOptions extends OpenOptions {
  tools: PostgresTools;
  /** What the archive is to have as a whole, where that is known. */
  sha256?: string;
}

const DECODE_LIMIT_MS = 30 * 60_000;
const MANIFEST_LIMIT_BYTES = 256 << 20;

/**
 * Reads the archive as it lies on the disk: each checksum of the manifest, the whole archive's own, the dump's table of
 * contents against the manifest's tables, and the dump decoded to its last byte.
 *
 * @throws E_ARCHIVE_DAMAGED with every fault.
 */
export async function verifyArchive(file: string, options: VerifyOptions): Promise<Verified> {
  const seen = new Map<string, { size: number; sha256: string }>();
  const faults: string[] = [];
  let manifest: Manifest | undefined;
  let contents = '';
  const read = await readArchive(
    file,
    async (header, content) => {
      if (header.type !== 'file') return drain(content);
      if (header.name === MANIFEST_ENTRY) {
        if ((header.size ?? 0) > MANIFEST_LIMIT_BYTES) throw damaged(file, ['the manifest is too large']);
        manifest = Manifest.parse(JSON.parse((await buffer(content)).toString('utf8')));
        return;
      }
      const sum = createHash('sha256');
      let size = 0;
      const counted = async function* () {
        for await (const chunk of content as AsyncIterable<Buffer>) {
          sum.update(chunk);
          size += chunk.length;
          yield chunk;
        }
      };
      if (header.name === DUMP_ENTRY) contents = await decodeDump(counted(), options, faults);
      else for await (const _chunk of counted());
      seen.set(header.name, { size, sha256: sum.digest('hex') });
    },
    options,
  ).catch((error: unknown) => {
    if (error instanceof OpenClawError && error.code !== 'E_ARCHIVE') throw error;
    options.signal?.throwIfAborted();
    throw damaged(file, [...faults, messageOf(error)], error);
  });
  if (!manifest) throw damaged(file, [...faults, 'there is no manifest in it']);
  faults.push(...compare(manifest, seen, contents));
  if (options.sha256 && options.sha256 !== read.sha256)
    faults.push(`the archive as a whole has another checksum than when it was made`);
  if (faults.length > 0) throw damaged(file, faults);
  return { manifest, ...read, contents };
}

/** The archive as a whole against the checksum beside it: all that can be said of an encrypted one without its identity. */
export async function checkWhole(file: string, signal?: AbortSignal): Promise<{ bytes: number; sha256: string }> {
  const written = (await readFile(`${file}.sha256`, 'utf8').catch(() => '')).slice(0, 64);
  const sum = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, {
    highWaterMark: 1 << 18,
    ...(signal && { signal }),
  }) as AsyncIterable<Buffer>) {
    sum.update(chunk);
    bytes += chunk.length;
  }
  const sha256 = sum.digest('hex');
  if (sha256 !== written)
    throw damaged(file, [
      written ? 'it has another checksum than the file beside it says' : 'there is no checksum beside it',
    ]);
  return { bytes, sha256 };
}

async function drain(content: Readable): Promise<void> {
  for await (const _chunk of content);
}

/** One pass feeds both: the reader of the contents stops early, the decoder goes to the end. */
async function decodeDump(
  content: AsyncIterable<Buffer>,
  { tools, signal }: VerifyOptions,
  faults: string[],
): Promise<string> {
  const list = new PassThrough();
  const decode = new PassThrough();
  const shared = { env: tools.env, timeoutMs: DECODE_LIMIT_MS, ...(signal && { signal }) };
  const listed = runProgram(tools.restore, ['--list'], { ...shared, input: list, mayStopReading: true });
  const decoded = runProgram(tools.restore, ['--file=/dev/null'], { ...shared, input: decode });
  const [copied, table, whole] = await Promise.allSettled([
    copyInto(content as unknown as Readable, [list, decode]),
    listed,
    decoded,
  ]);
  if (copied.status === 'rejected') throw copied.reason;
  if (table.status === 'rejected')
    faults.push(`the dump has no readable table of contents: ${messageOf(table.reason)}`);
  if (whole.status === 'rejected') faults.push(`the dump cannot be decoded: ${messageOf(whole.reason)}`);
  return table.status === 'fulfilled' ? table.value : '';
}

function compare(manifest: Manifest, seen: Map<string, { size: number; sha256: string }>, contents: string): string[] {
  const faults: string[] = [];
  const named = new Set<string>();
  for (const { path, size, sha256 } of manifest.files) {
    named.add(path);
    const found = seen.get(path);
    if (!found) faults.push(`${path} is missing`);
    else if (found.size !== size || found.sha256 !== sha256)
      faults.push(`${path} has another checksum than the manifest says`);
  }
  for (const path of seen.keys()) if (!named.has(path)) faults.push(`${path} is not in the manifest`);
  if (!named.has(DUMP_ENTRY)) faults.push('there is no dump of the database in it');
  const dumped = new Set(
    [...contents.matchAll(/^\d+; \d+ \d+ TABLE DATA (\S+) (.+) \S+$/gm)].map((match) => `${match[1]}.${match[2]}`),
  );
  for (const table of Object.keys(manifest.tables))
    if (contents && !dumped.has(table)) faults.push(`the dump has no data of ${table}`);
  return faults;
}

export function damaged(file: string, faults: readonly string[], cause?: unknown): OpenClawError {
  return new OpenClawError('E_ARCHIVE_DAMAGED', `the archive is not what was written: ${faults[0]}`, {
    value: file,
    faults,
    remedy: 'take another one (openclaw backup list), and look at the disk that it lay on',
    cause,
  });
}
