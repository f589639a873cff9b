-- Money and calls: reserved before a call, settled after it.
--
--   reserve_spend() -> reserved --settle_spend()--> settled
--                         |  \---release_spend()--> released   (the call was not made, or the provider charged nothing)
--                         \------holder died------> expired
--
-- What counts against a limit is a row of ops_budget_use. Whoever reserves locks the rows of all limits that the call has, in order of (key, period),
-- looks, and only then adds: reservations never pass a limit, however many reserve at once. A caller in REPEATABLE READ gets 40001 from the
-- lock instead of an old sum. Spend rows are locked before budget rows, everywhere. One call is one transaction: two in one may meet another's in
-- the wrong order, and Postgres then ends one of them.

create table ops_budget_use (
  key text not null,
  period text not null,
  spent_usd numeric(14, 6) not null default 0,
  reserved_usd numeric(14, 6) not null default 0 check (reserved_usd >= 0),
  warned smallint not null default 0,
  primary key (key, period)
);
comment on table ops_budget_use is 'What is spent and reserved: all, agent:<name> and provider:<name> by day and month (UTC), mission:<id>. calls:<provider> is there to be locked.';
comment on column ops_budget_use.warned is 'The highest of 75, 90 and 100 percent that an event has told.';

create table ops_spend (
  id bigint generated always as identity primary key,
  state text not null default 'reserved' check (state in ('reserved', 'settled', 'released', 'expired')),
  kind text not null default 'call' check (kind in ('call', 'estimate')),
  provider text not null,
  model text,
  agent text,
  task text,
  mission_id bigint,
  step_id bigint,
  job bigint,
  reserved_usd numeric(14, 6) not null check (reserved_usd >= 0),
  cost_usd numeric(14, 6) check (cost_usd >= 0),
  prompt_tokens integer,
  completion_tokens integer,
  holder text,
  day date not null,
  actor text not null default current_actor(),
  trace_id uuid,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  check ((ended_at is null) = (state = 'reserved'))
);
comment on table ops_spend is 'Each call that costs, from its reservation to its price; costs of agents, missions, models and days are summed from here. An estimate is what a mission was let in with: its calls draw on it.';
comment on column ops_spend.holder is 'The pool that calls (by itself the one that holds the job); when it is dead, the reservation is given back.';
comment on column ops_spend.day is 'The UTC day, with its month, that this counts for, whenever it is settled.';
create index ops_spend_open on ops_spend (expires_at) where state = 'reserved';
create index ops_spend_estimate on ops_spend (mission_id) where state = 'reserved' and kind = 'estimate';
create index ops_spend_day on ops_spend (day);
create index ops_spend_mission on ops_spend (mission_id) where mission_id is not null;
create index ops_spend_window on ops_spend (provider, created_at);

create function utc_day() returns date
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$ begin return (clock_now() at time zone 'UTC')::date; end $$;
comment on function utc_day() is 'The day of quotas and budgets: UTC, by the one clock, whatever zone the server or the session has.';

-- What a call counts for. Also without a limit: one that is set later in the day then knows what is spent already.
create function spend_keys(provider text, agent text, mission bigint, day date) returns table (key text, period text)
language sql immutable
set search_path = public, pg_catalog, pg_temp
as $$
  select k, p from (values ('all', to_char(day, 'YYYY-MM-DD')), ('all', to_char(day, 'YYYY-MM')),
      ('agent:' || agent, to_char(day, 'YYYY-MM-DD')), ('agent:' || agent, to_char(day, 'YYYY-MM')),
      ('provider:' || provider, to_char(day, 'YYYY-MM-DD')), ('provider:' || provider, to_char(day, 'YYYY-MM')),
      ('mission:' || mission, '')) v(k, p)
  where k is not null
$$;

-- The limit of one such row, null where there is none.
create function budget_limit(key text, period text) returns numeric
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  select case when key = 'all' then policy_value('budget.usd') ->> span when key like 'mission:%' then policy_value('budget.usd') ->> 'mission'
              when key like 'agent:%' then policy_value('budget.agents') -> substr(key, 7) ->> span
              when key like 'provider:%' then policy_value('budget.providers') -> substr(key, 10) ->> span end::numeric
  from (select case length(period) when 10 then 'day' when 7 then 'month' end as span) s
