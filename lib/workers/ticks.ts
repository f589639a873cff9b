import type { Pool } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import type { ProcessIdentity } from './identity.ts';
import { releaseDeadOnThisHost } from './registry.ts';

/** At a start: what the dead of this host held is given back, and missions without a job get one. */
export async function recover(db: Pool, own: ProcessIdentity, log: Logger): Promise<void> {
  const dead = await releaseDeadOnThisHost(db, own);
  if (dead.pools.length > 0) log.warn(dead, 'workers had died; their jobs were given back');
  await reconcile(db, log);
}

/**
 * Each second: give back what a process that died on this host held, let in what has a place, wake parked missions that are due,
 * deliver cancels. One that fails holds up none of the others.
 */
export async function tick(db: Pool, own: ProcessIdentity, log: Logger, deliver: () => Promise<void>): Promise<void> {
  const parts: (() => Promise<unknown>)[] = [
    async () => {
      const dead = await releaseDeadOnThisHost(db, own);
      if (dead.pools.length > 0) log.warn(dead, 'workers had died; their jobs were given back');
    },
    // By itself: it may wait for the lock of a task's places, and must hold no mission's meanwhile.
    () => db.query('select admit_limited()'),
    () => db.query('select release_strays(), wake_missions(), expire_approvals(), expire_spend()'),
    deliver,
  ];
  for (const part of parts)
    await part().catch((error: unknown) =>
      log.warn({ err: error }, 'a part of a tick failed; the next one tries again'),
    );
}

/** A place has come free, or something was asked for that needs one. */
export async function admitLimited(db: Pool): Promise<void> {
  const { rows } = await db.query<{ admitted: number }>('select admit_limited() as admitted');
  // Among them may be steps, whose missions are woken.
  if (rows[0]!.admitted > 0) await db.query('select wake_missions()');
}

/** Each minute: what no rule of the engine should let happen, and what a defect or a hand may have left. */
export async function reconcile(db: Pool, log: Logger): Promise<void> {
  try {
    const places = await db.query<{ freed: number }>('select reconcile_limits() as freed');
    if (places.rows[0]!.freed > 0) log.warn({ places: places.rows[0]!.freed }, 'places of ended work were free again');
    const { rows } = await db.query<{ mended: number }>('select reconcile_missions() as mended');
    if (rows[0]!.mended > 0) log.warn({ missions: rows[0]!.mended }, 'missions had lost their job; each got a new one');
  } catch (error) {
    log.warn({ err: error }, 'missions were not reconciled; the next minute tries again');
  }
}
