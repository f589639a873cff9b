import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { runCommand } from './command.ts';

/** The user that servers run as when this process is root. Postgres refuses root, and Redis has no need of it. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** `milkbot` runs the units in production; `postgres` comes with the distribution's package. */
const PREFERRED = ['milkbot', 'openclaw', 'postgres'];

export const isRoot = () => process.getuid?.() === 0;

export function accountsIn(passwd: string): Account[] {
  return passwd.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

const knownAccounts = () => (existsSync('/etc/passwd') ? accountsIn(readFileSync('/etc/passwd', 'utf8')) : []);

export function accountOfUid(uid: number, gid: number): Account {
  return knownAccounts().find((account) => account.uid === uid) ?? { name: `uid ${uid}`, uid, gid };
}

export function preferredAccount(accounts: readonly Account[] = knownAccounts()): Account | undefined {
  for (const name of PREFERRED) {
    const found = accounts.find((account) => account.name === name && account.uid !== 0);
    if (found) return found;
  }
  return undefined;
}

/** For root only: an account without rights to run the servers, made where there is none. */
export async function ensureAccount(): Promise<Account> {
  const existing = preferredAccount();
  if (existing) return existing;
  let cause: unknown;
  try {
    const args = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent'];
    await runCommand('useradd', [...args, '--shell', '/usr/sbin/nologin', 'openclaw'], { timeoutMs: 15_000 });
  } catch (error) {
    cause = error;
  }
  // Looked for even after a failure: another process may have made it in the same moment.
  const made = preferredAccount();
  if (made) return made;
  throw new OpenClawError('E_NO_ACCOUNT', 'Postgres does not run as root, and no other account could be made for it', {
    expected: `one of the accounts ${PREFERRED.join(', ')}`,
    remedy:
      'useradd --system --no-create-home --shell /usr/sbin/nologin openclaw (or run OpenClaw as a user other than root)',
    faults: cause ? [messageOf(cause)] : [],
    cause,
    exitCode: EXIT.config,
  });
}

/**
 * Whether the account may pass through every folder down to `directory`. A spawned server has no supplementary groups,
 * so that owner, primary group and others decide.
 */
export function canEnter(account: Account, directory: string): boolean {
  for (let at = directory; ; at = path.dirname(at)) {
    const { mode, uid, gid } = statSync(at);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}
