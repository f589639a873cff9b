-- What can be run, and what may be.

create table ops_tasks (
  identifier text primary key check (length(identifier) <= 128 and identifier ~ '^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$'),
  title text not null,
  pool text not null check (pool in ('missions', 'reactions', 'learning', 'upkeep')),
  effect text not null check (effect in ('read', 'write', 'outside')),
  idempotent boolean not null default false,
  untrusted boolean not null default false,
  durable boolean not null default false,
  max_attempts smallint not null check (max_attempts between 1 and 100),
  timeout_ms integer not null check (timeout_ms > 0),
  backoff jsonb not null,
  payload_schema jsonb not null,
  payload_predicate jsonpath not null,
  payload_fields jsonb not null default '[]',
  file text not null,
  content_hash text not null,
  registered_by text not null,
  registered_at timestamptz not null default now(),
  retired_at timestamptz
);
comment on table ops_tasks is 'Every task that a worker registered at its start. What is not here, or is retired, is refused when it is asked for.';
comment on column ops_tasks.identifier is 'The file''s name below the tasks folder, without its ending.';
comment on column ops_tasks.effect is 'What a run changes: read (nothing), write (this system), outside (the world: at least once, needs approval when asked for by a machine).';
comment on column ops_tasks.idempotent is 'True when running it twice is the same as once, although its effect is outside.';
comment on column ops_tasks.untrusted is 'True when its output comes from outside (a fetched page, a model) and must not be believed.';
comment on column ops_tasks.durable is 'True for a function with steps, sleeps and waits: a job of it submits a mission, which runs it.';
comment on column ops_tasks.payload_schema is 'JSON Schema of the payload, for people and forms.';
comment on column ops_tasks.payload_predicate is 'The top level of that schema as one jsonpath predicate: what does not match is refused at insert.';
comment on column ops_tasks.payload_fields is 'Array of {key, required, types}: the same, to name the faulty field.';
comment on column ops_tasks.backoff is '{initial_ms, factor, max_ms}: the wait before attempt n+1 is initial_ms * factor^(n-1), at most max_ms.';

create table ops_policy (
  key text not null check (key ~ '^[a-z][a-z0-9_.]*$'),
  version integer not null check (version > 0),
  value jsonb not null,
  actor text not null default current_actor(),
  reason text,
  created_at timestamptz not null default now(),
  primary key (key, version)
);
comment on table ops_policy is 'Versioned policy; in force is the highest version of a key. Rows are never changed: a change is a new version.';
create trigger ops_policy_append_only before update or delete or truncate on ops_policy for each statement execute function raise_append_only();

create function policy_value(wanted text) returns jsonb
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$ select value from ops_policy where key = wanted order by version desc limit 1 $$;

insert into ops_policy (key, version, value, actor, reason) values
  ('sql.allow', 1, '{"effects": ["read", "write"], "tasks": [], "except": ["run_sql"]}', 'system', 'tasks that a limited SQL role may queue: those of these effects and those named, without the exceptions (run_sql reads tables that a limited role may not)'),
  ('retention.jobs_ok', 1, '"7 days"', 'system', 'jobs that went well'),
  ('retention.jobs_failed', 1, '"90 days"', 'system', 'jobs that did not'),
  ('retention.events', 1, '"90 days"', 'system', 'events, acts and outcomes'),
  ('retention.missions', 1, '"90 days"', 'system', 'ended missions with their steps'),
  ('retention.workers', 1, '"7 days"', 'system', 'workers that ended');
