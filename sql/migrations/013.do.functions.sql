-- Durable functions: missions whose steps are made by a task function as it runs; and the signals that missions wait for.

create table ops_signals (
  id bigint generated always as identity primary key,
  mission_id bigint not null references ops_missions (id),
  name text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$'),
  payload jsonb not null default '{}',
  idempotency_key text check (length(idempotency_key) between 1 and 512),
  actor text not null default current_actor(),
  source text not null default current_source(),
  step_id bigint,
  created_at timestamptz not null default clock_now(),
  taken_at timestamptz,
  check ((step_id is null) = (taken_at is null))
);
comment on table ops_signals is 'What was said to missions. Each is taken once, by the first wait for its name; one that comes before its wait is kept.';
comment on column ops_signals.step_id is 'The step that took it.';
create index ops_signals_untaken on ops_signals (mission_id, id) where step_id is null;
create index ops_signals_mission on ops_signals (mission_id);
create unique index ops_signals_key on ops_signals (mission_id, idempotency_key) where idempotency_key is not null;

create function check_signal_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' and current_setting('openclaw.retention', true) = 'on' then return old; end if;
  if tg_op = 'UPDATE' and old.step_id is null and (new.id, new.mission_id, new.name, new.payload) is not distinct from (old.id, old.mission_id, old.name, old.payload) then return new; end if;
  raise exception using errcode = 'OC010', message = format('%s of signal %s is refused: a signal is taken once and kept', lower(tg_op), old.id), hint = 'send another one';
end $$;
create trigger ops_signals_change before update or delete on ops_signals for each row execute function check_signal_change();
create trigger ops_signals_no_truncate before truncate on ops_signals for each statement execute function raise_append_only();

-- The mission's row is locked first and its signal_seq raised, so that in either order with its parking nothing is lost.
create function signal(mission bigint, name text, payload jsonb default '{}', idempotency_key text default null) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare m ops_missions; new_id bigint;
begin
  if coalesce(signal.name, '') !~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$' then
    perform refuse('OC009', format('"%s" is no name of a signal', signal.name), '1 to 100 letters, digits and ._:-');
  end if;
  if octet_length(signal.payload::text) > 65536 then
    perform refuse('OC003', format('the payload of signal %s has %s bytes, at most 65536 are taken', signal.name, octet_length(signal.payload::text)),
      'store the data in a table or a file and pass its id');
  end if;
  select * into m from ops_missions where ops_missions.id = signal.mission for no key update;
  if not found then
    perform refuse('OC011', format('there is no mission m%s', signal.mission), 'openclaw missions list');
  end if;
  perform raise_unless_mine(m.actor, 'mission m' || m.id);
  select s.id into new_id from ops_signals s where s.mission_id = m.id and s.idempotency_key = signal.idempotency_key;
  if found then
    return new_id;
  end if;
  if m.finished_at is not null then
    perform refuse('OC008', format('mission m%s has ended (%s)', m.id, m.state), 'only an open mission hears signals');
  end if;
  insert into ops_signals (mission_id, name, payload, idempotency_key)
    values (m.id, signal.name, coalesce(signal.payload, '{}'), signal.idempotency_key) returning id into new_id;
  insert into ops_agent_events (kind, mission_id, trace_id, payload, tags)
    values ('signal.sent', m.id, m.trace_id, jsonb_build_object('signal', signal.name, 'id', new_id), array[signal.name]);
  perform record_act('missions signal', 'm' || m.id, null, jsonb_build_object('signal', signal.name, 'id', new_id), '{}', m.trace_id);
  perform nudge_mission(m.id);
  return new_id;
end $$;
comment on function signal is 'Says something to an open mission: a durable function that waits for this name goes on with the payload, now or when it comes to its wait. The same idempotency_key twice is one signal.';

-- A mission of one step, which is the function.
create function function_plan(task text, input jsonb) returns jsonb
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
declare t ops_tasks; fault record;
begin
  select * into t from ops_tasks o where o.identifier = task and o.retired_at is null;
  if not found then
    perform raise_for_request(task, '{}');
  end if;
  if not t.durable then
    perform refuse('OC009', format('task %s is no durable function', task), 'queue it with add_job() or openclaw run, or put it into a plan');
  end if;
  if (coalesce(input, '{}') @@ t.payload_predicate) is not true then
    perform raise_for_request(task, coalesce(input, '{}'));
  end if;
  return jsonb_build_object(
    'kind', left(regexp_replace(regexp_replace(lower(task), '[^a-z0-9]+', '_', 'g'), '^([^a-z])', 'f_\1'), 63),
    'title', left(t.title, 200), 'function', task,
    'steps', jsonb_build_array(jsonb_build_object('name', left(regexp_replace(regexp_replace(lower(task), '[^a-z0-9]+', '_', 'g'), '^([^a-z])', 'f_\1'), 63), 'task', task,
                                                  'payload', coalesce(input, '{}'))));
end $$;
comment on function function_plan(text, jsonb) is 'The plan of a mission that runs a durable function.';

create function add_mission(
  task text,
  input jsonb default '{}',
  title text default null,
  priority integer default 0,
  dedupe_key text default null,
  untrusted boolean default false
) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  -- A literal in SQL may be either; a plan is an object.
  if task ~ '^\s*\{' then
    return add_mission(task::jsonb, input, title, priority, dedupe_key, untrusted);
  end if;
  return add_mission(function_plan(task, input), '{}'::jsonb, title, priority, dedupe_key, untrusted);
