import type { Layout } from '../config/layout.ts';

export interface ServersOptions {
  layout: Layout;
  /** Where set, this server is used as it is; nothing private is started in its place. */
  databaseUrl?: string;
  redisUrl?: string;
  /** false: installed binaries are not considered, so that a test meets the unpacked ones. */
  allowInstalled?: boolean;
  /** false gives up crash safety for speed (fsync off): for tests only. Default true. */
  durable?: boolean;
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
}

/** configured: by URL; installed: binaries of this machine; unpacked: packages of the distribution, unpacked privately. */
export type ServerOrigin = 'configured' | 'installed' | 'unpacked';

export interface PostgresServer {
  origin: ServerOrigin;
  /** The superuser's URL of a private server, or the configured URL. Holds a password: never print it. */
  adminUrl: string;
  /** A private server: with that role's generated password. A configured one: the configured URL, whatever the role. */
  urlFor(role: string, database?: string): string;
  password(role: string): string | undefined;
  version: string;
  pid: number | null;
  dataDir: string | null;
  /** Folder with psql and pg_dump, or null where there are none. */
  binDir: string | null;
  /** Environment that programs of `binDir` need beside the usual one. */
  env: Record<string, string>;
}

export interface RedisServer {
  origin: ServerOrigin;
  /** For `connectRedis`. Holds a password: never print it. */
  url: string;
  version: string | null;
  pid: number | null;
}

export interface Servers {
  postgres: PostgresServer;
  redis: RedisServer;
}
