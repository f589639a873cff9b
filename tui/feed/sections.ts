/**
 * A section is one part of the snapshot: a scalar subquery that gives JSON. All sections that some viewer needs are asked
 * for in one statement a second, whatever the number of viewers. Everything in it is bounded, and what changes all the time
 * (ages, memory) is rounded in SQL, so that an idle system gives the same text each second and nothing is drawn.
 *
 * Parameters: $1 bigint[] the missions that are open on a screen, $2 seconds of the chart
 * to fetch, $3 bigint[] the jobs that are open on a screen.
 */
export interface Section {
  readonly name: string;
  readonly sql: string;
  /** Tables (or functions, with parentheses) that it reads: without them it is left out. */
  readonly needs?: readonly string[];
  /** Not at each poll: its rows change slowly or cost more. */
  readonly everyS?: number;
  /** Not from the database but from a source of this host of that name, which the process brings. */
  readonly local?: true;
}

/** A list of rows as a JSON array. */
export const listOf = (select: string): string => `(select coalesce(json_agg(r), '[]') from (${select}) r)`;

/** The most missions that a list holds. */
export const MISSION_LIMIT = 300;

export const WORK: Section = {
  name: 'work',
  sql: `json_build_object(
    'missions', (select json_build_object('approved', count(*) filter (where state = 'approved'), 'running', count(*) filter (where state = 'running'), 'waiting', count(*) filter (where state = 'waiting'))
                 from ops_missions where state in ('approved', 'running', 'waiting')),
    'jobs', (select json_build_object('running', count(*) filter (where locked_at is not null), 'retrying', count(*) filter (where locked_at is null and attempts > 0 and attempts < max_attempts),
                 'dead', count(*) filter (where locked_at is null and attempts >= max_attempts),
                 'ready', count(*) filter (where locked_at is null and attempts = 0 and run_at <= now()), 'later', count(*) filter (where locked_at is null and attempts = 0 and run_at > now()) - (select count(*) from limit_waits where parked),
                 'limited', (select count(*) from (select from limit_waits where mission_id is null limit 100000) l),
                 'oldest', (select min(o.run_at) from graphile_worker._private_jobs o where o.locked_at is null and o.attempts < o.max_attempts and o.run_at < now() - interval '2 seconds'))
             from (select locked_at, attempts, max_attempts, run_at from graphile_worker._private_jobs limit 100000) j))`,
};

export const WORKERS: Section = {
  name: 'workers',
  sql: listOf(`select pool, pool_id, name, host, pid, state, concurrency, cardinality(running) as busy, running[1:4] as running,
      round(rss_bytes / 10485760.0) * 10485760 as rss_bytes, round(loop_lag_ms / 20) * 20 as loop_lag_ms, started_at, ended_at, end_reason,
      case when state = 'live' and now() - seen_at > interval '5 seconds' then seen_at end as silent_since
    from (select * from workers where state = 'live' union all
          (select * from workers where state <> 'live' and ended_at > now() - interval '1 hour' order by ended_at desc limit 20)) w
    order by state = 'live' desc, pool, host, pid`),
};

/** Open ones and failed ones first, then the newest ended. */
export const MISSIONS: Section = {
  name: 'missions',
  sql: listOf(`select m.id, m.kind, m.title, m.state, m.wait_reason, m.paused, m.wake_at, m.agent, m.actor, m.untrusted, m.cost_usd, left(m.error, 300) as error, m.error_class,
      m.created_at, m.started_at, m.finished_at, m.cancel_requested_by is not null as cancelling, s.steps, s.done, s.failed, s.unknown, s.tries, s.now
    from (select * from (
            (select * from ops_missions where state in ('approved', 'running', 'waiting') order by id desc limit 200) union all
            (select * from ops_missions where state in ('succeeded', 'failed', 'cancelled') order by id desc limit ${MISSION_LIMIT - 200})) u) m,
         lateral (select count(*)::integer as steps, count(*) filter (where state not in ('queued', 'running', 'waiting'))::integer as done,
             count(*) filter (where state = 'failed')::integer as failed, count(*) filter (where state = 'unknown')::integer as unknown,
             max(attempt) as tries, min(name) filter (where state = 'running') as now
           from ops_mission_steps where mission_id = m.id) s
    order by m.id desc`),
};

export const DAY: Section = {
  name: 'day',
  everyS: 5,
  sql: `json_build_object(
    'jobs', (select json_build_object('succeeded', count(*) filter (where state = 'succeeded'), 'failed', count(*) filter (where state = 'failed'), 'cancelled', count(*) filter (where state = 'cancelled'))
             from (select state from job_history where finished_at > now() - interval '24 hours' limit 100000) h),
    'missions', (select json_build_object('succeeded', count(*) filter (where state = 'succeeded'), 'failed', count(*) filter (where state = 'failed'), 'cancelled', count(*) filter (where state = 'cancelled'))
             from (select state, finished_at from ops_missions where created_at > now() - interval '48 hours' limit 100000) m where finished_at > now() - interval '24 hours'),
    'cost_usd', (select coalesce(sum(cost_usd), 0) from (select cost_usd from ops_outcome_rows where cost_usd > 0 and created_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc' limit 100000) o))`,
};

/** Jobs that ended in each of the last seconds, without the one that still runs. */
export const RATE: Section = {
  name: 'rate',
  sql: `(select coalesce(json_agg(json_build_array(s, ok, bad) order by s), '[]') from (
      select floor(extract(epoch from finished_at))::bigint as s, count(*) filter (where state = 'succeeded')::integer as ok, count(*) filter (where state = 'failed')::integer as bad
      from (select finished_at, state from job_history where finished_at > now() - $2::integer * interval '1 second' limit 100000) h group by 1) r)`,
};

export const EVENTS: Section = {
  name: 'events',
  sql: listOf(`select id, kind, severity, source, agent, actor, mission_id, job, tags, left(payload::text, 600) as payload, created_at
    from ops_agent_events order by id desc limit 200`),
};

/** Jobs that need somebody: dead ones, and how missions' steps ended unknown. */
export const TROUBLE: Section = {
  name: 'trouble',
  everyS: 2,
  sql: `json_build_object(
    'unknown', ${listOf(`select s.mission_id, s.name, s.task, m.title, s.finished_at from ops_mission_steps s join ops_missions m on m.id = s.mission_id
       where m.state in ('approved', 'running', 'waiting') and s.state = 'unknown' order by s.id desc limit 20`)},
    'failed', ${listOf(`select id, kind, title, left(error, 300) as error, finished_at from ops_missions where state = 'failed' and finished_at > now() - interval '24 hours'
       and created_at > now() - interval '48 hours' order by id desc limit 20`)},
    'groups', ${listOf(`select task, error_class, (array_agg(left(last_error, 160) order by job_id desc))[1] as error, count(*)::integer as count, max(finished_at) as last, max(job_id) as newest,
        (array_agg(job_id order by job_id desc))[1:200] as jobs
       from (select task, error_class, last_error, finished_at, job_id from job_history where state = 'failed' and finished_at > now() - interval '24 hours' order by finished_at desc limit 2000) h
       group by task, error_class, regexp_replace(coalesce(left(last_error, 200), ''), '[0-9]+', '#', 'g') order by max(finished_at) desc limit 50`)})`,
};

export const CONTROLS: Section = {
  name: 'controls',
  needs: ['ops_controls'],
  sql: listOf('select scope, target, hard, actor, reason, since from ops_controls order by since limit 50'),
};

export const ALWAYS: readonly Section[] = [WORK, WORKERS];
