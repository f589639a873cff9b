-- Concurrency by key and rate, across workers and hosts. A job or step of a limited task needs a place (limit_slots) to start:
--
--   insert --> limit_waits --admit_limited()--> limit_slots + graphile-worker's table, or a wake of its mission
--   fetched, or a step that starts --begin_limited_*()--> a free place | limit_waits
--   its end --free_places(), free_step_place()--> the next is let in
--
-- A task's places are given out under one advisory lock, which is only held in the short transactions of workers: whoever else frees
-- or fills leaves a row in limit_pokes and a notification. A job that ends lets the next one in within its own transaction when
-- nobody has the lock. So nothing is fetched to be put back, and no lock waits for another.

-- What people look at: who waits for a place, and for what.
create view waits_for_place as
  select w.holder, substr(w.holder, 2)::bigint as id, w.mission_id, w.task, w.key, w.priority, w.since, w.attempts, w.max_attempts, w.last_error, w.parked,
         (o.limits ->> 'limit')::integer as most, (select count(*)::integer from limit_slots s where s.task = w.task and s.key = w.key) as taken,
         (o.limits ->> 'interval_ms')::float8 as interval_ms, r.free_at
  from limit_waits w join ops_tasks o on o.identifier = w.task left join limit_rates r on r.task = w.task;
comment on view waits_for_place is 'Jobs (j) and steps (s) that wait for a place of their limited task, with how many places of their key are taken and when the rate allows the next start.';

