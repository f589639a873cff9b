import { rmSync } from 'node:fs';
import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { archivePath, localArchives } from './names.ts';

export interface Known {
  readonly name: string;
  readonly archive: string | null;
}

/**
 * What goes, of the archives from the newest to the oldest. An incomplete archive never pushes out a good one: only
 * verified ones (and those of which no row tells) count, and of the incomplete ones the same number stays beside them.
 * The newest verified one stays whatever `keep` says.
 */
export function surplus(names: readonly string[], known: ReadonlyMap<string, string | null>, keep: number): string[] {
  const isGood = (name: string) => !known.has(name) || known.get(name) === 'verified';
  const good = names.filter(isGood);
  const rest = names.filter((name) => !isGood(name));
  return [...good.slice(Math.max(1, keep)), ...rest.slice(Math.max(1, keep))];
}

/**
 * Deletes what is beyond policy backup.keep_local. Under the lock, so that nothing is deleted that is being read.
 *
 * @throws E_PRUNE_REFUSED when the newest run failed: what is there is then all that there is.
 */
export async function pruneLocal({
  config,
  db,
  log,
}: {
  config: Config;
  db: Queryable;
  log: Logger;
}): Promise<string[]> {
  const { rows } = await db.query<{
    id: string;
    name: string;
    archive: string | null;
    failed: boolean;
    keep: string | null;
  }>(
    `select id, name, archive, coalesce((select archive = 'failed' from ops_backups order by id desc limit 1), false) as failed,
            policy_value('backup.keep_local')::text as keep
     from ops_backups where local_deleted_at is null`,
  );
  const keep = Number(rows[0]?.keep ?? Number.NaN);
  if (rows[0]?.failed) {
    throw new OpenClawError('E_PRUNE_REFUSED', 'the newest backup failed, so nothing is deleted', {
      remedy: 'openclaw backup create, then prune again',
    });
  }
  // A policy that is missing deletes nothing.
  if (!Number.isInteger(keep) || keep < 1) return [];
  const known = new Map(rows.map((row) => [row.name, row.archive]));
  const gone = surplus(localArchives(config.layout), known, keep);
  for (const name of gone) {
    rmSync(archivePath(config.layout, name), { force: true });
    rmSync(`${archivePath(config.layout, name)}.sha256`, { force: true });
    const row = rows.find((each) => each.name === name);
    if (row) await db.query("select mark_backup_pruned($1, 'local')", [row.id]);
  }
  if (gone.length > 0) log.info({ deleted: gone }, 'old archives deleted');
  return gone;
}
