import type { Queryable } from '../db/index.ts';

export interface Uptime {
  readonly subject: string;
  readonly percent: number | null;
  readonly up_s: number;
  readonly down_s: number;
  readonly unknown_s: number;
}

export interface UptimeReport {
  /** UTC. */
  readonly day: string;
  readonly uptime: readonly Uptime[];
  readonly incidents: readonly {
    readonly id: string;
    readonly what: string;
    readonly lasted_s: number | null;
    readonly state: string;
  }[];
}

/** A UTC day, by default yesterday: who was up how long, as far as somebody watched, and what went wrong. */
export async function uptimeReport(db: Queryable, day?: string): Promise<UptimeReport> {
  const { rows: days } = await db.query<{ day: string }>(
    `select coalesce($1::date, (clock_now() at time zone 'UTC')::date - 1)::text as day`,
    [day ?? null],
  );
  const given = days[0]!.day;
  const span = [`${given}T00:00:00Z`];
  const { rows: uptime } = await db.query<Uptime>(
    `select * from uptime($1::timestamptz, least($1::timestamptz + interval '1 day', clock_now()))`,
    span,
  );
  const { rows: incidents } = await db.query<UptimeReport['incidents'][number]>(
    `select id, what, state, extract(epoch from resolved_at - opened_at)::float8 as lasted_s from ops_incidents where opened_at >= $1::timestamptz and opened_at < $1::timestamptz + interval '1 day' order by id`,
    span,
  );
  return { day: given, uptime, incidents };
}

export function uptimeText({ day, uptime, incidents }: UptimeReport): string {
  const lines = uptime.map(({ subject, percent, down_s, unknown_s }) => {
    const parts = [percent === null ? 'not watched' : `${percent.toFixed(2)} % up`];
    if (down_s > 0) parts.push(`down ${minutes(down_s)}`);
    if (unknown_s > 60) parts.push(`not watched ${minutes(unknown_s)}`);
    return `${subject}: ${parts.join(', ')}`;
  });
  const troubles = incidents.map(
    ({ what, lasted_s }) => `- ${what}${lasted_s === null ? ' (still open)' : ` (${minutes(lasted_s)})`}`,
  );
  return [
    `Uptime of ${day} (UTC)`,
    ...(lines.length > 0 ? lines : ['nothing was watched']),
    ...(troubles.length > 0 ? ['Incidents:', ...troubles] : ['No incidents.']),
  ].join('\n');
}

const minutes = (seconds: number) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);
