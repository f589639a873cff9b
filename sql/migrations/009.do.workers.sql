-- What the recovery of dead workers does in the database.

-- Gives back everything that a pool held. A death spends no attempt, but a job that ran at the time counts it as a crash, and
-- the third ends it as poison: what kills its worker would else do so for ever. What was only fetched, and a mission's
-- segment (its steps count for themselves), count nothing. `where state = 'live'` so that one caller wins.
create function release_pool(dead_pool text, cause text) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was workers; released integer; poisoned integer; mission_task integer := (select id from graphile_worker._private_tasks where identifier = 'mission');
begin
  update workers set state = 'dead', ended_at = clock_now(), end_reason = cause where pool_id = dead_pool and state = 'live' returning * into was;
  if not found then
    return 0;
  end if;
  -- With a suspect among them, the death is the suspect's; else each that ran is one from now on.
  with held as (
    select j.id, c.suspect_of is not distinct from dead_pool and c.job_id is not null as suspect
    from graphile_worker._private_jobs j left join job_crashes c on c.job_id = j.id
    where j.locked_by = dead_pool and j.task_id is distinct from mission_task and (not was.local_queue or j.id = any (was.running))),
  counted as (
    insert into job_crashes as c (job_id, crashes, last_cause)
    select id, 1, cause from held where suspect or not exists (select from held where suspect)
    on conflict (job_id) do update set crashes = c.crashes + 1, last_cause = excluded.last_cause, suspect_of = null
    returning job_id, crashes)
  insert into ops_agent_events (kind, severity, job, trace_id, mission_id, payload, tags)
    select 'job.crashed', 'warning', c.job_id, r.trace_id, r.mission_id,
           jsonb_build_object('cause', cause, 'crashes', c.crashes, 'host', was.host, 'pid', was.pid, 'pool_id', dead_pool), array[was.pool]
    from counted c left join job_requests r on r.id = c.job_id;
  with gone as (
    delete from graphile_worker._private_jobs j using job_crashes c
    where j.locked_by = dead_pool and c.job_id = j.id and c.crashes >= 3 returning j.*),
  ended as (
    insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, worker, error_class, last_error)
      select g.id, t.identifier, g.payload, 'failed', g.priority, g.run_at, g.attempts, g.max_attempts, g.key, g.created_at, g.locked_at, dead_pool, 'poison',
             format('its worker died while it ran, for the third time: %s', cause)
      from gone g join graphile_worker._private_tasks t on t.id = g.task_id
      returning job_id, task, last_error, attempts)
  insert into ops_agent_events (kind, severity, job, payload, tags)
    select 'job.failed', 'error', job_id, jsonb_build_object('task', task, 'error_class', 'poison', 'error', last_error, 'attempts', attempts), array[task] from ended;
  get diagnostics poisoned = row_count;
  update graphile_worker._private_jobs j set
      locked_by = null, locked_at = null, run_at = greatest(j.run_at, now()), attempts = greatest(j.attempts - 1, 0),
      last_error = case when exists (select from job_crashes c where c.job_id = j.id) then format('worker died: %s', cause) else j.last_error end
    where j.locked_by = dead_pool;
  get diagnostics released = row_count;
  update graphile_worker._private_job_queues set locked_by = null, locked_at = null where locked_by = dead_pool;
  insert into ops_agent_events (kind, severity, payload, tags)
    values ('worker.died', 'error', jsonb_build_object('pool_id', dead_pool, 'name', was.name, 'host', was.host, 'pid', was.pid, 'cause', cause, 'released', released, 'poison', poisoned), array[was.pool]);
  if released > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), released));
  end if;
  return released + poisoned;
end $$;
comment on function release_pool(text, text) is 'Marks a pool dead and gives its jobs back, once; returns how many.';

-- The statements that took the longest, where pg_stat_statements is there; otherwise no rows, which a report says. With the
-- owner's rights, so that no reader needs the right to see every statement; only those whose constants are taken out.
create function slowest_statements(at_most integer default 5) returns table (query text, calls bigint, mean_ms double precision, total_ms double precision)
language plpgsql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare source text;
begin
  select format('%I.pg_stat_statements', n.nspname) into source from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements';
  if source is null then
    return;
  end if;
  return query execute format('select regexp_replace(left(query, 120), ''\s+'', '' '', ''g''), calls, round(mean_exec_time::numeric, 2)::float8, round(total_exec_time::numeric, 1)::float8
    from %s where query ~* ''^\s*(select|insert|update|delete|with|merge)\y'' order by total_exec_time desc limit $1', source) using at_most;
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
              where m.state in ('approved', 'running') and not m.paused and not is_paused('mission', m.agent, m.id)
                and not exists (select from graphile_worker._private_jobs j where j.id = m.job_id)
              order by m.id limit at_most for no key update skip locked loop
    perform ensure_job(lost);
    mended := mended + 1;
  end loop;
  return mended;
end $$;
