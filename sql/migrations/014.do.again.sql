-- Again: what has ended is taken up once more. New attempts, and the history of the old ones stays.

-- The steps that a retry opens: those that did not succeed; with a name, that one and all that follows from it.
create function steps_to_reopen(mission bigint, from_step text) returns setof bigint
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  with recursive named as (
    select s.* from ops_mission_steps s where s.mission_id = mission and s.name = from_step),
  after as (
    select id, name, parent_step_id from named
    union
    select s.id, s.name, s.parent_step_id from after a join ops_mission_steps s on s.mission_id = mission and s.parent_step_id is null and a.parent_step_id is null and a.name = any (s.needs))
  select id from ops_mission_steps where mission_id = mission and state in ('failed', 'skipped', 'cancelled')
  union select id from after
  -- Of a durable function: what it came to after the named step.
  union select s.id from ops_mission_steps s join named n on n.parent_step_id = s.parent_step_id and s.position >= n.position
  union select n.parent_step_id from named n where n.parent_step_id is not null
  -- And of a step of the plan that is opened as a whole, everything that its function did.
  union select s.id from ops_mission_steps s join after a on a.id = s.parent_step_id where a.parent_step_id is null
$$;

create function retry_mission(mission bigint, from_step text default null) returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions; ids bigint[]; parents bigint[];
begin
  select * into m from ops_missions where id = mission for no key update;
  if not found then
    perform refuse('OC011', format('there is no mission m%s', mission), 'openclaw missions list');
  end if;
  perform raise_unless_mine(m.actor, 'mission m' || mission);
  if m.finished_at is null then
    perform refuse('OC008', format('mission m%s is %s', mission, m.state), 'only a mission that has ended is taken up again; openclaw why m' || mission);
  end if;
  if m.state = 'succeeded' and from_step is null then
    perform refuse('OC008', format('mission m%s succeeded', mission), 'name the step to go on from (--from), or submit it again');
  end if;
  if from_step is not null and not exists (select from ops_mission_steps where mission_id = mission and name = from_step) then
    perform refuse('OC009', format('mission m%s has no step "%s"', mission, from_step),
      'its steps: ' || (select string_agg(name, ', ' order by position) from ops_mission_steps where mission_id = mission));
  end if;
  select array_agg(id) into ids from steps_to_reopen(mission, from_step) id;
  -- The function whose steps are opened runs again.
  select array_agg(distinct parent_step_id) into parents from ops_mission_steps where id = any (ids) and parent_step_id is not null;
  perform set_config('openclaw.reopen', 'on', true);
  update ops_missions set parent_step_id = null where parent_step_id = any (ids);
  update ops_mission_steps s set
      state = case when s.kind in ('sleep', 'signal', 'approval') then 'waiting' else 'queued' end,
      finished_at = null, wake_at = null, output = null, error_class = null, error = null,
      approval_id = case when s.kind = 'approval' or (select a.answer from ops_approvals a where a.id = s.approval_id) is distinct from 'approve' then null else s.approval_id end,
      -- As many attempts as the first time.
      max_attempts = s.attempt + coalesce((select t.max_attempts from ops_tasks t where t.identifier = s.task), 1)
    where s.id = any (ids || parents) and s.state in ('failed', 'skipped', 'cancelled', 'succeeded', 'unknown');
  update ops_missions set state = 'waiting', wait_reason = 'queued', finished_at = null, output = null, error_class = null, error = null, cancel_requested_by = null,
      signal_seq = signal_seq + 1, job_id = null where id = mission;
  perform set_config('openclaw.reopen', 'off', true);
  insert into ops_agent_events (kind, mission_id, trace_id, payload, tags)
    values ('mission.retried', mission, m.trace_id, jsonb_strip_nulls(jsonb_build_object('kind', m.kind, 'was', m.state, 'from', from_step, 'steps', cardinality(ids))), array[m.kind]);
  perform record_act('missions retry', 'm' || mission, jsonb_build_object('state', m.state, 'error_class', m.error_class),
    jsonb_strip_nulls(jsonb_build_object('state', 'waiting', 'from', from_step, 'steps', cardinality(ids))), '{}', m.trace_id);
  perform ensure_job(mission);
  return 'waiting';
end $$;
comment on function retry_mission(bigint, text) is 'Takes an ended mission up again: its steps that did not succeed, or from a named step on. Attempts count on; outcomes and events stay.';

