-- task_queue: the one place where work is asked for and seen.
--
--   insert into task_queue / add_job() / add_jobs()
--     -> job_requests (insert-only, one statement trigger: validate the set, queue the set, one NOTIFY)
--     -> graphile_worker._private_jobs (live) -> job_history (ended; written by the worker's own completion statement)
--
-- The view is live + ended; its state is derived, so that no row is ever updated for the ledger's sake.

-- Domains and not checks of the table: a session keeps a domain's check ready, while a table's is read anew by each statement,
-- which made an eighth of what an add_job() costs.
create domain job_source as text check (value in ('sql', 'cli', 'telegram', 'dashboard', 'cron', 'rule', 'agent', 'mission', 'raw'));
create domain job_attempts as smallint check (value between 1 and 100);
create domain job_idempotency_key as text check (length(value) between 1 and 512);

do $$
declare sequence_name text := pg_get_serial_sequence('graphile_worker._private_jobs', 'id');
begin
  execute format($table$
    create table job_requests (
      id bigint primary key default nextval(%L::regclass),
      task text not null,
      payload jsonb,
      run_at timestamptz,
      max_attempts job_attempts,
      priority smallint,
      job_key text,
      idempotency_key job_idempotency_key,
      source job_source not null default current_source(),
      actor text not null default current_actor(),
      mission_id bigint,
      trace_id uuid not null default current_trace(),
      created_at timestamptz not null default now()
    )$table$, sequence_name);
end $$;
comment on table job_requests is 'Who asked for which job, when and why. Insert-only; a statement trigger queues what is inserted. Its ids are graphile-worker''s, so that plain add_job never collides.';
comment on column job_requests.payload is 'As asked; null where graphile-worker''s row is the only copy.';
create unique index job_requests_idempotency_key on job_requests (idempotency_key) where idempotency_key is not null;
create index job_requests_mission on job_requests (mission_id) where mission_id is not null;
create trigger job_requests_append_only before update or delete or truncate on job_requests for each statement execute function raise_append_only();

-- What add_job() queues itself, in one statement with its request, needs no trigger; merely having one (its transition table,
-- its condition read anew by each statement) made a tenth of a call's cost. Reading job_requests reads these rows as well.
-- They have no idempotency key, whose index is the parent's alone.
create table job_requests_direct (primary key (id), check (idempotency_key is null)) inherits (job_requests);
comment on table job_requests_direct is 'The rows of job_requests whose job was queued in the same statement: no trigger queues them.';
create index job_requests_direct_mission on job_requests_direct (mission_id) where mission_id is not null;
create trigger job_requests_direct_append_only before update or delete or truncate on job_requests_direct for each statement execute function raise_append_only();

create table job_history (
  job_id bigint primary key,
  task text not null,
  payload json not null,
  state text not null check (state in ('succeeded', 'failed', 'cancelled')),
  priority smallint not null,
  run_at timestamptz not null,
  attempts smallint not null,
  max_attempts smallint not null,
  job_key text,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz not null default now(),
  worker text,
  result json,
  error_class text,
  last_error text,
  tx xid8 not null default pg_current_xact_id()
);
comment on table job_history is 'One row for each job that ended, written in the statement that removes the job. payload and result are json, never cast here: one odd payload must not stop a worker.';
comment on column job_history.error_class is 'Why it ended so: timeout, bad_payload, permanent, exhausted, poison, lost, cancelled, removed, or the error''s own code.';
comment on column job_history.tx is 'The transaction that ended it: the learner, which follows, stays below the oldest running one.';
create index job_history_follow on job_history (tx, job_id);
create index job_history_finished_at on job_history (finished_at);
create index job_history_failed on job_history (finished_at) where state = 'failed';
create trigger job_history_append_only before update or delete or truncate on job_history for each statement execute function raise_append_only();

create table job_cancels (
  job_id bigint primary key,
  actor text not null default current_actor(),
  created_at timestamptz not null default now()
);
comment on table job_cancels is 'Jobs that somebody wants to stop while they run; the worker that runs one aborts it and ends it as cancelled.';

create table workers (
  pool_id text primary key,
  name text not null,
  pool text not null,
  host text not null,
  boot_id text not null,
  pid integer not null,
  process_start text not null,
  session_tag text,
  state text not null default 'live' check (state in ('live', 'stopped', 'dead')),
  concurrency integer not null,
  local_queue boolean not null default false,
  running bigint[] not null default '{}',
  rss_bytes bigint,
  loop_lag_ms real,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  streak_since timestamptz not null default now(),
  ended_at timestamptz,
  end_reason text
);
comment on table workers is 'The registry of pools and their leases: a pool renews seen_at every second. A pool''s row is committed before its first fetch.';
comment on column workers.pool_id is 'graphile-worker''s pool id: what stands in locked_by of the jobs that it holds.';
comment on column workers.boot_id is 'With pid and process_start it proves, on the same host, that a pool is dead.';
comment on column workers.session_tag is 'Ends the application_name of every session of its process, so that the sessions of a dead one can be found.';
comment on column workers.running is 'Ids of the jobs that really run; what is locked and not listed was only fetched.';
comment on column workers.streak_since is 'Since when its renewals are unbroken; only a pool with a long streak may judge others.';
create index workers_live on workers (host) where state = 'live';
create unique index workers_one_of_a_name on workers (name) where state = 'live';

create table job_crashes (
  job_id bigint primary key,
  crashes smallint not null,
  last_cause text not null,
  suspect_of text
);
comment on table job_crashes is 'How often a worker died while it ran a job; the third death ends the job as poison. An attempt is not spent by a death.';
comment on column job_crashes.suspect_of is 'The pool that runs it as its one suspect: a death of that pool is counted to this job alone.';

create table job_progress (
  job_id bigint primary key,
  fraction real check (fraction between 0 and 1),
  note text,
  updated_at timestamptz not null default now()
);
comment on table job_progress is 'The last word of a running job about itself; at most one write a second a job.';

create table checkpoints (
  scope text not null,
  name text not null,
  output jsonb,
  created_at timestamptz not null default now(),
  primary key (scope, name)
);
comment on table checkpoints is 'Outputs of ctx.step(): a retried run gets the recorded output instead of running the step again. scope is j<job> or m<mission>/<step>.';

-- Names the first fault of a payload. Slow, and only called when the fast predicate has refused.
create function payload_fault(task ops_tasks, payload jsonb, out code text, out message text, out remedy text)
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
declare field jsonb; found text;
begin
  if payload is null or jsonb_typeof(payload) <> 'object' then
    code := 'OC002';
    message := format('payload of task %s is %s, expected an object', task.identifier, coalesce('a JSON ' || jsonb_typeof(payload), 'SQL null'));
    remedy := format('pass an object, for example %L', '{}');
    return;
  end if;
  for field in select * from jsonb_array_elements(task.payload_fields) loop
    found := jsonb_typeof(payload -> (field ->> 'key'));
    if found is null then
      if (field ->> 'required')::boolean then
        code := 'OC004';
        message := format('payload of task %s lacks the required key "%s"', task.identifier, field ->> 'key');
        remedy := format('add "%s" (%s)', field ->> 'key', coalesce((select string_agg(t, ' or ') from jsonb_array_elements_text(field -> 'types') t), 'any type'));
        return;
      end if;
    elsif jsonb_array_length(field -> 'types') > 0 and not (field -> 'types' ? found)
          and not (found = 'number' and field -> 'types' ? 'integer' and (payload ->> (field ->> 'key'))::numeric % 1 = 0) then
      code := 'OC005';
      message := format('key "%s" of the payload of task %s is a JSON %s, expected %s', field ->> 'key', task.identifier, found,
                        (select string_agg(t, ' or ') from jsonb_array_elements_text(field -> 'types') t));
      remedy := format('pass "%s" as %s', field ->> 'key', (select string_agg(t, ' or ') from jsonb_array_elements_text(field -> 'types') t));
      return;
    end if;
  end loop;
end $$;

create function raise_for_request(wanted text, payload jsonb) returns void
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
declare task ops_tasks; fault record; near text;
begin
  select * into task from ops_tasks where identifier = wanted;
  if not found or task.retired_at is not null then
    select identifier into near from ops_tasks
      where retired_at is null and (identifier like '%' || left(wanted, 4) || '%' or left(identifier, 3) = left(wanted, 3))
      order by abs(length(identifier) - length(wanted)) limit 1;
    perform refuse('OC001', format('unknown task "%s"%s', wanted, case when task.retired_at is not null then ' (its file is gone)' else '' end),
      coalesce('did you mean "' || near || '"? ', '') || 'known tasks: select identifier, title from ops_tasks');
  end if;
  if octet_length(payload::text) > 65536 then
    perform refuse('OC003', format('payload of task %s has %s bytes, at most 65536 are taken', wanted, octet_length(payload::text)),
      'store the data in a table or a file and pass its id');
  end if;
  select * into fault from payload_fault(task, payload);
  if fault.code is not null then
    perform refuse(fault.code, fault.message, fault.remedy);
  end if;
  if not task_allowed(task) then
    perform refuse('OC006', format('task "%s" has effect %s, which role %s may not queue', wanted, task.effect, session_user),
      'ask the operator to add it to policy sql.allow');
  end if;
  perform refuse('OC005', format('payload of task %s does not match its schema', wanted), format('select payload_schema from ops_tasks where identifier = %L', wanted));
end $$;

-- A limited role may queue the tasks that policy sql.allow names; the owner and its members any. Never null: a policy that
-- is missing, or lacks one of its lists, means no.
create function task_allowed(task ops_tasks) returns boolean
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
declare allow jsonb;
begin
  if trusted_session() then return true; end if;
  allow := policy_value('sql.allow');
  if coalesce(allow -> 'except' ? task.identifier, false) then return false; end if;
  return coalesce(allow -> 'effects' ? task.effect, false) or coalesce(allow -> 'tasks' ? task.identifier, false);
end $$;

-- Queues a set of requests in the caller's transaction. Refuses the whole statement when one row is at fault: the first
-- fault is named. `payload @@ predicate is not true` so that a NULL (an odd document) refuses as well.
create function queue_requests() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare bad record; queued integer; denied text[];
begin
  if not trusted_session() then
    denied := array(select o.identifier from ops_tasks o where o.identifier in (select a.task from asked a) and not task_allowed(o));
  end if;
  select a.task, coalesce(a.payload, '{}') as payload, a.job_key, a.run_at into bad
    from asked a left join ops_tasks t on t.identifier = a.task and t.retired_at is null
    where t.identifier is null
      or (coalesce(a.payload, '{}') @@ t.payload_predicate) is not true
      -- What a table keeps compressed is up to 255 times as long as its column.
      or pg_column_size(a.payload) > 250 and octet_length(a.payload::text) > 65536
      or a.job_key is not null
      or not (a.run_at between '1970-01-01' and '2200-01-01')
      or a.task = any (denied)
    limit 1;
  if found then
    if bad.job_key is not null then
      perform refuse('OC009', 'job_key cannot be given in an insert into task_queue, because the keyed job may exist already',
        'use add_job(identifier, payload, job_key => ...)');
    end if;
    if not (bad.run_at between '1970-01-01' and '2200-01-01') then
      perform refuse('OC009', format('run_at is %s, expected a time from 1970 to 2200', bad.run_at), 'leave it out for now');
    end if;
    perform raise_for_request(bad.task, bad.payload);
  end if;
  insert into graphile_worker._private_jobs (id, task_id, payload, run_at, max_attempts, priority)
    overriding system value
    select a.id, g.id, coalesce(a.payload, '{}')::json, coalesce(a.run_at, now()), coalesce(a.max_attempts, t.max_attempts), coalesce(a.priority, 0)
    from asked a
    join ops_tasks t on t.identifier = a.task
    join graphile_worker._private_tasks g on g.identifier = a.task
    -- What is due later, or has a key that only a worker knows, comes to its limit when it is fetched.
    where not t.limited or a.run_at > now() or t.limits ->> 'key' = 'function';
  get diagnostics queued = row_count;
  if queued < (select count(*) from asked) then
    insert into limit_waits (holder, task, key, priority, payload, max_attempts)
      select 'j' || a.id, a.task, limit_key(t.limits, coalesce(a.payload, '{}')), coalesce(a.priority, 0), coalesce(a.payload, '{}')::json, coalesce(a.max_attempts, t.max_attempts)
      from asked a join ops_tasks t on t.identifier = a.task
      where t.limited and (a.run_at > now()) is not true and t.limits ->> 'key' is distinct from 'function';
    -- Let in when this has committed, by a worker: a transaction that stays open holds up nobody.
    insert into limit_pokes (task, key) select distinct task, key from limit_waits where holder in (select 'j' || id from asked);
    perform pg_notify('limit:poke', '');
  end if;
  if queued > 0 then
    -- `r` keeps equal notifications of one transaction apart: each nudges as many workers as it has jobs.
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), queued));
  end if;
  return null;