create function limit_key(limits jsonb, payload jsonb) returns text
language sql immutable parallel safe
set search_path = public, pg_catalog, pg_temp
as $$
  select left(coalesce(string_agg(coalesce(case jsonb_typeof(part) when 'array' then payload #>> array(select jsonb_array_elements_text(part)) else part #>> '{}' end, ''), '' order by n), ''), 500)
  from jsonb_array_elements(case jsonb_typeof(limits -> 'key') when 'array' then limits -> 'key' end) with ordinality parts(part, n)
$$;
comment on function limit_key(jsonb, jsonb) is 'The key by which a payload counts for the limits of its task.';

create function lock_limits(task text) returns void
language sql
set search_path = public, pg_catalog, pg_temp
as $$ select pg_advisory_xact_lock(hashtextextended('limits:' || task, 0)) $$;

-- The next start by the rate, which it takes; null when that is further off than workers look ahead: then it is looked at again in time.
create function take_start(t ops_tasks, look_ahead interval) returns timestamptz
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare starts timestamptz := clock_now(); free timestamptz;
begin
  if coalesce(t.limits ? 'interval_ms', false) is false then
    return starts;
  end if;
  select free_at into free from limit_rates r where r.task = t.identifier;
  starts := greatest(starts, free);
  if starts > clock_now() + look_ahead then
    update limit_rates r set next_at = starts - interval '1 second' where r.task = t.identifier;
    return null;
  end if;
  insert into limit_rates as r (task, free_at) values (t.identifier, starts + (t.limits ->> 'interval_ms')::float8 * interval '1 millisecond')
    on conflict (task) do update set free_at = excluded.free_at;
  return starts;
end $$;

create function free_of_key(t ops_tasks, of_key text) returns boolean
language sql
set search_path = public, pg_catalog, pg_temp
as $$ select not t.limits ? 'limit' or (select count(*) from limit_slots s where s.task = t.identifier and s.key = of_key) < (t.limits ->> 'limit')::integer $$;

-- Who is next: the first by priority and time of those whose key has a free place. Keys are found one after another in the
-- index, so that a long queue behind one of them costs nothing.
create function next_waiting(t ops_tasks, of_key text) returns limit_waits
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare found limit_waits;
begin
  if t.limits ? 'limit' and of_key is null then
    with recursive keys as (
      (select w.key from limit_waits w where w.task = t.identifier order by w.key limit 1)
      union all
      select (select w.key from limit_waits w where w.task = t.identifier and w.key > k.key order by w.key limit 1) from keys k where k.key is not null)
    select first.* into found from keys k cross join lateral (
        select * from limit_waits w where w.task = t.identifier and w.key = k.key order by w.priority, w.since, w.holder limit 1) first
      where free_of_key(t, k.key) order by first.priority, first.since, first.holder limit 1;
  elsif t.limits ? 'limit' then
    if free_of_key(t, of_key) then
      select * into found from limit_waits w where w.task = t.identifier and w.key = of_key order by w.priority, w.since, w.holder limit 1;
    end if;
  else
    select * into found from limit_waits w where w.task = t.identifier order by w.priority, w.since, w.holder limit 1;
  end if;
  return found;
end $$;

-- Under the task's lock: lets in as many as there are places, of one key or of all.
create function let_in(of_task text, of_key text default null, at_most integer default 500) returns integer
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare t ops_tasks; w limit_waits; starts timestamptz; jobs integer := 0; steps integer := 0; number bigint;
begin
  select * into t from ops_tasks where identifier = of_task;
  update limit_rates set next_at = null where task = of_task and next_at is not null;
  while jobs + steps < at_most loop
    w := next_waiting(t, of_key);
    exit when w.holder is null;
    number := substr(w.holder, 2)::bigint;
    if w.parked then
      -- Somebody's open transaction may have its row, to replace it by its key: then it is looked at again in a second.
      perform from graphile_worker._private_jobs where id = number for update skip locked;
      if not found then
        if exists (select from graphile_worker._private_jobs where id = number) then
          insert into limit_pokes (task, key) values (of_task, of_key);
          exit;
        end if;
        delete from limit_waits where holder = w.holder;
        continue;
      end if;
    end if;
    starts := take_start(t, interval '2 seconds');
    exit when starts is null;
    delete from limit_waits where holder = w.holder;
    insert into limit_slots (holder, task, key, start_at) values (w.holder, w.task, w.key, starts);
    if w.mission_id is not null then
      insert into mission_wakes (mission_id) values (w.mission_id);
      steps := steps + 1;
    else
      if w.parked then
        update graphile_worker._private_jobs set run_at = now() + greatest(starts - clock_now(), '0') where id = number and locked_by is null;
      else
        insert into graphile_worker._private_jobs (id, task_id, payload, run_at, attempts, max_attempts, priority, last_error, created_at)
          overriding system value
          select number, g.id, w.payload, now() + greatest(starts - clock_now(), '0'), w.attempts, w.max_attempts, w.priority, w.last_error, w.since
          from graphile_worker._private_tasks g where g.identifier = w.task;
      end if;
      jobs := jobs + 1;
    end if;
  end loop;
  if jobs > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), jobs));
  end if;
  if jobs + steps = at_most then
    insert into limit_pokes (task, key) values (of_task, of_key);
    perform pg_notify('limit:poke', '');
  end if;
  return jobs + steps;
end $$;

-- What workers call each second, and at once when they are told: tasks in order of name, as each is locked.
create function admit_limited() returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare poke record; admitted integer := 0;
begin
  if not exists (select from limit_pokes) and not exists (select from limit_rates where next_at <= clock_now()) then
    return 0;
  end if;
  for poke in
    with told as (delete from limit_pokes where id in (select id from limit_pokes order by id limit 1000 for update skip locked) returning task, key),
    due as (select task, null::text as key from limit_rates where next_at <= clock_now())
    select task, case when bool_or(key is null) or count(distinct key) > 20 then array[null::text] else array_agg(distinct key) end as keys from (table told union all table due) a group by task order by task
  loop
    perform lock_limits(poke.task);
    for n in 1..cardinality(poke.keys) loop
      admitted := admitted + let_in(poke.task, poke.keys[n]);
    end loop;
  end loop;
  return admitted;
end $$;
comment on function admit_limited() is 'Lets in the jobs and steps for which there is a place by now; returns how many.';

-- Of jobs that have ended. In the worker's own transaction the next ones are let in at once, unless another does so now.
create function free_places(jobs bigint[], at_once boolean) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare freed record;
begin
  delete from limit_waits where holder = any (select 'j' || job from unnest(jobs) job);
  for freed in
    with gone as (delete from limit_slots where holder = any (select 'j' || job from unnest(jobs) job) returning task, key)
    select distinct task, key from gone order by task, key
  loop
    if at_once and pg_try_advisory_xact_lock(hashtextextended('limits:' || freed.task, 0)) then
      perform let_in(freed.task, freed.key);
    else
      insert into limit_pokes (task, key) values (freed.task, freed.key);
      perform pg_notify('limit:poke', '');
    end if;
  end loop;
end $$;

create function free_step_place() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  delete from limit_waits where holder = 's' || new.id;
  with gone as (delete from limit_slots where holder = 's' || new.id returning task, key)
  insert into limit_pokes (task, key) select task, key from gone;
  perform pg_notify('limit:poke', '');
  return null;
end $$;
create trigger ops_mission_steps_free_place after update of state on ops_mission_steps for each row
  when (new.limited and new.finished_at is not null and old.finished_at is null) execute function free_step_place();

-- A job or step that wants to start. `run`: it has its place and its time has come; `later`: in wait_ms; `wait`: there is none.
create function take_place(of_holder text, of_task text, of_key text, of_attempt integer, out verdict text, out wait_ms double precision)
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare mine limit_slots; t ops_tasks; starts timestamptz;
begin
  select * into t from ops_tasks where identifier = of_task;
  select * into mine from limit_slots where holder = of_holder;
  if not found or mine.attempt <> of_attempt and t.limits ? 'interval_ms' then
    perform lock_limits(of_task);
    -- Again, as nobody else gives out places now: it may have been let in meanwhile, and would wait beside its own place.
    select * into mine from limit_slots where holder = of_holder;
  end if;
  if mine.holder is null or mine.attempt <> of_attempt and t.limits ? 'interval_ms' then
    if mine.holder is null and (not free_of_key(t, of_key)
        or exists (select from limit_waits w where w.task = of_task and w.holder <> of_holder and (w.key = of_key or not t.limits ? 'limit'))) then
      verdict := 'wait';
      return;
    end if;
    starts := take_start(t, case when mine.holder is null then interval '2 seconds' else interval '1 year' end);
    if starts is null then
      verdict := 'wait';
      return;
    end if;
    delete from limit_waits where holder = of_holder;
    insert into limit_slots as s (holder, task, key, start_at, attempt) values (of_holder, of_task, of_key, starts, of_attempt)
      on conflict (holder) do update set start_at = excluded.start_at, attempt = excluded.attempt returning * into mine;
  elsif mine.attempt is distinct from of_attempt then
    update limit_slots set attempt = of_attempt where holder = of_holder;
  end if;
  wait_ms := greatest(0, extract(epoch from mine.start_at - clock_now()) * 1000);
  verdict := case when wait_ms > 20 then 'later' else 'run' end;
end $$;

-- `gone`: it waits in limit_waits now and is this pool's no more, or never was.
create function begin_limited_job(job bigint, pool text, given_key text default null, out verdict text, out wait_ms double precision)
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare j graphile_worker._private_jobs; t ops_tasks; of_key text;
begin
  select * into j from graphile_worker._private_jobs where id = job and locked_by = pool;
  select o.* into t from ops_tasks o join graphile_worker._private_tasks g on g.identifier = o.identifier where g.id = j.task_id;
  if j.id is null or t.limits is null then
    verdict := case when j.id is null then 'gone' else 'run' end;
    return;
  end if;
  of_key := coalesce(left(given_key, 500), limit_key(t.limits, readable_json(j.payload)));
  select p.verdict, p.wait_ms into verdict, wait_ms from take_place('j' || job, t.identifier, of_key, j.attempts) p;
  if verdict <> 'wait' then
    return;
  end if;
  verdict := 'gone';
  if j.key is null and j.job_queue_id is null and j.flags is null then
    perform set_config('openclaw.ledger', 'ride', true);
    delete from graphile_worker._private_jobs where id = job;
  else
    update graphile_worker._private_jobs set locked_by = null, locked_at = null, attempts = greatest(attempts - 1, 0), run_at = now() + interval '1 year' where id = job;
    update graphile_worker._private_job_queues set locked_by = null, locked_at = null where id = j.job_queue_id and locked_by = pool;
  end if;
  insert into limit_waits as w (holder, task, key, priority, since, parked, payload, attempts, max_attempts, last_error)
    values ('j' || job, t.identifier, of_key, j.priority, j.created_at, j.key is not null or j.job_queue_id is not null or j.flags is not null,
            j.payload, greatest(j.attempts - 1, 0), j.max_attempts, j.last_error)
    on conflict (holder) do update set key = excluded.key, payload = excluded.payload;
  -- The lock is ours: a place that came free meanwhile is given out here.
  perform let_in(t.identifier, of_key);
end $$;
comment on function begin_limited_job is 'Asked by the worker before it starts a job of a limited task: run, later (in wait_ms) or gone (it waits for a place).';

create function begin_limited_step(step bigint, of_epoch integer, payload jsonb, given_key text default null, out verdict text, out wait_ms double precision)
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare s record; of_key text;
begin
  select o.identifier, o.limits, st.attempt, m.id as mission_id, m.priority, m.created_at into s
    from ops_mission_steps st join ops_missions m on m.id = st.mission_id and m.epoch = of_epoch and m.state = 'running' join ops_tasks o on o.identifier = st.task
    where st.id = begin_limited_step.step and st.state in ('queued', 'running');
  if not found or s.limits is null then
    -- Without a row the next checkpoint is fenced and says so.
    verdict := 'run';
    return;
  end if;
  of_key := coalesce(left(given_key, 500), limit_key(s.limits, begin_limited_step.payload));
  select p.verdict, p.wait_ms into verdict, wait_ms from take_place('s' || step, s.identifier, of_key, s.attempt) p;
  update ops_mission_steps st set limited = true where st.id = begin_limited_step.step and not st.limited;
  if verdict = 'wait' then
    insert into limit_waits as w (holder, task, key, priority, since, mission_id) values ('s' || step, s.identifier, of_key, s.priority, s.created_at, s.mission_id)
      on conflict (holder) do nothing;
    perform let_in(s.identifier, of_key);
  end if;
end $$;
comment on function begin_limited_step is 'Asked by a segment before it starts a step of a limited task: run, later (in wait_ms) or wait (its mission is woken when there is a place).';

create function cancel_waiting_job(job bigint) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was limit_waits;
begin
  if not exists (select from limit_waits where holder = 'j' || job and not parked) then
    return false;
  end if;
  perform raise_unless_mine((select actor from job_requests where id = job), 'job j' || job);
  delete from limit_waits where holder = 'j' || job and not parked returning * into was;
  if not found then
    return false;
  end if;
  insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, created_at, error_class, last_error)
    values (job, was.task, was.payload, 'cancelled', was.priority, was.since, was.attempts, was.max_attempts, was.since, 'cancelled', format('cancelled by %s', current_actor()));
  perform record_act('jobs cancel', 'j' || job, '{"state": "queued"}', '{"state": "cancelled"}');
  perform pg_notify('job:ended', job::text);
  return true;
end $$;

-- Once a minute: places of what has ended without a word (a trigger that a migration of graphile-worker dropped, say), and keys of
-- tasks whose limits were changed.
create function reconcile_limits() returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare freed integer;
begin
  with gone as (
    delete from limit_slots l where l.since < clock_now() - interval '10 seconds' and case left(l.holder, 1)
      when 'j' then not exists (select from graphile_worker._private_jobs j where j.id = substr(l.holder, 2)::bigint)
      else not exists (select from ops_mission_steps s where s.id = substr(l.holder, 2)::bigint and s.finished_at is null) end
    returning task)
  select count(*) into freed from gone;
  insert into limit_pokes (task) select distinct task from limit_waits;
  return freed;
end $$;
comment on function reconcile_limits() is 'Frees the places of what is no more; returns how many.';
