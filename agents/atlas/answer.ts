import type { Queryable } from '../../lib/db/index.ts';
import { uptimeReport, uptimeText } from '../../lib/watch/index.ts';

/** What Atlas says to a person who asks: what is wrong now, from what it has seen; no model is asked. */
export async function atlasAnswer(db: Queryable, text: string): Promise<string> {
  if (/\buptime\b/i.test(text)) {
    const { rows } = await db.query<{ day: string }>("select (clock_now() at time zone 'UTC')::date::text as day");
    return uptimeText(await uptimeReport(db, rows[0]!.day));
  }
  const { rows: open } = await db.query<{ id: string; what: string; why: string; needed: string; minutes: number }>(
    `select id, what, why, needed, (extract(epoch from clock_now() - opened_at) / 60)::integer as minutes
     from ops_incidents where state = 'open' order by array_position(array['critical', 'error', 'warning'], severity), id limit 10`,
  );
  if (open.length > 0) {
    const lines = open.map(({ id, what, why, needed, minutes }) =>
      [`⚠️ ${what} (incident ${id}, for ${minutes} min)`, why, needed && `Needed: ${needed}`].filter(Boolean).join('\n'),
    );
    return lines.join('\n\n');
  }
  const { rows } = await db.query<{ watched: number; last: string | null }>(
    `select (select count(distinct subject)::integer from ops_watch_states where until is null) as watched,
            (select what || ', ' || to_char(resolved_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' from ops_incidents where state = 'resolved' order by resolved_at desc limit 1) as last`,
  );
  const { watched, last } = rows[0]!;
  return [
    `✅ No open incident; ${watched} subjects are watched.`,
    ...(last ? [`The last one: ${last}.`] : []),
    '"atlas, uptime" says who was up how long today; /health makes the checks.',
  ].join('\n');
}