end $$;
-- add_job() with a key has queued its job before it writes the request, and says so; only inside a function of the owner is
-- that believed.
create trigger job_requests_queue after insert on job_requests
  referencing new table as asked for each statement
  when (current_setting('openclaw.enqueued', true) is distinct from 'on' or not has_table_privilege('public.job_requests'::regclass, 'insert'))
  execute function queue_requests();

create view task_queue as
  select h.job_id as id, h.job_id, h.task, readable_json(h.payload) as payload, h.state, h.priority, h.run_at, h.attempts, h.max_attempts,
         h.job_key, r.idempotency_key::text as idempotency_key, coalesce(r.source, case when h.payload::text like '%"_cron":%' then 'cron' else 'raw' end) as source,
         coalesce(r.actor, case when h.payload::text like '%"_cron":%' then 'cron' else 'system' end) as actor, r.mission_id, r.trace_id,
         h.created_at, h.started_at, h.finished_at, h.worker, readable_json(h.result) as result, h.error_class, h.last_error
  from job_history h left join job_requests r on r.id = h.job_id
  union all
  select j.id, j.id, t.identifier, readable_json(j.payload),
         case when j.locked_at is not null and (w.pool_id is null or not w.local_queue or j.id = any (w.running)) then 'running'
              when j.locked_at is not null then 'queued'
              when j.attempts >= j.max_attempts then 'failed'
              when j.attempts > 0 then 'retrying'
              else 'queued' end,
         j.priority, j.run_at, j.attempts, j.max_attempts, j.key, r.idempotency_key::text,
         coalesce(r.source, case when j.payload::text like '%"_cron":%' then 'cron' else 'raw' end),
         coalesce(r.actor, case when j.payload::text like '%"_cron":%' then 'cron' else 'system' end), r.mission_id, r.trace_id,
         j.created_at, j.locked_at, null::timestamptz, j.locked_by, null::jsonb,
         case when j.attempts >= j.max_attempts and j.locked_at is null then 'exhausted' end, j.last_error
  from graphile_worker._private_jobs j
  join graphile_worker._private_tasks t on t.id = j.task_id
  left join workers w on w.pool_id = j.locked_by
  left join job_requests r on r.id = j.id
  union all
  select substr(l.holder, 2)::bigint, substr(l.holder, 2)::bigint, l.task, readable_json(l.payload), case when l.attempts > 0 then 'retrying' else 'queued' end,
         l.priority, coalesce(r.run_at, l.since), l.attempts, l.max_attempts, r.job_key, r.idempotency_key::text,
         coalesce(r.source, case when l.payload::text like '%"_cron":%' then 'cron' else 'raw' end),
         coalesce(r.actor, case when l.payload::text like '%"_cron":%' then 'cron' else 'system' end), r.mission_id, r.trace_id,
         l.since, null, null, null, null, null, l.last_error
  from limit_waits l left join job_requests r on r.id = substr(l.holder, 2)::bigint
  where l.mission_id is null and not l.parked;
