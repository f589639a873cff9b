import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ssh2 from 'ssh2';
import { EXIT, OpenClawError } from '../../lib/errors/index.ts';

/** The ed25519 key by which clients know this screen again: made once, mode 600, never one that others can read. */
export function hostKey(folder: string): string {
  const file = path.join(folder, 'dashboard_host_ed25519');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    return readHostKey(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment: 'openclaw dashboard' });
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, pair.private, { mode: 0o600 });
  chmodSync(partial, 0o600);
  try {
    // Two first starts at once: one key stays.
    linkSync(partial, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(partial, { force: true });
  }
  return readHostKey(file);
}

function readHostKey(file: string): string {
  const mode = statSync(file).mode & 0o777;
  if (mode & 0o077) {
    throw new OpenClawError('E_HOST_KEY_OPEN', `${file} can be read by others (mode ${mode.toString(8)})`, {
      remedy: `rm ${file}: a new one is made, and clients are warned once`,
      exitCode: EXIT.config,
    });
  }
  return readFileSync(file, 'utf8');
}
