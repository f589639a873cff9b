import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { createArchive, type MadeBackup, type Stage } from './create.ts';
import { pruneLocal } from './prune.ts';
import { lockBackups } from './session.ts';
import { type BackupSource, openSource } from './source.ts';

export interface RunOptions {
  config: Config;
  db: Queryable;
  log: Logger;
  signal: AbortSignal;
  onStage?: (stage: Stage | 'uploaded' | 'pruned') => void;
  /** Tests name one; else the database of this home. */
  source?: BackupSource;
}

export interface BackupRun extends Omit<MadeBackup, 'manifest' | 'identity'> {
  readonly offsite: 'uploaded' | 'local_only' | 'failed';
  readonly offsiteError?: string;
  readonly rows: number;
  readonly faults: readonly string[];
  readonly pruned: readonly string[];
}

/** A whole run: archive, its copy elsewhere, and what is too old. @throws E_BACKUP_RUNNING when another runs. */
export async function runBackup(options: RunOptions): Promise<BackupRun> {
  const source = options.source ?? (await openSource(options.config));
  const session = await lockBackups(source.url);
  try {
    const { manifest, identity: _forgotten, ...made } = await createArchive({ ...options, source, session });
    const offsite = await sendOffsite(options, made.id);
    options.onStage?.('uploaded');
    const pruned = made.archive === 'verified' ? await pruneLocal(options) : [];
    options.onStage?.('pruned');
    return {
      ...made,
      ...offsite,
      rows: Object.values(manifest.tables).reduce((sum, count) => sum + count, 0),
      faults: manifest.unreadable,
      pruned,
    };
  } finally {
    await session.end();
  }
}

async function sendOffsite({ db }: RunOptions, id: string): Promise<Pick<BackupRun, 'offsite' | 'offsiteError'>> {
  await db.query("select set_backup_offsite($1, 'local_only')", [id]);
  return { offsite: 'local_only' };
}
