-- What Atlas sees and does: states over time (uptime is computed from them), acts within limits, and incidents.
--
--   incident:  (none) --seen--> open --gone--> resolved        one open row a kind and subject, whoever saw it

create table ops_incidents (
  id bigint generated always as identity primary key,
  kind text not null check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
  subject text not null check (length(subject) between 1 and 200),
  severity text not null default 'error' check (severity in ('warning', 'error', 'critical')),
  state text not null default 'open' check (state in ('open', 'resolved')),
  what text not null,
  why text not null default '',
  tried jsonb not null default '[]' check (jsonb_typeof(tried) = 'array'),
  needed text not null default '',
  seen_by text not null default current_actor(),
  seen integer not null default 1,
  opened_at timestamptz not null,
  last_seen_at timestamptz not null,
  resolved_at timestamptz,
  resolution text,
  trace_id uuid not null default current_trace(),
  check ((state = 'resolved') = (resolved_at is not null))
);
comment on table ops_incidents is 'What went wrong: what, why, what was tried by itself, and what is needed of a person.';
comment on column ops_incidents.tried is 'Array of {at, act, result}, in order.';
comment on column ops_incidents.needed is 'What a person has to do; empty where nothing.';
create unique index ops_incidents_one_open on ops_incidents (kind, subject) where state = 'open';
create index ops_incidents_opened on ops_incidents (opened_at);

create function open_incident(kind text, subject text, severity text, what text, why text default '', needed text default '') returns table (id bigint, is_new boolean)
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare row_id bigint; fresh boolean; row_trace uuid;
begin
  insert into ops_incidents as i (kind, subject, severity, what, why, needed, opened_at, last_seen_at)
    values ($1, $2, $3, $4, $5, $6, clock_now(), clock_now())
    on conflict (kind, subject) where state = 'open' do update set seen = i.seen + 1, last_seen_at = excluded.last_seen_at, what = excluded.what, why = excluded.why, needed = excluded.needed
    returning i.id, i.seen = 1, i.trace_id into row_id, fresh, row_trace;
  if fresh then
    insert into ops_agent_events (kind, agent, severity, trace_id, payload, tags)
      values ('health.incident_opened', case when current_actor() like 'agent:%' then substr(current_actor(), 7) end, $3, row_trace,
              jsonb_build_object('incident', row_id, 'kind', $1, 'subject', $2, 'what', $4, 'why', $5, 'needed', $6), array[$1, $2]);
    perform raise_alert($3, format('incident:%s:%s', $1, $2), $4, concat_ws(E'\n', nullif($5, ''), 'Needed: ' || nullif($6, '')));
  end if;
  return query select row_id, fresh;
end $$;
comment on function open_incident is 'Opens an incident, with its event and its alert, or counts one that is open already.';

create function incident_tried(incident bigint, act text, result text) returns void
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  update ops_incidents set tried = tried || jsonb_build_array(jsonb_build_object('at', clock_now(), 'act', incident_tried.act, 'result', incident_tried.result)) where id = incident
$$;

create function resolve_incident(kind text, subject text, resolution text) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare i ops_incidents;
begin
  update ops_incidents o set state = 'resolved', resolved_at = clock_now(), resolution = $3 where o.kind = $1 and o.subject = $2 and o.state = 'open' returning * into i;
  if not found then
    return null;
  end if;
  insert into ops_agent_events (kind, agent, trace_id, payload, tags)
    values ('health.incident_resolved', case when current_actor() like 'agent:%' then substr(current_actor(), 7) end, i.trace_id,
            jsonb_build_object('incident', i.id, 'kind', $1, 'subject', $2, 'resolution', $3, 'lasted_s', round(extract(epoch from i.resolved_at - i.opened_at))), array[$1, $2]);
  perform raise_alert('info', format('incident:%s:%s', $1, $2), format('Over: %s', i.what),
                      format('%s After %s.', $3, justify_interval(date_trunc('second', i.resolved_at - i.opened_at))), kind => 'resolved');
  return i.id;
end $$;
comment on function resolve_incident is 'Ends the open incident of a kind and subject, with the length of the outage; null where there is none.';

