-- What Scout looks after and what it found. Everything found comes from outside: it is shown and scored, and never obeyed.

create table ops_interests (
  id bigint generated always as identity primary key,
  query text not null unique check (length(query) between 3 and 400),
  asset text check (length(asset) between 1 and 100),
  cadence interval not null check (cadence between interval '15 minutes' and interval '90 days'),
  venue text check (venue in ('brave', 'perplexity')),
  depth text not null default 'quick' check (depth in ('quick', 'deep')),
  budget_usd numeric(14, 6) not null default 0.05 check (budget_usd > 0),
  enabled boolean not null default true,
  next_run_at timestamptz not null default now(),
  last_run_at timestamptz,
  last_error text,
  runs integer not null default 0,
  actor text not null default current_actor(),
  created_at timestamptz not null default now()
);
comment on table ops_interests is 'What Scout looks at again and again: the question, how often, where, and the most that one run may cost.';
create index ops_interests_due on ops_interests (next_run_at) where enabled;

create table ops_research_signals (
  id bigint generated always as identity primary key,
  type text not null check (type in ('opportunity', 'risk', 'news', 'release', 'price', 'security', 'regulation', 'link')),
  venue text not null check (length(venue) between 1 and 253),
  asset text not null check (length(asset) between 1 and 100),
  confidence real not null check (confidence between 0 and 1),
  rationale text not null check (length(rationale) between 1 and 2000),
  suggested_action text not null check (length(suggested_action) <= 500),
  risk_level text not null check (risk_level in ('low', 'medium', 'high')),
  "timestamp" timestamptz not null,
  expires_at timestamptz not null,
  score real not null check (score between 0 and 1),
  title text not null check (length(title) <= 300),
  address text not null check (length(address) <= 2000),
  sources text[] not null default '{}',
  seen integer not null default 1,
  query text not null,
  interest_id bigint,
  agent text,
  mission_id bigint,
  untrusted boolean not null default true check (untrusted),
  trace_id uuid,
  check (expires_at > "timestamp")
);
comment on table ops_research_signals is 'What research found, scored, until it expires. Untrusted for good: suggested_action is a text for a person, and nothing reads it as a command.';
comment on column ops_research_signals.venue is 'Where it was found: the host of its main source.';
comment on column ops_research_signals.address is 'The canonical address of its main source; with type and asset it is the same signal again.';
comment on column ops_research_signals.score is 'Confidence, the number of independent hosts and how new it is, as one number for the order on the screen.';
comment on column ops_research_signals.seen is 'How often it was found while it had not expired.';
create unique index ops_research_signals_same on ops_research_signals (md5(address), type, lower(asset));
create index ops_research_signals_expires on ops_research_signals (expires_at);

create view research_signals_now as
  select id, type, venue, asset, confidence, rationale, suggested_action, risk_level, "timestamp", expires_at, score, title, address, sources, seen, query, interest_id, agent, untrusted
  from ops_research_signals where expires_at > clock_now();
comment on view research_signals_now is 'The signals that have not expired.';

-- Found again while it lives: the better confidence and the later end count, and no second event is told. One that has expired
-- is new.
create function add_research_signals(signals jsonb, origin jsonb default '{}') returns table (id bigint, is_new boolean, address text, type text, asset text)
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  with given as (
    select distinct on (md5(s.address), s.type, lower(s.asset)) s.*
    from jsonb_to_recordset(signals) s(type text, venue text, asset text, confidence real, rationale text, suggested_action text, risk_level text, lasts_hours double precision,
      score real, title text, address text, sources text[])
    order by md5(s.address), s.type, lower(s.asset), s.score desc),
  stored as (
    insert into ops_research_signals as r (type, venue, asset, confidence, rationale, suggested_action, risk_level, "timestamp", expires_at, score, title, address, sources, query,
        interest_id, agent, mission_id, trace_id)
      select g.type, g.venue, g.asset, g.confidence, g.rationale, g.suggested_action, g.risk_level, clock_now(), clock_now() + make_interval(secs => g.lasts_hours * 3600), g.score,
             g.title, g.address, coalesce(g.sources, '{}'), coalesce(origin ->> 'query', ''), (origin ->> 'interest')::bigint, origin ->> 'agent', (origin ->> 'mission')::bigint,
             coalesce((origin ->> 'trace')::uuid, current_trace())
      from given g order by md5(g.address), g.type, lower(g.asset)
      on conflict (md5(address), type, lower(asset)) do update set
        seen = case when r.expires_at > clock_now() then r.seen + 1 else 1 end,
        confidence = case when r.expires_at > clock_now() then greatest(r.confidence, excluded.confidence) else excluded.confidence end,
        score = case when r.expires_at > clock_now() then greatest(r.score, excluded.score) else excluded.score end,
        "timestamp" = case when r.expires_at > clock_now() then r."timestamp" else excluded."timestamp" end,
        rationale = excluded.rationale, suggested_action = excluded.suggested_action, risk_level = excluded.risk_level, title = excluded.title,
        sources = excluded.sources, query = excluded.query, interest_id = coalesce(excluded.interest_id, r.interest_id), expires_at = greatest(r.expires_at, excluded.expires_at)
      returning r.*),
  told as (
    insert into ops_agent_events (kind, agent, untrusted, severity, mission_id, trace_id, payload, tags)
      select 'signal.found', s.agent, true, case when s.risk_level = 'high' then 'warning' else 'info' end, s.mission_id, s.trace_id,
             jsonb_build_object('signal', s.id, 'type', s.type, 'asset', s.asset, 'confidence', s.confidence, 'score', s.score, 'risk_level', s.risk_level, 'title', s.title,
                                'address', s.address, 'expires_at', s.expires_at), array['research', s.type]
      from stored s where s.seen = 1 order by s.id)
  select s.id, s.seen = 1, s.address, s.type, s.asset from stored s order by s.id;