$$;

-- Null: a mission's limit does not turn.
create function budget_turns_at(period text) returns timestamptz
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  select case length(period) when 10 then (period::date + 1)::timestamp at time zone 'UTC'
                             when 7 then ((period || '-01')::date + interval '1 month')::timestamp at time zone 'UTC' end
$$;

create function warn_budgets(keys text[], periods text[]) returns void
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
begin
  with level as (
    select u.key, u.period, l.limit_usd, u.spent_usd, u.reserved_usd, u.warned,
           case when u.spent_usd + u.reserved_usd >= l.limit_usd then 100 when u.spent_usd + u.reserved_usd >= l.limit_usd * 0.9 then 90
                when u.spent_usd + u.reserved_usd >= l.limit_usd * 0.75 then 75 else 0 end as reached
    from unnest(keys, periods) k(key, period) join ops_budget_use u on u.key = k.key and u.period = k.period,
         lateral (select budget_limit(u.key, u.period) as limit_usd) l
    where l.limit_usd > 0),
  told as (
    update ops_budget_use u set warned = level.reached from level where u.key = level.key and u.period = level.period and level.reached > level.warned
    returning level.*)
  insert into ops_agent_events (kind, severity, payload, tags)
    select case when reached = 100 then 'budget.exhausted' else 'budget.warning' end, case when reached = 100 then 'error' else 'warning' end,
           jsonb_build_object('budget', key, 'period', period, 'percent', reached, 'limit_usd', limit_usd, 'spent_usd', spent_usd, 'reserved_usd', reserved_usd), array[key]
    from told order by key, period;
end $$;
comment on function warn_budgets is 'Tells 75, 90 and 100 percent of each limit once a period.';

create type spend_answer as (reservation bigint, reason_code text, reason text, retry_at timestamptz);
comment on type spend_answer is 'Either a reservation, or why there is none (price_unknown, budget, calls, quota, policy) and when it is worth asking again.';

