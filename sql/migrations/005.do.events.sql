-- What happened (ops_agent_events), what it cost and how it ended (ops_outcomes), who did what (agent_events), who is alive.
-- Ids commit out of order, so a follower reads `tx < pg_snapshot_xmin(pg_current_snapshot())` in order of (tx, id).

create table ops_agent_events (
  id bigint generated always as identity primary key,
  -- The commonest first: the pattern costs as much as the rest of the row's checks together.
  kind text not null check (kind in ('step.succeeded', 'mission.started', 'mission.succeeded') or kind ~ '^(mission|step|job|agent|worker|service|breaker|budget|approval|backup|health|signal|policy|cron|secret|message|user)\.[a-z0-9_]+(\.[a-z0-9_]+)*$'),
  source text not null default current_source(),
  agent text,
  actor text not null default current_actor(),
  severity text not null default 'info' check (severity in ('debug', 'info', 'warning', 'error', 'critical')),
  tags text[] not null default '{}',
  payload jsonb not null default '{}' check (jsonb_typeof(payload) = 'object'),
  untrusted boolean not null default false,
  mission_id bigint,
  step_id bigint,
  job bigint,
  cause_event_id bigint,
  depth smallint not null default 0,
  trace_id uuid,
  tx xid8 not null default pg_current_xact_id(),
  created_at timestamptz not null default now()
);
comment on table ops_agent_events is 'Append-only log of facts; reactions start from it.';
comment on column ops_agent_events.tx is 'The inserting transaction: followers stay below the oldest running one.';
create index ops_agent_events_follow on ops_agent_events (tx, id);
create index ops_agent_events_mission on ops_agent_events (mission_id, id) where mission_id is not null;
create index ops_agent_events_created_at on ops_agent_events (created_at);
create trigger ops_agent_events_append_only before update or delete or truncate on ops_agent_events for each statement execute function raise_append_only();

-- Inlined into whatever reads a job's history as outcomes.
create function job_duration(h job_history) returns double precision
language sql immutable
return extract(epoch from h.finished_at - h.started_at)::double precision * 1000;
create function job_fingerprint(h job_history) returns text
language sql immutable
return case when h.state = 'failed' and h.last_error is not null then md5(h.task || ':' || coalesce(h.error_class, '') || ':' || regexp_replace(h.last_error, '[0-9]+', '#', 'g')) end;

create table ops_outcome_rows (
  id bigint generated always as identity primary key,
  mission_id bigint,
  step_id bigint,
  job bigint,
  attempt smallint not null default 1,
  agent text,
  task text not null,
  provider text,
  model text,
  success boolean not null,
  state text not null,
  duration_ms double precision,
  input_bytes bigint,
  prompt_tokens integer,
  completion_tokens integer,
  cost_usd numeric(14, 6) not null default 0 check (cost_usd >= 0),
  error_class text,
  error_fingerprint text,
  rating smallint check (rating between -1 and 1),
  trace_id uuid,
  tx xid8 not null default pg_current_xact_id(),
  created_at timestamptz not null default now()
);
comment on table ops_outcome_rows is 'What a step, a call or an agent''s message cost and how it ended, written in the transaction that ends it; a person''s rating is a row of state rated. Read ops_outcomes, which has plain jobs too.';
create unique index ops_outcome_rows_one_a_step on ops_outcome_rows (step_id, attempt) where step_id is not null;
create index ops_outcome_rows_follow on ops_outcome_rows (tx, id);
create index ops_outcome_rows_created_at on ops_outcome_rows (created_at);
create trigger ops_outcome_rows_append_only before update or delete or truncate on ops_outcome_rows for each statement execute function raise_append_only();

-- Every terminal attempt. A plain job's row of history, written in the statement that ends it, is its outcome: a second row a job would
-- have cost a quarter more of Postgres' CPU for each (measured: 61 -> 79 us). Its id is minus the job's. A segment of a mission is no
-- outcome: its steps have theirs. Who asked for a job is looked up only where it is asked for.
create view ops_outcomes as
  select id, mission_id, step_id, job, attempt, agent, task, provider, model, success, state, duration_ms, input_bytes, prompt_tokens, completion_tokens, cost_usd,
         error_class, error_fingerprint, rating, trace_id, tx, created_at
  from ops_outcome_rows
  union all
  select -h.job_id, null, null, h.job_id, greatest(h.attempts, 1::smallint), (select substr(r.actor, 7) from job_requests r where r.id = h.job_id and r.actor like 'agent:%'), h.task, null, null,
         h.state = 'succeeded', h.state, job_duration(h), null, null, null, 0::numeric(14, 6), h.error_class, job_fingerprint(h), null,
         (select r.trace_id from job_requests r where r.id = h.job_id), h.tx, h.finished_at
  from job_history h where h.task <> 'mission';
comment on view ops_outcomes is 'What each step, plain job, call and agent''s message cost and how it ended: exactly one row for each terminal attempt, there from the transaction that ends it. A step that a person had run again has a further row, with the later attempt.';
comment on column ops_outcomes.job is 'Of a plain job the job itself; of a call (task model_call, search_call) the job that made it.';

create table agent_events (
  id bigint generated always as identity primary key,
  agent text,
  kind text not null,
  actor text not null default current_actor(),
  surface text not null default current_source(),
  verb text,
  target text,
  before jsonb,
  after jsonb,
  payload jsonb not null default '{}',
  trace_id uuid,
  created_at timestamptz not null default now()
);
comment on table agent_events is 'Append-only log of acts (kind act: who changed what, from what to what) and of message hops.';
create index agent_events_target on agent_events (target, id) where target is not null;
create index agent_events_created_at on agent_events (created_at);
create trigger agent_events_append_only before update or delete or truncate on agent_events for each statement execute function raise_append_only();

create table agent_heartbeats (
  id bigint generated always as identity primary key,
  agent text not null,
  host text not null,
  pid integer not null,
  seq bigint not null,
  status text not null check (status in ('starting', 'idle', 'busy', 'stopped', 'stopping', 'ended')),
  via text not null check (via in ('bridge', 'direct')),
  current_job text,
  rss_bytes bigint,
  loop_lag_ms real,
  beat_at timestamptz not null,
  received_at timestamptz not null default clock_now(),
  unique (agent, host, pid, seq)
);
comment on table agent_heartbeats is 'Beats of the agents, two a minute each; who is down is one look at the last beat of each (agent_status).';
comment on column agent_heartbeats.via is 'bridge: it came through Redis; direct: Redis, or the bridge, was away.';
create index agent_heartbeats_last on agent_heartbeats (agent, received_at desc);
create index agent_heartbeats_received_at on agent_heartbeats (received_at);

-- One act, as the table of actions and the SQL functions record it.
create function record_act(verb text, target text, before jsonb, after jsonb, payload jsonb default '{}', trace_id uuid default null) returns bigint
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare act bigint;
begin
  insert into agent_events (kind, verb, target, before, after, payload, trace_id)
    values ('act', record_act.verb, record_act.target, record_act.before, record_act.after, record_act.payload, record_act.trace_id) returning id into act;
  return act;
end $$;
