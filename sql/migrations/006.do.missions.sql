-- Missions: ops_mission_proposals -> ops_missions -> ops_mission_steps.
--
--   approved --claim--> running --last step--> succeeded | failed
--                         |  ^
--                    park v  | claim (epoch + 1)
--                       waiting            any of the three --cancel--> cancelled
--
--   step:  queued -> running -> succeeded | failed | unknown
--             ^         |
--             +--retry--+        queued -> skipped (a need failed) | cancelled
--
-- The mission's row names the only job that may claim it (job_id). A claim raises epoch; every checkpoint proves its
-- epoch, so what a worker writes after it lost the mission changes 0 rows. A parked mission has no job: wake_at wakes it.

create table ops_missions (
  id bigint generated always as identity primary key,
  kind text not null,
  title text not null,
  state text not null default 'approved' check (state in ('approved', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
  wait_reason text,
  paused boolean not null default false,
  parent_step_id bigint,
  plan jsonb not null,
  input jsonb not null default '{}',
  output jsonb,
  error_class text,
  error text,
  source text not null check (source in ('sql', 'cli', 'telegram', 'dashboard', 'cron', 'rule', 'agent', 'mission', 'raw')),
  actor text not null,
  agent text,
  priority smallint not null default 0,
  epoch integer not null default 0,
  signal_seq integer not null default 0,
  job_id bigint,
  worker text,
  wake_at timestamptz,
  cancel_requested_by text,
  policy_snapshot jsonb not null default '{}',
  untrusted boolean not null default false,
  cost_usd numeric(14, 6) not null default 0,
  trace_id uuid not null default current_trace(),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  check ((finished_at is not null) = (state in ('succeeded', 'failed', 'cancelled')))
);
comment on table ops_missions is 'A durable run of named steps.';
comment on column ops_missions.job_id is 'The only job that may claim it; null while it is parked or has ended.';
comment on column ops_missions.epoch is 'Raised by each claim: the fence of everything that is written for it.';
comment on column ops_missions.signal_seq is 'Raised by whatever a mission may wait for (a signal, an answer): a segment parks only while it is what the segment has seen, so that no wake-up is lost.';
comment on column ops_missions.wake_at is 'When a parked mission gets a job again; promoted once a second.';
create index ops_missions_wake on ops_missions (wake_at) where job_id is null and state = 'waiting';
create index ops_missions_open on ops_missions (id) where state in ('approved', 'running', 'waiting');
create index ops_missions_created on ops_missions (created_at);

comment on column ops_missions.parent_step_id is 'The step of another mission that invoked this one and waits for its end.';
create unique index ops_missions_parent_step on ops_missions (parent_step_id) where parent_step_id is not null;

create table ops_mission_proposals (
  id bigint generated always as identity primary key,
  kind text not null,
  title text not null,
  state text not null default 'proposed' check (state in ('proposed', 'approved', 'rejected', 'expired', 'duplicate')),
  priority smallint not null default 0,
  reason_code text,
  reason text,
  plan jsonb not null,
  input jsonb not null default '{}',
  source text not null,
  actor text not null,
  agent text,
  risk text not null check (risk in ('read', 'write', 'outside')),
  untrusted boolean not null default false,
  cost_estimate_usd numeric(14, 6) not null default 0,
  dedupe_key text,
  mission_id bigint references ops_missions (id),
  decided_by text,
  trace_id uuid not null default current_trace(),
  created_at timestamptz not null default now(),
  decided_at timestamptz,
  expires_at timestamptz,
  check ((state = 'approved') = (mission_id is not null)),
  check ((state = 'proposed') = (decided_at is null))
);
comment on table ops_mission_proposals is 'Every mission that was asked for, whatever its source, and what became of it. A refused one is a row with its reason.';
comment on column ops_mission_proposals.reason_code is 'Why it is in its state: own_submission, auto_approved, approved_by_policy, approved_by_person, rejected_by_person, approval_needed, expired, duplicate, paused, breaker, cap_missions, cap_steps, quota, budget, price_unknown, policy, refused_by_policy.';
create index ops_mission_proposals_open on ops_mission_proposals (id) where state = 'proposed';
create index ops_mission_proposals_mission on ops_mission_proposals (mission_id);

create table ops_mission_steps (
  id bigint generated always as identity primary key,
  mission_id bigint not null references ops_missions (id),
  name text not null,
  position smallint not null,
  task text not null,
  payload jsonb not null default '{}',
  needs text[] not null default '{}',
  state text not null default 'queued' check (state in ('queued', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled', 'unknown')),
  attempt smallint not null default 0,
  max_attempts smallint not null,
  timeout_ms integer not null,
  effect text not null check (effect in ('read', 'write', 'outside')),
  idempotency_key text not null,
  epoch integer not null default 0,
  output jsonb,
  error_class text,
  error text,
  untrusted boolean not null default false,
  wake_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  kind text not null default 'task' check (kind in ('task', 'step', 'sleep', 'signal', 'approval', 'invoke')),
  parent_step_id bigint references ops_mission_steps (id),
  approval jsonb,
  approval_id bigint,
  version text,
  limited boolean not null default false,
  unique (mission_id, name),
  check ((finished_at is not null) = (state in ('succeeded', 'failed', 'skipped', 'cancelled', 'unknown')))
)
-- Each step is changed twice: with room in its page, without touching an index.
with (fillfactor = 60);
comment on table ops_mission_steps is 'The named checkpoints of a mission, each with exactly one recorded outcome.';
comment on column ops_mission_steps.attempt is 'How often it was started; what was started and not ended when its worker died is known by this.';
comment on column ops_mission_steps.wake_at is 'Not before this time (a backoff).';
comment on column ops_mission_steps.idempotency_key is 'Given to the task, so that an effect outside can be told apart from its repetition.';

comment on column ops_mission_steps.kind is 'task: of a plan. The others are made by a durable function as it runs: step, sleep, signal, approval, invoke.';
comment on column ops_mission_steps.parent_step_id is 'The step whose durable function made this one; null for a step of the plan.';
comment on column ops_mission_steps.approval is 'What the plan wants to be asked before it starts: {question, expires, on_expiry, who}.';
comment on column ops_mission_steps.approval_id is 'The question that this step waits for, or whose answer it goes by.';
comment on column ops_mission_steps.limited is 'It has, or waits for, a place of its task; at its end that is free.';
comment on column ops_mission_steps.version is 'Of a step with a durable function: the hash of the file as the function last ran.';
create index ops_mission_steps_parent on ops_mission_steps (parent_step_id) where parent_step_id is not null;

create function check_mission_state() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not (case old.state
    when 'approved' then new.state in ('running', 'waiting', 'cancelled', 'failed')
    when 'running' then new.state in ('waiting', 'succeeded', 'failed', 'cancelled')
    when 'waiting' then new.state in ('running', 'failed', 'cancelled')
    else false end)
    -- retry_mission() opens what has ended; only the owner can write here at all.
    and not (current_setting('openclaw.reopen', true) is not distinct from 'on' and new.state = 'waiting')
  then
    raise exception using errcode = 'OC008', message = format('mission m%s cannot go from %s to %s', old.id, old.state, new.state),
      hint = 'an ended mission stays as it is; retry_mission(id) takes it up again, or submit its plan again';
  end if;
  return new;
end $$;
-- The usual ways are told from the others without a call of the function, which costs more than the rest of the row's check.
create trigger ops_missions_state before update of state on ops_missions for each row
  when (old.state is distinct from new.state and not (old.state in ('approved', 'waiting') and new.state = 'running' or old.state = 'running' and new.state in ('succeeded', 'waiting'))) execute function check_mission_state();

create function check_step_state() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not (case old.state
    when 'queued' then new.state in ('running', 'waiting', 'skipped', 'cancelled', 'failed')
      -- It began and ended between two checkpoints, as what only reads may.
      or new.state = 'succeeded' and new.attempt > old.attempt
    when 'running' then new.state in ('succeeded', 'failed', 'queued', 'waiting', 'cancelled', 'unknown')
    when 'waiting' then new.state in ('queued', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')
    when 'unknown' then new.state in ('succeeded', 'failed', 'queued', 'running')
    else false end)
    and not (current_setting('openclaw.reopen', true) is not distinct from 'on' and new.state in ('queued', 'waiting'))
  then
    raise exception using errcode = 'OC008', message = format('step %s of mission m%s cannot go from %s to %s', old.name, old.mission_id, old.state, new.state),
      hint = 'the outcome of an ended step stays as it is';
  end if;
  return new;
end $$;
create trigger ops_mission_steps_state before update of state on ops_mission_steps for each row
  when (old.state is distinct from new.state and not (old.state = 'queued' and (new.state = 'running' or new.state = 'succeeded' and new.attempt > old.attempt) or old.state = 'running' and new.state = 'succeeded')) execute function check_step_state();

create function check_proposal_state() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if old.state <> 'proposed' then
    raise exception using errcode = 'OC008', message = format('proposal p%s was decided: %s by %s', old.id, old.state, old.decided_by),
      hint = 'a decision is made once; submit the plan again';
  end if;
  return new;
end $$;
create trigger ops_mission_proposals_state before update of state on ops_mission_proposals for each row when (old.state is distinct from new.state) execute function check_proposal_state();

create function raise_no_delete() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' and current_setting('openclaw.retention', true) = 'on' then return null; end if;
  raise exception using errcode = 'OC010', message = format('%s on %I is refused: history is kept', lower(tg_op), tg_table_name),
    hint = 'cancel_mission(id) ends a mission; old ones leave by retention';
end $$;
create trigger ops_missions_no_delete before delete or truncate on ops_missions for each statement execute function raise_no_delete();
create trigger ops_mission_steps_no_delete before delete or truncate on ops_mission_steps for each statement execute function raise_no_delete();
create trigger ops_mission_proposals_no_delete before delete or truncate on ops_mission_proposals for each statement execute function raise_no_delete();

-- The one way by which a mission gets a job: at its start, when it wakes, when it is released. No job_key: the mission's
-- row names the job, so a second one ends quietly.
create function ensure_job(mission bigint) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions; new_id bigint;
begin
  select * into m from ops_missions where id = mission for no key update;
  if not found or m.state not in ('approved', 'running', 'waiting') then
    return null;
  end if;
  if m.paused or is_paused('mission', m.agent, m.id) then
    -- What woke it is not lost: it is due as soon as the pause ends.
    update ops_missions set wake_at = least(wake_at, clock_now()), wait_reason = 'paused' where id = m.id and m.state = 'waiting' and m.job_id is null;
    return null;
  end if;
  if m.job_id is not null and exists (select from graphile_worker._private_jobs where id = m.job_id) then
    return m.job_id;
  end if;
  insert into graphile_worker._private_jobs (task_id, payload, priority, max_attempts)
    select t.id, json_build_object('mission_id', m.id), m.priority, 100 from graphile_worker._private_tasks t where t.identifier = 'mission'
    returning id into new_id;
  if new_id is null then
    perform refuse('OC001', 'the task "mission" is not registered', 'start a worker once: openclaw up');
  end if;
  insert into job_requests_direct (id, task, source, actor, mission_id, trace_id) values (new_id, 'mission', m.source, m.actor, m.id, m.trace_id);
  update ops_missions set job_id = new_id, wake_at = null, wait_reason = case when state = 'waiting' then 'queued' end where id = m.id;
  perform pg_notify('jobs:insert', format('{"r":%s,"count":1}', random()));
  return new_id;
end $$;
comment on function ensure_job(bigint) is 'Gives a mission its one job if it has none; returns the job''s id, or null when the mission has ended or is paused.';

-- Something came that the mission may wait for: raised under its row's lock, so that a segment which is about to park sees it.
create function nudge_mission(mission bigint) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare is_parked boolean;
begin
  update ops_missions set signal_seq = signal_seq + 1 where id = mission and state in ('approved', 'running', 'waiting') returning state = 'waiting' and job_id is null into is_parked;
  if is_parked then
    perform ensure_job(mission);
  end if;
  -- The worker that runs it now looks at once.
  perform pg_notify('mission:control', mission::text);
end $$;
comment on function nudge_mission(bigint) is 'Wakes a mission for what it waits for; one that runs looks again before it parks.';

-- The one-second promoter: parked missions whose time has come, and those whose job vanished without a trace.
create function wake_missions(at_most integer default 500) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare due bigint; woken integer := 0;
begin
  if is_paused() then
    return 0;
  end if;
  for due in select id from ops_missions where job_id is null and state = 'waiting' and not paused and wake_at <= clock_now()
               and not exists (select from ops_controls c where c.scope = 'agent' and c.target = agent)
             order by wake_at limit at_most for no key update skip locked loop
    perform ensure_job(due);
    woken := woken + 1;
  end loop;
  -- Invoked missions that have ended wake theirs.
  if exists (select from mission_wakes) then
    for due in with told as (delete from mission_wakes where id in (select id from mission_wakes order by id limit at_most for update skip locked) returning mission_id)
               select distinct mission_id from told order by mission_id loop
      perform nudge_mission(due);
      woken := woken + 1;
    end loop;
  end if;
  return woken;
end $$;

create function cancel_mission(mission bigint, hard boolean default false) returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions; invoked bigint;
begin
  select * into m from ops_missions where id = mission for no key update;
  if not found then
    perform refuse('OC011', format('there is no mission m%s', mission), 'openclaw missions list');
  end if;
  if m.state in ('succeeded', 'failed', 'cancelled') then
    perform refuse('OC008', format('mission m%s has ended (%s)', mission, m.state), 'only an open mission can be cancelled');
  end if;
  perform raise_unless_mine(m.actor, 'mission m' || mission);
  update ops_missions set cancel_requested_by = coalesce(cancel_requested_by, current_actor()) where id = mission;
  -- What it invoked ends with it; their ids are higher.
  for invoked in select c.id from ops_mission_steps s join ops_missions c on c.parent_step_id = s.id
                 where s.mission_id = mission and s.kind = 'invoke' and s.state = 'waiting' and c.finished_at is null order by c.id loop
    perform cancel_mission(invoked, hard);
  end loop;
  if not hard and exists (select from ops_mission_steps where mission_id = mission and state = 'running') then
    -- Somebody runs a step of it now: its true outcome is recorded, nothing new starts, and the worker ends the mission.
    perform pg_notify('mission:control', mission::text);
    perform record_act('missions cancel', 'm' || mission, jsonb_build_object('state', m.state), jsonb_build_object('state', m.state, 'cancel_requested', true), '{}', m.trace_id);
    return 'cancelling';
  end if;
  with ended as (
    update ops_mission_steps s set finished_at = clock_now(), error_class = 'cancelled',
        -- Of what is cut off, nobody knows whether it happened outside.
        state = case when s.state = 'running' and s.effect = 'outside' and not exists (select from ops_tasks t where t.identifier = s.task and (t.idempotent or t.durable)) then 'unknown' else 'cancelled' end,
        error = case when s.state = 'running' then 'the mission was cancelled while it ran' else 'the mission was cancelled' end
      where mission_id = mission and state in ('queued', 'waiting', 'running') returning id, task, attempt, state)
  insert into ops_outcome_rows (mission_id, step_id, task, attempt, success, state, error_class, trace_id)
    select mission, id, task, attempt, false, ended.state, 'cancelled', m.trace_id from ended
    on conflict (step_id, attempt) where step_id is not null do nothing;
  -- A higher epoch: whoever runs a step of it now writes nothing more, and stops.
  update ops_missions set state = 'cancelled', finished_at = clock_now(), epoch = epoch + hard::integer, job_id = null, wake_at = null, wait_reason = null,
      error_class = 'cancelled', error = format('cancelled by %s', current_actor()) where id = mission;
  insert into ops_agent_events (kind, mission_id, trace_id, payload, tags)
    values ('mission.cancelled', mission, m.trace_id, jsonb_build_object('kind', m.kind, 'was', m.state), array[m.kind]);
  perform record_act('missions cancel', 'm' || mission, jsonb_build_object('state', m.state), '{"state": "cancelled"}', '{}', m.trace_id);
  -- A segment that is between two steps learns of it at once too.
  perform pg_notify('mission:control', mission::text);
  perform pg_notify('mission:ended', mission::text);
  return 'cancelled';
end $$;
comment on function cancel_mission(bigint, boolean) is 'Nothing of the mission starts any more; a step that runs is told to stop and its true outcome is recorded. hard: it ends now, whatever its worker does; a running step of effect outside is unknown.';