comment on view task_queue is 'Every job that was ever added, live and ended, also by plain graphile_worker.add_job and by cron, for the retention that policy sets. Insert (task, payload, ...) to queue a job; add_job() does the same.';
comment on column task_queue.state is 'queued, running, retrying, succeeded, failed or cancelled; derived.';

create rule task_queue_insert as on insert to task_queue do instead
  insert into job_requests (task, payload, run_at, max_attempts, priority, job_key, idempotency_key)
  values (new.task, new.payload, new.run_at, new.max_attempts, new.priority, new.job_key, new.idempotency_key)
  returning id, id, task, coalesce(payload, '{}'::jsonb), 'queued'::text, coalesce(priority, 0::smallint), coalesce(run_at, now()), 0::smallint,
    coalesce(max_attempts, (select t.max_attempts from ops_tasks t where t.identifier = job_requests.task)), job_key, idempotency_key::text, source::text, actor,
    mission_id, trace_id, created_at, null::timestamptz, null::timestamptz, null::text, null::jsonb, null::text, null::text;

create function raise_task_queue_readonly() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using errcode = 'OC009', message = format('%s on task_queue is refused: it is a view of what happened', lower(tg_op)),
    hint = 'cancel_job(id) stops a job, retry_job(id) runs a failed one again';
