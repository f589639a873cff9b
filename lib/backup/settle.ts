import { existsSync } from 'node:fs';
import os from 'node:os';
import { messageOf } from '../errors/index.ts';
import { scrub, toJson } from '../log/index.ts';
import type { CreateOptions } from './create.ts';
import { archivePath, isEncrypted } from './names.ts';
import { checkWhole, verifyArchive } from './verify.ts';

/**
 * What killed runs of this host left in the table. Under the lock nobody makes them any more: an archive that has its
 * name was verified before it got it and is verified again; of the others there is none.
 */
export async function settleKilled({
  config,
  db,
  log,
  source,
  signal,
}: Pick<CreateOptions, 'config' | 'db' | 'log' | 'source' | 'signal'>): Promise<void> {
  const { rows } = await db.query<{ id: string; name: string }>(
    'select id, name from ops_backups where archive is null and host = $1 order by id',
    [os.hostname()],
  );
  for (const { id, name } of rows) {
    const file = archivePath(config.layout, name);
    const end = (outcome: string, facts: object) =>
      db.query('select end_backup($1, $2, $3::jsonb)', [id, outcome, toJson(facts)]);
    if (!existsSync(file)) {
      const fault = 'its process was killed before the archive was whole';
      await end('failed', { faults: [fault] });
      log.warn({ backup: id, name }, fault);
      continue;
    }
    try {
      if (isEncrypted(name)) {
        // Its identity is not here. The checksum beside it was written when it had been read back.
        const { bytes, sha256 } = await checkWhole(file);
        await end('verified', { bytes, sha256, detail: { settled: true } });
        continue;
      }
      const { manifest, bytes, sha256 } = await verifyArchive(file, { tools: source.programs, signal });
      const faults = manifest.unreadable.map((each) => scrub(`unreadable: ${each}`));
      await end(faults.length > 0 ? 'partial' : 'verified', {
        bytes,
        sha256,
        snapshot_at: manifest.snapshotAt,
        row_count: Object.values(manifest.tables).reduce((sum, count) => sum + count, 0),
        faults,
        detail: { versions: manifest.versions, tables: manifest.tables, settled: true },
      });
      log.info({ backup: id, name }, 'an archive whose process was killed after it was named is verified');
    } catch (error) {
      signal.throwIfAborted();
      await end('failed', { faults: [scrub(messageOf(error)).slice(0, 2000)] });
      log.error({ err: error, name }, 'an archive of a killed run is damaged');
    }
  }
}
