import { z } from 'zod';
import { deleteOldLogs } from '../lib/log/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

/** More batches than a day can fill; what is left is deleted the next night. */
const BATCH_LIMIT = 10_000;

export default defineTask(
  {
    title: 'Delete what policy retention.* says is old',
    payload: z.object({ batch: z.number().int().min(1).max(50_000).default(5000) }),
    pool: 'upkeep',
    effect: 'write',
    timeout: '1 h',
  },
  async ({ batch }, { config, query, signal, progress }) => {
    const total: Record<string, number> = {};
    for (let round = 1; round <= BATCH_LIMIT; round++) {
      signal.throwIfAborted();
      const { rows } = await query<{ deleted: Record<string, number> }>('select apply_retention($1) as deleted', [
        batch,
      ]);
      const deleted = rows[0]!.deleted;
      for (const [table, count] of Object.entries(deleted)) total[table] = (total[table] ?? 0) + count;
      if (Object.values(deleted).every((count) => count === 0)) {
        const { rows: limits } = await query<{ before: Date | null }>(
          "select retention_limit('retention.logs') as before",
        );
        const before = limits[0]!.before;
        return { deleted: total, rounds: round, log_files: before ? deleteOldLogs(config.layout.logs, before) : 0 };
      }
      progress(0, `round ${round}`);
    }
    return { deleted: total, rounds: BATCH_LIMIT, unfinished: true };
  },
);