end $$;
create trigger task_queue_no_change instead of update or delete on task_queue for each row execute function raise_task_queue_readonly();

-- Jobs that leave graphile-worker's table by any other hand than our completion statement: remove_job, a stock worker, an
-- admin. It must never raise: an error here would stop that worker's pool.
create function record_removed_jobs() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, worker, error_class, last_error)
    select o.id, coalesce(t.identifier, '?'), o.payload,
           -- A stock worker deletes what it holds only when it has succeeded; an unheld job was removed by somebody.
           case when o.locked_by is not null then 'succeeded' else 'cancelled' end,
           o.priority, o.run_at, o.attempts, o.max_attempts, o.key, o.created_at, o.locked_at, o.locked_by,
           case when o.locked_by is null then 'removed' end, o.last_error
    from gone o left join graphile_worker._private_tasks t on t.id = o.task_id
    on conflict (job_id) do nothing;
  if exists (select from limit_slots) or exists (select from limit_waits where parked) then
    perform free_places(array(select id from gone), false);
  end if;
  return null;
exception when others then
  raise warning 'openclaw: removed jobs were not recorded: %', sqlerrm;
  return null;
end $$;
create trigger openclaw_removed_jobs after delete on graphile_worker._private_jobs
  referencing old table as gone for each statement
  when (current_setting('openclaw.ledger', true) is distinct from 'ride')
  execute function record_removed_jobs();

