-- Leases across hosts. A worker process renews the rows of its pools once a second with one statement, which tells it
-- what it must know in return: whether it still holds them, what is paused, and who is silent.

-- A pool is silent after 12 s without a renewal. A process may judge others only when its own renewals have been unbroken (no
-- gap above 5 s, which leaves the others 7 s to renew after whatever made the gap) for 15 s: after a restart of Postgres, a jump of its clock, or a stop of the judge itself, everybody looks silent to the
-- first one back, and nobody is judged until all had time to renew.
create function renew_leases(pools jsonb) returns jsonb
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare renewed text[]; judges boolean;
begin
  with beats as (
    select * from jsonb_to_recordset(pools) b(pool_id text, running bigint[], rss_bytes bigint, loop_lag_ms real)),
  kept as (
    update workers w set running = b.running, rss_bytes = b.rss_bytes, loop_lag_ms = b.loop_lag_ms, seen_at = clock_now(),
      -- A gap, or a clock that went back.
      streak_since = case when w.seen_at between clock_now() - interval '5 seconds' and clock_now() then w.streak_since else clock_now() end
    from beats b where w.pool_id = b.pool_id and w.state = 'live'
    returning w.pool_id, w.streak_since)
  select coalesce(array_agg(pool_id), '{}'), coalesce(bool_and(streak_since <= clock_now() - interval '15 seconds'), false) into renewed, judges from kept;
  return jsonb_build_object(
    'renewed', to_jsonb(renewed),
    'controls', (select coalesce(jsonb_agg(jsonb_build_object('scope', c.scope, 'target', c.target, 'hard', c.hard)), '[]') from ops_controls c),
    'silent', case when judges then (select coalesce(jsonb_agg(w.pool_id), '[]') from workers w where w.state = 'live' and w.seen_at < clock_now() - interval '12 seconds') else '[]' end);
end $$;
comment on function renew_leases(jsonb) is 'Renews the leases of one process and answers with what it must know: which it still holds, what is paused, which pools are silent.';

-- Ends the sessions of a silent pool's process, so that nothing of it commits any more and its row locks are gone, then
-- gives its jobs back. With the caller's rights: a role may end its own sessions.
create function sweep_pool(silent_pool text) returns integer
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare was workers;
begin
  select * into was from workers where pool_id = silent_pool and state = 'live' and seen_at < clock_now() - interval '12 seconds' for update skip locked;
  if not found then
    return null;
  end if;
  if was.session_tag is not null then
    -- All are told, then waited for, 2 s at most: one after the other each would take a tenth of a second.
    for n in 1..40 loop
      perform pg_stat_clear_snapshot();
      perform case when n = 1 then pg_terminate_backend(a.pid) end from pg_stat_activity a
        where a.datname = current_database() and a.application_name like '%@' || was.session_tag and a.pid <> pg_backend_pid();
      exit when not found;
      perform pg_sleep(0.05);
    end loop;
  end if;
  return release_pool(silent_pool, format('no sign of life for %s s of process %s on %s (%s): its lease ran out',
    round(extract(epoch from clock_now() - was.seen_at)::numeric, 1), was.pid, was.host, was.name));
end $$;
comment on function sweep_pool(text) is 'Declares a silent pool dead: ends its sessions, then gives back what it held. Null when it is not silent, or another does it now.';

-- A fetch whose answer was lost (the connection broke between its commit and its arrival) leaves jobs locked in the name of
-- a pool that does not know them. The pool gives back what it does not know.
create function give_back_unknown(pool text, known bigint[]) returns integer
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare given integer;
begin
  update graphile_worker._private_jobs j set locked_by = null, locked_at = null, attempts = greatest(j.attempts - 1, 0)
    where j.locked_by = pool and j.locked_at < now() - interval '10 seconds' and j.id <> all (known);
  get diagnostics given = row_count;
  if given > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), given));
  end if;
  return given;
end $$;
comment on function give_back_unknown(text, bigint[]) is 'Gives back the jobs that are locked in a pool''s name and that the pool does not know of; returns how many.';

-- A pool that was declared dead, or has retired, may fetch once more before it knows: such jobs belong to nobody. Looked for
-- as long as that can be.
create function release_strays() returns integer
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare gone text[] := array(select pool_id from workers where state <> 'live' and ended_at > clock_now() - interval '2 minutes'); given integer;
begin
  if gone = '{}' then
    return 0;
  end if;
  update graphile_worker._private_jobs j set locked_by = null, locked_at = null, attempts = greatest(j.attempts - 1, 0) where j.locked_by = any (gone);
  get diagnostics given = row_count;
  if given > 0 then
    update graphile_worker._private_job_queues set locked_by = null, locked_at = null where locked_by = any (gone);
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), given));
  end if;
  return given;
end $$;
comment on function release_strays() is 'Gives back what a pool fetched after it had been declared dead or had retired; returns how many.';

-- A job in whose company a worker died starts only as its pool's one suspect, and says so first: when the worker dies again, the
-- death is counted to it alone.
create function begin_suspect(job bigint, pool text) returns void
language sql
set search_path = public, pg_catalog, pg_temp
as $$ update job_crashes set suspect_of = pool where job_id = job $$;
