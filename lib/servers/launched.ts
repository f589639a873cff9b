import path from 'node:path';
import type { Account } from './account.ts';
import { readJsonFile, writeOwnedFile } from './ownedFiles.ts';
import type { ServerOrigin } from './types.ts';

/** Written before a server is started, so that whoever adopts it knows which programs belong to it. */
export interface Launched {
  origin: Exclude<ServerOrigin, 'configured'>;
  binDir: string;
  libraryPath: string | null;
  /** Loopback port, where the socket's path would be too long. */
  port?: number;
}

type ServerName = 'postgres' | 'redis';

const fileFor = (folder: string, server: ServerName) => path.join(folder, `${server}.json`);

/** What was started last in this folder; undefined before the first start. */
export const readLaunched = (folder: string, server: ServerName) => readJsonFile<Launched>(fileFor(folder, server));

export function writeLaunched(folder: string, server: ServerName, launched: Launched, account: Account | null): void {
  writeOwnedFile(fileFor(folder, server), `${JSON.stringify(launched, null, 2)}\n`, account);
}
