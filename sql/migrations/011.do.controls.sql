-- Pause and the kill switch. A row here is in force until it is resumed: for everything, for an agent, a task or a mission.
-- Soft: nothing new starts, what runs ends. Hard: what runs is aborted as well, and given back.
--
-- Workers read these rows with each renewal of their leases, and at once when they are told; a mission's claim and
-- everything that would give a mission a job read them in their own transaction.

create table ops_controls (
  scope text not null check (scope in ('all', 'agent', 'task', 'mission', 'schedule')),
  target text not null default '',
  hard boolean not null default false,
  actor text not null default current_actor(),
  reason text,
  since timestamptz not null default clock_now(),
  primary key (scope, target),
  check ((scope = 'all') = (target = ''))
);
comment on table ops_controls is 'What is paused, since when, by whom and why.';
comment on column ops_controls.target is 'The agent, the task, the schedule or the mission''s id as digits; empty for all.';
comment on column ops_controls.hard is 'Whether running work is aborted as well; it is given back and runs again after the resume.';

-- Set-returning and inlined, so that whoever asks reads one index and no function is called.
create function paused_by(task text default null, agent text default null, mission bigint default null) returns setof ops_controls
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  select c.* from ops_controls c
  where c.scope = 'all' or (c.scope = 'task' and c.target = paused_by.task) or (c.scope = 'agent' and c.target = paused_by.agent)
     or (c.scope = 'mission' and c.target = paused_by.mission::text)
  order by c.hard desc, c.since limit 1
$$;
comment on function paused_by(text, text, bigint) is 'The control that stops this from starting, or no row.';

create function is_paused(task text default null, agent text default null, mission bigint default null) returns boolean
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
begin
  return exists (select from ops_controls c
    where c.scope = 'all' or (c.scope = 'task' and c.target = is_paused.task) or (c.scope = 'agent' and c.target = is_paused.agent)
       or (c.scope = 'mission' and c.target = is_paused.mission::text));
end $$;
comment on function is_paused(text, text, bigint) is 'Whether everything, this task, this agent or this mission is paused. Without arguments: whether everything is.';

-- `m12` and `12` are the same mission; an agent or a task is its name. Unknown names are refused: a pause that matches nothing
-- would look like one that works.
create function control_target(scope text, target text) returns text
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
begin
  if scope is null or scope not in ('all', 'agent', 'task', 'mission', 'schedule') then
    perform refuse('OC009', format('scope is %s, expected all, agent, task, mission or schedule', coalesce('"' || scope || '"', 'null')), 'pause(''all'') stops everything');
  end if;
  if scope = 'all' then
    if coalesce(target, '') <> '' then
      perform refuse('OC009', format('scope all takes no target, not "%s"', target), 'leave the target out');
    end if;
    return '';
  end if;
  if coalesce(target, '') = '' then
    perform refuse('OC009', format('scope %s needs a target', scope), format('name the %s', scope));
  end if;
  if scope = 'mission' then
    target := substring(target from '^m?([0-9]{1,18})$');
    if target is null or not exists (select from ops_missions where id = target::bigint) then
      perform refuse('OC011', 'there is no such mission', 'openclaw missions list');
    end if;
  elsif scope = 'task' and not exists (select from ops_tasks where identifier = target) then
    perform refuse('OC001', format('unknown task "%s"', target), 'known tasks: select identifier, title from ops_tasks');
  elsif scope = 'agent' and target !~ '^[a-z][a-z0-9_-]{0,62}$' then
    perform refuse('OC009', format('"%s" is no name of an agent', target), 'openclaw agents list');
  elsif scope = 'schedule' and not exists (select from ops_schedules where id = target) then
    perform refuse('OC011', format('there is no schedule "%s"', target), 'openclaw cron list; a new line is known when a worker has read it');
  end if;
  return target;
end $$;

create function pause(scope text, target text default null, hard boolean default false, reason text default null) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_controls; wanted text; now_in_force ops_controls;
begin
  wanted := control_target(pause.scope, pause.target);
  if pause.scope = 'mission' then
    perform raise_unless_mine((select m.actor from ops_missions m where m.id = wanted::bigint), 'mission m' || wanted);
    if exists (select from ops_missions m where m.id = wanted::bigint and m.state in ('succeeded', 'failed', 'cancelled')) then
      perform refuse('OC008', format('mission m%s has ended', wanted), 'only an open mission can be paused');
    end if;
    update ops_missions m set paused = true where m.id = wanted::bigint;
  end if;
  select c.* into was from ops_controls c where c.scope = pause.scope and c.target = wanted for update;
  insert into ops_controls as c (scope, target, hard, reason) values (pause.scope, wanted, coalesce(pause.hard, false), pause.reason)
    on conflict on constraint ops_controls_pkey do update set hard = excluded.hard, reason = excluded.reason, actor = excluded.actor
    returning * into now_in_force;
  perform record_act('pause', trim(pause.scope || ' ' || wanted), case when was.scope is not null then to_jsonb(was) end, to_jsonb(now_in_force));
  perform pg_notify('ops:control', pause.scope);
  return was.scope is null;
end $$;
comment on function pause(text, text, boolean, text) is 'Anybody who may ask for work may stop it; only who paused, or the operator, may resume. Nothing of the scope (all, agent, task, mission) starts any more; hard: what runs is aborted and given back. A paused schedule plans no runs. True when it was not paused before.';

create function resume(scope text, target text default null) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_controls; wanted text;
begin
  wanted := control_target(resume.scope, resume.target);
  select * into was from ops_controls c where c.scope = resume.scope and c.target = wanted for update;
  if not found then
    return false;
  end if;
  perform raise_unless_mine(was.actor, 'this pause');
  delete from ops_controls c where c.scope = resume.scope and c.target = wanted;
  update ops_missions m set paused = false where resume.scope = 'mission' and m.id::text = wanted and m.paused;
  -- What it held up looks again: parked missions are due, and those without a job get one.
  update ops_missions m set wake_at = clock_now() where m.state = 'waiting' and m.job_id is null and m.wait_reason = 'paused';
  perform wake_missions();
  perform reconcile_missions();
  perform record_act('resume', trim(resume.scope || ' ' || wanted), to_jsonb(was), null);
  perform pg_notify('ops:control', resume.scope);
  perform pg_notify('jobs:insert', format('{"r":%s,"count":1}', random()));
  return true;
end $$;
comment on function resume(text, text) is 'Ends a pause of the same scope and target; what waited for it goes on. False when nothing was paused.';

-- A segment whose claim a pause refused: its mission parks until the resume, so that no job spins.
create function park_paused(mission bigint, job bigint) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  update ops_missions m set state = 'waiting', wait_reason = 'paused', wake_at = clock_now() + interval '30 seconds', job_id = null
    where m.id = park_paused.mission and m.job_id = park_paused.job and m.state in ('approved', 'running', 'waiting')
      and (m.paused or is_paused('mission', m.agent, m.id));
  return found;
end $$;
