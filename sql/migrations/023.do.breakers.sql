-- Breakers: switches that stop calls to a failing service (service:<name>), starts of failing missions (kind:<kind>), and starts of a task (task:<name>,
-- only by hand). The state is here alone; processes and Redis have copies.
--
--   closed --failures in a row--> open --its time is over--> half_open (one probe among all processes)
--      ^                           ^ ^                          |  |
--      |                           | +---- the probe failed ----+  | (open for twice as long, up to the most)
--      +----------------------- the probe went well ---------------+

create table ops_breakers (
  name text primary key check (name ~ '^(service|kind|task):[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$'),
  state text not null default 'closed' check (state in ('closed', 'open', 'half_open')),
  failures integer not null default 0,
  opens integer not null default 0,
  opened_at timestamptz,
  open_until timestamptz,
  probe text,
  probe_until timestamptz,
  last_error text,
  reason text,
  actor text not null default current_actor(),
  updated_at timestamptz not null default now(),
  check ((state = 'open') = (open_until is not null)),
  check ((state = 'half_open') = (probe is not null))
);
comment on table ops_breakers is 'A row for each breaker that ever counted a failure. A service or kind without a row is closed.';
comment on column ops_breakers.opens is 'How often it has opened since it was last closed: each time for twice as long.';
comment on column ops_breakers.probe is 'Who may try while it is half open; after probe_until somebody else may.';

create function breaker_rule(name text) returns jsonb
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$ begin return sound_policy(case when name like 'kind:%' then 'breaker.missions' else 'breaker.services' end); end $$;

-- Every change of state is an event, and a nudge for those who keep a copy.
create function tell_breaker() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  insert into ops_agent_events (kind, severity, payload, tags)
    values ('breaker.' || case new.state when 'open' then 'opened' when 'closed' then 'closed' else 'half_open' end, case new.state when 'open' then 'error' else 'info' end,
            jsonb_strip_nulls(jsonb_build_object('breaker', new.name, 'was', case when tg_op = 'UPDATE' then old.state end, 'failures', new.failures, 'opens', new.opens,
              'open_until', new.open_until, 'error', left(new.last_error, 500), 'reason', new.reason)), array[new.name]);
  perform pg_notify('breaker:changed', new.name);
  return null;
end $$;
create trigger ops_breakers_tell after update of state on ops_breakers for each row when (old.state is distinct from new.state) execute function tell_breaker();
create trigger ops_breakers_tell_new after insert on ops_breakers for each row when (new.state <> 'closed') execute function tell_breaker();

create type breaker_answer as (admitted boolean, probe boolean, state text, failures integer, opens integer, open_until timestamptz, threshold integer, reason text);

-- Whether a call may be made, or a mission start, now. Of many who come when the time is over, one is the probe: the row decides.
create function breaker_admit(breaker text, by text, keep_probe interval default null) returns breaker_answer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare b ops_breakers; rule jsonb; answer breaker_answer;
begin
  select * into b from ops_breakers o where o.name = breaker;
  rule := breaker_rule(breaker);
  if rule is null then
    return row (false, false, coalesce(b.state, 'closed'), b.failures, b.opens, null, null, format('policy %s is missing or malformed', case when breaker like 'kind:%' then 'breaker.missions' else 'breaker.services' end))::breaker_answer;
  end if;
  if b.name is null or b.state = 'closed' then
    return row (true, false, 'closed', coalesce(b.failures, 0), 0, null, (rule ->> 'failures')::integer, null)::breaker_answer;
  end if;
  if b.state = 'open' and b.open_until <= clock_now() or b.state = 'half_open' and (b.probe_until <= clock_now() or b.probe = by) then
    update ops_breakers o set state = 'half_open', open_until = null, probe = by, probe_until = clock_now() + coalesce(keep_probe, (rule ->> 'probe')::interval), updated_at = clock_now()
      where o.name = breaker and (o.state = 'open' and o.open_until <= clock_now() or o.state = 'half_open' and (o.probe_until <= clock_now() or o.probe = by)) returning * into b;
    if found then
      return row (true, true, 'half_open', b.failures, b.opens, null, (rule ->> 'failures')::integer, null)::breaker_answer;
    end if;
    select * into b from ops_breakers o where o.name = breaker;
    if b.state = 'closed' then
      return row (true, false, 'closed', b.failures, 0, null, (rule ->> 'failures')::integer, null)::breaker_answer;
    end if;
  end if;
  return row (false, false, b.state, b.failures, b.opens, coalesce(b.open_until, b.probe_until), (rule ->> 'failures')::integer,
    case when b.state = 'half_open' then format('breaker %s is half open: %s is trying', breaker, b.probe)
         else format('breaker %s is open until %s: %s', breaker, to_char(b.open_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), coalesce(b.reason, b.last_error, 'it failed')) end)::breaker_answer;
