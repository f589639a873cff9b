import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { Layout } from '../config/layout.ts';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { findMasterKey, MASTER_FILE, type MasterKey, readPrivate } from './masterKey.ts';

/**
 * `.openclaw/credentials/store.json`: each value by itself under AES-256-GCM, its name authenticated with it, so that no
 * value can be put in another's place. The key is scrypt's of the master key; `check` proves it before any value is read.
 */
const Sealed = z.object({ iv: z.string(), tag: z.string(), data: z.string() });
const StoreFile = z.object({
  format: z.literal(1),
  scrypt: z.object({
    salt: z.string(),
    N: z
      .number()
      .int()
      .min(1024)
      .max(1 << 20),
    r: z.number().int().min(1).max(32),
    p: z.number().int().min(1).max(16),
  }),
  check: Sealed,
  entries: z.record(z.string(), Sealed.extend({ updatedAt: z.string() })),
});
type Sealed = z.output<typeof Sealed>;
type StoreFile = z.output<typeof StoreFile>;

const CHECK_NAME = '(check)';
const CHECK_TEXT = 'openclaw';
/** About 40 ms and 16 MiB, at each start: the master key is random and long, so that this is a second wall, not the first. */
const COST = { N: 16_384, r: 8, p: 1 };

export const storePath = (layout: Layout) => path.join(layout.credentials, 'store.json');
export const hasStore = (layout: Layout) => existsSync(storePath(layout));

export interface Credential {
  readonly name: string;
  readonly updatedAt: string;
}

/** The open store. Its values are in memory only. */
export interface Credentials {
  readonly values: ReadonlyMap<string, string>;
  readonly list: readonly Credential[];
}

type Env = Readonly<Record<string, string | undefined>>;

/** @throws E_CREDENTIALS_KEY (78) at once when the master key is missing or another; E_CREDENTIALS_STORE when it is damaged. */
export function openCredentials(layout: Layout, env: Env = process.env): Credentials {
  const file = readStore(layout);
  if (!file) return { values: new Map(), list: [] };
  const key = provenKey(file, layout, env);
  const values = new Map(Object.entries(file.entries).map(([name, sealed]) => [name, unseal(key, name, sealed)]));
  return { values, list: Object.entries(file.entries).map(([name, { updatedAt }]) => ({ name, updatedAt })) };
}

/** The names alone need no key. */
export function listCredentials(layout: Layout): Credential[] {
  return Object.entries(readStore(layout)?.entries ?? {}).map(([name, { updatedAt }]) => ({ name, updatedAt }));
}

export function setCredential(layout: Layout, name: string, value: string, env: Env = process.env): void {
  const file = readStore(layout) ?? freshStore(ensureMasterKey(layout, env));
  const key = provenKey(file, layout, env);
  file.entries[name] = { ...seal(key, name, value), updatedAt: new Date().toISOString() };
  writeStore(layout, file);
}

/** @returns whether it was there. */
export function removeCredential(layout: Layout, name: string, env: Env = process.env): boolean {
  const file = readStore(layout);
  if (!file?.entries[name]) return false;
  provenKey(file, layout, env);
  delete file.entries[name];
  writeStore(layout, file);
  return true;
}

/**
 * Every value anew under a new master key. Where the key is config/master.key, the new one lies beside it first, then
 * the store is replaced at once, then the key: a kill in between is finished by the next open. Elsewhere (systemd, the
 * environment) the new key is the operator's to give, and to put in place.
 *
 * @returns how many were sealed anew.
 */
export function rotateCredentials(layout: Layout, given?: string, env: Env = process.env): number {
  const file = readStore(layout);
  if (!file)
    throw new OpenClawError('E_CREDENTIALS_STORE', 'there is no store to rotate', {
      remedy: 'openclaw credentials set <key>',
    });
  const key = provenKey(file, layout, env);
  const master = findMasterKey({ env, config: layout.config })!;
  if (master.source !== 'file' && given === undefined) {
    throw new OpenClawError(
      'E_MASTER_KEY',
      `the master key comes from ${master.source === 'systemd' ? 'a systemd credential' : 'the environment'}, where this verb cannot put a new one`,
      {
        remedy: "openclaw credentials rotate --new-key <file>, then put that key in the old one's place",
        exitCode: EXIT.usage,
      },
    );
  }
  const next = given ?? randomBytes(32).toString('base64url');
  if (next.length < 16)
    throw new OpenClawError('E_MASTER_KEY', 'the new master key is too short', {
      expected: 'at least 16 characters',
      exitCode: EXIT.usage,
    });
  const fresh = freshStore({ text: next, source: 'file' });
  const freshKey = keyOf(fresh, next);
  for (const [name, sealed] of Object.entries(file.entries))
    fresh.entries[name] = { ...seal(freshKey, name, unseal(key, name, sealed)), updatedAt: sealed.updatedAt };
  if (master.source === 'file') writeWhole(`${master.path}.next`, `${next}\n`);
  writeStore(layout, fresh);
  if (master.source === 'file') renameSync(`${master.path}.next`, master.path!);
  return Object.keys(fresh.entries).length;
}

