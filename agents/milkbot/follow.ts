import { spanText } from '../../lib/actions/table.ts';
import type { Pool } from '../../lib/db/index.ts';
import { missionView } from './views.ts';

/** A mission that took longer has been put aside: its end rings. */
const RINGS_AFTER_MS = 20_000;
const TERMINAL = new Set(['succeeded', 'failed', 'cancelled']);

/** Messages that follow a mission say how it goes; @returns how many were rewritten. */
export async function followMissions(db: Pool): Promise<number> {
  const { rows } = await db.query<{
    outbox_id: string;
    mission_id: string;
    shown: string;
    title: string | null;
    state: string | null;
    took_ms: number;
  }>(
    `select f.outbox_id, f.mission_id, f.shown, m.title, m.state, (extract(epoch from clock_now() - f.since) * 1000)::float8 as took_ms
     from mission_messages f left join ops_missions m on m.id = f.mission_id where f.ended_at is null order by f.outbox_id limit 50`,
  );
  let shown = 0;
  for (const follow of rows) {
    const ended = follow.state === null || TERMINAL.has(follow.state);
    const { text } = await missionView({ db }, follow.mission_id);
    if (text === follow.shown && !ended) continue;
    const note =
      ended && follow.took_ms > RINGS_AFTER_MS
        ? `m${follow.mission_id} ${follow.title ?? ''}: ${follow.state ?? 'gone'} after ${spanText(follow.took_ms)}`
        : null;
    await db.query('select show_mission($1, $2, $3, $4)', [follow.outbox_id, text, ended, note]);
    shown++;
  }
  return shown;
}
