-- What the recovery of dead workers does in the database.

-- Gives back everything that a pool held. Jobs that really ran keep their attempt and carry the cause; jobs that were only
-- fetched are refunded. `where state = 'live'` so that one caller wins.
create function release_pool(dead_pool text, cause text) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was workers; released integer;
begin
  update workers set state = 'dead', ended_at = clock_now(), end_reason = cause where pool_id = dead_pool and state = 'live' returning * into was;
  if not found then
    return 0;
  end if;
  update graphile_worker._private_jobs j set
      locked_by = null, locked_at = null, run_at = greatest(j.run_at, now()),
      attempts = case when was.local_queue and j.id <> all (was.running) then greatest(j.attempts - 1, 0)
                      when j.task_id = mission_task.id then greatest(j.attempts - 1, 0)
                      else j.attempts end,
      last_error = case when was.local_queue and j.id <> all (was.running) then j.last_error else format('worker died: %s', cause) end
    from (select id from graphile_worker._private_tasks where identifier = 'mission') mission_task
    where j.locked_by = dead_pool;
  get diagnostics released = row_count;
  insert into ops_agent_events (kind, severity, payload, tags)
    values ('worker.died', 'error', jsonb_build_object('pool_id', dead_pool, 'name', was.name, 'host', was.host, 'pid', was.pid, 'cause', cause, 'released', released), array[was.pool]);
  if released > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), released));
  end if;
  return released;
end $$;
comment on function release_pool(text, text) is 'Marks a pool dead and gives its jobs back, once; returns how many.';

-- The statements that took the longest, where pg_stat_statements is there; otherwise no rows, which a report says.
create function slowest_statements(at_most integer default 5) returns table (query text, calls bigint, mean_ms double precision, total_ms double precision)
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
begin
  if to_regclass('public.pg_stat_statements') is null then
    return;
  end if;
  return query execute 'select regexp_replace(left(query, 120), ''\s+'', '' '', ''g''), calls, round(mean_exec_time::numeric, 2)::float8, round(total_exec_time::numeric, 1)::float8
    from public.pg_stat_statements order by total_exec_time desc limit $1' using at_most;
exception when others then
  -- The library is not preloaded, or the role may not read it: no figures rather than invented ones.
  return;
end $$;
comment on function slowest_statements(integer) is 'The statements with the largest total time; no rows where the server does not keep them.';
