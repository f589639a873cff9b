import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf, OpenClawError } from '../errors/index.ts';
import type { AccessToken, DriveAccount } from './access.ts';
import type { DriveFiles, RemoteFile } from './files.ts';

export interface UploadRequest {
  account: DriveAccount;
  token: AccessToken;
  files: DriveFiles;
  file: string;
  name: string;
  size: number;
  sha256: string;
  /** Kept with the remote file; they must not be secret. */
  properties: Readonly<Record<string, string>>;
  /** Where the session is kept, 0600, so that another process goes on with it. */
  sessionFile: string;
  signal: AbortSignal;
  onProgress?: (sent: number) => void;
  /** Waits between tries; tests have none. */
  pauseMs?: number;
  chunkBytes?: number;
}

const Session = z.object({ uri: z.url(), size: z.number(), sha256: z.string(), name: z.string() });
type Session = z.output<typeof Session>;

/** A multiple of 256 KiB, as Drive asks; the most that is sent again after a cut, and what is in memory. */
const CHUNK_BYTES = 8 << 20;
/** In a row, without a byte more being kept. */
const TRIES = 8;
const FRESH_STARTS = 3;
const CHUNK_LIMIT_MS = 10 * 60_000;

/**
 * One file on Drive, compared by its checksum. A cut, a refusal that passes, a killed process: the session goes on where
 * Drive says that it stands. A session that Drive has forgotten begins anew.
 *
 * @throws E_DRIVE_REAUTH, E_DRIVE_CHECKSUM (and what is there is deleted), E_DRIVE.
 */
export async function uploadFile(request: UploadRequest): Promise<RemoteFile> {
  const { files, sha256, sessionFile, signal } = request;
  // A process that was killed after the last byte and before it was noted.
  const there = (await files.list({ sha256 })).find((each) => each.size === request.size);
  const uploaded = there ?? (await files.get(await send(request)));
  signal.throwIfAborted();
  if (await isEqual(uploaded, request)) {
    rmSync(sessionFile, { force: true });
    return uploaded;
  }
  rmSync(sessionFile, { force: true });
  await files.remove(uploaded.id);
  throw new OpenClawError('E_DRIVE_CHECKSUM', 'what Drive has is not what was sent; it was deleted there', {
    value: `${uploaded.size} bytes, ${uploaded.sha256 ?? uploaded.md5 ?? 'no checksum'}`,
    expected: `${request.size} bytes, ${sha256}`,
    remedy: 'nothing: the next run sends it again',
  });
}

async function isEqual(remote: RemoteFile, { size, sha256, file }: UploadRequest): Promise<boolean> {
  if (remote.size !== size) return false;
  if (remote.sha256) return remote.sha256 === sha256;
  if (!remote.md5) return false;
  const sum = createHash('md5');
  for await (const chunk of createReadStream(file)) sum.update(chunk as Buffer);
  return sum.digest('hex') === remote.md5;
}

/** @returns the id of the remote file. */
async function send(request: UploadRequest): Promise<string> {
  const { file, size, sessionFile, signal, onProgress } = request;
  const handle = await open(file, 'r');
  try {
    let session = readSession(request);
    // null: only Drive knows how far it came.
    let offset: number | null = session ? null : 0;
    let failures = 0;
    let forgotten = 0;
    const chunk = Buffer.alloc(Math.min(request.chunkBytes ?? CHUNK_BYTES, Math.max(size, 1)));
    for (;;) {
      signal.throwIfAborted();
      try {
        if (!session) {
          session = await begin(request);
          writeSession(sessionFile, session);
          offset = 0;
        }
        const answer: Answer =
          offset === null
            ? await ask(request, session, size)
            : await put(request, session, chunk.subarray(0, await readChunk(handle, chunk, offset)), offset, size);
        if (answer.kind === 'done') return answer.id;
        if (answer.kind === 'forgotten') {
          if (++forgotten > FRESH_STARTS)
            throw new OpenClawError('E_DRIVE', 'Drive forgets its upload sessions again and again');
          rmSync(sessionFile, { force: true });
          session = undefined;
          continue;
        }
        if (offset === null || answer.offset > offset) failures = 0;
        else if (++failures >= TRIES) throw new OpenClawError('E_DRIVE', 'Drive keeps nothing of what is sent');
        offset = answer.offset;
        onProgress?.(offset);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof Passing) || ++failures >= TRIES)
          throw error instanceof Passing ? new OpenClawError('E_DRIVE', error.message, { cause: error.cause }) : error;
        await sleep((request.pauseMs ?? 1000) * Math.min(2 ** (failures - 1), 60), undefined, { signal });
        if (session) offset = null;
      }
    }
  } finally {
    await handle.close();
  }
}

