import { randomBytes } from 'node:crypto';
import { lchownSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Account } from './account.ts';

/**
 * Files in the servers' folder belong to the servers' account. Root writes there only to a new file (`wx` follows no
 * link) that is then renamed, so that the account cannot lead root's writing elsewhere by planting a link.
 */
export function writeOwnedFile(file: string, content: string, account: Account | null): void {
  const fresh = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    writeFileSync(fresh, content, { flag: 'wx', mode: 0o600 });
    giveTo(fresh, account);
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

/** Makes a folder that only the account may enter; its parent exists. */
export function makeOwnedFolder(folder: string, account: Account | null): void {
  mkdirSync(folder, { mode: 0o700 });
  giveTo(folder, account);
}

export function giveTo(target: string, account: Account | null): void {
  if (account) lchownSync(target, account.uid, account.gid);
}

/** The parsed file, or undefined where there is none. A file that is cut short is an error: ours are renamed into place. */
export function readJsonFile<T>(file: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return JSON.parse(text) as T;
}
