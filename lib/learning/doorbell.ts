import type { Bus } from '../bus/index.ts';
import type { Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';

/**
 * Learns soon after an outcome instead of at the next minute: a ring on `outcome:learn` queues the task `learn`, once for all
 * rings of two seconds (the key of the job). What is learned is read from Postgres, so a ring that is doubled, forged or lost
 * changes nothing but when.
 */
export function learnWhenRung({ db, bus, log }: { db: Queryable; bus: Bus; log: Logger }): { stop: () => void } {
  let asking = false;
  return bus.subscribe(['outcome:learn'], {
    onRing: () => {
      if (asking) return;
      asking = true;
      db.query(
        "select add_job('learn', '{}', job_key => 'learn:rung', job_key_mode => 'preserve_run_at', run_at => now() + interval '2 seconds')",
      )
        .catch((error: unknown) => log.debug({ err: error }, 'learning was not asked for; the next minute does'))
        .finally(() => {
          asking = false;
        });
    },
  });
}
