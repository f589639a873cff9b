import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Endpoint } from './endpoint.ts';
import { commandLine, isTaken } from './processes.ts';

/** What a running Postgres says of itself in `postmaster.pid`; the endpoint is undefined in its first moments. */
export interface Postmaster {
  pid: number;
  endpoint: Endpoint | undefined;
}

export const dataFolder = (folder: string) => path.join(folder, 'postgres');

const pidFile = (dataDir: string) => path.join(dataDir, 'postmaster.pid');

function readLines(dataDir: string): string[] | null {
  try {
    return readFileSync(pidFile(dataDir), 'utf8').split('\n');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** The Postgres that runs on this data, or null. A pid file alone proves nothing: its number may be another process's by now. */
export function findPostmaster(dataDir: string): Postmaster | null {
  const lines = readLines(dataDir);
  const pid = Number(lines?.[0]);
  if (!lines || !Number.isInteger(pid) || pid <= 1 || !isPostgresOn(pid, dataDir)) return null;
  const [, , , port, socketFolder, address] = lines;
  if (socketFolder) return { pid, endpoint: { kind: 'socket', file: path.join(socketFolder, `.s.PGSQL.${port}`) } };
  return { pid, endpoint: address && port ? { kind: 'loopback', port: Number(port) } : undefined };
}

/**
 * Postgres itself removes the file of a process that is gone. It gives up when the number is taken by a process of the
 * same user, even a zombie; only that case is ours to clear. Without the file it still finds, by the data folder's
 * inode, memory that children of a killed server use, and refuses to start beside them.
 */
export function dropMisleadingPidFile(dataDir: string): void {
  const pid = Number(readLines(dataDir)?.[0]);
  if (Number.isInteger(pid) && pid > 1 && isTaken(pid) && !isPostgresOn(pid, dataDir)) rmSync(pidFile(dataDir));
}

/**
 * In doubt a live Postgres is taken for the one on this data, because a second one would ruin it: it is another's only
 * if its own data folder exists elsewhere and names that process.
 */
function isPostgresOn(pid: number, dataDir: string): boolean {
  const words = commandLine(pid);
  // A child calls itself `postgres: …`; only the server itself keeps its program's name.
  if (!words || !/^post(gres|master)$/.test(path.basename(words[0]!))) return false;
  const named = words[words.indexOf('-D') + 1];
  if (!words.includes('-D') || !named || !existsSync(named)) return true;
  return realpathSync(named) === realpathSync(dataDir) || readLines(named)?.[0] !== String(pid);
}