create function reserve_spend(
  provider text,
  model text default null,
  amount_usd numeric default null,
  agent text default null,
  mission_id bigint default null,
  step_id bigint default null,
  job bigint default null,
  task text default null,
  holder text default null,
  keep interval default '15 minutes',
  trace_id uuid default null,
  kind text default 'call'
) returns spend_answer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare
  keys text[]; periods text[]; estimate ops_spend; drawn numeric := 0; full_at ops_budget_use; full_limit numeric; full_turns timestamptz; window_rule record; used bigint; answer spend_answer;
  windows jsonb := sound_policy('budget.calls'); reached smallint; calls_row ops_budget_use; new_id bigint; severity text := 'warning';
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not spend', session_user), 'queue a task that does');
  end if;
  if provider is null or length(provider) not between 1 and 128 then
    perform refuse('OC009', 'a reservation needs the provider''s name', 'reserve_spend(''minimax'', ''model'', 0.01)');
  end if;
  if amount_usd < 0 or amount_usd > 1000000 or amount_usd = 'NaN' then
    perform refuse('OC009', format('amount_usd is %s, expected 0 to 1000000', amount_usd), 'the most that the call can cost');
  end if;
  perform expire_spend();
  if amount_usd is null then
    answer := row (null, 'price_unknown', format('the price of %s at %s is not known, so it is not called', coalesce(model, 'this call'), provider), null);
  elsif windows is null or sound_policy('budget.usd') is null or sound_policy('budget.agents') is null or sound_policy('budget.providers') is null then
    answer := row (null, 'policy', 'a policy of budget.* is missing or malformed, so nothing is spent', null);
  else
    select array_agg(k.key order by k.key, k.period), array_agg(k.period order by k.key, k.period) into keys, periods from spend_keys(provider, agent, mission_id, utc_day()) k;
    if mission_id is not null and kind = 'call' then
      select * into estimate from ops_spend s where s.mission_id = reserve_spend.mission_id and s.state = 'reserved' and s.kind = 'estimate' and s.day = utc_day() for no key update;
      drawn := least(coalesce(estimate.reserved_usd, 0), amount_usd);
    end if;
    insert into ops_budget_use (key, period)
      select k.key, k.period from (select * from unnest(keys, periods) u(key, period) union select 'calls:' || provider, '' where kind = 'call') k
      order by k.key, k.period on conflict do nothing;
    perform from ops_budget_use u where (u.key, u.period) in (select * from unnest(keys, periods)) or (u.key = 'calls:' || provider and u.period = '' and reserve_spend.kind = 'call')
      order by u.key, u.period for no key update;

    -- A limit of 0 stops what costs, not what is free. The limit that turns last is named: before that it is no use to ask.
    select u.key, u.period, u.spent_usd, u.reserved_usd, l.limit_usd, budget_turns_at(u.period) into full_at.key, full_at.period, full_at.spent_usd, full_at.reserved_usd, full_limit, full_turns
      from ops_budget_use u, lateral (select budget_limit(u.key, u.period) as limit_usd) l
      where (u.key, u.period) in (select * from unnest(keys, periods)) and amount_usd > 0
        and u.spent_usd + u.reserved_usd + amount_usd - case when (u.key, u.period) in (select * from spend_keys(estimate.provider, estimate.agent, estimate.mission_id, estimate.day)) then drawn else 0 end > l.limit_usd
      order by budget_turns_at(u.period) desc nulls first limit 1;
    if full_at.key is not null then
      answer := row (null, 'budget', format('budget %s%s: $%s of $%s are spent or reserved, $%s more do not fit', full_at.key,
        case when full_at.period <> '' then ' in ' || full_at.period else '' end, trim_scale(full_at.spent_usd + full_at.reserved_usd), trim_scale(full_limit), trim_scale(amount_usd)), full_turns);
    elsif kind = 'call' then
      select * into calls_row from ops_budget_use u where u.key = 'calls:' || provider and u.period = '';
      reached := 0;
      for window_rule in select (w.value ->> 'calls')::bigint as calls, (w.value ->> 'window')::interval as span from jsonb_array_elements(windows) w where w.value ->> 'provider' = reserve_spend.provider loop
        select count(*) into used from ops_spend s where s.provider = reserve_spend.provider and s.created_at > clock_now() - window_rule.span and s.state <> 'released' and s.kind = 'call';
        if used >= window_rule.calls then
          answer := row (null, 'calls', format('%s has had %s calls within %s, and %s are its limit', provider, used, window_rule.span, window_rule.calls),
            (select s.created_at + window_rule.span from ops_spend s where s.provider = reserve_spend.provider and s.created_at > clock_now() - window_rule.span and s.state <> 'released' and s.kind = 'call'
             order by s.created_at desc offset window_rule.calls - 1 limit 1));
        end if;
        used := used + 1;
        reached := greatest(reached, case when used >= window_rule.calls then 100 when used >= window_rule.calls * 0.9 then 90 when used >= window_rule.calls * 0.75 then 75 else 0 end);
      end loop;
      if reached <> calls_row.warned then
        update ops_budget_use u set warned = reached where u.key = calls_row.key and u.period = '';
        if reached > calls_row.warned then
          insert into ops_agent_events (kind, severity, payload, tags)
            values (case when reached = 100 then 'budget.exhausted' else 'budget.warning' end, 'warning', jsonb_build_object('budget', calls_row.key, 'percent', reached, 'windows', windows), array[calls_row.key]);
        end if;
      end if;
    end if;
  end if;
  -- Last, because it is spent at once: the day's calls that cost, whoever asks and whichever service.
  if answer.reason_code is null and kind = 'call' and amount_usd > 0 then
    if coalesce(spend_quota('api_call'), 0) < 1 then
      answer := row (null, 'quota', format('the %s calls of today (UTC) that quota api_call allows are spent', policy_value('quota.tasks') ->> 'api_call'), (utc_day() + 1)::timestamp at time zone 'UTC');
    end if;
  end if;
  if answer.reason_code is not null then
    insert into ops_agent_events (kind, severity, agent, mission_id, step_id, job, trace_id, payload, tags)
      values ('budget.refused', 'warning', reserve_spend.agent, reserve_spend.mission_id, reserve_spend.step_id, reserve_spend.job, reserve_spend.trace_id,
              jsonb_build_object('reason_code', answer.reason_code, 'reason', answer.reason, 'provider', provider, 'model', model, 'amount_usd', amount_usd, 'retry_at', answer.retry_at), array[provider]);
    if full_at.key is not null then
      update ops_budget_use u set warned = 100 where u.key = full_at.key and u.period = full_at.period and u.warned < 100;
      if found then
        insert into ops_agent_events (kind, severity, payload, tags)
          values ('budget.exhausted', 'error', jsonb_build_object('budget', full_at.key, 'period', full_at.period, 'percent', 100, 'limit_usd', full_limit, 'spent_usd', full_at.spent_usd,
                                                                 'reserved_usd', full_at.reserved_usd), array[full_at.key]);
      end if;
    end if;
    return answer;
  end if;

  update ops_budget_use u set reserved_usd = u.reserved_usd + amount_usd
      - case when (u.key, u.period) in (select * from spend_keys(estimate.provider, estimate.agent, estimate.mission_id, estimate.day)) then drawn else 0 end
    where (u.key, u.period) in (select * from unnest(keys, periods));
  if drawn > 0 then
    update ops_spend s set reserved_usd = s.reserved_usd - drawn where s.id = estimate.id;
    -- What the estimate counts for and the call does not (a provider's row of its own).
    update ops_budget_use u set reserved_usd = u.reserved_usd - drawn
      where (u.key, u.period) in (select * from spend_keys(estimate.provider, estimate.agent, estimate.mission_id, estimate.day) except select * from unnest(keys, periods));
  end if;
  insert into ops_spend (kind, provider, model, agent, task, mission_id, step_id, job, reserved_usd, holder, day, trace_id, created_at, expires_at)
    values (reserve_spend.kind, reserve_spend.provider, reserve_spend.model, reserve_spend.agent, reserve_spend.task, reserve_spend.mission_id, reserve_spend.step_id, reserve_spend.job,
            amount_usd, coalesce(reserve_spend.holder, (select j.locked_by from graphile_worker._private_jobs j where j.id = reserve_spend.job)), utc_day(), reserve_spend.trace_id, clock_now(), clock_now() + keep)
    returning id into new_id;
  answer.reservation := new_id;
  perform warn_budgets(keys, periods);
  return answer;
end $$;
comment on function reserve_spend is 'Reserves the most that a call can cost against every limit that it has, or says why not and when to ask again. Never raises for a full budget, so that the refusal is kept.';

-- Ends open reservations: what was reserved leaves the rows of its own day and month, what it really cost enters them.
create function end_spend(ids bigint[], new_state text, cost numeric) returns bigint[]
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare ended bigint[]; keys text[]; periods text[]; reserved numeric[]; count_of numeric[];
begin
  with gone as (
    update ops_spend s set state = new_state, cost_usd = cost, ended_at = clock_now() where s.id = any (ids) and s.state = 'reserved'
    returning s.*),
  moved as (
    select k.key, k.period, sum(gone.reserved_usd) as reserved, count(*) as n from gone, lateral spend_keys(gone.provider, gone.agent, gone.mission_id, gone.day) k group by k.key, k.period)
  select (select array_agg(gone.id) from gone), array_agg(m.key order by m.key, m.period), array_agg(m.period order by m.key, m.period),
         array_agg(m.reserved order by m.key, m.period), array_agg(m.n order by m.key, m.period) into ended, keys, periods, reserved, count_of from moved m;
  if ended is null then return '{}'; end if;
  perform from ops_budget_use u where (u.key, u.period) in (select * from unnest(keys, periods)) order by u.key, u.period for no key update;
  update ops_budget_use u set reserved_usd = greatest(u.reserved_usd - m.reserved, 0), spent_usd = u.spent_usd + coalesce(cost, 0) * m.n
    from unnest(keys, periods, reserved, count_of) m(key, period, reserved, n) where u.key = m.key and u.period = m.period;
  if cost > 0 then
    perform warn_budgets(keys, periods);
  end if;
  return ended;
end $$;

create function settle_spend(reservation bigint, cost numeric, prompt_tokens integer default null, completion_tokens integer default null) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_spend; late boolean := false;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not spend', session_user), 'queue a task that does');
  end if;
  if cost is null or cost < 0 or cost > 1000000 or cost = 'NaN' then
    perform refuse('OC009', format('the cost is %s, expected 0 to 1000000 USD', coalesce(cost::text, 'not known')), 'the reserved amount, where the provider does not say');
  end if;
  select * into was from ops_spend s where s.id = reservation for no key update;
  if not found then
    perform refuse('OC011', format('there is no reservation %s', reservation), 'reserve_spend() gives one');
  end if;
  if was.state in ('settled', 'released') then return false; end if;
  if was.state = 'expired' then
    -- The call went through although its reservation was given up: the money is gone, whatever the limit says.
    late := true;
    insert into ops_budget_use (key, period) select k.key, k.period from spend_keys(was.provider, was.agent, was.mission_id, was.day) k order by k.key, k.period on conflict do nothing;
    perform from ops_budget_use u where (u.key, u.period) in (select * from spend_keys(was.provider, was.agent, was.mission_id, was.day)) order by u.key, u.period for no key update;
    update ops_budget_use u set spent_usd = u.spent_usd + cost where (u.key, u.period) in (select * from spend_keys(was.provider, was.agent, was.mission_id, was.day));
    update ops_spend s set state = 'settled', cost_usd = cost, ended_at = clock_now() where s.id = reservation;
    perform warn_budgets(array_agg(k.key), array_agg(k.period)) from spend_keys(was.provider, was.agent, was.mission_id, was.day) k;
  else
    perform end_spend(array[reservation], 'settled', cost);
  end if;
  update ops_spend s set prompt_tokens = settle_spend.prompt_tokens, completion_tokens = settle_spend.completion_tokens where s.id = reservation;
  if was.mission_id is not null and cost > 0 then
    update ops_missions m set cost_usd = m.cost_usd + cost where m.id = was.mission_id;
  end if;
  return true;
end $$;
comment on function settle_spend is 'What a reserved call really cost, also when it is more than was reserved. Once: a second time gives false and changes nothing.';

create function release_spend(reservation bigint) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not spend', session_user), 'queue a task that does');
  end if;
  return cardinality(end_spend(array[reservation], 'released', null)) > 0;
end $$;
comment on function release_spend is 'Gives a reservation back: the call was not made, or failed and costs nothing.';

-- Once a second by each worker, and before each reservation. `skip locked`: who settles one now is no dead one.
create function expire_spend() returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare ids bigint[]; ended bigint[];
begin
  -- `at` is one index look for the many times when nothing is open.
  if not exists (select from ops_spend s where s.state = 'reserved') then return 0; end if;
  select array_agg(gone.id) into ids from (
    select s.id from ops_spend s
    where s.state = 'reserved' and (s.expires_at <= clock_now()
      or exists (select from workers w where w.pool_id = s.holder and w.state <> 'live')
      or s.kind = 'estimate' and exists (select from ops_missions m where m.id = s.mission_id and m.finished_at is not null))
    order by s.id for no key update skip locked) gone;
  if ids is null then return 0; end if;
  ended := end_spend(ids, 'expired', null);
  insert into ops_agent_events (kind, severity, agent, mission_id, step_id, job, trace_id, payload, tags)
    select 'budget.expired', 'warning', s.agent, s.mission_id, s.step_id, s.job, s.trace_id, jsonb_build_object('reservation', s.id, 'reserved_usd', s.reserved_usd, 'holder', s.holder, 'provider', s.provider), array[s.provider]
    from ops_spend s where s.id = any (ended) and s.kind = 'call';
  return cardinality(ended);
end $$;
comment on function expire_spend() is 'Gives back what a dead worker had reserved, what nobody settled in time, and what an ended mission did not use of its estimate; returns how many.';