type Answer = { kind: 'done'; id: string } | { kind: 'kept'; offset: number } | { kind: 'forgotten' };

/** May be otherwise the next time: a cut, a timeout, 429, 5xx, a rate limit. */
class Passing extends Error {}

async function begin(request: UploadRequest): Promise<Session> {
  const { account, name, size, sha256, properties } = request;
  const response = await call(request, `${account.baseUrl}/upload/drive/v3/files?uploadType=resumable&fields=id`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'x-upload-content-type': 'application/octet-stream',
      'x-upload-content-length': String(size),
    },
    body: JSON.stringify({
      name,
      appProperties: { ...properties, sha256 },
      ...(account.folderId && { parents: [account.folderId] }),
    }),
  });
  const uri = response.headers.get('location');
  if (response.status !== 200 || !uri) throw refusal(response.status, await response.text());
  return { uri, size, sha256, name };
}

async function ask(request: UploadRequest, session: Session, size: number): Promise<Answer> {
  return answerOf(await call(request, session.uri, { method: 'PUT', headers: { 'content-range': `bytes */${size}` } }));
}

async function put(
  request: UploadRequest,
  session: Session,
  bytes: Buffer,
  offset: number,
  size: number,
): Promise<Answer> {
  const range = bytes.length === 0 ? `bytes */${size}` : `bytes ${offset}-${offset + bytes.length - 1}/${size}`;
  return answerOf(
    await call(request, session.uri, {
      method: 'PUT',
      headers: { 'content-range': range },
      body: new Uint8Array(bytes),
    }),
  );
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  if (response.status === 200 || response.status === 201) {
    const id = (JSON.parse(text) as { id?: string }).id;
    if (!id) throw new OpenClawError('E_DRIVE', 'Drive ends an upload without naming the file');
    return { kind: 'done', id };
  }
  if (response.status === 308) {
    const kept = /^bytes=0-(\d+)$/.exec(response.headers.get('range') ?? '')?.[1];
    return { kind: 'kept', offset: kept === undefined ? 0 : Number(kept) + 1 };
  }
  if (response.status === 404 || response.status === 410) return { kind: 'forgotten' };
  throw refusal(response.status, text);
}

/** With an access token, and with a new one when that is refused. */
async function call(
  { token, signal }: UploadRequest,
  url: string,
  init: RequestInit & { headers: Record<string, string> },
): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const authorization = `Bearer ${await token(attempt > 1)}`;
    let response: Response;
    try {
      response = await fetch(url, {
        ...init,
        headers: { ...init.headers, authorization },
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(CHUNK_LIMIT_MS)]),
      });
    } catch (error) {
      signal.throwIfAborted();
      throw new Passing(`Drive does not answer: ${messageOf((error as Error).cause ?? error)}`, { cause: error });
    }
    if (response.status !== 401 || attempt > 1) return response;
    await response.arrayBuffer();
  }
}

const PASSING_REASONS = /rateLimitExceeded|backendError|internalError/i;

function refusal(status: number, text: string): Error {
  const reason = /"reason":\s*"(\w+)"/.exec(text)?.[1] ?? '';
  const said = `Drive answers ${status}${reason && ` (${reason})`}`;
  if (status === 429 || status === 408 || status >= 500 || PASSING_REASONS.test(reason)) return new Passing(said);
  const remedy =
    reason === 'storageQuotaExceeded' ? 'make room in the Drive, or lower policy backup.keep_remote' : undefined;
  return new OpenClawError('E_DRIVE', said, { value: status, ...(remedy && { remedy }) });
}

async function readChunk(handle: Awaited<ReturnType<typeof open>>, chunk: Buffer, offset: number): Promise<number> {
  let length = 0;
  while (length < chunk.length) {
    const { bytesRead } = await handle.read(chunk, length, chunk.length - length, offset + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

/** Of the same content only. */
function readSession({ sessionFile, size, sha256, name }: UploadRequest): Session | undefined {
  try {
    const saved = Session.parse(JSON.parse(readFileSync(sessionFile, 'utf8')));
    return saved.size === size && saved.sha256 === sha256 && saved.name === name ? saved : undefined;
  } catch {
    // None, or cut off: a new one costs only what was sent.
    return undefined;
  }
}

function writeSession(file: string, session: Session): void {
  writeFileSync(`${file}.tmp`, JSON.stringify(session), { mode: 0o600, flush: true });
  renameSync(`${file}.tmp`, file);
}