function readStore(layout: Layout): StoreFile | undefined {
  const file = storePath(layout);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw damaged(file, messageOf(error));
  }
  if (statSync(file).mode & 0o077) {
    throw new OpenClawError('E_CREDENTIALS_STORE', `others can read ${file}`, {
      expected: 'mode 600',
      remedy: `chmod 600 ${file}`,
      exitCode: EXIT.config,
    });
  }
  try {
    return StoreFile.parse(JSON.parse(text));
  } catch {
    // What zod or JSON says could quote the file.
    throw damaged(file, 'it is not a store');
  }
}

/** The key of the store, proven. A rotation that was killed between store and key is finished here. */
function provenKey(file: StoreFile, layout: Layout, env: Env): Buffer {
  const master = findMasterKey({ env, config: layout.config });
  const next = path.join(layout.config, `${MASTER_FILE}.next`);
  const waiting = readPrivate(next, true);
  for (const text of [master?.text, waiting]) {
    if (text === undefined) continue;
    const key = keyOf(file, text);
    if (!opens(key, file.check)) continue;
    if (text === waiting) renameSync(next, path.join(layout.config, MASTER_FILE));
    else rmSync(next, { force: true });
    return key;
  }
  throw new OpenClawError(
    'E_CREDENTIALS_KEY',
    master ? 'the master key does not open the credentials' : 'there are credentials, and no master key to open them',
    {
      value: master ? `from ${master.source === 'file' ? master.path : master.source}` : undefined,
      expected:
        '$CREDENTIALS_DIRECTORY/openclaw_master_key, OPENCLAW_MASTER_KEY, or config/master.key, with the key they were made with',
      remedy: `put that key back; without it the values are lost: remove ${storePath(layout)} and set them anew`,
      exitCode: EXIT.config,
    },
  );
}

/** The first credential makes the first key, in config/master.key, where nobody has given another. */
function ensureMasterKey(layout: Layout, env: Env): MasterKey {
  const found = findMasterKey({ env, config: layout.config });
  if (found) return found;
  const file = path.join(layout.config, MASTER_FILE);
  const text = randomBytes(32).toString('base64url');
  mkdirSync(layout.config, { recursive: true, mode: 0o700 });
  writeWhole(file, `${text}\n`);
  return { text, source: 'file', path: file };
}

function freshStore(master: MasterKey): StoreFile {
  const file: StoreFile = {
    format: 1,
    scrypt: { salt: randomBytes(16).toString('base64'), ...COST },
    check: { iv: '', tag: '', data: '' },
    entries: {},
  };
  file.check = seal(keyOf(file, master.text), CHECK_NAME, CHECK_TEXT);
  return file;
}

function keyOf({ scrypt }: StoreFile, master: string): Buffer {
  const { salt, N, r, p } = scrypt;
  return scryptSync(master, Buffer.from(salt, 'base64'), 32, { N, r, p, maxmem: 256 * N * r });
}

function seal(key: Buffer, name: string, value: string): Sealed {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(name));
  const data = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
  return { iv: iv.toString('base64'), tag: cipher.getAuthTag().toString('base64'), data: data.toString('base64') };
}

function unseal(key: Buffer, name: string, { iv, tag, data }: Sealed): string {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'), { authTagLength: 16 })
      .setAAD(Buffer.from(name))
      .setAuthTag(Buffer.from(tag, 'base64'));
    return Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]).toString('utf8');
  } catch (error) {
    throw damaged(name, 'its value was changed', error);
  }
}

function opens(key: Buffer, check: Sealed): boolean {
  try {
    return unseal(key, CHECK_NAME, check) === CHECK_TEXT;
  } catch {
    // Another key, which is what is asked.
    return false;
  }
}

function writeStore(layout: Layout, file: StoreFile): void {
  mkdirSync(layout.credentials, { recursive: true, mode: 0o700 });
  writeWhole(storePath(layout), `${JSON.stringify(file, null, 1)}\n`);
}

/** On disk as a whole before it has its name. */
function writeWhole(file: string, text: string): void {
  const draft = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(draft, 'w', 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, file);
}

function damaged(what: string, why: string, cause?: unknown): OpenClawError {
  return new OpenClawError('E_CREDENTIALS_STORE', `the credentials cannot be used: ${why}`, {
    value: what,
    remedy: 'take the file from before, or remove it and set the credentials anew',
    cause,
    exitCode: EXIT.config,
  });
}
