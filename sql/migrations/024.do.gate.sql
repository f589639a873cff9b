-- The gate: the one door to a mission, whoever asks. In order: kill switch, breaker, dedupe, caps, quotas, budget, risk and auto-approval, approval; all of it in
-- the transaction that stores the proposal. A plan with faults is refused with an error and leaves nothing; what policy refuses is a row
-- with its reason and a warning event, and the queue is untouched. A policy that is missing or malformed means no.
--
-- Values of policy are read as they are, without their schema (a quarter of an admission's cost): every value here is compared in a way that
-- a malformed one does not pass.

-- Plans that have been found sound, by what they say, so that a plan which is submitted a hundred times is checked once.
create table sound_plans (
  hash bytea primary key,
  generation bigint not null,
  checked_at timestamptz not null default now()
);
comment on table sound_plans is 'Plans without faults, by hash, as of a generation of ops_tasks: any change of a task makes all of them unknown again.';

create table ops_tasks_generation (only_row boolean primary key default true check (only_row), generation bigint not null);
comment on table ops_tasks_generation is 'Counts the changes of ops_tasks.';
insert into ops_tasks_generation (generation) values (1);

create function count_task_change() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  update ops_tasks_generation set generation = generation + 1;
  return null;
end $$;
create trigger ops_tasks_changed after insert or delete on ops_tasks for each row execute function count_task_change();
create trigger ops_tasks_updated after update on ops_tasks for each row when (to_jsonb(old) is distinct from to_jsonb(new)) execute function count_task_change();

-- The two caps. One row, updated by every admission, which makes admissions take turns (a caller in REPEATABLE READ gets 40001 instead of an old
-- count). `active` is never too low: it is raised by admissions alone, and counted anew when it reaches the cap or is a minute old.
create table gate_counters (
  only_row boolean primary key default true check (only_row),
  day date not null default '2000-01-01',
  steps bigint not null default 0,
  active bigint not null default 0,
  counted_at timestamptz not null default '2000-01-01'
);
comment on table gate_counters is 'Steps that were admitted today (UTC), and an upper bound of the open missions.';
insert into gate_counters default values;

create table ops_quota_use (
  task text not null,
  day date not null,
  used integer not null check (used >= 0),
  primary key (task, day)
);
comment on table ops_quota_use is 'Starts of a task in a UTC day, where it has a quota.';

-- Spends starts of a task, as many of those wanted as today's quota has left. Whoever comes at the same time waits for the row and then sees
-- the true number. A task without a quota is let through without a row; a malformed policy lets nothing through.
create function spend_quota(task text, wanted integer default 1) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare quotas jsonb := policy_value('quota.tasks'); today date := utc_day(); already integer; granted integer;
begin
  if jsonb_typeof(quotas) is distinct from 'object' then return null; end if;
  if not quotas ? spend_quota.task then return wanted; end if;
  if jsonb_typeof(quotas -> spend_quota.task) is distinct from 'number' then return 0; end if;
  loop
    select q.used into already from ops_quota_use q where q.task = spend_quota.task and q.day = today for no key update;
    exit when found;
    insert into ops_quota_use (task, day, used) values (spend_quota.task, today, 0) on conflict (task, day) do nothing;
  end loop;
  granted := least(wanted, greatest(0, floor((quotas ->> spend_quota.task)::numeric)::bigint - already));
  if granted > 0 then
    update ops_quota_use q set used = already + granted where q.task = spend_quota.task and q.day = today;
  end if;
  return granted;
end $$;
comment on function spend_quota(text, integer) is 'Spends starts of a task from today''s quota in the caller''s transaction; returns how many of those wanted may start. Null: policy is malformed, and none may.';

create function gate_caps(steps integer) returns text
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare caps jsonb := policy_value('gate.caps'); missions_cap numeric; steps_cap numeric; today date := utc_day(); g gate_counters; really bigint;
begin
  if jsonb_typeof(caps -> 'active_missions') is distinct from 'number' or jsonb_typeof(caps -> 'steps_per_day') is distinct from 'number' then return 'policy'; end if;
  missions_cap := (caps ->> 'active_missions')::numeric;
  steps_cap := (caps ->> 'steps_per_day')::numeric;
  update gate_counters c set steps = case when c.day = today then c.steps else 0 end + gate_caps.steps, day = today, active = c.active + 1
    where case when c.day = today then c.steps else 0 end + gate_caps.steps <= steps_cap and c.active < missions_cap and c.counted_at > now() - interval '1 minute';
  if found then return null; end if;
  select * into g from gate_counters for no key update;
  if not found then return 'policy'; end if;
  -- With the row locked, in a statement and so a snapshot of its own: nobody else is being admitted now.
  select count(*) into really from ops_missions where state in ('approved', 'running', 'waiting');
  if really >= missions_cap then return 'cap_missions'; end if;
  if (case when g.day = today then g.steps else 0 end) + gate_caps.steps > steps_cap then return 'cap_steps'; end if;
  update gate_counters c set steps = case when c.day = today then c.steps else 0 end + gate_caps.steps, day = today, active = really + 1, counted_at = now();
  return null;
end $$;
comment on function gate_caps(integer) is 'Takes a place among the open missions and the steps from today''s, or says which cap is full.';

-- The greatest effect of a step that data from outside reach: by the payload's paths, from step to step. A path that names no step may read any of its needs.
create function untrusted_risk(plan jsonb, all_untrusted boolean) returns text
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
declare tainted text[]; grown text[];
begin
  if all_untrusted then
    return (select case max(case t.effect when 'outside' then 3 when 'write' then 2 else 1 end) when 3 then 'outside' when 2 then 'write' else 'read' end
            from jsonb_array_elements(plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task');
  end if;
  select array_agg(s ->> 'name') into tainted from jsonb_array_elements(plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task' where t.untrusted;
  if tainted is null then return null; end if;
  loop
    select array_agg(distinct s ->> 'name') into grown from jsonb_array_elements(plan -> 'steps') s
      where s ->> 'name' = any (tainted) or reads_any(s -> 'payload', tainted);
    exit when cardinality(grown) = cardinality(tainted);
    tainted := grown;
  end loop;
  return (select case max(case t.effect when 'outside' then 3 when 'write' then 2 else 1 end) when 3 then 'outside' when 2 then 'write' when 1 then 'read' end
          from jsonb_array_elements(plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task' where reads_any(s -> 'payload', tainted));
end $$;
comment on function untrusted_risk is 'The greatest effect of a step that data from outside reach, or null where they reach none.';

create function reads_any(payload jsonb, names text[]) returns boolean
language sql immutable
set search_path = public, pg_catalog, pg_temp
as $$
  select payload is not null and exists (
    select from payload_paths(payload) p
    where case when p.path ~ '^\s*(strict|lax)?\s*\$\.(input|mission)\y' and p.path !~ '\$\.?"?steps' then false
               when exists (select from regexp_matches(p.path, '\$\.steps\."?([A-Za-z0-9_]+)"?', 'g'))
                 then exists (select from regexp_matches(p.path, '\$\.steps\."?([A-Za-z0-9_]+)"?', 'g') m where m[1] = any (names))
               else true end)
$$;

create type gate_answer as (proposal bigint, state text, mission bigint, reason_code text, reason text, approval bigint);
comment on type gate_answer is 'What became of a proposal: approved with its mission, proposed with its approval, or rejected or duplicate with the reason.';

create type gate_reason as (code text, reason text);

-- What keeps a mission from starting now, for the admission and for the approval that comes later: code and reason, or null. Takes the caps and reserves the
-- estimate when it finds nothing.
create function gate_stop(kind text, agent text, plan jsonb, cost_estimate_usd numeric, mission bigint, trace_id uuid) returns gate_reason
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare b ops_breakers; quotas jsonb; short record; stop gate_reason; spend spend_answer; step_count integer := jsonb_array_length(plan -> 'steps');
begin
  select * into b from ops_breakers o where o.name = 'kind:' || gate_stop.kind and o.state = 'open' and o.open_until > clock_now();
  if b.name is not null then
    stop.code := 'breaker';
    stop.reason := format('missions of kind %s are stopped until %s: %s', kind, to_char(b.open_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), coalesce(b.reason, b.last_error));
    return stop;
  end if;
  quotas := policy_value('quota.tasks');
  if jsonb_typeof(quotas) is distinct from 'object' then
    stop.code := 'policy';
    stop.reason := 'policy quota.tasks is missing or malformed';
    return stop;
  end if;
  -- Spent at the start of a step; what has none left today is not let in.
  if quotas <> '{}' then
    select t.task, t.n, quotas -> t.task as quota, coalesce(q.used, 0) as used into short
      from (select s ->> 'task' as task, count(*) as n from jsonb_array_elements(plan -> 'steps') s where quotas ? (s ->> 'task') group by 1) t
      left join ops_quota_use q on q.task = t.task and q.day = utc_day()
      where jsonb_typeof(quotas -> t.task) is distinct from 'number' or coalesce(q.used, 0) >= (quotas ->> t.task)::numeric order by 1 limit 1;
    if found then
      stop.code := 'quota';
      stop.reason := format('task %s has had %s of its %s starts today (UTC)', short.task, short.used, short.quota);
      return stop;
    end if;
  end if;
  stop.code := gate_caps(step_count);
  if stop.code is not null then
    stop.reason := case stop.code when 'cap_missions' then format('%s missions are open, the most that policy gate.caps allows', policy_value('gate.caps') ->> 'active_missions')
                        when 'cap_steps' then format('%s steps do not fit into the %s that policy gate.caps allows a day (UTC)', step_count, policy_value('gate.caps') ->> 'steps_per_day')
                        else 'policy gate.caps is missing or malformed' end;
    return stop;
  end if;
  if cost_estimate_usd > 0 then
    spend := reserve_spend('estimate', null, cost_estimate_usd, agent, mission, kind => 'estimate', keep => '10 years', trace_id => gate_stop.trace_id);
    if spend.reservation is null then
      update gate_counters c set steps = c.steps - step_count, active = c.active - 1;
      stop.code := spend.reason_code;
      stop.reason := spend.reason;
    end if;
  end if;
  return stop;
end $$;

create function start_mission(p ops_mission_proposals, mission bigint, code text, by_actor text) returns bigint
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions;
begin
  insert into ops_missions (id, kind, title, plan, input, source, actor, agent, priority, untrusted, trace_id, cause_event_id, cause_depth, policy_snapshot) overriding system value
    select mission, p.kind, p.title, p.plan, p.input, p.source, p.actor, p.agent, p.priority, p.untrusted, p.trace_id, p.cause_event_id, coalesce(p.cause_depth, 0),
           (select jsonb_object_agg(k, policy_value(k)) from unnest('{sql.allow,gate.approval,gate.auto_approve,gate.caps,quota.tasks,budget.usd}'::text[]) k)
    returning * into m;
  if store_steps(m, p.plan) <> jsonb_array_length(p.plan -> 'steps') then
    perform refuse('OC001', 'a task of the plan is not known any more', 'submit the plan again');
  end if;
  insert into ops_agent_events (kind, mission_id, trace_id, agent, untrusted, payload, tags)
    values ('mission.approved', m.id, m.trace_id, m.agent, m.untrusted, jsonb_build_object('kind', m.kind, 'title', m.title, 'proposal', p.id, 'reason_code', code, 'by', by_actor), array[m.kind]);
  perform ensure_job(m.id);
  return m.id;
end $$;

create function propose_mission(
  plan jsonb,
  input jsonb default '{}',
  title text default null,
  priority integer default 0,
  dedupe_key text default null,
  untrusted boolean default false,
  agent text default null,
  cost_estimate_usd numeric default 0
) returns gate_answer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  faults text[]; answer gate_answer; p ops_mission_proposals; stop gate_reason; approvals jsonb; auto jsonb; decision text; by_untrusted text; open_mission bigint;
  asks text; generation_now bigint; plan_hash bytea := sha256(convert_to(propose_mission.plan::text, 'UTF8')); kinds text[]; expires interval; effects text;
begin
  p.plan := propose_mission.plan;
  select g.generation into generation_now from ops_tasks_generation g;
  if not exists (select from sound_plans s where s.hash = plan_hash and s.generation = generation_now) then
    select array_agg(format('%s: %s', f.at, f.message)) into faults from plan_faults(p.plan) f;
    if faults is null then
      insert into sound_plans (hash, generation) values (plan_hash, generation_now) on conflict (hash) do update set generation = excluded.generation, checked_at = now();
    end if;
  end if;
  if jsonb_typeof(coalesce(propose_mission.input, '{}')) <> 'object' then
    faults := faults || format('input: is a JSON %s, expected an object', jsonb_typeof(propose_mission.input));
  end if;
  if octet_length(propose_mission.input::text) > 262144 then
    faults := faults || format('input: has %s bytes, at most 262144 are taken', octet_length(propose_mission.input::text));
  end if;
  if length(propose_mission.title) not between 1 and 200 then
    faults := faults || format('title: has %s characters, expected 1 to 200', length(propose_mission.title));
  end if;
  if length(propose_mission.dedupe_key) not between 1 and 512 then
    faults := faults || format('dedupe_key: has %s characters, expected 1 to 512', length(propose_mission.dedupe_key));
  end if;
  if propose_mission.priority not between -32768 and 32767 then
    faults := faults || format('priority: is %s, expected -32768 to 32767 (lower runs first)', propose_mission.priority);
  end if;
  if propose_mission.cost_estimate_usd is null or propose_mission.cost_estimate_usd < 0 or propose_mission.cost_estimate_usd > 1000000 or propose_mission.cost_estimate_usd = 'NaN' then
    faults := faults || format('cost_estimate_usd: is %s, expected 0 to 1000000', coalesce(propose_mission.cost_estimate_usd::text, 'not known'));
  end if;
  if propose_mission.agent !~ '^[a-z0-9][a-z0-9_-]{0,62}$' then
    faults := faults || format('agent: is "%s", expected a name like scout', left(propose_mission.agent, 80));
  end if;
  if faults is not null then
    raise exception using errcode = 'OC007', message = format('the plan has %s fault%s; nothing was stored', cardinality(faults), case when cardinality(faults) > 1 then 's' else '' end),
      detail = array_to_string(faults, E'\n'), hint = 'mend the plan and submit it again';
  end if;
  if not trusted_session() then
    -- A limited role's steps are held to the same rule as its jobs.
    select array_agg(distinct s ->> 'task') into faults from jsonb_array_elements(p.plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task' where not task_allowed(t);
    if faults is not null then
      perform refuse('OC006', format('role %s may not queue: %s', session_user, array_to_string(faults, ', ')), 'ask the operator to submit the plan, or to add these tasks to policy sql.allow');
    end if;
  end if;

  p.source := current_source();
  p.actor := current_actor();
  p.agent := coalesce(case when trusted_session() then propose_mission.agent end, case when p.actor like 'agent:%' then substr(p.actor, 7) end);
  p.kind := p.plan ->> 'kind';
  p.title := coalesce(propose_mission.title, p.plan ->> 'title', p.kind);
  p.input := coalesce(p.plan -> 'input', '{}') || coalesce(propose_mission.input, '{}');
  p.priority := propose_mission.priority;
  p.dedupe_key := propose_mission.dedupe_key;
  p.untrusted := coalesce(propose_mission.untrusted, false);
  p.cost_estimate_usd := propose_mission.cost_estimate_usd;
  p.trace_id := current_trace();
  select case max(case t.effect when 'outside' then 3 when 'write' then 2 else 1 end) when 3 then 'outside' when 2 then 'write' else 'read' end,
         case when bool_or(t.untrusted) or p.untrusted then untrusted_risk(p.plan, p.untrusted) end,
         array_agg(distinct t.identifier)
    into p.risk, by_untrusted, kinds
    from jsonb_array_elements(p.plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task';

  -- Kill switch.
  if gate_paused(p.agent) then
    stop := row ('paused', 'work is paused: openclaw resume'::text);
  end if;

  -- One open mission or proposal a key; when it has ended, the key is free again.
  if stop.code is null and p.dedupe_key is not null then
    perform pg_advisory_xact_lock(hashtextextended('mission:' || p.dedupe_key, 0));
    select o.mission_id, case when o.mission_id is not null then format('mission m%s with this key is open', o.mission_id) else format('proposal p%s with this key waits for its answer', o.id) end into open_mission, p.reason
      from ops_mission_proposals o left join ops_missions m on m.id = o.mission_id
      where o.dedupe_key = p.dedupe_key and (o.state = 'proposed' or m.state in ('approved', 'running', 'waiting')) order by o.id limit 1;
    if found then
      insert into ops_mission_proposals (kind, title, state, priority, reason_code, reason, plan, input, source, actor, agent, risk, untrusted, cost_estimate_usd, dedupe_key, decided_by, decided_at, trace_id)
        values (p.kind, p.title, 'duplicate', p.priority, 'duplicate', p.reason, p.plan, p.input, p.source, p.actor, p.agent, p.risk, p.untrusted, p.cost_estimate_usd, p.dedupe_key, 'system', clock_now(), p.trace_id)
        returning id into p.id;
      return row (p.id, 'duplicate', open_mission, 'duplicate', p.reason, null)::gate_answer;
    end if;
  end if;

  -- What policy says of who asks for what.
  approvals := policy_value('gate.approval');
  auto := policy_value('gate.auto_approve');
  asks := case when p.source in ('cli', 'telegram', 'dashboard') then 'person' when p.source = 'cron' then 'cron' else 'machine' end;
  decision := approvals -> asks ->> p.risk;
  p.reason_code := case when asks = 'person' then 'own_submission' else 'approved_by_policy' end;
  if decision = 'ask' and jsonb_typeof(auto) = 'array' and (auto ? p.kind or (auto ?& kinds)) then
    decision := 'auto';
    p.reason_code := 'auto_approved';
  end if;
  if by_untrusted is not null and decision in ('auto', 'ask') then
    -- The stricter of the two; a malformed one is neither.
    decision := case approvals -> 'untrusted' ->> by_untrusted when 'auto' then decision when 'ask' then 'ask' when 'refuse' then 'refuse' end;
  end if;
  if stop.code is null and coalesce(decision, '') not in ('auto', 'ask') then
    stop := case when decision = 'refuse' then row ('refused_by_policy', format('policy gate.approval refuses effect %s from %s%s', p.risk, asks, case when by_untrusted is not null then ' with data from outside' else '' end))
                 else row ('policy', 'policy gate.approval is missing or malformed'::text) end;
  end if;

  if stop.code is null and decision = 'auto' then
    p.mission_id := nextval(pg_get_serial_sequence('public.ops_missions', 'id'));
    select * into stop from gate_stop(p.kind, p.agent, p.plan, p.cost_estimate_usd, p.mission_id, p.trace_id);
  end if;

  if stop.code is not null then
    insert into ops_mission_proposals (kind, title, state, priority, reason_code, reason, plan, input, source, actor, agent, risk, untrusted, cost_estimate_usd, dedupe_key, decided_by, decided_at, trace_id)
      values (p.kind, p.title, 'rejected', p.priority, stop.code, stop.reason, p.plan, p.input, p.source, p.actor, p.agent, p.risk, p.untrusted, p.cost_estimate_usd, p.dedupe_key, 'system', clock_now(), p.trace_id)
      returning id into p.id;
    perform tell_refusal(p.id, p.kind, p.title, p.agent, stop.code, stop.reason, p.trace_id, p.untrusted);
    return row (p.id, 'rejected', null, stop.code, stop.reason, null)::gate_answer;
  end if;

  if decision = 'auto' then
    p.id := nextval(pg_get_serial_sequence('public.ops_mission_proposals', 'id'));
    perform start_mission(p, p.mission_id, p.reason_code, p.actor);
    insert into ops_mission_proposals (id, kind, title, state, priority, reason_code, plan, input, source, actor, agent, risk, untrusted, cost_estimate_usd, dedupe_key, mission_id, decided_by, decided_at, trace_id) overriding system value
      values (p.id, p.kind, p.title, 'approved', p.priority, p.reason_code, p.plan, p.input, p.source, p.actor, p.agent, p.risk, p.untrusted, p.cost_estimate_usd, p.dedupe_key, p.mission_id,
              case when p.reason_code = 'own_submission' then p.actor else 'system' end, clock_now(), p.trace_id);
    perform record_act('missions new', 'm' || p.mission_id, null, jsonb_build_object('state', 'approved', 'kind', p.kind, 'steps', jsonb_array_length(p.plan -> 'steps'), 'proposal', p.id), '{}', p.trace_id);
    return row (p.id, 'approved', p.mission_id, p.reason_code, null, null)::gate_answer;
  end if;

  -- Someone is asked. What would start, at what cost, and what happens when nobody answers, is in the question.
  expires := (sound_policy('gate.proposals') ->> 'expire')::interval;
  p.reason := case when by_untrusted is not null then format('data from outside reach a step of effect %s', by_untrusted) else format('effect %s asked for by %s', p.risk, p.actor) end;
  insert into ops_mission_proposals (kind, title, state, priority, reason_code, reason, plan, input, source, actor, agent, risk, untrusted, cost_estimate_usd, dedupe_key, trace_id, expires_at)
    values (p.kind, p.title, 'proposed', p.priority, 'approval_needed', p.reason, p.plan, p.input, p.source, p.actor, p.agent, p.risk, p.untrusted, p.cost_estimate_usd, p.dedupe_key, p.trace_id,
            clock_now() + coalesce(expires, '1 day'))
    returning id into p.id;
  select string_agg(format('%s (%s, %s)', s.value ->> 'name', t.identifier, t.effect), ', ' order by s.n) into effects
    from jsonb_array_elements(p.plan -> 'steps') with ordinality s(value, n) join ops_tasks t on t.identifier = s.value ->> 'task';
  answer.approval := ask_approval('proposal', left(format('Start "%s"? %s', p.title, p.reason), 4000),
    detail => jsonb_strip_nulls(jsonb_build_object('effects', jsonb_build_object('approve', left(format('starts %s', effects), 2000), 'reject', 'nothing starts'),
                                 'cost_usd', case when p.cost_estimate_usd > 0 then trim_scale(p.cost_estimate_usd) end, 'risk', p.risk, 'untrusted', by_untrusted is not null, 'proposal', p.id)),
    expires_in => coalesce(expires, '1 day'), proposal_id => p.id, actor => p.actor, trace_id => p.trace_id);
  insert into ops_agent_events (kind, agent, trace_id, untrusted, payload, tags)
    values ('mission.proposed', p.agent, p.trace_id, p.untrusted, jsonb_build_object('proposal', p.id, 'kind', p.kind, 'title', p.title, 'risk', p.risk, 'reason', p.reason, 'approval', answer.approval), array[p.kind]);
  perform record_act('missions new', 'p' || p.id, null, jsonb_build_object('state', 'proposed', 'kind', p.kind, 'risk', p.risk, 'approval', answer.approval), '{}', p.trace_id);
  return row (p.id, 'proposed', null, 'approval_needed', p.reason, answer.approval)::gate_answer;
end $$;
comment on function propose_mission is 'The one door to a mission: validates the plan whole, asks policy, and stores the proposal with what became of it; an approved one has its mission and job, all in the caller''s transaction. Call it in FROM: select (propose_mission(...)).* would call it once for each column.';

create function tell_refusal(proposal bigint, kind text, title text, agent text, code text, reason text, trace_id uuid, untrusted boolean) returns void
language sql
set search_path = public, pg_catalog, pg_temp
as $$
  insert into ops_agent_events (kind, severity, agent, trace_id, untrusted, payload, tags)
    values ('mission.refused', 'warning', agent, trace_id, untrusted, jsonb_build_object('proposal', proposal, 'kind', kind, 'title', title, 'reason_code', code, 'reason', reason), array[kind, code])
$$;

create function gate_paused(agent text) returns boolean
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$ begin return is_paused(agent => gate_paused.agent); end $$;
comment on function gate_paused(text) is 'Whether everything, or this agent, is paused: then nothing is let in. A paused task is held at its start.';

create function add_mission(
  plan jsonb,
  input jsonb default '{}',
  title text default null,
  priority integer default 0,
  dedupe_key text default null,
  untrusted boolean default false
) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare answer gate_answer;
begin
  answer := propose_mission(plan, input, title, priority, dedupe_key, untrusted);
  if answer.state = 'proposed' then
    raise notice 'proposal p% waits for approval a%: %', answer.proposal, answer.approval, answer.reason;
  elsif answer.state = 'rejected' then
    raise warning 'proposal p% was refused (%): %', answer.proposal, answer.reason_code, answer.reason;
  end if;
  return answer.mission;
end $$;
comment on function add_mission(jsonb, jsonb, text, integer, text, boolean) is 'Submits a plan through the gate. Returns the mission''s id, of the open mission where the key is taken, or null where it waits for an approval or policy refuses it; propose_mission() says why.';

-- The answer to a proposal: what kept it from starting may have changed, so the gate is asked again, in the transaction of the answer.
create function decide_proposal(a ops_approvals) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare p ops_mission_proposals; stop gate_reason; new_mission bigint; new_state text := 'rejected';
begin
  select * into p from ops_mission_proposals where id = a.proposal_id and state = 'proposed' for no key update;
  if not found then return; end if;
  if a.answer = 'approve' then
    new_mission := nextval(pg_get_serial_sequence('public.ops_missions', 'id'));
    if gate_paused(p.agent) then
      stop := row ('paused', 'work is paused: openclaw resume, then submit it again'::text);
    else
      select * into stop from gate_stop(p.kind, p.agent, p.plan, p.cost_estimate_usd, new_mission, p.trace_id);
    end if;
    if stop.code is null then
      perform start_mission(p, new_mission, 'approved_by_person', a.answered_by);
      update ops_mission_proposals set state = 'approved', mission_id = new_mission, reason_code = 'approved_by_person', reason = a.reason, decided_by = a.answered_by, decided_at = clock_now() where id = p.id;
      return;
    end if;
  elsif a.answer is null then
    new_state := 'expired';
    stop := row ('expired', 'nobody answered in time'::text);
  else
    stop := row ('rejected_by_person', a.reason);
  end if;
  update ops_mission_proposals set state = new_state, reason_code = stop.code, reason = stop.reason, decided_by = coalesce(case when a.answer is not null then a.answered_by end, 'system'), decided_at = clock_now() where id = p.id;
  perform tell_refusal(p.id, p.kind, p.title, p.agent, stop.code, stop.reason, p.trace_id, p.untrusted);
end $$;
comment on function decide_proposal is 'What follows from the answer to a proposal; the gate is asked once more before a mission starts.';

-- Whether a limited login may answer a question of this kind that this actor raised.
create function sql_may_answer(kind text, asked_by text) returns boolean
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  select coalesce(v -> 'kinds' ? kind, false) and (asked_by is distinct from current_actor() or coalesce(v -> 'own' = 'true', false)) from (select policy_value('approvals.sql') as v) p
$$;
comment on function sql_may_answer is 'Whether policy approvals.sql lets this limited role answer; missing or malformed means no.';

-- Starts of jobs and steps. A worker asks for a task that guarded_tasks() names, before each start; it reads that list at most a second before.

create table job_holds (
  job_id bigint primary key,
  reason_code text not null,
  reason text not null,
  until timestamptz,
  since timestamptz not null default now()
);
comment on table job_holds is 'Jobs that policy gave back instead of starting them, and why: quota, budget, calls, breaker, policy. They are fetched again at until, or when the policy or breaker changes.';

create type start_answer as (granted integer, reason_code text, reason text, retry_at timestamptz);

-- Null where policy is missing or malformed: then every task has to ask, and is refused.
create function guarded_tasks() returns text[]
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  select case when jsonb_typeof(v) = 'object'
              then array(select jsonb_object_keys(v)) || array(select substr(b.name, 6) from ops_breakers b where b.name like 'task:%' and b.state <> 'closed') end
  from (select policy_value('quota.tasks') as v) p
$$;
comment on function guarded_tasks() is 'The tasks that have to ask before each start: those with a quota, and those that somebody stopped.';

create function start_task(task text, wanted integer default 1) returns start_answer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare b ops_breakers; granted integer;
begin
  select * into b from ops_breakers o where o.name = 'task:' || task and o.state <> 'closed';
  if b.open_until > clock_now() then
    return row (0, 'breaker', format('task %s is stopped until %s: %s', task, to_char(b.open_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), b.reason), b.open_until)::start_answer;
  elsif b.name is not null then
    -- A task's breaker opens only by hand, so that there is nothing to try when its time is over.
    update ops_breakers o set state = 'closed', opens = 0, opened_at = null, open_until = null, probe = null, probe_until = null, reason = null, updated_at = clock_now()
      where o.name = b.name and o.state = 'open' and o.open_until <= clock_now();
  end if;
  granted := spend_quota(task, wanted);
  if granted is null then
    return row (0, 'policy', 'policy quota.tasks is missing or malformed, so nothing starts', null)::start_answer;
  elsif granted < wanted then
    return row (granted, 'quota', format('task %s has had its %s starts of today (UTC)', task, policy_value('quota.tasks') ->> task), (utc_day() + 1)::timestamp at time zone 'UTC')::start_answer;
  end if;
  return row (granted, null, null, null)::start_answer;
end $$;
comment on function start_task(text, integer) is 'Spends starts of this task: how many of those wanted may start now, and for the others why not and when to ask again.';

-- What waited for a limit looks again, because the limit has changed.
create function release_holds(reasons text[]) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare released integer;
begin
  with held as (
    delete from job_holds h where h.reason_code = any (reasons) returning h.job_id),
  due as (
    select j.id from graphile_worker._private_jobs j where j.id in (select job_id from held) and j.locked_by is null and j.run_at > now() order by j.id for no key update)
  update graphile_worker._private_jobs j set run_at = now() from due where j.id = due.id;
  get diagnostics released = row_count;
  update ops_mission_steps s set wake_at = clock_now()
    where s.state = 'queued' and s.wake_at > clock_now() and s.mission_id in (select m.id from ops_missions m where m.state = 'waiting' and m.job_id is null and m.wait_reason = any (reasons));
  update ops_missions m set wake_at = clock_now() where m.state = 'waiting' and m.job_id is null and m.wait_reason = any (reasons) and m.wake_at > clock_now();
  if released > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), released));
  end if;
  return released;
end $$;
comment on function release_holds(text[]) is 'Jobs and missions that wait for a quota, budget or breaker are looked at again now.';

create function release_after_policy() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  perform release_holds(case when new.key = 'quota.tasks' then '{quota,policy}'::text[] when new.key like 'budget.%' then '{budget,calls,policy}' else '{breaker,policy}' end);
  return null;
end $$;
create trigger ops_policy_release after insert on ops_policy for each row
  when (new.key = 'quota.tasks' or new.key like 'budget.%' or new.key like 'breaker.%') execute function release_after_policy();

create function release_after_breaker() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  perform release_holds('{breaker}');
  return null;
end $$;
create trigger ops_breakers_release after update of state on ops_breakers for each row when (old.state <> 'closed' and new.state = 'closed') execute function release_after_breaker();

-- The breaker of a kind of mission. It counts ends, and stops first claims: what has begun goes on.
create function count_mission_end() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare breaker text := 'kind:' || new.kind;
begin
  if new.state = 'failed' then
    perform breaker_report(breaker, false, 'm' || new.id, coalesce(new.error, new.error_class));
  elsif exists (select from ops_breakers b where b.name = breaker and (b.failures > 0 or b.state <> 'closed')) then
    perform breaker_report(breaker, case when new.state = 'succeeded' then true end, 'm' || new.id);
  end if;
  return null;
end $$;
create trigger ops_missions_breaker after update of state on ops_missions for each row
  when (new.state in ('succeeded', 'failed', 'cancelled') and old.state is distinct from new.state) execute function count_mission_end();

-- Whether a mission may be claimed for the first time: always while its kind's breaker is closed; one while it is half open.
create function kind_admits(kind text, mission bigint) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  return not exists (select from ops_breakers b where b.name = 'kind:' || kind and b.state <> 'closed') or (breaker_admit('kind:' || kind, 'm' || mission)).admitted;
end $$;

-- A segment whose claim the breaker refused: its mission parks until the breaker turns, so that no job spins.
create function park_broken(mission bigint, job bigint) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  -- Shared with whoever closes it and then releases what waits: this park is either there to be released, or sees that it is closed.
  perform from ops_breakers b join ops_missions m on b.name = 'kind:' || m.kind where m.id = park_broken.mission for share of b;
  update ops_missions m set state = 'waiting', wait_reason = 'breaker', job_id = null, wake_at = greatest(coalesce(b.open_until, b.probe_until), clock_now() + interval '1 second')
    from ops_breakers b
    where m.id = mission and m.job_id = job and m.epoch = 0 and m.state in ('approved', 'waiting') and b.name = 'kind:' || m.kind and b.state <> 'closed';
  return found;
end $$;
comment on function park_broken(bigint, bigint) is 'Parks a mission whose kind is stopped, until its breaker turns.';

-- Retries by task: policy's word goes before the task's own.
create function apply_task_retries() returns trigger
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare retries jsonb := policy_value('task.retries') -> new.identifier;
begin
  if jsonb_typeof(retries) = 'number' and (retries #>> '{}')::numeric between 0 and 99 then
    new.max_attempts := (retries #>> '{}')::numeric::smallint + 1;
  end if;
  return new;
end $$;
create trigger ops_tasks_retries before insert or update on ops_tasks for each row execute function apply_task_retries();

create function spread_task_retries() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  update ops_tasks t set max_attempts = t.max_attempts where new.value ? t.identifier;
  return null;
end $$;
create trigger ops_policy_retries after insert on ops_policy for each row when (new.key = 'task.retries') execute function spread_task_retries();
