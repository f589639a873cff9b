import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { messageOf, OpenClawError } from '../errors/index.ts';
import { type Logger, scrub, subjectLog } from '../log/index.ts';
import { createArchive } from './create.ts';
import { findArchive, readIdentity } from './named.ts';
import { archivePath, isEncrypted, localArchives } from './names.ts';
import { restoreDatabase } from './restoreDatabase.ts';
import { dropScratch, makeScratch } from './scratch.ts';
import { type BackupSession, lockBackups } from './session.ts';
import { type BackupSource, openSource } from './source.ts';
import { verifyArchive } from './verify.ts';

export interface DrillOptions {
  config: Config;
  db: Queryable;
  log: Logger;
  signal: AbortSignal;
  source?: BackupSource;
  /** Default: the newest verified archive here. */
  archive?: string;
  identityFile?: string | undefined;
}

export interface Drill {
  readonly name: string;
  readonly passed: true;
  readonly rows: number;
  readonly tables: number;
  readonly durationMs: number;
}

/**
 * Restores an archive into a scratch database, counts every table against the manifest, and drops it again. How it ended
 * is a row, an event and a line. An encrypted archive whose identity is not here, as it should be, is made anew for it:
 * only a run that made an archive can open it.
 *
 * @throws what made it fail, recorded.
 */
export async function drillBackup(options: DrillOptions): Promise<Drill> {
  const source = options.source ?? (await openSource(options.config));
  const session = await lockBackups(source.url);
  try {
    return await drill(options, source, session);
  } finally {
    await session.end();
  }
}

async function drill(options: DrillOptions, source: BackupSource, session: BackupSession): Promise<Drill> {
  const { config, db } = options;
  const log = subjectLog(config, 'backup', options.log);
  const signal = AbortSignal.any([options.signal, session.lost]);
  const { id, name, file, identity } = await choose(options, source, session);
  const start = performance.now();
  const scratch = `${source.database}_drill`;
  const maintenance = source.adminUrlFor('postgres');
  try {
    const { manifest, contents } = await verifyArchive(file, {
      tools: source.programs,
      signal,
      ...(identity && { identity }),
    });
    await makeScratch(maintenance, scratch);
    const rows = await restoreDatabase({
      file,
      identity,
      manifest,
      contents,
      tools: source.programs,
      url: source.adminUrlFor(scratch),
      signal,
    }).finally(() => dropScratch(maintenance, scratch));
    const durationMs = performance.now() - start;
    await db.query('select record_drill($1, true, $2, $3, $4)', [id, durationMs, rows, []]);
    log.info({ backup: id, name, rows, duration_ms: Math.round(durationMs) }, 'restore drill passed');
    return { name, passed: true, rows, tables: Object.keys(manifest.tables).length, durationMs };
  } catch (error) {
    options.signal.throwIfAborted();
    const faults = [messageOf(error), ...(error instanceof OpenClawError ? error.faults : [])].map((fault) =>
      scrub(fault).slice(0, 500),
    );
    await db.query('select record_drill($1, false, $2, null, $3)', [
      id,
      performance.now() - start,
      faults.slice(0, 50),
    ]);
    log.error({ err: error, backup: id, name }, 'restore drill failed');
    throw error;
  }
}

async function choose(options: DrillOptions, source: BackupSource, session: BackupSession) {
  const { config, db } = options;
  const { rows } = await db.query<{ id: string; name: string }>(
    "select id, name from ops_backups where archive in ('verified', 'partial') and name = any ($1) and (name = $2 or $2 is null and archive = 'verified') order by id desc limit 1",
    [
      options.archive ? [findArchive(config, options.archive).name] : localArchives(config.layout),
      options.archive ? findArchive(config, options.archive).name : null,
    ],
  );
  const found = rows[0];
  if (!found) {
    throw new OpenClawError('E_NO_ARCHIVE', 'there is no verified archive here to be restored', {
      remedy: 'openclaw backup create',
    });
  }
  const identity = isEncrypted(found.name) ? readIdentity(config, options.identityFile) : undefined;
  if (!isEncrypted(found.name) || identity) return { ...found, file: archivePath(config.layout, found.name), identity };
  const made = await createArchive({ ...options, source, session });
  return { id: made.id, name: made.name, file: archivePath(config.layout, made.name), identity: made.identity };
}
