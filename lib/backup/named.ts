import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { addSecrets, type Logger, subjectLog } from '../log/index.ts';
import type { Manifest } from './manifest.ts';
import { archivePath, isArchiveName, isEncrypted, localArchives } from './names.ts';
import { pruneRemote } from './offsite.ts';
import { pruneLocal } from './prune.ts';
import { lockBackups } from './session.ts';
import { installedTools, openSource, type PostgresTools } from './source.ts';
import { checkWhole, verifyArchive } from './verify.ts';

export interface FoundArchive {
  readonly name: string;
  readonly file: string;
}

/** `latest`, a name in backups/, or a path. @throws E_NO_ARCHIVE. */
export function findArchive(config: Config, given: string): FoundArchive {
  const local = localArchives(config.layout);
  if (given === 'latest' && local[0]) return { name: local[0], file: archivePath(config.layout, local[0]) };
  const named = isArchiveName(given) ? archivePath(config.layout, given) : path.resolve(given);
  if (given !== 'latest' && existsSync(named)) return { name: path.basename(named), file: named };
  throw new OpenClawError(
    'E_NO_ARCHIVE',
    given === 'latest' ? 'there is no archive here' : `there is no archive "${given}"`,
    {
      value: config.layout.backups,
      expected:
        local.length > 0 ? `latest, or one of ${local.slice(0, 5).join(', ')}` : 'a path, as none is in backups/',
      remedy: 'openclaw backup list; one of Drive is fetched with: openclaw drive download <name>',
      exitCode: EXIT.usage,
    },
  );
}

/** The identity in a file as age-keygen writes it. Kept out of whatever is logged from here on. */
export function readIdentity(config: Config, file: string | undefined): string | undefined {
  const from = file ?? config.backup.ageIdentityPath;
  if (!from) return undefined;
  let text: string;
  try {
    text = readFileSync(from, 'utf8');
  } catch (error) {
    throw new OpenClawError('E_IDENTITY', `the identity cannot be read: ${messageOf(error)}`, {
      value: from,
      exitCode: EXIT.usage,
    });
  }
  const identity = /^AGE-SECRET-KEY-\S+$/m.exec(text)?.[0];
  if (!identity)
    throw new OpenClawError('E_IDENTITY', `there is no AGE-SECRET-KEY-… line in ${from}`, { exitCode: EXIT.usage });
  addSecrets([identity]);
  return identity;
}

/** The programs of the server that runs; while none does (a lost server), the newest that are installed. */
export async function toolsFor(config: Config): Promise<PostgresTools> {
  try {
    return (await openSource(config)).programs;
  } catch (error) {
    if (!(error instanceof OpenClawError) || error.code !== 'E_NOT_RUNNING') throw error;
    return installedTools();
  }
}

export async function verifyNamed({
  config,
  db,
  file,
  identityFile,
  signal,
}: {
  config: Config;
  db: Queryable;
  file: string;
  identityFile?: string | undefined;
  signal: AbortSignal;
}): Promise<{ bytes: number; sha256: string; manifest: Manifest | null; contents: string }> {
  const name = path.basename(file);
  const identity = isEncrypted(name) ? readIdentity(config, identityFile) : undefined;
  if (isEncrypted(name) && !identity) return { ...(await checkWhole(file, signal)), manifest: null, contents: '' };
  const known = await recordedSum(db, name, file);
  return verifyArchive(file, {
    tools: await toolsFor(config),
    signal,
    ...(known && { sha256: known }),
    ...(identity && { identity }),
  });
}

/** The checksum from when it was made: of the row, or while there is no database, of the file beside it. */
async function recordedSum(db: Queryable, name: string, file: string): Promise<string | undefined> {
  try {
    const { rows } = await db.query<{ sha256: string | null }>('select sha256 from ops_backups where name = $1', [
      name,
    ]);
    if (rows[0]?.sha256) return rows[0].sha256;
  } catch (error) {
    if (!(error instanceof OpenClawError) || error.code !== 'E_NOT_RUNNING') throw error;
  }
  return existsSync(`${file}.sha256`) ? readFileSync(`${file}.sha256`, 'utf8').slice(0, 64) : undefined;
}

export async function pruneLocked(options: {
  config: Config;
  db: Queryable;
  log: Logger;
  signal: AbortSignal;
}): Promise<string[]> {
  const { url } = await openSource(options.config);
  const session = await lockBackups(url);
  try {
    const log = subjectLog(options.config, 'backup', options.log);
    return [...(await pruneLocal({ ...options, log })), ...(await pruneRemote({ ...options, log }))];
  } finally {
    await session.end();
  }
}