end $$;
comment on function add_research_signals(jsonb, jsonb) is 'Stores signals, the same one once while it lives; a new one is told as signal.found, marked untrusted.';

create function add_interest(query text, cadence interval default '1 day', venue text default null, depth text default 'quick', budget_usd numeric default 0.05, asset text default null) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare known bigint; new_id bigint; wanted text := regexp_replace(btrim(add_interest.query), '\s+', ' ', 'g');
begin
  if coalesce(length(wanted), 0) not between 3 and 400 then
    perform refuse('OC009', format('the query has %s characters, expected 3 to 400', coalesce(length(wanted), 0)), 'say in a few words what to look for');
  end if;
  if add_interest.cadence is null or add_interest.cadence not between interval '15 minutes' and interval '90 days' then
    perform refuse('OC009', format('the cadence is %s, expected 15 minutes to 90 days', coalesce(add_interest.cadence::text, 'missing')), 'for example 6 h or 1 d');
  end if;
  if add_interest.budget_usd is null or add_interest.budget_usd not between 0.000001 and 100 then
    perform refuse('OC009', format('the budget is %s, expected more than 0 and at most 100 USD a run', add_interest.budget_usd), 'for example 0.05');
  end if;
  if add_interest.venue not in ('brave', 'perplexity') or add_interest.depth not in ('quick', 'deep') or add_interest.depth is null then
    perform refuse('OC009', format('venue %s or depth %s is not known', add_interest.venue, add_interest.depth), 'venue brave or perplexity, depth quick or deep');
  end if;
  select i.id into known from ops_interests i where i.query = wanted;
  if known is not null then
    perform refuse('OC009', format('i%s looks for this already', known), format('openclaw interests remove i%s, to add it anew', known));
  end if;
  insert into ops_interests (query, cadence, venue, depth, budget_usd, asset, next_run_at)
    values (wanted, add_interest.cadence, add_interest.venue, add_interest.depth, add_interest.budget_usd, add_interest.asset, clock_now()) returning id into new_id;
  perform record_act('interests add', 'i' || new_id, null, jsonb_build_object('query', wanted, 'cadence', add_interest.cadence, 'budget_usd', add_interest.budget_usd));
  return new_id;
end $$;

create function remove_interest(interest bigint) returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_interests;
begin
  delete from ops_interests where id = interest returning * into was;
  if not found then
    perform refuse('OC011', format('there is no interest i%s', interest), 'openclaw interests list');
  end if;
  perform record_act('interests remove', 'i' || interest, jsonb_build_object('query', was.query, 'cadence', was.cadence), null);
  return was.query;
end $$;

-- The next run is set before this one starts: an interest whose run kills its agent does not do so again at once.
create function claim_due_interest() returns setof ops_interests
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  update ops_interests i set last_run_at = clock_now(), next_run_at = clock_now() + i.cadence, runs = i.runs + 1
    where i.id = (select id from ops_interests where enabled and next_run_at <= clock_now() order by next_run_at, id limit 1 for update skip locked)
    returning i.*
$$;
comment on function claim_due_interest() is 'Takes the interest that is due the longest and plans its next run; of several callers each gets another.';

create function end_interest_run(interest bigint, error text default null) returns void
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$ update ops_interests set last_error = end_interest_run.error where id = interest $$;
