import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { addSecrets } from '../log/secrets.ts';

/** The name of the systemd credential, and of nothing else. */
export const MASTER_CREDENTIAL = 'openclaw_master_key';
export const MASTER_FILE = 'master.key';
const LEAST_LENGTH = 16;

export interface MasterKey {
  readonly text: string;
  readonly source: 'systemd' | 'environment' | 'file';
  /** Of `file`. */
  readonly path?: string;
}

export interface KeyPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder of config/. */
  readonly config: string;
}

/**
 * What opens the store: the systemd credential, else the environment, else config/master.key (mode 600). None of them is
 * ever in an archive.
 *
 * @throws E_MASTER_KEY (78) for a file that others can read, or a key that is too short.
 */
export function findMasterKey({ env, config }: KeyPlaces): MasterKey | undefined {
  const credential =
    env.CREDENTIALS_DIRECTORY && readPrivate(path.join(env.CREDENTIALS_DIRECTORY, MASTER_CREDENTIAL), false);
  if (credential) return checked({ text: credential, source: 'systemd' });
  if (env.OPENCLAW_MASTER_KEY) return checked({ text: env.OPENCLAW_MASTER_KEY, source: 'environment' });
  const file = path.join(config, MASTER_FILE);
  const text = readPrivate(file, true);
  return text === undefined ? undefined : checked({ text, source: 'file', path: file });
}

function checked(key: MasterKey): MasterKey {
  addSecrets([key.text]);
  if (key.text.length >= LEAST_LENGTH) return key;
  throw new OpenClawError('E_MASTER_KEY', 'the master key is too short', {
    value: `${key.text.length} characters (${key.source})`,
    expected: `at least ${LEAST_LENGTH}`,
    exitCode: EXIT.config,
  });
}

/** A secret of one line. systemd guards its own folder, whose modes are not ours to judge. */
export function readPrivate(file: string, strict: boolean): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OpenClawError('E_MASTER_KEY', `${file} cannot be read: ${messageOf(error)}`, { exitCode: EXIT.config });
  }
  try {
    const { mode } = fstatSync(descriptor);
    if (strict && mode & 0o077) {
      throw new OpenClawError('E_MASTER_KEY', `others can read ${file}`, {
        value: `mode ${(mode & 0o777).toString(8)}`,
        expected: 'mode 600',
        remedy: `chmod 600 ${file}, and if somebody may have read it: openclaw credentials rotate`,
        exitCode: EXIT.config,
      });
    }
    return readFileSync(descriptor, 'utf8').trim();
  } finally {
    closeSync(descriptor);
  }
}
