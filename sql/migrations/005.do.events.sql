-- What happened (ops_agent_events), what it cost and how it ended (ops_outcomes), who did what (agent_events), who is alive.
-- Ids commit out of order, so a follower reads `tx < pg_snapshot_xmin(pg_current_snapshot())` in order of (tx, id).

create table ops_agent_events (
  id bigint generated always as identity primary key,
  kind text not null check (kind ~ '^(mission|step|job|agent|worker|service|breaker|budget|approval|backup|health|signal|policy|cron|secret|message|user)\.[a-z0-9_]+(\.[a-z0-9_]+)*$'),
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

create table ops_outcomes (
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
comment on table ops_outcomes is 'What a step cost and how it ended: exactly one row a step, written in the transaction that ends the step. A step that a person had run again has a further row, with the later attempt.';
create unique index ops_outcomes_one_a_step on ops_outcomes (step_id, attempt) where step_id is not null;
create index ops_outcomes_follow on ops_outcomes (tx, id);
create index ops_outcomes_created_at on ops_outcomes (created_at);
create trigger ops_outcomes_append_only before update or delete or truncate on ops_outcomes for each statement execute function raise_append_only();

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
language sql
set search_path = public, pg_catalog, pg_temp
as $$ insert into agent_events (kind, verb, target, before, after, payload, trace_id) values ('act', verb, target, before, after, payload, trace_id) returning id $$;