end $$;
comment on function breaker_admit is 'Whether a call or a start may be made now, and whether it is the one probe. Writes only when a probe is given.';

-- How an admitted call ended. What began before the breaker opened says nothing about now: only the probe moves an open one.
create function breaker_report(breaker text, ok boolean, by text, error text default null) returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare b ops_breakers; rule jsonb := breaker_rule(breaker); lasts interval;
begin
  if ok then
    update ops_breakers o set state = 'closed', failures = 0, opens = 0, opened_at = null, open_until = null, probe = null, probe_until = null, reason = null, updated_at = clock_now()
      where o.name = breaker and (o.state = 'closed' and o.failures > 0 or o.state = 'half_open' and o.probe = by);
    return (select state from ops_breakers where name = breaker);
  end if;
  if ok is null then
    update ops_breakers o set state = 'open', open_until = clock_now(), probe = null, probe_until = null, updated_at = clock_now()
      where o.name = breaker and o.state = 'half_open' and o.probe = by;
    return (select state from ops_breakers where name = breaker);
  end if;
  insert into ops_breakers as o (name, failures, last_error, actor, updated_at) values (breaker, 1, left(breaker_report.error, 2000), 'system', clock_now())
    on conflict (name) do update set failures = o.failures + 1, last_error = excluded.last_error, updated_at = clock_now()
      where o.state = 'closed' or o.state = 'half_open' and o.probe = by
    returning * into b;
  -- A policy that is missing admits nothing, so there is nothing to open.
  if b.name is null or rule is null or b.state = 'closed' and b.failures < (rule ->> 'failures')::integer then
    return b.state;
  end if;
  lasts := least((rule ->> 'open')::interval * (2 ^ least(b.opens, 20)), greatest((rule ->> 'max')::interval, (rule ->> 'open')::interval));
  update ops_breakers o set state = 'open', opens = o.opens + 1, opened_at = clock_now(), open_until = clock_now() + lasts, probe = null, probe_until = null,
      reason = format('%s failure%s in a row', b.failures, case when b.failures > 1 then 's' else '' end), updated_at = clock_now()
    where o.name = breaker;
  return 'open';
end $$;
comment on function breaker_report is 'Counts how a call or mission ended: failures in a row open the breaker, a probe closes it or opens it for longer. ok null: it was given up and says nothing; the probe is free again.';

create function trip_breaker(breaker text, lasts interval default null, reason text default null) returns timestamptz
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_breakers; until timestamptz;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not trip a breaker', session_user), 'ask the operator');
  end if;
  if breaker !~ '^(service|kind|task):[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$' then
    perform refuse('OC009', format('"%s" is no breaker', breaker), 'service:<name>, kind:<kind of mission> or task:<name>');
  end if;
  if lasts <= interval '0' or lasts > interval '365 days' then
    perform refuse('OC009', format('a breaker cannot be open for %s', lasts), 'from a second to a year');
  end if;
  until := clock_now() + coalesce(lasts, (breaker_rule(breaker) ->> 'open')::interval, '15 min');
  select * into was from ops_breakers where name = breaker for update;
  insert into ops_breakers as o (name, state, opens, opened_at, open_until, reason, updated_at) values (breaker, 'open', 1, clock_now(), until, coalesce(trip_breaker.reason, 'tripped by ' || current_actor()), clock_now())
    on conflict (name) do update set state = 'open', opens = greatest(o.opens, 1), opened_at = clock_now(), open_until = excluded.open_until, probe = null, probe_until = null,
      reason = excluded.reason, actor = current_actor(), updated_at = clock_now();
  perform record_act('breakers trip', breaker, jsonb_build_object('state', coalesce(was.state, 'closed')), jsonb_build_object('state', 'open', 'open_until', until, 'reason', trip_breaker.reason));
  return until;
end $$;
comment on function trip_breaker is 'Opens a breaker by hand; returns until when.';

create function reset_breaker(breaker text) returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_breakers;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not reset a breaker', session_user), 'ask the operator');
  end if;
  select * into was from ops_breakers where name = breaker for update;
  if not found then
    perform refuse('OC011', format('there is no breaker "%s"', breaker), 'openclaw breakers list');
  end if;
  update ops_breakers set state = 'closed', failures = 0, opens = 0, opened_at = null, open_until = null, probe = null, probe_until = null, reason = null, last_error = null,
    actor = current_actor(), updated_at = clock_now() where name = breaker;
  perform record_act('breakers reset', breaker, jsonb_build_object('state', was.state, 'failures', was.failures), '{"state": "closed"}');
  return was.state;
end $$;
comment on function reset_breaker is 'Closes a breaker and forgets its failures; returns the state that it had.';