-- Bulk: the same change for all that match. A dry run tells the ids.
create function matching(noun text, filter jsonb, at_most integer) returns bigint[]
language plpgsql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare unknown_key text; since interval; ids bigint[];
begin
  if filter is null or jsonb_typeof(filter) <> 'object' or filter = '{}' then
    perform refuse('OC009', 'the filter is empty', 'say at least one of state, kind, task, error_class, since');
  end if;
  select k into unknown_key from jsonb_object_keys(filter) k where k not in ('state', 'kind', 'task', 'error_class', 'since') limit 1;
  if unknown_key is not null then
    perform refuse('OC009', format('the filter does not know "%s"', unknown_key), 'state, kind (missions), task, error_class, since (for example 2h)');
  end if;
  if filter ? 'since' then
    since := duration_ms(filter -> 'since') * interval '1 millisecond';
    if since is null then
      perform refuse('OC009', format('since is %s', filter -> 'since'), 'a length of time, for example "2 h"');
    end if;
  end if;
  if noun = 'missions' then
    select array_agg(id order by id) into ids from (
      select m.id from ops_missions m
      where (not filter ? 'state' or m.state = filter ->> 'state') and (not filter ? 'kind' or m.kind = filter ->> 'kind')
        and (not filter ? 'task' or exists (select from ops_mission_steps s where s.mission_id = m.id and s.task = filter ->> 'task'))
        and (not filter ? 'error_class' or m.error_class = filter ->> 'error_class')
        and (since is null or coalesce(m.finished_at, m.created_at) > clock_now() - since)
        and (trusted_session() or m.actor = current_actor())
      order by m.id limit at_most) found;
  else
    select array_agg(id order by id) into ids from (
      select q.id from task_queue q
      where (not filter ? 'state' or q.state = filter ->> 'state') and (not filter ? 'task' or q.task = filter ->> 'task')
        and q.task <> 'mission' and (not filter ? 'error_class' or q.error_class = filter ->> 'error_class')
        and (since is null or coalesce(q.finished_at, q.created_at) > clock_now() - since)
        and (trusted_session() or q.actor = current_actor())
      order by q.id limit at_most) found;
  end if;
  return coalesce(ids, '{}');
end $$;

create function change_matching(verb text, filter jsonb, apply boolean default false, at_most integer default 1000) returns jsonb
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare ids bigint[]; each bigint; done bigint[] := '{}'; refused jsonb := '[]';
begin
  if coalesce(verb, '') not in ('missions retry', 'missions cancel', 'jobs retry', 'jobs cancel') then
    perform refuse('OC009', format('"%s" is not done in bulk', verb), 'missions retry, missions cancel, jobs retry, jobs cancel');
  end if;
  -- Only what the verb can change.
  select coalesce(array_agg(u.found order by u.found), '{}') into ids from unnest(matching(split_part(verb, ' ', 1), filter, at_most)) u(found)
    where case verb
      when 'missions retry' then exists (select from ops_missions m where m.id = u.found and m.state in ('failed', 'cancelled'))
      when 'missions cancel' then exists (select from ops_missions m where m.id = u.found and m.finished_at is null)
      when 'jobs retry' then exists (select from job_history h where h.job_id = u.found and h.state <> 'succeeded')
        and not exists (select from agent_events e where e.target = 'j' || u.found and e.verb = 'jobs retry')
      else exists (select from graphile_worker._private_jobs j where j.id = u.found) end;
  if apply then
    foreach each in array ids loop
      begin
        case verb
          when 'missions retry' then perform retry_mission(each);
          when 'missions cancel' then perform cancel_mission(each);
          when 'jobs retry' then perform retry_job(each);
          else perform cancel_job(each);
        end case;
        done := done || each;
      exception when sqlstate 'OC006' or sqlstate 'OC008' or sqlstate 'OC009' then
        -- It has changed since it matched: the others go on, and this one is told.
        refused := refused || jsonb_build_object('id', each, 'error', sqlerrm);
      end;
    end loop;
  end if;
  return jsonb_build_object('matched', cardinality(ids), 'ids', to_jsonb(ids[1:100]), 'done', cardinality(done), 'refused', refused);
end $$;
comment on function change_matching is 'missions retry, missions cancel, jobs retry or jobs cancel for all that a filter {state, kind, task, error_class, since} matches; without apply only told.';