create table ops_watch_acts (
  id bigint generated always as identity primary key,
  act text not null,
  subject text not null,
  incident_id bigint references ops_incidents (id),
  at timestamptz not null
);
comment on table ops_watch_acts is 'What Atlas did by itself, counted against its limits.';
create index ops_watch_acts_limits on ops_watch_acts (act, subject, at);

-- Under a lock of the act, so that two watchers do not both find room for the last one.
create function may_act(wanted_act text, wanted_subject text, most integer, span interval, incident bigint default null) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('act:' || wanted_act || ':' || wanted_subject, 0));
  if (select count(*) from ops_watch_acts where act = wanted_act and subject = wanted_subject and at > clock_now() - span) >= most then
    return false;
  end if;
  insert into ops_watch_acts (act, subject, incident_id, at) values (wanted_act, wanted_subject, incident, clock_now());
  perform record_act('atlas ' || wanted_act, wanted_subject, null, jsonb_build_object('incident', incident));
  return true;
end $$;
comment on function may_act is 'Counts an act against its limit (so many in so long for a subject), and records it; false where there is no room.';

create table ops_watch_states (
  id bigint generated always as identity primary key,
  subject text not null,
  state text not null check (state in ('up', 'down', 'unknown')),
  since timestamptz not null,
  until timestamptz,
  last_seen_at timestamptz not null,
  check (until is null or until >= since)
);
comment on table ops_watch_states is 'Who was up and who was down, from when to when. While nobody looked it is unknown, and counts neither way.';
create unique index ops_watch_states_now on ops_watch_states (subject) where until is null;
create index ops_watch_states_past on ops_watch_states (subject, since);

-- `at` is when the state began as far as is known (the last beat before silence), never before the last time that it was seen otherwise.
create function note_state(watched text, now_state text, at timestamptz default null, blind_after interval default '60 seconds') returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_watch_states; began timestamptz; looked timestamptz := clock_now();
begin
  select * into was from ops_watch_states where subject = watched and until is null for update;
  if not found then
    insert into ops_watch_states (subject, state, since, last_seen_at) values (watched, now_state, looked, looked) on conflict do nothing;
    return;
  end if;
  if looked <= was.last_seen_at then
    return;
  end if;
  if looked - was.last_seen_at > blind_after then
    -- Nobody looked meanwhile.
    update ops_watch_states set until = last_seen_at where id = was.id;
    insert into ops_watch_states (subject, state, since, until, last_seen_at) values (watched, 'unknown', was.last_seen_at, looked, looked);
    insert into ops_watch_states (subject, state, since, last_seen_at) values (watched, now_state, looked, looked);
  elsif was.state = now_state then
    update ops_watch_states set last_seen_at = looked where id = was.id;
  else
    began := least(greatest(coalesce(at, looked), was.since), looked);
    update ops_watch_states set until = began where id = was.id;
    insert into ops_watch_states (subject, state, since, last_seen_at) values (watched, now_state, began, looked);
  end if;
end $$;
comment on function note_state is 'Notes what a watcher sees. A change begins at its time; a gap in the watching is unknown.';

create function uptime(from_at timestamptz, to_at timestamptz) returns table (subject text, up_s double precision, down_s double precision, unknown_s double precision, percent double precision)
language sql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$
  with part as (
    select s.subject, s.state, extract(epoch from least(coalesce(s.until, s.last_seen_at), to_at) - greatest(s.since, from_at)) as seconds
    from ops_watch_states s where s.since < to_at and coalesce(s.until, s.last_seen_at) > from_at),
  summed as (
    select p.subject, coalesce(sum(seconds) filter (where state = 'up'), 0) as up_s, coalesce(sum(seconds) filter (where state = 'down'), 0) as down_s from part p group by p.subject)
  select s.subject, s.up_s, s.down_s, greatest(0, extract(epoch from to_at - from_at) - s.up_s - s.down_s),
         round((100 * s.up_s / nullif(s.up_s + s.down_s, 0))::numeric, 3)::float8
  from summed s order by s.subject
$$;
comment on function uptime(timestamptz, timestamptz) is 'Seconds up, down and unwatched of each subject in a span; percent is of what was watched, null where nothing was.';
