import type { Queryable } from '../db/index.ts';

/** Two periods of six hours and one more. */
export const STALE_AFTER_MS = 13 * 3_600_000;

export interface Freshness {
  /** The newest verified backup that still is somewhere; null when there is none. */
  readonly backup: { id: string; name: string; offsite: string | null; finishedAt: Date } | null;
  readonly ageMs: number | null;
  /** None at all counts as stale. */
  readonly stale: boolean;
}

/** How old the last verified backup is, by the database's clock and whatever became of later runs. */
export async function backupFreshness(db: Queryable, staleAfterMs = STALE_AFTER_MS): Promise<Freshness> {
  const { rows } = await db.query<{
    id: string;
    name: string;
    offsite: string | null;
    finished_at: Date;
    age_seconds: number;
  }>('select * from last_verified_backup()');
  const last = rows[0];
  if (!last) return { backup: null, ageMs: null, stale: true };
  const ageMs = last.age_seconds * 1000;
  return {
    backup: { id: last.id, name: last.name, offsite: last.offsite, finishedAt: last.finished_at },
    ageMs,
    stale: ageMs > staleAfterMs,
  };
}
