-- The functions by which SQL asks for work. Argument names are graphile-worker's, with idempotency_key beside them.

create function add_job(
  identifier text,
  payload jsonb default '{}',
  queue_name text default null,
  run_at timestamptz default null,
  max_attempts integer default null,
  job_key text default null,
  priority integer default null,
  flags text[] default null,
  job_key_mode text default 'replace',
  idempotency_key text default null
) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare new_id bigint; task ops_tasks; keyed graphile_worker._private_jobs; ignored text;
begin
  -- Each expression here is made ready anew by each transaction, which costs a microsecond or two: the usual call meets one.
  if num_nulls(run_at, max_attempts, priority) < 3 or payload is null then
    if max_attempts not between 1 and 100 then
      perform refuse('OC009', format('max_attempts is %s, expected 1 to 100', max_attempts), 'leave it out to use the task''s own');
    end if;
    if priority not between -32768 and 32767 then
      perform refuse('OC009', format('priority is %s, expected -32768 to 32767 (lower runs first)', priority), 'leave it out for 0');
    end if;
    if run_at is not null and not (run_at between '1970-01-01' and '2200-01-01') then
      perform refuse('OC009', format('run_at is %s, expected a time from 1970 to 2200', run_at), 'leave it out for now');
    end if;
    payload := coalesce(payload, '{}');
  end if;

  -- The fast path, one statement: the task, its predicate, the job, its request and the notification, in which `r` keeps equal
  -- ones of one transaction apart, as each nudges one worker.
  if num_nonnulls(job_key, queue_name, flags, idempotency_key) = 0 then
    with job as (
      insert into graphile_worker._private_jobs (task_id, payload, run_at, max_attempts, priority)
        select g.id, add_job.payload::json, coalesce(add_job.run_at, now()), coalesce(add_job.max_attempts, t.max_attempts), coalesce(add_job.priority, 0)
        from ops_tasks t join graphile_worker._private_tasks g on g.identifier = t.identifier
        where t.identifier = add_job.identifier and t.retired_at is null and not t.limited and add_job.payload @@ t.payload_predicate
          and (pg_column_size(add_job.payload) <= 250 or octet_length(add_job.payload::text) <= 65536)
          and (trusted_session() or task_allowed(t))
        returning id)
    insert into job_requests_direct (id, task, run_at, max_attempts, priority)
      select id, add_job.identifier, add_job.run_at, add_job.max_attempts, add_job.priority from job
      returning id, pg_notify('jobs:insert', '{"r":' || random()::text || ',"count":1}') into new_id, ignored;
    if new_id is null then
      new_id := add_limited_job(add_job.identifier, add_job.payload, add_job.run_at, add_job.max_attempts, add_job.priority);
    end if;
    return new_id;
  end if;

  perform set_config('openclaw.enqueued', 'on', true);
  if length(idempotency_key) not between 1 and 512 then
    perform refuse('OC009', format('idempotency_key has %s characters, expected 1 to 512', length(idempotency_key)), 'a hash of what makes the job the same is short enough');
  end if;
  if length(job_key) not between 1 and 512 then
    perform refuse('OC009', format('job_key has %s characters, expected 1 to 512', length(job_key)), 'a hash of what makes the job the same is short enough');
  end if;
  if coalesce(job_key_mode, '') not in ('replace', 'preserve_run_at', 'unsafe_dedupe') then
    perform refuse('OC009', format('job_key_mode is "%s", expected replace, preserve_run_at or unsafe_dedupe', job_key_mode), 'leave it out for replace');
  end if;
  if idempotency_key is not null then
    -- Callers of one key take turns, so that the second sees the first's row.
    perform pg_advisory_xact_lock(hashtextextended('job:' || idempotency_key, 0));
    if exists (select from job_requests r where r.idempotency_key = add_job.idempotency_key) then
      perform set_config('openclaw.enqueued', 'off', true);
      return repeated_request(add_job.identifier, add_job.idempotency_key);
    end if;
  end if;
  -- A key, a queue, flags or an idempotency key: graphile-worker's own function, which may return NULL under contention, and NULL means that
  -- nothing was queued; so it is asked again.
  select * into task from ops_tasks t where t.identifier = add_job.identifier and t.retired_at is null;
  if not found or octet_length(add_job.payload::text) > 65536 or (add_job.payload @@ task.payload_predicate) is not true or not task_allowed(task) then
    perform raise_for_request(add_job.identifier, add_job.payload);
  end if;
  for attempt in 1..100 loop
    select * into keyed from graphile_worker.add_job(add_job.identifier, add_job.payload::json, add_job.queue_name, add_job.run_at,
      coalesce(add_job.max_attempts, task.max_attempts::integer), add_job.job_key, add_job.priority, add_job.flags, add_job.job_key_mode);
    exit when keyed.id is not null;
    perform pg_sleep(0.01);
  end loop;
  if keyed.id is null then
    perform refuse('OC009', format('job_key "%s" stayed contended for a second; nothing was queued', job_key), 'try again');
  end if;
  insert into job_requests (id, task, run_at, max_attempts, priority, job_key, idempotency_key)
    values (keyed.id, add_job.identifier, add_job.run_at, add_job.max_attempts, add_job.priority, add_job.job_key, add_job.idempotency_key)
    on conflict (id) do nothing;
  perform set_config('openclaw.enqueued', 'off', true);
  return keyed.id;
