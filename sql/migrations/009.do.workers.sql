-- What the recovery of dead workers does in the database.

-- Gives back everything that a pool held. Jobs that really ran keep their attempt and carry the cause; jobs that were only
-- fetched are refunded. `where state = 'live'` so that one caller wins.
create function release_pool(dead_pool text, cause text) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was workers; released integer; lost integer; mission_task integer := (select id from graphile_worker._private_tasks where identifier = 'mission');
begin
  update workers set state = 'dead', ended_at = clock_now(), end_reason = cause where pool_id = dead_pool and state = 'live' returning * into was;
  if not found then
    return 0;
  end if;
  -- A mission's segment is refunded too: its steps count their own attempts.
  update graphile_worker._private_jobs j set
      locked_by = null, locked_at = null, run_at = greatest(j.run_at, now()),
      attempts = case when (was.local_queue and j.id <> all (was.running)) or j.task_id = mission_task then greatest(j.attempts - 1, 0) else j.attempts end,
      last_error = case when was.local_queue and j.id <> all (was.running) then j.last_error else format('worker died: %s', cause) end
    where j.locked_by = dead_pool;
  get diagnostics released = row_count;
  update graphile_worker._private_job_queues set locked_by = null, locked_at = null where locked_by = dead_pool;
  -- A job that has no attempt left would lie there for ever: it ends as lost, with the cause.
  with gone as (
    delete from graphile_worker._private_jobs j where j.locked_by is null and j.attempts >= j.max_attempts and j.last_error = format('worker died: %s', cause) returning *),
  ended as (
    insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, worker, error_class, last_error)
      select g.id, t.identifier, g.payload, 'failed', g.priority, g.run_at, g.attempts, g.max_attempts, g.key, g.created_at, dead_pool, 'lost', g.last_error
      from gone g join graphile_worker._private_tasks t on t.id = g.task_id
      returning job_id, task, last_error, attempts)
  insert into ops_agent_events (kind, severity, job, payload, tags)
    select 'job.failed', 'error', job_id, jsonb_build_object('task', task, 'error_class', 'lost', 'error', last_error, 'attempts', attempts), array[task] from ended;
  get diagnostics lost = row_count;
  insert into ops_agent_events (kind, severity, payload, tags)
    values ('worker.died', 'error', jsonb_build_object('pool_id', dead_pool, 'name', was.name, 'host', was.host, 'pid', was.pid, 'cause', cause, 'released', released - lost, 'lost', lost), array[was.pool]);
  if released > lost then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), released - lost));
  end if;
  return released;
end $$;
comment on function release_pool(text, text) is 'Marks a pool dead and gives its jobs back, once; returns how many.';

-- The statements that took the longest, where pg_stat_statements is there; otherwise no rows, which a report says.
create function slowest_statements(at_most integer default 5) returns table (query text, calls bigint, mean_ms double precision, total_ms double precision)
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
declare source text;
begin
  select format('%I.pg_stat_statements', n.nspname) into source from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements';
  if source is null then
    return;
  end if;
  return query execute format('select regexp_replace(left(query, 120), ''\s+'', '' '', ''g''), calls, round(mean_exec_time::numeric, 2)::float8, round(total_exec_time::numeric, 1)::float8
    from %s order by total_exec_time desc limit $1', source) using at_most;
exception when others then
  -- The library is not preloaded, or the role may not read it: no figures rather than invented ones.
  return;
end $$;
comment on function slowest_statements(integer) is 'The statements with the largest total time; no rows where the server does not keep them.';

-- Open missions whose job has vanished (ended by an error, removed by hand): each gets a new one. Run at a worker's start
-- and once a minute; a mission that runs has its job, so nothing healthy is touched.
create function reconcile_missions(at_most integer default 500) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare lost bigint; mended integer := 0;
begin
  for lost in select m.id from ops_missions m
              where m.state in ('approved', 'running') and not m.paused
                and not exists (select from graphile_worker._private_jobs j where j.id = m.job_id)
              order by m.id limit at_most for no key update skip locked loop
    perform ensure_job(lost);
    mended := mended + 1;
  end loop;
  return mended;
end $$;
