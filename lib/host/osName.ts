import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { parseEnv } from 'node:util';

/** `Debian GNU/Linux 12 (bookworm)`; where the system does not say, its kernel's name. */
export async function osName(): Promise<string> {
  try {
    // systeminformation would also run `hostname -f`, which asks the network.
    return parseEnv(await readFile('/etc/os-release', 'utf8')).PRETTY_NAME || os.type();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return os.type();
    throw error;
  }
}
