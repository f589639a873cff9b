import type pg from 'pg';
import type { Logger } from '../log/index.ts';

// A lock falls with its holder, but a holder that is stopped, hangs, or whose host vanished without a word keeps it. So whoever
// waits for it asks, on ASK_CHANNEL, and the holder answers by whatever it runs on the connection of its lock, which Postgres
// notes (state_change). One that leaves questions unanswered for SILENT_MS loses its sessions, and the lock with them; when
// it comes back it finds them gone and ends. Nobody waits, nothing is asked.

export const ASK_CHANNEL = 'singleton:asked';
const ASK_MS = 500;
const SILENT_MS = 3000;
/** Who was stopped itself has heard no answers, and begins anew. */
const OWN_GAP_MS = 2000;

export interface Holder {
  pid: number;
  application_name: string;
  since: Date;
  /** Null where the rights of this role do not show it. */
  state_change: Date | null;
  now: Date;
}

/** Looks whether the holder answers, at most every ASK_MS; ends the sessions of one that has not for SILENT_MS. */
export function watchHolder(
  client: pg.Client,
  { name, holder, log }: { name: string; holder: () => Promise<Holder | undefined>; log: Logger | undefined },
): () => Promise<void> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let asked: { pid: number; at: Date } | undefined;
  return async () => {
    const gap = performance.now() - lookedAt;
    if (gap < ASK_MS) return;
    lookedAt = performance.now();
    const found = await holder();
    if (!found?.state_change) {
      asked = undefined;
      return;
    }
    const { pid, state_change: answered, now } = found;
    if (!asked || asked.pid !== pid || answered > asked.at || gap > OWN_GAP_MS) asked = { pid, at: now };
    else if (now.getTime() - asked.at.getTime() > SILENT_MS) {
      log?.warn(
        { holder: found.application_name, silent_ms: SILENT_MS },
        `the holder of ${name} does not answer: its sessions are ended`,
      );
      await client.query(END_SESSIONS, [pid]);
      asked = undefined;
      return;
    }
    await client.query('select pg_notify($1, $2)', [ASK_CHANNEL, name]);
  };
}

/**
 * Its other sessions have the same name: none of its transactions keeps rows locked or commits late. Where it names no
 * process, its one session.
 */
const END_SESSIONS = `select pg_terminate_backend(a.pid) from pg_stat_activity a
  join pg_stat_activity h on h.pid = $1
  where a.pid = h.pid
     or a.datname = h.datname and a.usesysid = h.usesysid and a.application_name = h.application_name
        and h.application_name ~ '^openclaw/\\S+ \\S+ \\d+$' and h.application_name <> current_setting('application_name')`;