-- How a worker ends jobs in place of graphile-worker's own statements (lib/queue/ledger.ts): removal, history and result are
-- one transaction, fenced on the holder, so that a worker which lost its lease changes nothing. They return how many were
-- still the holder's.
--
-- They are functions for the sake of their settings. Prepared as plain statements they were planned anew at each call (one
-- job: 500 us of CPU instead of 150), or their plan was kept from when the queue was short: after 100,000 jobs had come in,
-- 500 ends took 4 s of sequential scans. Here the plan is made once, for any size: tables are reached by index only, as
-- `id = any (array)`, and sets are joined by hash, since the planner believes that nothing is locked and would pair 500 rows
-- with 500 others. On the whole connection the same settings would ruin graphile-worker's fetch.
--
-- Whoever waits for a job looks by itself, so that ids which do not fit into a notification are left out.

create function end_succeeded_jobs(ids bigint[], results text[], starts double precision[], ends double precision[], holder text) returns integer
language plpgsql
set search_path = public, pg_catalog, pg_temp
set enable_seqscan = off
set enable_nestloop = off
set plan_cache_mode = force_generic_plan
as $$
declare ended integer; ended_ids text;
begin
  with d as (
    delete from graphile_worker._private_jobs j where j.id = any (ids) and j.locked_by = holder
    returning j.id, j.task_id, j.payload, j.priority, j.run_at, j.attempts, j.max_attempts, j.key, j.created_at, j.locked_by, j.job_queue_id),
  q as (
    update graphile_worker._private_job_queues set locked_by = null, locked_at = null
    where id = any (array(select job_queue_id from d where job_queue_id is not null)) and locked_by = holder),
  h as (
    insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, finished_at, worker, result)
    select d.id, t.identifier, d.payload, 'succeeded', d.priority, d.run_at, d.attempts, d.max_attempts, d.key, d.created_at,
           now() - u.started * interval '1 millisecond', now() - u.finished * interval '1 millisecond', d.locked_by, u.result::json
    from d join unnest(ids, results, starts, ends) u(id, result, started, finished) on u.id = d.id
    join graphile_worker._private_tasks t on t.id = d.task_id)
  select count(*), string_agg(d.id::text, ',') into ended, ended_ids from d;
  if ended > 0 then
    perform pg_notify('job:ended', case when length(ended_ids) < 8000 then ended_ids else '' end);
    if exists (select from limit_slots) then
      perform free_places(string_to_array(ended_ids, ',')::bigint[], true);
    end if;
  end if;
  return ended;
