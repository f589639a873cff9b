import { lstatSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { socketsFolder } from './endpoint.ts';
import type { ServersFolder } from './folder.ts';
import { giveTo, makeOwnedFolder } from './ownedFiles.ts';
import { ensurePasswords, type Passwords } from './passwords.ts';
import type { ServersOptions } from './types.ts';

/** What starting a private server needs: its folder, held under the lock, and whom to run as. */
export interface StartContext extends ServersFolder {
  passwords: Passwords;
  logs: string;
  durable: boolean;
  allowInstalled: boolean;
  progress(line: string): void;
  signal: AbortSignal | undefined;
}

const WORK = 'work-';

export async function openStartContext(folder: ServersFolder, options: ServersOptions): Promise<StartContext> {
  mkdirSync(options.layout.logs, { recursive: true });
  const sockets = socketsFolder(folder.path);
  if (!lstatSync(sockets, { throwIfNoEntry: false })) makeOwnedFolder(sockets, folder.account);
  await dropInterruptedWork(folder.path);
  return {
    ...folder,
    passwords: ensurePasswords(folder.path, folder.account),
    logs: options.layout.logs,
    durable: options.durable ?? true,
    allowInstalled: options.allowInstalled ?? true,
    progress: options.onProgress ?? (() => {}),
    signal: options.signal,
  };
}

/**
 * Whatever takes long (a new cluster, unpacked packages) is made in a work folder and renamed when it is complete, so
 * that one that is there is whole, and a killed start leaves only what the next one removes.
 */
export function openWorkFolder(context: ServersFolder): { path(): string; remove(): Promise<void> } {
  let made: string | undefined;
  return {
    path: () => {
      if (made === undefined) {
        made = mkdtempSync(path.join(context.path, WORK));
        giveTo(made, context.account);
      }
      return made;
    },
    remove: async () => {
      if (made !== undefined) await removeTree(made);
    },
  };
}

/** Under the lock every work folder is of a process that is dead. */
async function dropInterruptedWork(folder: string): Promise<void> {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(WORK)) await removeTree(path.join(folder, name));
  }
}

/**
 * Removed with patience: a child of a killed process may still be writing and deleting in there. `rmSync` is not used,
 * because it takes a file that vanishes under it for success and leaves the rest.
 */
export async function removeTree(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
