import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A Drive that keeps what it is sent, in memory; and an OAuth server beside it. */
export interface FakeDrive {
  readonly url: string;
  readonly requests: {
    method: string;
    path: string;
    range: string | undefined;
    bytes: number;
    authorization: string | undefined;
  }[];
  readonly files: Map<string, StoredFile>;
  /** What goes wrong next. Counts go down as they are used. */
  readonly faults: Faults;
  close(): Promise<void>;
}

export interface StoredFile {
  id: string;
  name: string;
  content: Buffer;
  appProperties: Record<string, string>;
  createdTime: string;
}

export interface Faults {
  /** Cuts the connection when so many bytes of the next chunks have come; what came so far, down to 256 KiB, is kept. */
  cutAfterBytes: number[];
  /** Answers to the next calls of the upload in place of its own. */
  statuses: { status: number; reason?: string }[];
  /** Every session so far is unknown from now on, once. */
  forgetSessions: boolean;
  /** The next file that is finished has another content than was sent. */
  corrupt: boolean;
  /** Access tokens so far are refused, once. */
  expireTokens: boolean;
  /** The refresh token is dead. */
  invalidGrant: boolean;
  /** Answers of the device flow while nobody has typed the code. */
  pending: number;
}

const STEP = 256 << 10;

export async function fakeDrive(): Promise<FakeDrive> {
  const sessions = new Map<string, { size: number; metadata: Record<string, unknown>; content: Buffer }>();
  const files = new Map<string, StoredFile>();
  const faults: Faults = {
    cutAfterBytes: [],
    statuses: [],
    forgetSessions: false,
    corrupt: false,
    expireTokens: false,
    invalidGrant: false,
    pending: 0,
  };
  const requests: FakeDrive['requests'] = [];
  let tokens = new Set<string>();
  let url = '';

  const json = (response: ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(body));
  };
  const refuse = (response: ServerResponse, status: number, reason: string) =>
    json(response, status, {
      error: { code: status, message: reason, errors: [{ domain: 'global', reason, message: reason }] },
    });
  const metadataOf = (file: StoredFile) => ({
    id: file.id,
    name: file.name,
    size: String(file.content.length),
    md5Checksum: createHash('md5').update(file.content).digest('hex'),
    sha256Checksum: createHash('sha256').update(file.content).digest('hex'),
    createdTime: file.createdTime,
    appProperties: file.appProperties,
  });

  function tokenAnswer(form: URLSearchParams, response: ServerResponse) {
    const grant = form.get('grant_type');
    const fresh = () => {
      const token = `ya29.${randomBytes(24).toString('base64url')}`;
      tokens.add(token);
      return token;
    };
    if (grant === 'refresh_token') {
      if (faults.invalidGrant)
        return json(response, 400, { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' });
      return json(response, 200, {
        access_token: fresh(),
        expires_in: 3599,
        scope: 'https://www.googleapis.com/auth/drive.file',
        token_type: 'Bearer',
      });
    }
    if (faults.pending > 0) {
      faults.pending--;
      return json(response, 428, { error: 'authorization_pending', error_description: 'Precondition Required' });
    }
    json(response, 200, {
      access_token: fresh(),
      refresh_token: `1//${randomBytes(24).toString('base64url')}`,
      expires_in: 3599,
      token_type: 'Bearer',
    });
  }

  function finish(id: string, response: ServerResponse): void {
    const { metadata, content } = sessions.get(id)!;
    sessions.delete(id);
    const stored = Buffer.from(content);
    if (faults.corrupt) stored[0]! ^= 1;
    faults.corrupt = false;
    const file: StoredFile = {
      id: `f${randomBytes(8).toString('hex')}`,
      name: String(metadata.name),
      content: stored,
      appProperties: (metadata.appProperties ?? {}) as Record<string, string>,
      createdTime: new Date().toISOString(),
    };
    files.set(file.id, file);
    json(response, 200, { id: file.id, name: file.name });
  }

  function kept(id: string, response: ServerResponse): void {
    const { content } = sessions.get(id)!;
    response.writeHead(308, content.length > 0 ? { range: `bytes=0-${content.length - 1}` } : {}).end();
  }

  async function chunk(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const session = sessions.get(id);
    if (!session) return refuse(response, 404, 'notFound');
    const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(String(request.headers['content-range']));
    if (!range || Number(range[2]) !== session.size) return refuse(response, 400, 'badContent');
    if (range[1] === undefined) {
      if (session.content.length === session.size) return finish(id, response);
      return kept(id, response);
    }
    if (Number(range[1]) !== session.content.length) return refuse(response, 400, 'badOffset');
    const cut = faults.cutAfterBytes.shift();
    const parts: Buffer[] = [];
    let received = 0;
    for await (const part of request as AsyncIterable<Buffer>) {
      parts.push(part);
      received += part.length;
      if (cut !== undefined && received >= cut) {
        const some = Buffer.concat(parts).subarray(0, Math.floor(cut / STEP) * STEP);
        session.content = Buffer.concat([session.content, some]);
        request.socket.destroy();
        return;
      }
    }
    requests.at(-1)!.bytes = received;
    session.content = Buffer.concat([session.content, ...parts]);
    if (session.content.length === session.size) finish(id, response);
    else kept(id, response);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake');
    requests.push({
      method: request.method ?? '',
      path: pathname,
      range: request.headers['content-range'],
      bytes: 0,
      authorization: request.headers.authorization,
    });
    if (pathname === '/token') return tokenAnswer(new URLSearchParams((await buffer(request)).toString()), response);
    if (pathname === '/device/code') {
      await buffer(request);
      return json(response, 200, {
        device_code: `device-${randomBytes(16).toString('hex')}`,
        user_code: 'ABCD-EFGH',
        verification_url: 'https://www.google.com/device',
        expires_in: 1800,
        interval: 1,
      });
    }
    if (faults.expireTokens) {
      tokens = new Set();
      faults.expireTokens = false;
    }
    if (!tokens.has(String(request.headers.authorization).replace('Bearer ', ''))) {
      await buffer(request);
      return refuse(response, 401, 'authError');
    }
    if (pathname === '/upload/drive/v3/files' || pathname.startsWith('/session/')) {
      const scripted = faults.statuses.shift();
      if (scripted) {
        await buffer(request);
        return refuse(response, scripted.status, scripted.reason ?? 'backendError');
      }
    }
    if (pathname === '/upload/drive/v3/files') {
      const id = randomBytes(16).toString('hex');
      sessions.set(id, {
        size: Number(request.headers['x-upload-content-length']),
        metadata: JSON.parse((await buffer(request)).toString()) as Record<string, unknown>,
        content: Buffer.alloc(0),
      });
      response.writeHead(200, { location: `${url}/session/${id}` }).end();
      return;
    }
    if (pathname.startsWith('/session/')) {
      if (faults.forgetSessions) sessions.clear();
      faults.forgetSessions = false;
      return chunk(pathname.split('/')[2]!, request, response);
    }
    if (pathname === '/drive/v3/files') {
      const wanted = [...(searchParams.get('q') ?? '').matchAll(/key='([^']*)' and value='([^']*)'/g)];
      const found = [...files.values()].filter((file) =>
        wanted.every(([, key, value]) => file.appProperties[key!] === value),
      );
      return json(response, 200, { files: found.reverse().map(metadataOf) });
    }
    const id = /^\/drive\/v3\/files\/(\w+)$/.exec(pathname)?.[1];
    const file = id && files.get(id);
    if (!file) return refuse(response, 404, 'notFound');
    if (request.method === 'DELETE') {
      files.delete(id);
      response.writeHead(204).end();
      return;
    }
    if (searchParams.get('alt') === 'media') {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(file.content);
      return;
    }
    json(response, 200, metadataOf(file));
  }

  const server = createServer((request, response) => {
    request.on('error', () => undefined);
    answer(request, response).catch(() => response.destroy());
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    files,
    faults,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
