import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { z } from 'zod';
import type { Layout } from '../config/index.ts';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';

const word = z.string().min(1).max(200);

/** The front matter of an identity file. */
const FRONT_MATTER = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, 'lower-case letters, digits and _, beginning with a letter'),
  number: z.int().min(1).max(999),
  name: word,
  role: word,
  domains: z.array(word).max(20).default([]),
  /** Tasks that it may ask for. */
  tools: z.array(word).max(100).default([]),
  /** Models that it prefers, as provider/model, the first first. */
  models: z.array(word).max(20).default([]),
  /** Of its own, a day: task -> how often. */
  quotas: z.record(word, z.int().min(0)).default({}),
  budget_usd_per_day: z.number().min(0).optional(),
});

export type Identity = z.infer<typeof FRONT_MATTER> & {
  /** The text below the front matter: who it is, in words, for a model to read. */
  readonly soul: string;
};

export interface LoadedIdentity {
  identity: Identity;
  hash: string;
  file: string;
  /** Why the newest edit is not in force. */
  fault: string | null;
}

const require = createRequire(import.meta.url);

/** @throws E_IDENTITY with every fault of the front matter. */
export function parseIdentity(text: string, file: string, id: string): Identity {
  const match = /^---\r?\n([\s\S]*?)\r?\n---\r?\n?([\s\S]*)$/.exec(text);
  if (!match) throw faulty(file, ['it does not begin with front matter between two lines of ---']);
  let front: unknown;
  try {
    front = (require('yaml') as typeof import('yaml')).parse(match[1]!);
  } catch (error) {
    throw faulty(file, [`its front matter is no YAML: ${messageOf(error)}`]);
  }
  const parsed = FRONT_MATTER.safeParse(front);
  if (!parsed.success) {
    throw faulty(
      file,
      parsed.error.issues.map((issue) => `${issue.path.join('.') || 'front matter'}: ${issue.message}`),
    );
  }
  if (parsed.data.id !== id) throw faulty(file, [`id: is ${parsed.data.id}, expected ${id}`]);
  return { ...parsed.data, soul: match[2]!.trim() };
}

function faulty(file: string, faults: string[]): OpenClawError {
  return new OpenClawError('E_IDENTITY', `the identity in ${file} has ${faults.length} fault(s)`, {
    faults,
    remedy: 'correct the file; until then the last good identity is in force',
    exitCode: EXIT.config,
  });
}

/**
 * The identity in force: the operator's file (`.openclaw/agents/<id>.md`) where there is one, else the SOUL.md of the
 * agent's folder. A good one is kept in `.openclaw/identity/`, so that a bad edit, or a restart after one, has it.
 *
 * @throws E_IDENTITY (78) when there has never been a good one.
 */
export async function loadIdentity(layout: Layout, id: string, folder: string): Promise<LoadedIdentity> {
  const own = path.join(layout.agentFiles, `${id}.md`);
  const soul = path.join(folder, 'SOUL.md');
  const file = (await textOf(own)) === undefined ? soul : own;
  const text = await textOf(file);
  try {
    if (text === undefined) throw faulty(file, ['there is no such file']);
    const loaded = { identity: parseIdentity(text, file, id), hash: hashOf(text), file };
    await keep(layout, loaded);
    return { ...loaded, fault: null };
  } catch (error) {
    if (!(error instanceof OpenClawError)) throw error;
    const fault = [error.message, ...error.faults].join('; ');
    const good = await lastGood(layout, id);
    if (good) return { ...good, fault };
    const builtIn = file === soul ? undefined : await textOf(soul);
    if (builtIn === undefined) throw error;
    return { identity: parseIdentity(builtIn, soul, id), hash: hashOf(builtIn), file: soul, fault };
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

async function keep(layout: Layout, loaded: Omit<LoadedIdentity, 'fault'>): Promise<void> {
  const file = path.join(layout.identities, `${loaded.identity.id}.json`);
  const text = `${JSON.stringify(loaded, null, 2)}\n`;
  if ((await textOf(file)) === text) return;
  await mkdir(layout.identities, { recursive: true, mode: 0o700 });
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, text, { mode: 0o600 });
  await rename(partial, file);
}

async function lastGood(layout: Layout, id: string): Promise<Omit<LoadedIdentity, 'fault'> | undefined> {
  const text = await textOf(path.join(layout.identities, `${id}.json`));
  if (text === undefined) return undefined;
  try {
    const { identity, hash, file } = JSON.parse(text) as Omit<LoadedIdentity, 'fault'>;
    const { soul, ...front } = identity;
    return { identity: { ...FRONT_MATTER.parse(front), soul: z.string().parse(soul) }, hash, file };
  } catch {
    // Of an older form, or edited by hand: as good as absent, and the built-in one serves.
    return undefined;
  }
}
