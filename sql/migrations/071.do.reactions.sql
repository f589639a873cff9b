-- Reactions: what starts by itself.
--
--   insert into ops_agent_events --trigger, same transaction--> job `react` {events: [...]} --react()--> decisions
--   every minute: watch_rules() --> rules on time (something absent, something too often) --> the same decisions
--
--   One decision a pair of event and rule, written once:
--     fired        the plan became a mission, or the agent has the message
--     asked        the gate asks a person first; the mission comes with the answer
--     refused      the gate (or the plan's own check) said no; reason says why
--     probability  the roll of this pair is not below the rule's probability; the same at every replay
--     cooldown, cap, depth, cycle   held back by the rule's own limits, or by where the event comes from
--     error        the rule itself failed; the others of the batch went on
--
-- No cursor and no job key: the payload names the events, so an event that commits late is not skipped, and no inserter waits
-- for another's transaction.

create table ops_reaction_rules (
  id bigint generated always as identity primary key,
  name text not null unique check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  description text,
  enabled boolean not null default true,
  version integer not null default 1 check (version > 0),
  kind_glob text not null check (kind_glob ~ '^[a-z*][a-z0-9_.*]{0,99}$'),
  source text,
  tags_all text[] not null default '{}',
  tags_any text[] not null default '{}',
  condition jsonpath,
  probability double precision not null default 1 check (probability between 0 and 1),
  cooldown interval not null default '0' check (cooldown >= '0'),
  cooldown_key jsonpath,
  daily_cap integer check (daily_cap > 0),
  priority smallint not null default 0,
  scope text not null default 'all' check (scope in ('all', 'trusted', 'root')),
  agent text,
  plan jsonb,
  dedupe_template text check (length(dedupe_template) between 1 and 300),
  over interval check (over > '0' and over <= '90 days'),
  at_least integer check (at_least > 0),
  absent boolean not null default false,
  actor text not null default current_actor(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  kind_like text not null generated always as (replace(replace(kind_glob, '_', '\_'), '*', '%')) stored,
  kind_start text not null generated always as (split_part(kind_glob, '*', 1)) stored,
  check ((agent is not null) <> (plan is not null)),
  check ((over is not null) = (at_least is not null or absent)),
  check (at_least is null or not absent)
);
comment on table ops_reaction_rules is 'What starts by itself: an event that matches fires the plan or tells the agent. Checked when it is written (OC012, OC007).';
comment on column ops_reaction_rules.kind_glob is 'Of the event''s kind; * stands for anything: mission.failed, backup.*';
comment on column ops_reaction_rules.condition is 'An SQL/JSON predicate over the event: $.payload.error_class == "timeout"';
comment on column ops_reaction_rules.cooldown is 'How long the rule rests after it fired; with cooldown_key, for that key only.';
comment on column ops_reaction_rules.cooldown_key is 'An SQL/JSON path into the event: what the cooldown, or the count of a rule on time, is kept for.';
comment on column ops_reaction_rules.scope is 'all; trusted: not where the event carries data from outside; root: not where a reaction caused the event.';
comment on column ops_reaction_rules.plan is 'A plan as any other. Its input has the event: {"$path": "$.input.event.payload.error"}';
comment on column ops_reaction_rules.dedupe_template is 'The mission''s dedupe key; {payload.kind} takes from the event.';
comment on column ops_reaction_rules.over is 'Of a rule on time: the length of the window that is looked at once a minute.';
comment on column ops_reaction_rules.at_least is 'Of a rule on time: fires when the window has this many matching events (of one cooldown_key).';
comment on column ops_reaction_rules.absent is 'Of a rule on time: fires when the window has none. Kind agent.heartbeat looks at each agent''s last beat.';
comment on column ops_reaction_rules.kind_start is 'What stands before the first *: the rules that may want a kind are those that start like it, found by index, so that a thousand others cost nothing.';
create index ops_reaction_rules_start on ops_reaction_rules (kind_start) where enabled and over is null;

-- Every beginning of a kind, itself and '' among them.
create function kind_starts(kind text) returns text[]
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return array(select left(kind, n) from generate_series(0, length(kind)) n);
end $$;

create table ops_reactions (
  id bigint generated always as identity primary key,
  event_id bigint not null,
  rule_id bigint not null,
  rule_version integer not null,
  state text not null check (state in ('fired', 'asked', 'refused', 'probability', 'cooldown', 'cap', 'depth', 'cycle', 'error')),
  reason text,
  mission_id bigint,
  message_id bigint,
  roll double precision,
  depth smallint not null default 0,
  created_at timestamptz not null default now(),
  unique (event_id, rule_id)
);
comment on table ops_reactions is 'One decision a pair of event and rule that match: fired, or why not. Append-only.';
comment on column ops_reactions.rule_id is 'No foreign key, which would be looked up for each decision: rules are switched off, never deleted.';
create function raise_rule_kept() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using errcode = 'OC010', message = 'a rule is not deleted: its decisions refer to it', hint = 'openclaw rules disable <rule>';
end $$;
create trigger ops_reaction_rules_kept before delete on ops_reaction_rules for each statement execute function raise_rule_kept();
create index ops_reactions_rule on ops_reactions (rule_id, id);
-- Rows come in order of time, so a summary of their ranges finds a day as well as a tree, at no cost a row.
create index ops_reactions_created_at on ops_reactions using brin (created_at);
create trigger ops_reactions_append_only before update or delete or truncate on ops_reactions for each statement execute function raise_append_only();

create table ops_reaction_rests (
  rule_id bigint not null references ops_reaction_rules (id) on delete cascade,
  key text not null,
  fired_at timestamptz not null,
  primary key (rule_id, key)
);
comment on table ops_reaction_rests is 'When a rule last fired for a key: the ground of cooldowns.';
create table ops_reaction_days (
  rule_id bigint not null references ops_reaction_rules (id) on delete cascade,
  day date not null,
  fired integer not null,
  primary key (rule_id, day)
);
comment on table ops_reaction_days is 'How often a rule fired on a UTC day: the ground of daily caps.';

alter table ops_missions add column cause_event_id bigint, add column cause_depth smallint not null default 0;
-- A proposal keeps it for the mission that a person's yes may make of it.
alter table ops_mission_proposals add column cause_event_id bigint, add column cause_depth smallint not null default 0;
comment on column ops_missions.cause_event_id is 'The event whose reaction it is.';
comment on column ops_missions.cause_depth is 'How many reactions lie between it and what nobody caused.';

-- A rule on time rests for its window at least: what it counted once is not counted again.
create function rule_rest(r ops_reaction_rules) returns interval
language sql immutable
as $$ select case when (r).over is null then (r).cooldown else greatest((r).cooldown, (r).over) end $$;

-- What a path of a rule sees.
create function event_document(e ops_agent_events) returns jsonb
language sql stable
as $$
  select jsonb_build_object('id', e.id, 'kind', e.kind, 'source', e.source, 'agent', e.agent, 'actor', e.actor, 'severity', e.severity, 'tags', to_jsonb(e.tags),
    'payload', e.payload, 'untrusted', e.untrusted, 'mission_id', e.mission_id, 'step_id', e.step_id, 'job', e.job, 'trace_id', e.trace_id, 'created_at', e.created_at)
$$;

-- Why a rule does not match an event, null when it does: one text for the hot path, explain and test. Inlined, so no
-- `set search_path`; each costly argument is used once.
create function rule_mismatch(r ops_reaction_rules, kind text, source text, tags text[], untrusted boolean, caused boolean, document jsonb) returns text
language sql stable
as $$
  select case
    when kind not like (r).kind_like then 'another kind'
    when (r).source is not null and (r).source <> source then 'another source'
    when not tags @> (r).tags_all then 'not all of tags_all'
    when (r).tags_any <> '{}' and not tags && (r).tags_any then 'none of tags_any'
    when (r).scope = 'trusted' and untrusted then 'untrusted data, and its scope is trusted'
    when (r).scope = 'root' and caused then 'caused by a reaction, and its scope is root'
    when (r).condition is not null and jsonb_path_match(document, (r).condition, '{}', true) is not true then 'the condition is not true'
  end
$$;

-- The roll of a pair: from 0 to 1, the same on each server and at each replay (hashtext() is not promised to be).
create function reaction_roll(event bigint, rule bigint) returns double precision
language sql immutable
as $$ select ('x' || substr(md5(event || ':' || rule), 1, 13))::bit(52)::bigint / 4503599627370496.0::double precision $$;

-- What caused an event: the rules whose reactions lie above it, the nearest first, at most six.
create function event_causes(mission bigint) returns table (depth integer, rule_ids bigint[], path text)
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  -- The rule is whoever asked for the mission, also where a person let it in later.
  with recursive up as (
    select 1 as n, m.id as mission, m.cause_event_id, m.actor from ops_missions m where m.id = event_causes.mission and m.cause_event_id is not null
    union all
    select up.n + 1, m.id, m.cause_event_id, m.actor
    from up join ops_agent_events e on e.id = up.cause_event_id join ops_missions m on m.id = e.mission_id
    where m.cause_event_id is not null and up.n < 6)
  select coalesce(max(up.n), 0)::integer, coalesce(array_agg(r.id order by up.n) filter (where r.id is not null), '{}'),
         string_agg(format('m%s (rule %s on e%s)', up.mission, r.name, up.cause_event_id), ' <- ' order by up.n)
  from up left join ops_reaction_rules r on up.actor = 'rule:' || r.name
$$;
comment on function event_causes(bigint) is 'The chain of reactions above a mission: its depth, the rules, and the path in words.';
create index ops_reactions_mission on ops_reactions (mission_id) where mission_id is not null;

-- A dedupe key from its template: {payload.kind} and the like are taken from the event; what is not there is empty.
create function fill_template(template text, document jsonb) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare hole text; filled text := template;
begin
  for hole in select distinct m[1] from regexp_matches(template, '\{([A-Za-z0-9_.]+)\}', 'g') m loop
    filled := replace(filled, '{' || hole || '}', coalesce(document #>> string_to_array(hole, '.'), ''));
  end loop;
  return filled;
end $$;

create function check_rule() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare faults text[];
begin
  if not exists (select from ops_event_kinds k where k.kind like replace(replace(new.kind_glob, '_', '\_'), '*', '%')) and new.kind_glob !~ '^user\.' and not (new.over is not null and new.kind_glob = 'agent.heartbeat') then
    perform refuse('OC012', format('rule %s: no event has a kind like "%s"', new.name, new.kind_glob), 'select kind, description from ops_event_kinds; kinds of your own begin with user.');
  end if;
  if new.condition is not null then
    begin
      perform jsonb_path_match('{"payload": {}}', new.condition, '{}', false);
    exception
      when sqlstate '22038' then
        perform refuse('OC012', format('rule %s: its condition is no predicate: %s', new.name, new.condition), 'compare something: $.payload.cost > 3, or exists($.payload.url)');
      when others then
        null; -- A path that meets nothing in an empty payload is for the event to decide.
    end;
  end if;
  if new.plan is not null then
    select array_agg(format('%s: %s', f.at, f.message)) into faults from plan_faults(new.plan) f;
    if faults is not null then
      raise exception using errcode = 'OC007', message = format('rule %s: its plan has %s fault(s)', new.name, cardinality(faults)), detail = array_to_string(faults, E'\n'), hint = 'mend the plan';
    end if;
  end if;
  -- A generated column is not there yet in a BEFORE trigger.
  if tg_op = 'UPDATE' and to_jsonb(new) - array['enabled', 'version', 'updated_at', 'actor', 'kind_like', 'kind_start'] <> to_jsonb(old) - array['enabled', 'version', 'updated_at', 'actor', 'kind_like', 'kind_start'] then
    new.version := old.version + 1;
  end if;
  new.updated_at := clock_now();
  return new;
end $$;
create trigger ops_reaction_rules_check before insert or update on ops_reaction_rules for each row execute function check_rule();

-- From the statement's events, those that some rule wants become one job for each 500. An event that no rule wants costs this look.
create function queue_reactions() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare chunk record; new_id bigint; queued integer := 0; wanted text[];
begin
  select array_agg(k.kind) into wanted from (select distinct kind from inserted) k
    where exists (select from ops_reaction_rules r where r.enabled and r.over is null and r.kind_start = any (array(select left(k.kind, n) from generate_series(0, length(k.kind)) n)) and k.kind like r.kind_like);
  if wanted is null then
    return null;
  end if;
  for chunk in
    select array_agg(w.id order by w.id) as ids, min(w.trace_id::text)::uuid as trace_id
    from (select e.id, e.trace_id, (row_number() over (order by e.id) - 1) / 500 as part
          from inserted e where e.kind = any (wanted)) w
    group by w.part
  loop
    perform set_config('openclaw.enqueued', 'on', true);
    insert into graphile_worker._private_jobs (task_id, payload, max_attempts)
      select t.id, json_build_object('events', chunk.ids), 25 from graphile_worker._private_tasks t where t.identifier = 'react'
      returning id into new_id;
    insert into job_requests (id, task, source, actor, trace_id) values (new_id, 'react', 'rule', 'system', coalesce(chunk.trace_id, gen_random_uuid()));
    perform set_config('openclaw.enqueued', 'off', true);
    queued := queued + 1;
  end loop;
  if queued > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), queued));
  end if;
  return null;
end $$;
comment on function queue_reactions() is 'One `react` job for the events of a statement, in its own transaction: a rollback takes it back.';
-- Known from the start, so that events before the first worker's start wait for it instead of being passed over.
insert into graphile_worker._private_tasks (identifier) values ('react') on conflict do nothing;
create trigger ops_agent_events_react after insert on ops_agent_events referencing new table as inserted for each statement execute function queue_reactions();

-- Decides matched pairs of event and rule, and fires. The limits are taken in order of (rule, key), so that two callers never
-- wait for each other crosswise. What fails while it fires is undone alone.
-- Its statement is planned once (each plan takes milliseconds, as long as deciding a hundred pairs), for any size: by index.
create function decide_reactions(event_ids bigint[], rule_ids bigint[]) returns jsonb
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  pair record; answer gate_answer; rested timestamptz; verdict text; why text; new_mission bigint; new_message bigint; today date := (clock_now() at time zone 'utc')::date; counts jsonb := '{}';
  was_actor text := current_setting('openclaw.actor', true); was_source text := current_setting('openclaw.source', true); was_trace text := current_setting('openclaw.trace', true);
begin
  for pair in
    with causes as materialized (
      -- Of missions that a reaction started, each once: walking up a chain costs more than all the rest.
      select m.id as mission, c.depth, c.rule_ids, c.path
      from ops_missions m cross join lateral event_causes(m.id) c
      where m.cause_event_id is not null and m.id = any (array(select e.mission_id from ops_agent_events e where e.id = any (event_ids) and e.mission_id is not null))),
    paired as (
      -- Only what the verdict needs: the sorts below would else carry each event and rule whole.
      select e.id as event_id, r.id as rule_id, e.mission_id, r.version, r.name, r.probability, r.daily_cap, reaction_roll(e.id, r.id) as roll,
             coalesce(c.depth, 0) as depth, coalesce(c.rule_ids, '{}') as above, c.path,
             rule_rest(r) as rest,
             case when r.over is not null then coalesce(e.payload ->> 'key', '') when r.cooldown_key is null then '' else coalesce(jsonb_path_query_first(event_document(e), r.cooldown_key, '{}', true) #>> '{}', '') end as key
      from unnest(event_ids, rule_ids) p(event_id, rule_id)
      join ops_agent_events e on e.id = p.event_id
      join ops_reaction_rules r on r.id = p.rule_id
      left join causes c on c.mission = e.mission_id
      where not exists (select from ops_reactions d where d.event_id = e.id and d.rule_id = r.id)),
    judged as (
      select p.*, case when p.rule_id = any (p.above) then 'cycle' when p.depth >= 5 then 'depth' when p.roll >= p.probability then 'probability' end as first_verdict
      from paired p),
    ranked as materialized (
      -- Of one key with a cooldown the first event of the batch is tried; a key that rests, or a rule that is at its cap, already needs no try.
      select j.*, case when j.first_verdict is not null then j.first_verdict
                       when j.rest > '0' and row_number() over (partition by j.rule_id, j.key, j.first_verdict is null order by j.event_id) > 1 then 'cooldown'
                       when j.rest > '0' and exists (select from ops_reaction_rests t where t.rule_id = j.rule_id and t.key = j.key and t.fired_at > clock_now() - j.rest) then 'cooldown'
                       when j.daily_cap <= (select t.fired from ops_reaction_days t where t.rule_id = j.rule_id and t.day = today) then 'cap' end as verdict
      from judged j),
    settled as (
      insert into ops_reactions (event_id, rule_id, rule_version, state, reason, roll, depth)
      select k.event_id, k.rule_id, k.version, k.verdict,
             case k.verdict
               when 'cycle' then format('the rule is among its own causes: %s', k.path)
               when 'depth' then format('%s reactions lie above it: %s', k.depth, k.path)
               when 'probability' then format('rolled %s of %s', round(k.roll::numeric, 4), k.probability)
               when 'cap' then format('it fired %s times today (UTC), its cap', k.daily_cap)
               when 'cooldown' then format('it rests for %s after the first event of this key', k.rest) end, k.roll, k.depth
      from ranked k where k.verdict is not null
      on conflict (event_id, rule_id) do nothing
      returning event_id, rule_id, state, reason),
    told as (
      insert into ops_agent_events (kind, severity, mission_id, cause_event_id, payload, tags)
      select 'policy.reaction_stopped', 'warning', k.mission_id, s.event_id, jsonb_build_object('rule', k.name, 'event', s.event_id, 'why', s.state, 'path', s.reason), array[k.name]
      from settled s join ranked k using (event_id, rule_id) where s.state in ('cycle', 'depth')),
    counted as (
      select coalesce(jsonb_object_agg(state, n), '{}') as by_state from (select state, count(*) as n from settled group by state) c),
    tried as (
      select e, r, k.event_id, k.rule_id, k.roll, k.depth, k.key, k.rest
      from ranked k join ops_agent_events e on e.id = k.event_id join ops_reaction_rules r on r.id = k.rule_id where k.verdict is null)
    select t.e, t.r, t.event_id, t.rule_id, t.roll, t.depth, t.key, t.rest, c.by_state from counted c left join tried t on true
    order by t.rule_id, t.key, t.event_id
  loop
    if counts = '{}' then
      counts := pair.by_state;
    end if;
    if pair.event_id is null then
      return counts;
    end if;
    verdict := 'fired'; why := null; rested := null; answer := null; new_mission := null; new_message := null;
    begin
      if pair.rest > '0' then
        select t.fired_at into rested from ops_reaction_rests t where t.rule_id = pair.rule_id and t.key = pair.key for update;
        insert into ops_reaction_rests as t (rule_id, key, fired_at) values (pair.rule_id, pair.key, clock_now())
          on conflict (rule_id, key) do update set fired_at = excluded.fired_at where t.fired_at <= excluded.fired_at - pair.rest;
        if not found then
          verdict := 'cooldown'; why := format('it rests for %s after it fired', pair.rest);
        end if;
      end if;
      if verdict = 'fired' and (pair.r).daily_cap is not null then
        insert into ops_reaction_days as t (rule_id, day, fired) values (pair.rule_id, today, 1)
          on conflict (rule_id, day) do update set fired = t.fired + 1 where t.fired < (pair.r).daily_cap;
        if not found then
          raise exception using errcode = 'OC020', message = format('it fired %s times today (UTC), its cap', (pair.r).daily_cap);
        end if;
      end if;
      if verdict = 'fired' then
        perform set_config('openclaw.actor', 'rule:' || (pair.r).name, true), set_config('openclaw.source', 'rule', true),
                set_config('openclaw.trace', coalesce((pair.e).trace_id::text, ''), true);
        if (pair.r).plan is not null then
          answer := propose_mission((pair.r).plan, jsonb_build_object('event', event_document(pair.e)), null, (pair.r).priority,
            case when (pair.r).dedupe_template is not null then fill_template((pair.r).dedupe_template, event_document(pair.e)) end, (pair.e).untrusted);
          new_mission := answer.mission;
          if answer.state = 'proposed' then
            verdict := 'asked'; why := format('proposal p%s waits for a%s: %s', answer.proposal, answer.approval, answer.reason);
            update ops_mission_proposals set cause_event_id = pair.event_id, cause_depth = pair.depth + 1 where id = answer.proposal;
          elsif answer.state = 'rejected' then
            -- The refused proposal stays as a row; what the rule had spent is given back.
            verdict := 'refused'; why := format('proposal p%s: %s', answer.proposal, answer.reason);
            if rested is null then
              delete from ops_reaction_rests t where t.rule_id = pair.rule_id and t.key = pair.key;
            else
              update ops_reaction_rests t set fired_at = rested where t.rule_id = pair.rule_id and t.key = pair.key;
            end if;
            update ops_reaction_days t set fired = t.fired - 1 where t.rule_id = pair.rule_id and t.day = today;
          elsif answer.state = 'duplicate' then
            why := format('m%s with this key is open', answer.mission);
          end if;
          update ops_missions set cause_event_id = pair.event_id, cause_depth = pair.depth + 1 where id = new_mission and answer.state = 'approved' and cause_event_id is null;
        else
          new_message := send_to_agent((pair.r).agent, 'reaction', jsonb_build_object('rule', (pair.r).name, 'event', event_document(pair.e)),
            format('reaction:%s:%s', pair.event_id, pair.rule_id), null, (pair.e).untrusted);
        end if;
      end if;
    exception
      -- The block is undone, the rest and the count of the day with it: what did not fire has spent nothing.
      when sqlstate 'OC020' then
        verdict := 'cap'; why := sqlerrm; new_mission := null;
      when sqlstate 'OC006' or sqlstate 'OC007' or sqlstate 'OC009' or sqlstate 'OC011' then
        verdict := 'refused'; why := sqlerrm; new_mission := null;
      when serialization_failure or deadlock_detected or lock_not_available or query_canceled then
        raise;
      when others then
        verdict := 'error'; why := format('%s (%s)', sqlerrm, sqlstate); new_mission := null;
    end;
    perform set_config('openclaw.actor', coalesce(was_actor, ''), true), set_config('openclaw.source', coalesce(was_source, ''), true), set_config('openclaw.trace', coalesce(was_trace, ''), true);
    insert into ops_reactions (event_id, rule_id, rule_version, state, reason, mission_id, message_id, roll, depth)
      values (pair.event_id, pair.rule_id, (pair.r).version, verdict, why, new_mission, new_message, pair.roll, pair.depth)
      on conflict (event_id, rule_id) do nothing;
    counts := counts || jsonb_build_object(verdict, coalesce((counts ->> verdict)::integer, 0) + 1);
  end loop;
  return counts;
end $$;

-- One query matches the batch against all rules: the globs against its distinct kinds first, so that rules of other kinds cost
-- nothing an event.
create function react(event_ids bigint[]) returns jsonb
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare matched_events bigint[]; matched_rules bigint[];
begin
  select array_agg(e.id), array_agg(w.rule_id) into matched_events, matched_rules
  from ops_agent_events e
  join (select k.kind, r.id as rule_id, r as rule
        from (select distinct kind from ops_agent_events where id = any (event_ids)) k
        join ops_reaction_rules r on r.enabled and r.over is null and r.kind_start = any (kind_starts(k.kind)) and k.kind like r.kind_like) w on w.kind = e.kind
  left join ops_missions m on m.id = e.mission_id
  where e.id = any (event_ids)
    and rule_mismatch(w.rule, e.kind, e.source, e.tags, e.untrusted, e.cause_event_id is not null or m.cause_event_id is not null, event_document(e)) is null;
  return decide_reactions(coalesce(matched_events, '{}'), coalesce(matched_rules, '{}'));
end $$;
comment on function react(bigint[]) is 'Decides the events against all rules, once; again it changes nothing. Returns how many decisions of each kind.';

create table ops_unknown_kinds (
  kind text primary key,
  event_id bigint not null,
  noted_at timestamptz not null default clock_now()
);
comment on table ops_unknown_kinds is 'Kinds of events that were seen and are on no list, each noted once with its first event.';

-- Rules on time. A window that fires becomes an event, and the pair is decided like any other; a rule that rests is not looked at.
create function watch_rules() returns jsonb
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare r ops_reaction_rules; new_events bigint[]; all_events bigint[] := '{}'; all_rules bigint[] := '{}'; at timestamptz := clock_now();
begin
  -- A kind that no part is known to emit is noted once: a rule for it would be refused, so somebody has misspelt it, or forgotten the list.
  with noted as (
    insert into ops_unknown_kinds (kind, event_id)
    select e.kind, min(e.id) from ops_agent_events e
    where e.created_at > at - interval '5 minutes' and e.kind not like 'user.%' and not exists (select from ops_event_kinds k where k.kind = e.kind) group by e.kind order by e.kind
    on conflict (kind) do nothing returning kind, event_id)
  insert into ops_agent_events (kind, severity, source, actor, cause_event_id, payload, tags)
    select 'policy.unknown_kind', 'warning', 'rule', 'system', n.event_id, jsonb_build_object('kind', n.kind, 'event', n.event_id), array[n.kind] from noted n;
  for r in select * from ops_reaction_rules where enabled and over is not null order by id loop
    with windowed as (
      select coalesce(w.key, '') as key, w.n from (
        select case when r.cooldown_key is null then '' else jsonb_path_query_first(event_document(e), r.cooldown_key, '{}', true) #>> '{}' end as key, count(*) as n
        from ops_agent_events e left join ops_missions m on m.id = e.mission_id
        where r.kind_glob <> 'agent.heartbeat' and e.created_at > at - r.over and e.kind like r.kind_like
          and rule_mismatch(r, e.kind, e.source, e.tags, e.untrusted, e.cause_event_id is not null or m.cause_event_id is not null, event_document(e)) is null
        group by 1
        union all
        select h.agent, count(*) filter (where h.received_at > at - r.over) from agent_heartbeats h where r.kind_glob = 'agent.heartbeat' and h.received_at > at - interval '7 days' group by h.agent) w),
    firing as (
      select key, n from windowed where (r.at_least is not null and n >= r.at_least) or (r.absent and n = 0)
      union all
      select '', 0 where r.absent and r.kind_glob <> 'agent.heartbeat' and not exists (select from windowed)),
    told as (
      insert into ops_agent_events (kind, severity, source, actor, payload, tags)
      select 'cron.watch', 'warning', 'rule', 'rule:' || r.name, jsonb_build_object('rule', r.name, 'kind', r.kind_glob, 'key', f.key, 'count', f.n, 'over', r.over::text, 'absent', r.absent), array[r.name]
      from firing f
      where not exists (select from ops_reaction_rests t where t.rule_id = r.id and t.key = f.key and t.fired_at > at - rule_rest(r))
      returning id)
    select array_agg(id) into new_events from told;
    all_events := all_events || coalesce(new_events, '{}');
    all_rules := all_rules || array_fill(r.id, array[coalesce(cardinality(new_events), 0)]);
  end loop;
  return decide_reactions(all_events, all_rules);
end $$;
comment on function watch_rules() is 'Once a minute: counts over the windows of rules on time, and decides what fires.';

-- A rule from JSON, as the command line and the built-in rules give it: new, or the next version of the one with this name.
create function put_rule(rule jsonb) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare
  keys constant text[] := array['name', 'description', 'enabled', 'kind', 'source', 'tags_all', 'tags_any', 'condition', 'probability', 'cooldown', 'cooldown_key', 'daily_cap', 'priority', 'scope', 'agent', 'plan', 'dedupe', 'over', 'at_least', 'absent'];
  unknown text; was ops_reaction_rules; now_is ops_reaction_rules;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not write rules', session_user), 'a rule acts with the system''s rights: ask the operator (openclaw rules add)');
  end if;
  if rule is null or jsonb_typeof(rule) <> 'object' or rule ->> 'name' is null or rule ->> 'kind' is null then
    perform refuse('OC012', 'a rule is an object with name, kind, and plan or agent', 'openclaw rules show mission_failed is an example');
  end if;
  select string_agg(k, ', ' order by k) into unknown from jsonb_object_keys(rule) k where k <> all (keys);
  if unknown is not null then
    perform refuse('OC012', format('rule %s: unknown key %s', rule ->> 'name', unknown), 'known keys are ' || array_to_string(keys, ', '));
  end if;
  select * into was from ops_reaction_rules where name = rule ->> 'name' for update;
  begin
    insert into ops_reaction_rules as r (name, description, enabled, kind_glob, source, tags_all, tags_any, condition, probability, cooldown, cooldown_key, daily_cap, priority, scope, agent, plan, dedupe_template, over, at_least, absent)
    values (rule ->> 'name', rule ->> 'description', coalesce((rule ->> 'enabled')::boolean, was.enabled, true), rule ->> 'kind', rule ->> 'source',
            array(select jsonb_array_elements_text(coalesce(rule -> 'tags_all', '[]'))), array(select jsonb_array_elements_text(coalesce(rule -> 'tags_any', '[]'))),
            (rule ->> 'condition')::jsonpath, coalesce((rule ->> 'probability')::double precision, 1), coalesce((rule ->> 'cooldown')::interval, '0'), (rule ->> 'cooldown_key')::jsonpath,
            (rule ->> 'daily_cap')::integer, coalesce((rule ->> 'priority')::smallint, 0), coalesce(rule ->> 'scope', 'all'), rule ->> 'agent', rule -> 'plan', rule ->> 'dedupe',
            (rule ->> 'over')::interval, (rule ->> 'at_least')::integer, coalesce((rule ->> 'absent')::boolean, false))
    on conflict (name) do update set description = excluded.description, enabled = excluded.enabled, kind_glob = excluded.kind_glob, source = excluded.source, tags_all = excluded.tags_all,
      tags_any = excluded.tags_any, condition = excluded.condition, probability = excluded.probability, cooldown = excluded.cooldown, cooldown_key = excluded.cooldown_key,
      daily_cap = excluded.daily_cap, priority = excluded.priority, scope = excluded.scope, agent = excluded.agent, plan = excluded.plan, dedupe_template = excluded.dedupe_template,
      over = excluded.over, at_least = excluded.at_least, absent = excluded.absent, actor = excluded.actor
    returning * into now_is;
  exception
    when syntax_error or invalid_text_representation or invalid_datetime_format or datetime_field_overflow or numeric_value_out_of_range or check_violation or not_null_violation then
      perform refuse('OC012', format('rule %s: %s', rule ->> 'name', sqlerrm), 'durations are like "10 minutes"; condition and cooldown_key are SQL/JSON paths like $.payload.kind; plan or agent, not both');
  end;
  if was.id is null or now_is.version <> was.version or now_is.enabled <> was.enabled then
    perform record_act('rules add', now_is.name, case when was.id is not null then jsonb_build_object('version', was.version, 'enabled', was.enabled) end,
      jsonb_build_object('version', now_is.version, 'enabled', now_is.enabled));
  end if;
  return now_is.id;
end $$;
comment on function put_rule(jsonb) is 'Writes a rule, new or the next version of its name; every fault is refused (OC012, OC007). Returns its id.';

create function set_rule_enabled(rule text, wanted boolean) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was boolean;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not change rules', session_user), 'ask the operator: openclaw rules enable, disable');
  end if;
  select enabled into was from ops_reaction_rules where name = rule for update;
  if not found then
    perform refuse('OC011', format('there is no rule "%s"', rule), 'openclaw rules list');
  end if;
  if was <> wanted then
    update ops_reaction_rules set enabled = wanted where name = rule;
    perform record_act(case when wanted then 'rules enable' else 'rules disable' end, rule, jsonb_build_object('enabled', was), jsonb_build_object('enabled', wanted));
  end if;
  return was <> wanted;
end $$;

-- What each rule would say of an event that need not exist: nothing is written. Of a stored one, the decision as well.
create function explain_event(document jsonb, event bigint default null) returns table (rule text, enabled boolean, matches boolean, why text, state text, reason text, mission_id bigint)
language sql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$
  select r.name, r.enabled, m.mismatch is null and r.over is null, case when r.over is not null then 'a rule on time: looked at once a minute' else m.mismatch end, d.state, d.reason, d.mission_id
  from ops_reaction_rules r
  left join ops_reactions d on d.rule_id = r.id and d.event_id = event
  cross join lateral (select rule_mismatch(r, document ->> 'kind', coalesce(document ->> 'source', 'sql'),
    array(select jsonb_array_elements_text(case when jsonb_typeof(document -> 'tags') = 'array' then document -> 'tags' else '[]' end)),
    coalesce((document ->> 'untrusted')::boolean, false),
    exists (select from ops_missions c where c.id = (document ->> 'mission_id')::bigint and c.cause_event_id is not null), document) as mismatch) m
  order by (m.mismatch is null) desc, r.name
$$;
