-- What can be run, and what may be.

create table ops_tasks (
  identifier text primary key check (length(identifier) <= 128 and identifier ~ '^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$'),
  title text not null,
  pool text not null check (pool in ('missions', 'reactions', 'learning', 'upkeep')),
  effect text not null check (effect in ('read', 'write', 'outside')),
  idempotent boolean not null default false,
  untrusted boolean not null default false,
  durable boolean not null default false,
  limits jsonb,
  limited boolean not null generated always as (limits is not null and not durable) stored,
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
comment on column ops_tasks.limits is '{limit, key, interval_ms}: at most limit at once of a key, and one start each interval_ms. key: an array of texts and paths into the payload that are joined; "function": only a worker knows it. Of a durable function it is the mission''s step that is limited.';
comment on column ops_tasks.limited is 'Its jobs wait for a place.';
comment on column ops_tasks.payload_schema is 'JSON Schema of the payload, for people and forms.';
comment on column ops_tasks.payload_predicate is 'The top level of that schema as one jsonpath predicate: what does not match is refused at insert.';
comment on column ops_tasks.payload_fields is 'Array of {key, required, types}: the same, to name the faulty field.';
comment on column ops_tasks.backoff is '{initial_ms, factor, max_ms}: the wait before attempt n+1 is initial_ms * factor^(n-1), at most max_ms.';

-- Limits of a task: how many at once by key, and how often. What has to wait is here and not in graphile-worker's table, so
-- that nothing is fetched to be put back. How the rows move: 016.
create table limit_waits (
  holder text primary key check (holder ~ '^[js][0-9]+$'),
  task text not null,
  key text not null,
  priority smallint not null,
  since timestamptz not null default clock_now(),
  mission_id bigint,
  parked boolean not null default false,
  payload json,
  attempts smallint not null default 0,
  max_attempts smallint not null default 1,
  last_error text
);
comment on table limit_waits is 'Jobs and steps of a limited task that wait for a place.';
comment on column limit_waits.holder is 'j<job>, or s<step of a mission>.';
comment on column limit_waits.mission_id is 'Of a step: its mission, to be woken.';
comment on column limit_waits.parked is 'The job is still in graphile-worker''s table, far in the future, because it has a key, a queue or flags there; else its only row is this one.';
create index limit_waits_turn on limit_waits (task, key, priority, since, holder);
create index limit_waits_task on limit_waits (task, priority, since, holder);

create table limit_slots (
  holder text primary key,
  task text not null,
  key text not null,
  start_at timestamptz not null,
  attempt smallint,
  since timestamptz not null default clock_now()
);
comment on table limit_slots is 'Who has a place. It belongs to the job or step until that ends, not to a run of it, so that no crash can lose it.';
comment on column limit_slots.start_at is 'Not before this, by the task''s rate.';
comment on column limit_slots.attempt is 'The attempt that start_at was given for: by the rate, another one is another start.';
create index limit_slots_key on limit_slots (task, key);

create table limit_rates (
  task text primary key,
  free_at timestamptz not null,
  next_at timestamptz
);
comment on table limit_rates is 'The rate of each task as one point in time (GCRA): the next start is not before it.';
comment on column limit_rates.next_at is 'When those that wait are to be looked at again; null: nobody waits for time.';
create index limit_rates_due on limit_rates (next_at) where next_at is not null;

create table limit_pokes (
  id bigint generated always as identity primary key,
  task text not null,
  key text
);
comment on table limit_pokes is 'Where somebody may be let in now: written by whoever cannot wait for the task''s lock, emptied by workers at once and each second.';

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
language plpgsql stable
as $$ begin return (select p.value from public.ops_policy p where p.key operator(pg_catalog.=) wanted order by p.version desc limit 1); end $$;

insert into ops_policy (key, version, value, actor, reason) values
  ('sql.allow', 1, '{"effects": ["read", "write"], "tasks": [], "except": ["run_sql"]}', 'system', 'tasks that a limited SQL role may queue: those of these effects and those named, without the exceptions (run_sql reads tables that a limited role may not)'),
  ('retention.jobs_ok', 1, '"7 days"', 'system', 'jobs that went well'),
  ('retention.jobs_failed', 1, '"90 days"', 'system', 'jobs that did not'),
  ('retention.events', 1, '"90 days"', 'system', 'events, acts and outcomes'),
  ('retention.missions', 1, '"90 days"', 'system', 'ended missions with their steps'),
  ('retention.workers', 1, '"7 days"', 'system', 'workers that ended');
