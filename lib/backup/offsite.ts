import { existsSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { accessTokens, type DriveFiles, driveAccount, openDrive, uploadFile } from '../drive/index.ts';
import { messageOf, OpenClawError } from '../errors/index.ts';
import { type Logger, scrub } from '../log/index.ts';
import { archivePath, timeOfArchive } from './names.ts';

export interface OffsiteOptions {
  config: Config;
  db: Queryable;
  log: Logger;
  signal: AbortSignal;
}

export interface Offsite {
  /** Of the newest archive; null when there was none to send. */
  readonly offsite: 'uploaded' | 'local_only' | 'failed' | null;
  readonly offsiteError?: string;
  readonly sent: readonly string[];
}

export const KIND = 'openclaw-backup';
/** An outage of a weekend is caught up, and no more than this at once. */
const CATCH_UP = 4;

/** Sends what is here and not there, the oldest first, so that an upload that was cut off is gone on with. */
export async function sendPending({ config, db, log, signal }: OffsiteOptions): Promise<Offsite> {
  const { rows } = await db.query<{ id: string; name: string; bytes: string; sha256: string; archive: string }>(
    `select id, name, bytes, sha256, archive from (
       select id, name, bytes, sha256, archive from ops_backups
       where archive in ('verified', 'partial') and offsite is distinct from 'uploaded' and local_deleted_at is null and bytes is not null and host = $1
       order by id desc limit $2) newest order by id`,
    [os.hostname(), CATCH_UP],
  );
  const pending = rows.filter((row) => existsSync(archivePath(config.layout, row.name)));
  if (pending.length === 0) return { offsite: null, sent: [] };
  const account = driveAccount(config);
  if (!account) {
    // Of the newest alone: the others have been told already.
    await db.query("select set_backup_offsite($1, 'local_only')", [pending.at(-1)!.id]);
    return { offsite: 'local_only', sent: [] };
  }
  const token = accessTokens(account);
  const files = await openDrive(account, token);
  const sent: string[] = [];
  let offsiteError: string | undefined;
  for (const { id, name, sha256, archive } of pending) {
    const file = archivePath(config.layout, name);
    try {
      const remote = await uploadFile({
        account,
        token,
        files,
        file,
        name,
        size: statSync(file).size,
        sha256,
        properties: { kind: KIND, host: os.hostname(), archive },
        sessionFile: path.join(config.layout.backups, `.upload.${name}.json`),
        signal,
      });
      await db.query("select set_backup_offsite($1, 'uploaded', $2)", [id, remote.id]);
      log.info({ backup: id, name, remote: remote.id }, 'uploaded');
      sent.push(name);
      offsiteError = undefined;
    } catch (error) {
      signal.throwIfAborted();
      offsiteError = scrub(error instanceof OpenClawError ? `${error.code}: ${error.message}` : messageOf(error)).slice(
        0,
        1000,
      );
      await db.query("select set_backup_offsite($1, 'failed', null, $2)", [id, offsiteError]);
      log.error({ err: error, backup: id, name }, 'the upload failed; the next run goes on with it');
      if (error instanceof OpenClawError && error.code === 'E_DRIVE_REAUTH') {
        await db.query(
          "select tell_trouble('secret.reauth', 'error', 'Google Drive takes us in no longer', $1, array['drive'])",
          [JSON.stringify({ service: 'drive', error: error.message, remedy: error.remedy })],
        );
        // None of the others fares better.
        break;
      }
    }
  }
  return {
    offsite: offsiteError === undefined ? 'uploaded' : 'failed',
    sent,
    ...(offsiteError !== undefined && { offsiteError }),
  };
}

export interface RemoteRule {
  readonly newest: number;
  readonly weekly: number;
  readonly monthly: number;
}

/** What goes from Drive: neither among the newest, nor the last of one of the weeks and months before them. */
export function remoteSurplus(names: readonly string[], { newest, weekly, monthly }: RemoteRule): string[] {
  const sorted = [...names].sort().reverse();
  const kept = new Set(sorted.slice(0, Math.max(1, newest)));
  const older = sorted.slice(Math.max(1, newest));
  for (const [limit, periodOf] of [
    [weekly, weekOf],
    [monthly, monthOf],
  ] as const) {
    const periods = new Set<string>();
    for (const name of older) {
      const at = timeOfArchive(name);
      if (!at) {
        // Not a name of ours: it is not ours to delete.
        kept.add(name);
        continue;
      }
      const period = periodOf(at);
      if (periods.has(period) || periods.size >= limit) continue;
      periods.add(period);
      kept.add(name);
    }
  }
  return sorted.filter((name) => !kept.has(name));
}

const DAY_MS = 86_400_000;
/** By the Monday (UTC) that it begins with: 1970-01-05 was one. */
const weekOf = (at: Date) => String(Math.floor((at.getTime() / DAY_MS - 4) / 7));
const monthOf = (at: Date) => at.toISOString().slice(0, 7);

/** Deletes on Drive by policy backup.keep_remote, of this host's archives alone. */
export async function pruneRemote({ config, db, log }: OffsiteOptions): Promise<string[]> {
  const account = driveAccount(config);
  const { rows } = await db.query<{ rule: RemoteRule | null }>("select sound_policy('backup.keep_remote') as rule");
  const rule = rows[0]?.rule;
  if (!account || !rule) return [];
  const files: DriveFiles = await openDrive(account, accessTokens(account));
  const remote = await files.list({ kind: KIND, host: os.hostname() });
  // An incomplete archive pushes out no good one there either.
  const good = remote.filter((file) => file.properties.archive !== 'partial');
  const gone = new Set(
    remoteSurplus(
      good.map((file) => file.name),
      rule,
    ),
  );
  const oldest = good
    .map((file) => file.name)
    .filter((name) => !gone.has(name))
    .sort()[0];
  for (const file of remote)
    if (file.properties.archive === 'partial' && oldest && file.name < oldest) gone.add(file.name);
  for (const file of remote.filter((each) => gone.has(each.name))) {
    await files.remove(file.id);
    await db.query("select mark_backup_pruned(id, 'offsite') from ops_backups where name = $1", [file.name]);
  }
  if (gone.size > 0) log.info({ deleted: [...gone] }, 'old archives deleted on Drive');
  return [...gone];
}
