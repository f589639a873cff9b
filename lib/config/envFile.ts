import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';

export interface EnvFile {
  /** Empty texts are left out: an empty key is an unset key. */
  readonly texts: ReadonlyMap<string, string>;
  /** Lines that would be read as something else than they seem, each as `line 7 …`; never with the line's value. */
  readonly faults: readonly string[];
}

/**
 * The keys of `config/.env`, or undefined where there is no such file.
 *
 * @throws E_ENV_FILE_OPEN (78) when anybody but the running user could read or change it: the owner is another, or the
 *   mode has a bit for group or others. E_ENV_FILE_UNREADABLE (78) when it is there and cannot be read.
 */
export function readEnvFile(file: string): EnvFile | undefined {
  const text = readPrivately(file);
  if (text === undefined) return undefined;
  const texts = new Map<string, string>();
  for (const [key, value] of Object.entries(parseEnv(text))) if (value) texts.set(key, value);
  return { texts, faults: faultsOf(text) };
}

/** The mode is that of the open descriptor, so that the file which was judged is the file which is read. */
function readPrivately(file: string): string | undefined {
  let descriptor: number;
  try {
    // O_NONBLOCK: a named pipe in this place must not hold up the start.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(file, error);
  }
  try {
    const stat = fstatSync(descriptor);
    const { mode, uid } = stat;
    if (!stat.isFile()) throw unreadable(file, new Error('not a regular file'));
    if (mode & 0o077) throw open(file, `mode ${(mode & 0o777).toString(8).padStart(4, '0')}`, `chmod 600 ${file}`);
    const self = process.getuid?.();
    if (self !== undefined && uid !== self) {
      throw open(file, `owner ${uid}, running as ${self}`, `chown ${self} ${file} && chmod 600 ${file}`);
    }
    return readFileSync(descriptor, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw error instanceof OpenClawError ? error : unreadable(file, error);
  } finally {
    closeSync(descriptor);
  }
}

function open(file: string, value: string, remedy: string) {
  return new OpenClawError('E_ENV_FILE_OPEN', `others can read or change the secrets in ${file}`, {
    value,
    expected: 'a file of the running user with mode 0600',
    remedy,
    exitCode: EXIT.config,
  });
}

function unreadable(file: string, cause: unknown) {
  return new OpenClawError('E_ENV_FILE_UNREADABLE', `${file} cannot be read: ${messageOf(cause)}`, {
    expected: 'a regular file of the running user with mode 0600',
    remedy: `make it readable for the running user, or remove it: ${file}`,
    cause,
    exitCode: EXIT.config,
  });
}

const KEY = /^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=[ \t]*/;
const VALUE = /^(?:"[^"]*"|'[^']*'|`[^`]*`|[^"'`#\s](?:[^"'`#]*[^"'`#\s])?)?(?:\s*|\s+#.*)$/;

/**
 * parseEnv skips a line that it does not understand, cuts a bare value at `#`, and lets an unclosed quote swallow the
 * lines below it; all of these lose a key without a word. No key here needs such a line, so each is a fault.
 */
function faultsOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/).flatMap((line, index) => {
    if (/^\s*(#.*)?$/.test(line)) return [];
    const key = KEY.exec(line)?.[0];
    if (key === undefined) return [`line ${index + 1} is not KEY=value`];
    if (VALUE.test(line.slice(key.length))) return [];
    return [`line ${index + 1}: put the value in one pair of quotes (it holds a quote or #, or spans lines)`];
  });
}
