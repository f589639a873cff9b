-- What the health runs found, and what is remembered of each check between runs. The state machine is lib/health/machine.ts;
-- while Postgres is away the same state is in a file of the home, and the run that finds Postgres back brings it here.

create table ops_health (
  check_id text primary key check (check_id ~ '^[a-z][a-z0-9_]*$'),
  state text not null check (state in ('ok', 'pending', 'firing', 'recovering')),
  verdict text not null check (verdict in ('pass', 'warn', 'fail', 'unknown', 'skipped')),
  summary text not null,
  failures integer not null check (failures >= 0),
  passes integer not null check (passes >= 0),
  failed_since timestamptz,
  fired_at timestamptz,
  reminded_at timestamptz,
  changes timestamptz[] not null default '{}',
  flapping boolean not null default false,
  passed_at timestamptz,
  updated_at timestamptz not null default clock_now()
);
comment on table ops_health is 'One row a check: ok -> pending -> firing -> recovering -> ok, with its counters. verdict and summary are the last look.';
comment on column ops_health.failures is 'Failed looks in a row.';
comment on column ops_health.failed_since is 'The first failure of the outage that goes on; the recovery''s notice counts from here.';
comment on column ops_health.changes is 'When it fired or recovered within the last hour: more than four is flapping.';

create table ops_health_runs (
  id bigint generated always as identity primary key,
  trigger text not null check (trigger in ('cron', 'timer', 'cli', 'telegram', 'dashboard', 'agent')),
  host text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  exit_code smallint not null check (exit_code in (0, 1, 3)),
  findings jsonb not null check (jsonb_typeof(findings) = 'array'),
  recorded_at timestamptz not null default clock_now()
);
comment on table ops_health_runs is 'Append-only: every health run. One that found no Postgres is recorded by the next that does.';
create index ops_health_runs_finished on ops_health_runs (finished_at);
create trigger ops_health_runs_append_only before update or delete or truncate on ops_health_runs for each statement execute function raise_append_only();

create sequence ops_health_seq;
comment on sequence ops_health_seq is 'Counts the runs over row and file: the higher number is the newer state.';
