import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import path from 'node:path';
import type { Layout } from '../config/layout.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { type Account, accountOfUid, canEnter, ensureAccount, isRoot } from './account.ts';
import { giveTo, writeOwnedFile } from './ownedFiles.ts';

/** Where root's servers live when their account may not enter the home: a checkout in /root, a 0700 temporary folder. */
const SYSTEM_FOLDER = '/var/lib/openclaw';

export interface ServersFolder {
  /** Real path of a 0700 folder that belongs to whoever runs the servers. */
  path: string;
  /** Whom to run the servers as; null where this process is that user already. */
  account: Account | null;
}

/** `layout.servers` leads there, as the folder itself or as a link; null while no server was ever started for this home. */
export function findServersFolder(layout: Layout): ServersFolder | null {
  if (!existsSync(layout.servers)) return null;
  const folder = realpathSync(layout.servers);
  const { uid, gid } = statSync(folder);
  if (isRoot()) return uid === 0 ? null : { path: folder, account: accountOfUid(uid, gid) };
  if (uid !== process.getuid?.()) {
    throw new OpenClawError('E_SERVERS_OWNER', `the servers of this home belong to ${accountOfUid(uid, gid).name}`, {
      value: folder,
      expected: 'a folder of the user that runs OpenClaw',
      remedy: 'run OpenClaw as that user, or set OPENCLAW_HOME to a home of your own',
      exitCode: EXIT.config,
    });
  }
  return { path: folder, account: null };
}

export async function ensureServersFolder(layout: Layout): Promise<ServersFolder> {
  mkdirSync(layout.home, { recursive: true });
  const found = findServersFolder(layout);
  if (found) return checkedForEntry(found);
  const account = isRoot() ? await ensureAccount() : null;
  dropUselessEntry(layout.servers);
  if (!account || canEnter(account, realpathSync(layout.home))) {
    putOwnedFolder(layout.servers, account);
  } else {
    const folder = path.join(SYSTEM_FOLDER, hashOf(realpathSync(layout.home)));
    unlessThere(() => {
      mkdirSync(SYSTEM_FOLDER);
      chmodSync(SYSTEM_FOLDER, 0o755);
    });
    if (!existsSync(folder)) putOwnedFolder(folder, account);
    // For a person who finds this folder and wonders whose it is.
    writeOwnedFile(path.join(folder, 'home'), `${realpathSync(layout.home)}\n`, account);
    unlessThere(() => symlinkSync(folder, layout.servers));
  }
  const made = findServersFolder(layout);
  if (!made) {
    throw new OpenClawError('E_SERVERS_FOLDER', 'root owns the folder of the servers, which do not run as root', {
      value: layout.servers,
      expected: 'no such folder, an empty one, or one of the account that runs the servers',
      remedy: `move ${layout.servers} away, or chown -R it to that account`,
      exitCode: EXIT.config,
    });
  }
  return checkedForEntry(made);
}

/**
 * Sockets are safe because nobody else may enter this folder. And the home may have moved since the folder was made:
 * said here, and not by a server that cannot read its own files.
 */
function checkedForEntry(folder: ServersFolder): ServersFolder {
  if (statSync(folder.path).mode & 0o077) chmodSync(folder.path, 0o700);
  if (folder.account && !canEnter(folder.account, folder.path)) {
    throw new OpenClawError(
      'E_SERVERS_FOLDER',
      `${folder.account.name}, which runs the servers, may not enter their folder`,
      {
        value: folder.path,
        expected: 'execute permission for that account on every folder of the path',
        remedy: `chmod o+x the folders above it, or move ${folder.path} to where that account may go and leave a link to it`,
        exitCode: EXIT.config,
      },
    );
  }
  return folder;
}

/** An empty folder of a layout made in advance, by root, or a link whose target is gone: neither holds a server. */
function dropUselessEntry(entry: string): void {
  const stats = lstatSync(entry, { throwIfNoEntry: false });
  if (stats?.isSymbolicLink() && !existsSync(entry)) unlinkSync(entry);
  if (stats?.isDirectory() && readdirSync(entry).length === 0) rmdirSync(entry);
}

/**
 * Two processes may start at once, before there is a folder to hold their lock. Each makes a folder that has its owner
 * already and renames it: the later one replaces an empty folder by another, or finds the first in use.
 */
function putOwnedFolder(folder: string, account: Account | null): void {
  const fresh = mkdtempSync(`${folder}.`);
  giveTo(fresh, account);
  try {
    renameSync(fresh, folder);
  } catch (error) {
    rmdirSync(fresh);
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}

function unlessThere(make: () => void): void {
  try {
    make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

const hashOf = (home: string) => createHash('sha256').update(home).digest('hex').slice(0, 12);