end $$;
comment on function add_mission(text, jsonb, text, integer, text, boolean) is 'Submits a mission that runs a durable function with this payload; a plan as text is a plan. Returns the mission''s id.';

-- A job of a durable function submits its mission once, whoever asked for the job and however often the job is run.
create function submit_job_mission(job bigint) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare asked record; earlier ops_mission_proposals; key text := 'job:j' || job;
begin
  select t.identifier as task, readable_json(j.payload) - '_cron' as payload, j.priority, r.actor, r.source, r.trace_id into asked
    from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id left join job_requests r on r.id = j.id where j.id = job;
  perform pg_advisory_xact_lock(hashtextextended(key, 0));
  select * into earlier from ops_mission_proposals p where p.dedupe_key = key order by p.id limit 1;
  if found then
    return earlier.mission_id;
  end if;
  perform set_config('openclaw.actor', coalesce(asked.actor, 'system'), true), set_config('openclaw.source', coalesce(asked.source, 'raw'), true),
          set_config('openclaw.trace', coalesce(asked.trace_id::text, ''), true);
  return add_mission(asked.task, asked.payload, priority => asked.priority, dedupe_key => key);
end $$;
comment on function submit_job_mission(bigint) is 'The mission of a durable function that a job asks for; the same one when the job runs again.';
create index ops_mission_proposals_dedupe on ops_mission_proposals (dedupe_key) where dedupe_key is not null;

-- What a durable function does for its own mission, at its epoch only.

create function note_function_version(mission bigint, of_epoch integer, step bigint, hash text) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions; s ops_mission_steps;
begin
  select * into m from ops_missions where id = mission and epoch = of_epoch and state = 'running' for no key update;
  if not found then return; end if;
  select * into s from ops_mission_steps where id = step;
  update ops_mission_steps set version = hash where id = step;
  if s.version is not null then
    insert into ops_agent_events (kind, severity, mission_id, step_id, trace_id, payload, tags)
      values ('mission.function_changed', 'warning', m.id, step, m.trace_id,
              jsonb_build_object('task', s.task, 'was', left(s.version, 12), 'is', left(hash, 12), 'note', 'it goes on by the names of its recorded steps'), array[s.task]);
  end if;
end $$;

create function close_function_steps(mission bigint, of_epoch integer, parents bigint[]) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions; closed integer;
begin
  select * into m from ops_missions where id = mission and epoch = of_epoch and state = 'running' for no key update;
  if not found then return 0; end if;
  with ended as (
    update ops_mission_steps set state = 'cancelled', finished_at = clock_now(), error_class = coalesce(error_class, 'cancelled'), error = coalesce(error, 'the function ended without it')
      where parent_step_id = any (parents) and state in ('queued', 'running', 'waiting') returning id, task, name, kind, attempt)
  insert into ops_outcome_rows (mission_id, step_id, task, attempt, success, state, error_class, trace_id)
    select mission, id, case kind when 'invoke' then task else task || '#' || name end, attempt, false, 'cancelled', 'cancelled', m.trace_id from ended
    on conflict (step_id, attempt) where step_id is not null do nothing;
  get diagnostics closed = row_count;
  return closed;
end $$;

-- An invoked durable function is a mission of its own. When it ends, its parent is told by a row and not at once, because
-- whoever ends missions has locked them in order of id and may not go back to a lower one.
create table mission_wakes (
  id bigint generated always as identity primary key,
  mission_id bigint not null
);
comment on table mission_wakes is 'Missions that something else has to wake: emptied once a second by wake_missions().';

create function invoke_mission(mission bigint, of_epoch integer, parent bigint, step_name text, invoked text, given jsonb) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions; new_step bigint; child bigint;
begin
  select * into m from ops_missions where id = mission and epoch = of_epoch and state = 'running' for no key update;
  if not found then return null; end if;
  insert into ops_mission_steps (mission_id, parent_step_id, name, kind, position, task, payload, state, attempt, max_attempts, timeout_ms, effect, idempotency_key, epoch, started_at)
    select mission, parent, step_name, 'invoke', least(201 + count(*), 32000), invoked, given, 'waiting', 1, 1, 1, 'read', format('m%s/%s', mission, step_name), of_epoch, clock_now()
    from ops_mission_steps where parent_step_id = parent
    -- A retried one is invoked anew.
    on conflict (mission_id, name) do update set state = 'waiting', epoch = of_epoch where ops_mission_steps.state = 'queued'
    returning id into new_step;
  perform set_config('openclaw.actor', m.actor, true), set_config('openclaw.source', 'mission', true), set_config('openclaw.trace', m.trace_id::text, true);
  child := add_mission(invoked, given, priority => m.priority::integer, dedupe_key => format('invoke:m%s/%s', mission, step_name), untrusted => m.untrusted);
  if child is null then
    -- Nobody would wake the parent: a person's yes comes from ctx.approve, before what asks for it.
    perform refuse('OC006', format('policy does not let mission m%s invoke %s by itself', mission, invoked),
      'ask with ctx.approve() first and do it in a step, or let policy gate.approval or gate.auto_approve allow it');
  end if;
  update ops_missions set parent_step_id = new_step where id = child;
  return new_step;
end $$;

create function wake_invoker() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  insert into mission_wakes (mission_id) select s.mission_id from ops_mission_steps s where s.id = new.parent_step_id;
  perform pg_notify('mission:control', new.id::text);
  return null;
end $$;
create trigger ops_missions_wake_invoker after update of state on ops_missions for each row
  when (new.parent_step_id is not null and new.finished_at is not null and old.finished_at is null) execute function wake_invoker();