end $$;
comment on function add_job is 'Queues a job in the caller''s transaction and returns its id. The same idempotency_key twice returns the first job''s id and queues nothing.';

-- What the fast path does not take: a task with limits, which the trigger of job_requests lets wait, and what is refused.
create function add_limited_job(task text, payload jsonb, run_at timestamptz, max_attempts integer, priority integer) returns bigint
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare new_id bigint;
begin
  if not exists (select from ops_tasks t where t.identifier = add_limited_job.task and t.limited and t.retired_at is null) then
    perform raise_for_request(add_limited_job.task, add_limited_job.payload);
  end if;
  perform set_config('openclaw.enqueued', 'off', true);
  insert into job_requests (task, payload, run_at, max_attempts, priority)
    values (add_limited_job.task, add_limited_job.payload, add_limited_job.run_at, add_limited_job.max_attempts, add_limited_job.priority) returning id into new_id;
  return new_id;
end $$;

create function repeated_request(wanted text, key text) returns bigint
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
declare earlier job_requests;
begin
  select * into earlier from job_requests where idempotency_key = key;
  if not found then
    perform refuse('OC009', format('idempotency_key "%s" is being used by another transaction', key), 'try again');
  end if;
  if earlier.task <> wanted then
    perform refuse('OC009', format('idempotency_key "%s" belongs to job j%s of task %s', key, earlier.id, earlier.task), 'use another key');
  end if;
  return earlier.id;
end $$;

create function add_jobs(jobs jsonb) returns setof bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare unknown_key text;
begin
  perform set_config('openclaw.enqueued', 'off', true);
  if jsonb_typeof(jobs) is distinct from 'array' then
    perform refuse('OC009', format('add_jobs takes an array, not %s', coalesce('a JSON ' || jsonb_typeof(jobs), 'SQL null')),
      'pass [{"identifier": "task", "payload": {}}, ...]');
  end if;
  select k into unknown_key from jsonb_array_elements(jobs) e, jsonb_object_keys(case jsonb_typeof(e) when 'object' then e else '{"element that is no object":0}' end) k
    where k not in ('identifier', 'payload', 'run_at', 'max_attempts', 'priority', 'idempotency_key') limit 1;
  if unknown_key is not null then
    perform refuse('OC009', format('add_jobs does not know the key "%s"', unknown_key),
      'keys are identifier, payload, run_at, max_attempts, priority, idempotency_key; a job_key goes to add_job()');
  end if;
  return query
    insert into job_requests (task, payload, run_at, max_attempts, priority, idempotency_key)
      select e.identifier, coalesce(e.payload, '{}'), e.run_at, e.max_attempts, e.priority, e.idempotency_key
      from jsonb_to_recordset(jobs) e(identifier text, payload jsonb, run_at timestamptz, max_attempts smallint, priority smallint, idempotency_key text)
      on conflict ((job_requests.idempotency_key)) where job_requests.idempotency_key is not null do nothing
      returning id;
end $$;
comment on function add_jobs(jsonb) is 'Queues an array of {identifier, payload, run_at, max_attempts, priority, idempotency_key} as one set; returns the ids of those that are new.';

