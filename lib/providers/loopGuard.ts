import { createHash } from 'node:crypto';
import type { Queryable } from '../db/index.ts';
import { PermanentError } from '../tasks/define.ts';

/** The fifth identical call of a run without news ends it. */
const MOST = 5;

export const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);

/**
 * Counts identical calls of one run in the database, so that a loop which wanders between workers is seen too.
 *
 * @throws E_LOOP (permanent) instead of the fifth.
 */
export async function guardLoop(db: Queryable, run: string, call: string, what: string): Promise<void> {
  const { rows } = await db.query<{ times: number }>('select call_times($1, $2) as times', [run, call]);
  if (rows[0]!.times < MOST - 1) return;
  throw new PermanentError('E_LOOP', `the same ${what} for the ${MOST}th time in ${run}, and nothing new came of it`, {
    remedy: 'look at what the run does (openclaw events list); change what it asks before it is started again',
  });
}

/** @param news the answer where another one would be news; null where only other arguments are (a model's wording differs each time). */
export async function noteCall(db: Queryable, run: string, call: string, news: unknown): Promise<void> {
  await db.query('select note_call($1, $2, $3)', [run, call, news === null ? null : hashOf(news)]);
}
