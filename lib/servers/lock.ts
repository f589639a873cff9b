import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, OpenClawError } from '../errors/index.ts';
import type { Account } from './account.ts';
import { giveTo } from './ownedFiles.ts';

/** Longer than the longest honest holder: one that downloads and unpacks both servers over a slow line. */
const WAIT_MS = 300_000;
const SQLITE_BUSY = 5;

export interface LockOptions {
  account: Account | null;
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
  waitMs?: number;
}

/**
 * One process at a time changes the servers' folder. Node has no file lock of its own; SQLite's is the kernel's, which
 * falls with its holder, so that there is never a stale lock to judge. Nothing is ever written to the database.
 */
export async function withServersLock<T>(folder: string, options: LockOptions, body: () => Promise<T>): Promise<T> {
  const file = path.join(folder, 'lock');
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    giveTo(file, options.account);
    const waitMs = options.waitMs ?? WAIT_MS;
    const start = performance.now();
    let told = false;
    while (!tryLock(database)) {
      options.signal?.throwIfAborted();
      const waited = performance.now() - start;
      if (waited >= waitMs) {
        throw new OpenClawError(
          'E_SERVERS_BUSY',
          `another process has been starting or stopping the servers for ${waitMs / 1000} s`,
          {
            value: folder,
            remedy: 'wait for it to end, or end it, then try again',
            exitCode: EXIT.tempfail,
          },
        );
      }
      if (!told && waited > 1000) {
        told = true;
        options.onProgress?.('Waiting for another process that is starting or stopping the servers');
      }
      await sleep(50, undefined, { signal: options.signal });
    }
    return await body();
  } finally {
    database.close();
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    // Without a journal on the disk: for one there is no room on a full disk, on which servers must be stopped and started as well.
    database.exec('pragma journal_mode = memory; begin exclusive');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
