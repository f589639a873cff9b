import { createServer } from 'node:net';
import path from 'node:path';

/** Where a private server listens: a Unix socket that only its user reaches, or a loopback port. */
export type Endpoint = { kind: 'socket'; file: string } | { kind: 'loopback'; port: number };

/** The kernel's limit is 107 bytes of path on Linux and 103 elsewhere. */
const SOCKET_PATH_LIMIT = 100;
export const POSTGRES_SOCKET_PORT = 5432;

export const socketsFolder = (folder: string) => path.join(folder, 'run');

/** The socket of a server in this folder, or null where its path would be too long to bind. */
export function socketIn(folder: string, server: 'postgres' | 'redis'): string | null {
  const name = server === 'postgres' ? `.s.PGSQL.${POSTGRES_SOCKET_PORT}` : 'redis.sock';
  const file = path.join(socketsFolder(folder), name);
  return Buffer.byteLength(file) > SOCKET_PATH_LIMIT ? null : file;
}

/**
 * A URL that psql and node-postgres read alike: the `host` parameter names the socket's folder and goes before the host
 * of the authority, which is there because a URL without one is not valid. Port and sslmode are named so that PGPORT
 * and PGSSLMODE of whoever runs it change nothing.
 */
export function postgresUrl(endpoint: Endpoint, role: string, password: string, database: string): string {
  const login = `${encodeURIComponent(role)}:${encodeURIComponent(password)}`;
  const name = encodeURIComponent(database);
  if (endpoint.kind === 'loopback') return `postgresql://${login}@127.0.0.1:${endpoint.port}/${name}?sslmode=disable`;
  const host = encodeURIComponent(path.dirname(endpoint.file));
  return `postgresql://${login}@localhost:${POSTGRES_SOCKET_PORT}/${name}?host=${host}&sslmode=disable`;
}

/** ioredis takes `path` from the query, before the host; `connectRedis` accepts other forms too. */
export function redisUrl(endpoint: Endpoint, password: string): string {
  const login = `:${encodeURIComponent(password)}`;
  if (endpoint.kind === 'loopback') return `redis://${login}@127.0.0.1:${endpoint.port}/0`;
  return `redis://${login}@localhost/0?path=${encodeURIComponent(endpoint.file)}`;
}

/** The remembered port if it is still free, so that URLs noted elsewhere stay good; else any free one. */
export async function freeLoopbackPort(remembered: number | undefined): Promise<number> {
  if (remembered !== undefined) {
    const same = await tryPort(remembered);
    if (same !== null) return same;
  }
  const any = await tryPort(0);
  if (any === null) throw new Error('no free port on 127.0.0.1');
  return any;
}

function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error),
    );
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : null));
    });
  });
}
