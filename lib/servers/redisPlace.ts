import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Endpoint, redisUrl, socketIn } from './endpoint.ts';
import type { ServersFolder } from './folder.ts';
import { type Launched, readLaunched } from './launched.ts';
import { readPasswords } from './passwords.ts';
import { commandLine } from './processes.ts';
import type { RedisServer } from './types.ts';

export const workingFolder = (folder: string) => path.join(folder, 'redis');
export const configFile = (folder: string) => path.join(folder, 'redis.conf');
export const pidFile = (folder: string) => path.join(workingFolder(folder), 'redis.pid');

export function endpointOf(folder: string, launched: Launched | undefined): Endpoint | null {
  const file = socketIn(folder, 'redis');
  if (file) return { kind: 'socket', file };
  return launched?.port ? { kind: 'loopback', port: launched.port } : null;
}

/**
 * The pid of our Redis, or null. It renames itself: at first its command line has our configuration file, then our
 * socket or port.
 */
export function findProcess(folder: string, endpoint: Endpoint): number | null {
  if (!existsSync(pidFile(folder))) return null;
  const pid = Number(readFileSync(pidFile(folder), 'utf8'));
  const words = Number.isInteger(pid) && pid > 1 ? commandLine(pid)?.join(' ') : undefined;
  if (!words || !/(redis|valkey)/.test(words)) return null;
  const names = [configFile(folder), endpoint.kind === 'socket' ? endpoint.file : `127.0.0.1:${endpoint.port}`];
  return names.some((name) => words.includes(name)) ? pid : null;
}

/** Nobody else can be behind a socket in our folder; behind a port anybody can, who would be told the password. */
export function listens(folder: string, endpoint: Endpoint): boolean {
  return endpoint.kind === 'socket' ? existsSync(endpoint.file) : findProcess(folder, endpoint) !== null;
}

/** The private Redis that runs now, whether or not it answers to our password. */
export function redisIn(folder: ServersFolder): Pick<RedisServer, 'origin' | 'url'> | null {
  const launched = readLaunched(folder.path, 'redis');
  const password = readPasswords(folder.path).redis;
  const endpoint = endpointOf(folder.path, launched);
  if (!password || !endpoint || !listens(folder.path, endpoint)) return null;
  return { origin: launched?.origin ?? 'installed', url: redisUrl(endpoint, password) };
}