end $$;
comment on function end_succeeded_jobs is 'Ends the jobs that the holder still holds as succeeded, with their results (JSON text) and how long ago (ms) they started and finished: no host''s clock is asked; returns how many.';

create function end_failed_jobs(specs json, holder text) returns integer
language plpgsql
set search_path = public, pg_catalog, pg_temp
set enable_seqscan = off
set enable_nestloop = off
set plan_cache_mode = force_generic_plan
as $$
declare ended integer; ended_ids text; given_back boolean;
begin
  with u as (
    select * from json_to_recordset(specs) u(id bigint, kind text, message text, delay_ms float8, error_class text, state text, started float8, finished float8, held text, held_reason text, held_until timestamptz)),
  r as (
    update graphile_worker._private_jobs j set
      last_error = coalesce(u.message, j.last_error),
      run_at = case when u.kind = 'retry' or u.delay_ms > 0 then now() + u.delay_ms * interval '1 millisecond' else j.run_at end,
      attempts = case u.kind when 'give_back' then greatest(j.attempts - 1, 0) else j.attempts end,
      locked_by = null, locked_at = null, updated_at = now()
    from u where j.id = any (array(select o.id from u o where o.kind <> 'final')) and j.locked_by = holder and u.id = j.id
    returning j.id, j.job_queue_id, u.kind),
  d as (
    delete from graphile_worker._private_jobs j where j.id = any (array(select o.id from u o where o.kind = 'final')) and j.locked_by = holder
    returning j.id, j.task_id, j.payload, j.priority, j.run_at, j.attempts, j.max_attempts, j.key, j.created_at, j.locked_by, j.job_queue_id),
  q as (
    update graphile_worker._private_job_queues set locked_by = null, locked_at = null
    where id = any (array(select job_queue_id from r union select job_queue_id from d)) and locked_by = holder),
  h as (
    insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, finished_at, worker, error_class, last_error)
    select d.id, t.identifier, d.payload, u.state, d.priority, d.run_at, d.attempts, d.max_attempts, d.key, d.created_at,
           now() - u.started * interval '1 millisecond', now() - u.finished * interval '1 millisecond', d.locked_by, u.error_class, u.message
    from d join u on u.id = d.id join graphile_worker._private_tasks t on t.id = d.task_id
    returning job_id, task, state, error_class, last_error, attempts),
  e as (
    insert into ops_agent_events (kind, severity, job, trace_id, mission_id, payload, tags)
    select 'job.' || h.state, case h.state when 'failed' then 'error' else 'info' end, h.job_id,
           (select a.trace_id from job_requests a where a.id = h.job_id), (select a.mission_id from job_requests a where a.id = h.job_id),
           jsonb_build_object('task', h.task, 'error_class', h.error_class, 'error', left(h.last_error, 500), 'attempts', h.attempts), array[h.task]
    from h),
  c as (delete from job_cancels where job_id = any (array(select d.id from d))),
  g as (delete from job_holds where job_id = any (array(select d.id from d))),
  x as (
    insert into job_holds as o (job_id, reason_code, reason, until)
    select u.id, u.held, u.held_reason, u.held_until from u where u.held is not null and u.id = any (array(select r.id from r))
    on conflict (job_id) do update set reason_code = excluded.reason_code, reason = excluded.reason, until = excluded.until, since = case when o.reason_code = excluded.reason_code then o.since else now() end)
  select (select count(*) from r) + (select count(*) from d), (select string_agg(d.id::text, ',') from d), exists (select from r where r.kind = 'give_back')
    into ended, ended_ids, given_back;
  if ended_ids is not null then
    perform pg_notify('job:ended', case when length(ended_ids) < 8000 then ended_ids else '' end);
    if exists (select from limit_slots) then
      perform free_places(string_to_array(ended_ids, ',')::bigint[], true);
    end if;
  end if;
  if given_back then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":1}', random()));
  end if;
  return ended;
end $$;
comment on function end_failed_jobs is 'Releases or ends the jobs that the holder still holds, by an array of {id, kind: retry | final | give_back, message, delay_ms, error_class, state, started, finished} (ms ago); returns how many. The database''s clock decides when a retry is due.';
