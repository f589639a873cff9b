import type { Queryable } from '../db/index.ts';

export interface WorkerStatus {
  pool: string;
  pool_id: string;
  name: string;
  host: string;
  pid: number;
  /** s since the last renewal. */
  lease_age_s: number;
  running: string[];
  concurrency: number;
  rss_bytes: number | null;
  loop_lag_ms: number | null;
}

export interface MissionStatus {
  id: string;
  kind: string;
  title: string;
  state: string;
  wait_reason: string | null;
  error: string | null;
  steps: number;
  done: number;
  age_s: number;
}

export interface Snapshot {
  workers: WorkerStatus[];
  /** Live jobs by state. */
  queue: { queued: number; running: number; retrying: number; dead: number; oldest_runnable_s: number | null };
  /** Of the last 24 hours. */
  ended: { succeeded: number; failed: number; cancelled: number };
  missions: { approved: number; running: number; waiting: number };
  recent: MissionStatus[];
}

/** One query for everything that a status shows. Nothing in it counts over the whole history. */
const SNAPSHOT = `
select
  (select coalesce(json_agg(w order by w.pool), '[]') from (
     select pool, pool_id, name, host, pid, extract(epoch from now() - seen_at)::float8 as lease_age_s, running::text[] as running, concurrency, rss_bytes, loop_lag_ms
     from workers where state = 'live') w) as workers,
  (select json_build_object(
     'running', count(*) filter (where locked_at is not null),
     'retrying', count(*) filter (where locked_at is null and attempts > 0 and attempts < max_attempts),
     'dead', count(*) filter (where locked_at is null and attempts >= max_attempts),
     'queued', count(*) filter (where locked_at is null and attempts = 0) + (select count(*) from limit_waits where mission_id is null and not parked),
     'oldest_runnable_s', extract(epoch from now() - min(run_at) filter (where locked_at is null and attempts < max_attempts and run_at <= now())))
   from graphile_worker._private_jobs) as queue,
  (select json_build_object('succeeded', count(*) filter (where state = 'succeeded'), 'failed', count(*) filter (where state = 'failed'), 'cancelled', count(*) filter (where state = 'cancelled'))
   from job_history where finished_at > now() - interval '24 hours') as ended,
  (select json_build_object('approved', count(*) filter (where state = 'approved'), 'running', count(*) filter (where state = 'running'), 'waiting', count(*) filter (where state = 'waiting'))
   from ops_missions where state in ('approved', 'running', 'waiting')) as missions,
  (select coalesce(json_agg(r order by r.id desc), '[]') from (
     select m.id, m.kind, m.title, m.state, m.wait_reason, left(m.error, 200) as error, s.steps, s.done, extract(epoch from coalesce(m.finished_at, now()) - m.created_at)::float8 as age_s
     from (select * from ops_missions order by id desc limit 5) m,
          lateral (select count(*)::integer as steps, count(*) filter (where state not in ('queued', 'running', 'waiting'))::integer as done from ops_mission_steps where mission_id = m.id) s) r) as recent`;

export async function takeSnapshot(db: Queryable): Promise<Snapshot> {
  const { rows } = await db.query<Snapshot & Record<string, unknown>>(SNAPSHOT);
  return rows[0]!;
}