-- What the fenced completion of a worker and these functions share: a job's way out of the live table.
create function raise_unless_mine(owner_actor text, what text) returns void
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
begin
  if not trusted_session() and owner_actor is distinct from current_actor() then
    perform refuse('OC006', format('%s was asked for by %s; role %s may only change its own', what, coalesce(owner_actor, 'somebody else'), session_user), 'ask the operator');
  end if;
end $$;

create function cancel_job(job bigint) returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was record;
begin
  select j.*, t.identifier into was from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id where j.id = job for update of j;
  if not found then
    if cancel_waiting_job(job) then
      return 'cancelled';
    end if;
    if exists (select from job_history where job_id = job) then
      perform refuse('OC008', format('job j%s has ended (%s)', job, (select state from job_history where job_id = job)), 'only a queued, retrying or running job can be cancelled');
    end if;
    perform refuse('OC011', format('there is no job j%s', job), 'openclaw jobs list');
  end if;
  perform raise_unless_mine((select actor from job_requests where id = job), 'job j' || job);
  -- A mission's segment is cancelled with its mission: alone it would come back.
  if was.identifier = 'mission' then
    return cancel_mission((was.payload ->> 'mission_id')::bigint);
  end if;
  if was.locked_by is not null then
    insert into job_cancels (job_id) values (job) on conflict do nothing;
    perform record_act('jobs cancel', 'j' || job, '{"state": "running"}', '{"state": "running", "cancel_requested": true}');
    perform pg_notify('job:control', job::text);
    return 'cancelling';
  end if;
  insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, error_class, last_error)
    values (was.id, was.identifier, was.payload, 'cancelled', was.priority, was.run_at, was.attempts, was.max_attempts, was.key, was.created_at, 'cancelled',
            format('cancelled by %s', current_actor()));
  delete from graphile_worker._private_jobs where id = job;
  perform record_act('jobs cancel', 'j' || job, jsonb_build_object('state', case when was.attempts > 0 then 'retrying' else 'queued' end), '{"state": "cancelled"}');
  perform pg_notify('job:ended', job::text);
  return 'cancelled';
end $$;
comment on function cancel_job(bigint) is 'Ends a waiting job as cancelled, or tells the worker that runs it to abort it.';

create function retry_job(job bigint) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was job_history; live graphile_worker._private_jobs; new_id bigint;
begin
  perform set_config('openclaw.enqueued', 'off', true);
  perform raise_unless_mine((select actor from job_requests where id = job), 'job j' || job);
  select * into live from graphile_worker._private_jobs where id = job for update;
  if found then
    if live.locked_by is not null then
      perform refuse('OC008', format('job j%s is running', job), 'cancel it first');
    end if;
    update graphile_worker._private_jobs set run_at = now(), max_attempts = greatest(max_attempts, attempts + 1) where id = job;
    perform record_act('jobs retry', 'j' || job, jsonb_build_object('run_at', live.run_at, 'attempts', live.attempts), jsonb_build_object('run_at', now()));
    perform pg_notify('jobs:insert', format('{"r":%s,"count":1}', random()));
    return job;
  end if;
  if exists (select from limit_waits w where w.holder = 'j' || job) then
    perform refuse('OC008', format('job j%s waits for a place of its task', job), 'openclaw why j' || job);
  end if;
  select * into was from job_history where job_id = job;
  if not found then
    perform refuse('OC011', format('there is no job j%s', job), 'openclaw jobs list');
  end if;
  if was.state = 'succeeded' then
    perform refuse('OC008', format('job j%s succeeded', job), 'queue a new one with add_job() or openclaw run');
  end if;
  insert into job_requests (task, payload, priority, mission_id, trace_id)
    select was.task, readable_json(was.payload) - '_cron', was.priority, r.mission_id, coalesce(r.trace_id, gen_random_uuid())
    from (select 1) one left join job_requests r on r.id = job
    returning id into new_id;
  perform record_act('jobs retry', 'j' || job, jsonb_build_object('state', was.state, 'error_class', was.error_class), jsonb_build_object('job', 'j' || new_id));
  return new_id;
end $$;
comment on function retry_job(bigint) is 'Runs a waiting job now, or queues a failed or cancelled one anew (a new id: history is kept). Returns the id that will run.';
