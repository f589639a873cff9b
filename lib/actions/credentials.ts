import { readFileSync } from 'node:fs';
import { KEY_NAMES, type KeyName, notesOf, SCHEMA } from '../config/schema.ts';
import type { Queryable } from '../db/index.ts';
import { didYouMean, EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { addSecrets } from '../log/index.ts';
import { listCredentials, removeCredential, rotateCredentials, setCredential, storePath } from '../secrets/index.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const SECRET_KEYS = KEY_NAMES.filter((key) => notesOf(key).secret && key !== 'OPENCLAW_MASTER_KEY');
const KEY = { name: 'key', description: 'a secret key of the configuration (openclaw config check lists them)' };
const NEXT_START = 'running processes take it at their next start';

export const credentialActions: readonly Action[] = [
  {
    name: 'credentials set',
    title: 'Keep a secret encrypted; it is typed hidden, or read from standard input',
    args: [KEY],
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    example: 'openclaw credentials set BRAVE_API_KEY < key.txt',
    run: async ({ config, db, ask }, { args }) => {
      const key = secretKey(args[0]);
      if (!ask) throw new OpenClawError('E_ARGUMENT', 'a secret is set at a terminal only', { exitCode: EXIT.usage });
      const value = await ask(`${key}:`, { hidden: true });
      addSecrets([value]);
      const parsed = SCHEMA.shape[key].safeParse(value);
      if (!value || !parsed.success) {
        throw new OpenClawError('E_CONFIG', `that is no value for ${key} (not shown)`, {
          expected: parsed.success ? 'a value' : parsed.error.issues.map((issue) => issue.message).join('; '),
          exitCode: EXIT.usage,
        });
      }
      setCredential(config.layout, key, value);
      await record(db, 'credentials set', key);
      return { json: { key, stored: true }, text: `${key} is kept in ${storePath(config.layout)}; ${NEXT_START}` };
    },
  },
  {
    name: 'credentials list',
    title: 'The names of the kept secrets, never a value',
    who: 'viewer',
    danger: 'none',
    withoutDatabase: true,
    run: async ({ config }) => {
      const list = listCredentials(config.layout);
      return {
        json: list,
        text: textTable(
          ['key', 'set'],
          list.map((each) => [each.name, timeText(each.updatedAt)]),
          'no credentials are kept; keys may be in config/.env as well',
        ),
      };
    },
  },
  {
    name: 'credentials rotate',
    title: 'Encrypt every kept secret anew, under a new master key',
    options: [
      {
        flags: '--new-key <file>',
        description: 'where the master key is not config/master.key: a file with the new one',
      },
    ],
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    run: async ({ config, db }, { options }) => {
      const count = rotateCredentials(config.layout, newKey(options.newKey));
      await record(db, 'credentials rotate', `${count} credentials`);
      return {
        json: { count },
        text: `${count} credentials are encrypted anew${options.newKey ? "; put the new key in the old one's place now" : ''}`,
      };
    },
  },
  {
    name: 'credentials remove',
    title: 'Forget a kept secret',
    args: [KEY],
    who: 'operator',
    danger: 'confirm',
    withoutDatabase: true,
    run: async ({ config, db }, { args }) => {
      const key = args[0] ?? '';
      if (!removeCredential(config.layout, key)) {
        throw new OpenClawError('E_NOT_FOUND', `no credential "${key}" is kept`, {
          remedy: 'openclaw credentials list',
          exitCode: EXIT.usage,
        });
      }
      await record(db, 'credentials remove', key);
      return { json: { key, removed: true }, text: `${key} is forgotten; ${NEXT_START}` };
    },
  },
];

function secretKey(given: string | undefined): KeyName {
  const found = SECRET_KEYS.find((key) => key === given);
  if (found) return found;
  const near = didYouMean(given ?? '', SECRET_KEYS);
  throw new OpenClawError('E_ARGUMENT', `"${given}" is no secret key of the configuration`, {
    expected: SECRET_KEYS.join(', '),
    ...(near && { remedy: `did you mean ${near}?` }),
    exitCode: EXIT.usage,
  });
}

function newKey(file: string | boolean | undefined): string | undefined {
  if (typeof file !== 'string') return undefined;
  try {
    const text = readFileSync(file, 'utf8').trim();
    addSecrets([text]);
    return text;
  } catch (error) {
    throw new OpenClawError('E_MASTER_KEY', `the new key cannot be read: ${messageOf(error)}`, {
      exitCode: EXIT.usage,
    });
  }
}

/** Before the first start there is nothing to record it in. */
async function record(db: Queryable, verb: string, target: string): Promise<void> {
  try {
    await db.query('select record_act($1, $2, null, null)', [verb, target]);
  } catch (error) {
    if (!(error instanceof OpenClawError) || error.code !== 'E_NOT_RUNNING') throw error;
  }
}
