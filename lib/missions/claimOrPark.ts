import type { SegmentOptions } from './segment.ts';
import type { Claimed } from './types.ts';

/** Each further one needs a pause or breaker that came and went in between. */
const CLAIM_ATTEMPTS = 3;

/**
 * A pause that came after the job's start, or the breaker of its kind, parks the mission, so that no job of it spins. When that
 * has just ended as well, nothing is left to park for and nobody else would come: the claim is asked for again.
 */
export async function claimOrPark({
  runtime,
  writer,
  missionId,
  context,
  poolId,
}: SegmentOptions): Promise<Claimed | undefined> {
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
    const claimed = await writer.claim({ mission: missionId, job: context.job.id, pool: poolId });
    if (claimed) return claimed;
    const { rows } = await runtime.db.query<{ parked: boolean }>(
      'select park_paused($1, $2) or park_broken($1, $2) as parked',
      [missionId, context.job.id],
    );
    if (rows[0]!.parked) return undefined;
  }
  return undefined;
}
