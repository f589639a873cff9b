import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';

/** What a fake answers to one request: what the service itself would, or what a test has put in its place. */
export interface Scripted {
  status?: number;
  headers?: Record<string, string>;
  /** Text as it is; anything else as JSON. */
  body?: unknown;
  /** Takes the request and never answers. */
  hang?: boolean;
  /** The connection is cut after so many bytes of the body. */
  cutAfterBytes?: number;
  delayMs?: number;
}

export interface Received {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: string;
  /** The body as JSON, undefined where it is none. */
  json: unknown;
}

export interface FakeServer {
  readonly url: string;
  readonly requests: Received[];
  /** Answers for the next requests, in order, before the fake's own. */
  script(...answers: Scripted[]): void;
  /** As SIGKILL ends a service: its connections break, and nothing listens any more. */
  kill(): Promise<void>;
  /** The same address again. */
  revive(): Promise<void>;
}

/** A local server in a service's place, on a port of its own; it does not keep the test's process alive. */
export async function fakeServer(answer: (received: Received) => Scripted | Promise<Scripted>): Promise<FakeServer> {
  const requests: Received[] = [];
  const forced: Scripted[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://fake');
    const body = await text(request).catch(() => '');
    const received: Received = {
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body,
      json: jsonOf(body),
    };
    requests.push(received);
    send(response, forced.shift() ?? (await answer(received)));
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.unref();
    socket.once('close', () => sockets.delete(socket));
  });
  server.unref();
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    script: (...answers) => void forced.push(...answers),
    kill: () => {
      for (const socket of sockets) socket.resetAndDestroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
    revive: () => listen(port),
  };
}

function send(
  response: ServerResponse,
  { status = 200, headers = {}, body = '', hang, cutAfterBytes, delayMs = 0 }: Scripted,
): void {
  if (hang) return;
  const plain = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = () => {
    response.writeHead(status, {
      'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
      ...(cutAfterBytes !== undefined && { 'content-length': String(Buffer.byteLength(plain)) }),
      ...headers,
    });
    if (cutAfterBytes === undefined) return void response.end(plain);
    response.write(Buffer.from(plain).subarray(0, cutAfterBytes), () => response.socket?.destroy());
  };
  if (delayMs > 0) setTimeout(answer, delayMs);
  else answer();
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Not JSON: a form, or nothing.
    return undefined;
  }
}
