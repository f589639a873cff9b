import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Account } from './account.ts';
import { readJsonFile, writeOwnedFile } from './ownedFiles.ts';

/** Every login of the private servers has a password of its own. `openclaw_owner` cannot log in and needs none. */
const LOGINS = ['postgres', 'openclaw_worker', 'binaryrogue', 'openclaw_tui', 'openclaw_backup', 'redis'] as const;

export type Passwords = Readonly<Record<string, string>>;

const fileIn = (folder: string) => path.join(folder, 'passwords.json');

export const readPasswords = (folder: string): Passwords => readJsonFile<Passwords>(fileIn(folder)) ?? {};

/** The passwords of the servers' folder; a login that has none yet is given one. Base64url needs no quoting anywhere. */
export function ensurePasswords(folder: string, account: Account | null): Passwords {
  const known = readPasswords(folder);
  const missing = LOGINS.filter((login) => !known[login]);
  if (missing.length === 0) return known;
  const made = Object.fromEntries(missing.map((login) => [login, randomBytes(32).toString('base64url')]));
  const passwords = { ...known, ...made };
  writeOwnedFile(fileIn(folder), `${JSON.stringify(passwords, null, 2)}\n`, account);
  return passwords;
}
