import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { type Logger, subjectLog } from '../log/index.ts';
import { createArchive, type MadeBackup, type Stage } from './create.ts';
import { type Offsite, pruneRemote, sendPending } from './offsite.ts';
import { pruneLocal } from './prune.ts';
import { lockBackups } from './session.ts';
import { type BackupSource, openSource } from './source.ts';

export interface RunOptions {
  config: Config;
  db: Queryable;
  log: Logger;
  signal: AbortSignal;
  trace?: string | null;
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
export async function runBackup(given: RunOptions): Promise<BackupRun> {
  const log = subjectLog(given.config, 'backup', given.log);
  const options = { ...given, log };
  const source = options.source ?? (await openSource(options.config));
  const session = await lockBackups(source.url);
  try {
    const { manifest, identity: _forgotten, ...made } = await createArchive({ ...options, source, session });
    const { offsite, offsiteError } = await sendPending(options);
    options.onStage?.('uploaded');
    const pruned = made.archive === 'verified' ? await pruneLocal(options) : [];
    // Only what came whole pushes something out there.
    if (offsite === 'uploaded' && made.archive === 'verified')
      await pruneRemote(options).catch((error: unknown) =>
        log.warn({ err: error }, 'old archives on Drive were not deleted; the next run tries again'),
      );
    options.onStage?.('pruned');
    return {
      ...made,
      offsite: offsite ?? 'failed',
      ...(offsiteError !== undefined && { offsiteError }),
      rows: Object.values(manifest.tables).reduce((sum, count) => sum + count, 0),
      faults: manifest.unreadable,
      pruned,
    };
  } finally {
    await session.end();
  }
}

/** Goes on with what is not on Drive yet. @throws E_BACKUP_RUNNING when a run has the lock: it does the same. */
export async function uploadPending(options: RunOptions): Promise<Offsite> {
  const source = options.source ?? (await openSource(options.config));
  const session = await lockBackups(source.url);
  try {
    return await sendPending({ ...options, log: subjectLog(options.config, 'backup', options.log) });
  } finally {
    await session.end();
  }
}
