-- Schedules and their planned runs. graphile-worker ticks; its query that plans the runs of a minute is replaced by plan_runs()
-- (lib/queue/ledger.ts), so that each planned run is one row, whatever became of it. What nobody planned in time is settled by
-- settle_runs() according to the rule of the schedule's line.

create table ops_schedules (
  id text primary key,
  task text not null,
  line text not null,
  file text not null,
  missed text not null check (missed in ('skip', 'one', 'all')),
  made_up_for interval not null,
  known_since timestamptz not null default clock_now(),
  settled_until timestamptz not null default clock_now(),
  seen_at timestamptz not null default clock_now()
);
comment on table ops_schedules is 'Each line of a crontab that a worker has read.';
comment on column ops_schedules.missed is 'What becomes of runs that were missed: skip, one (the last of them), all.';
comment on column ops_schedules.made_up_for is 'How old a missed run may be to be made up for.';
comment on column ops_schedules.settled_until is 'Every run planned up to here has its row in ops_cron_runs.';

create table ops_cron_runs (
  schedule text not null,
  planned_for timestamptz not null,
  state text not null check (state in ('queued', 'missed', 'paused', 'replaced')),
  job_id bigint,
  made_up boolean not null default false,
  created_at timestamptz not null default clock_now(),
  primary key (schedule, planned_for),
  check ((state in ('queued', 'replaced')) = (job_id is not null))
);
comment on table ops_cron_runs is 'Each planned run of a schedule once: its job, or that it was missed or paused.';
comment on column ops_cron_runs.state is 'replaced: the job still waited when the next run came, and is that one''s now.';
comment on column ops_cron_runs.made_up is 'Whether it had been missed, and its job was queued later.';
create index ops_cron_runs_planned_for on ops_cron_runs (planned_for);
create index ops_cron_runs_job on ops_cron_runs (job_id) where job_id is not null;

-- One run's row and job. Nothing for a run that has its row already.
create function queue_run(schedule text, planned_for timestamptz, job jsonb, made_up boolean) returns bigint
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare queued bigint; tries integer := 0;
begin
  if exists (select from ops_cron_runs r where r.schedule = queue_run.schedule and r.planned_for = queue_run.planned_for) then
    return null;
  end if;
  -- NULL means "not queued" (graphile_worker.add_job under contention on a key).
  while queued is null and tries < 10 loop
    tries := tries + 1;
    queued := (graphile_worker.add_job(job ->> 'task',
      (coalesce(job -> 'payload', '{}') || jsonb_build_object('_cron', jsonb_build_object('ts', queue_run.planned_for, 'backfilled', queue_run.made_up)))::json,
      job ->> 'queueName', queue_run.planned_for, (job ->> 'maxAttempts')::integer, job ->> 'jobKey', (job ->> 'priority')::integer, null, job ->> 'jobKeyMode')).id;
  end loop;
  if queued is null then
    raise exception 'the run of % could not be queued: its key is being changed', queue_run.schedule using errcode = '55P03';
  end if;
  update ops_cron_runs r set state = 'replaced' where r.job_id = queued and r.state = 'queued';
  insert into ops_cron_runs (schedule, planned_for, state, job_id, made_up) values (queue_run.schedule, queue_run.planned_for, 'queued', queued, queue_run.made_up);
  return queued;
end $$;
comment on function queue_run(text, timestamptz, jsonb, boolean) is 'Queues the job of one planned run and writes its row.';

create function plan_runs(specs jsonb, planned_for timestamptz) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare s record; planned integer := 0;
begin
  -- A tick that comes late (the process was stopped, Postgres was away) is not simply made up for: settle_runs() knows the rule.
  if plan_runs.planned_for < clock_now() - interval '2 minutes' then
    return 0;
  end if;
  -- Locks the known crontabs in order of their identifier.
  for s in select e ->> 'identifier' as id, e -> 'job' as job from jsonb_array_elements(specs) e order by 1 loop
    insert into graphile_worker._private_known_crontabs as k (identifier, known_since, last_execution) values (s.id, plan_runs.planned_for, plan_runs.planned_for)
      on conflict (identifier) do update set last_execution = excluded.last_execution where k.last_execution is null or k.last_execution < excluded.last_execution;
    continue when not found;
    if is_schedule_paused(s.id) then
      insert into ops_cron_runs (schedule, planned_for, state) values (s.id, plan_runs.planned_for, 'paused') on conflict do nothing;
    elsif queue_run(s.id, plan_runs.planned_for, s.job, false) is not null then
      planned := planned + 1;
    end if;
  end loop;
  return planned;
end $$;
comment on function plan_runs(jsonb, timestamptz) is 'In place of graphile-worker''s own query: the runs that are due at this minute, each once across all workers.';

create function is_schedule_paused(schedule text) returns boolean
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$ select exists (select from ops_controls c where c.scope = 'schedule' and c.target = is_schedule_paused.schedule) $$;
comment on function is_schedule_paused(text) is 'Whether this schedule plans no runs at present.';

create function register_schedules(schedules jsonb) returns void
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  insert into ops_schedules as s (id, task, line, file, missed, made_up_for)
    select e ->> 'id', e ->> 'task', e ->> 'line', e ->> 'file', e ->> 'missed', make_interval(secs => (e ->> 'made_up_for_ms')::double precision / 1000)
    from jsonb_array_elements(schedules) e order by 1
  on conflict (id) do update set task = excluded.task, line = excluded.line, file = excluded.file, missed = excluded.missed, made_up_for = excluded.made_up_for, seen_at = clock_now(),
    -- With other times it is another plan: runs of the old one were not missed.
    settled_until = case when substring(s.line from '^(\S+\s+){5}') is distinct from substring(excluded.line from '^(\S+\s+){5}') then clock_now() else s.settled_until end
$$;
comment on function register_schedules(jsonb) is 'A worker has read these lines: [{id, task, line, file, missed, made_up_for_ms}].';

create function settle_runs(schedule text, planned timestamptz[], job jsonb, until timestamptz) returns jsonb
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare
  s ops_schedules; pause ops_controls; missing timestamptz[]; made_up timestamptz[]; missed_count bigint; paused_count bigint;
  late constant interval := '5 minutes';
begin
  select o.* into s from ops_schedules o where o.id = settle_runs.schedule for update;
  if not found or s.settled_until >= settle_runs.until then
    return null;
  end if;
  missing := array(select p from unnest(planned) p where p > s.settled_until and p <= settle_runs.until
                     and not exists (select from ops_cron_runs r where r.schedule = s.id and r.planned_for = p) order by p);
  update ops_schedules o set settled_until = settle_runs.until where o.id = s.id;
  if cardinality(missing) = 0 then
    return null;
  end if;
  select c.* into pause from ops_controls c where c.scope = 'schedule' and c.target = s.id;
  insert into ops_cron_runs (schedule, planned_for, state) select s.id, p, 'paused' from unnest(missing) p where p >= pause.since;
  get diagnostics paused_count = row_count;

  -- A restart takes a while: the last run within five minutes is late, not missed, whatever the rule says.
  made_up := case when pause.scope is not null then '{}'
    when s.missed = 'all' then array(select p from unnest(missing) p where p >= clock_now() - greatest(s.made_up_for, late) order by p)
    else array(select p from unnest(missing) p
               where p >= clock_now() - case when s.missed = 'one' then greatest(s.made_up_for, late) else late end
                 -- A later run that was planned in time is the one.
                 and not exists (select from ops_cron_runs r where r.schedule = s.id and r.planned_for > p and r.state in ('queued', 'replaced'))
               order by p desc limit 1) end;
  insert into ops_cron_runs (schedule, planned_for, state)
    select s.id, p, 'missed' from unnest(missing) p where p <> all (made_up) and (pause.since is null or p < pause.since);
  get diagnostics missed_count = row_count;
  -- With a key they would replace each other.
  perform queue_run(s.id, p, case when s.missed = 'all' then job - 'jobKey' - 'jobKeyMode' else job end, true) from unnest(made_up) p order by p;
  insert into graphile_worker._private_known_crontabs as k (identifier, known_since, last_execution) values (s.id, s.known_since, missing[cardinality(missing)])
    on conflict (identifier) do update set last_execution = excluded.last_execution where k.last_execution is null or k.last_execution < excluded.last_execution;
  if missed_count + cardinality(made_up) > 0 then
    insert into ops_agent_events (kind, severity, payload)
      values ('cron.missed', case when missed_count > 0 and s.missed <> 'skip' and cardinality(made_up) = 0 then 'warning' else 'info' end,
              jsonb_build_object('schedule', s.id, 'task', s.task, 'rule', s.missed, 'missed', missed_count, 'made_up', cardinality(made_up), 'first', missing[1], 'last', missing[cardinality(missing)]));
  end if;
  return jsonb_build_object('schedule', s.id, 'missed', missed_count, 'made_up', cardinality(made_up), 'paused', paused_count);
end $$;
comment on function settle_runs(text, timestamptz[], jsonb, timestamptz) is 'Gives a row to each planned run up to then that has none: missed, paused, or made up for as the schedule''s rule says. Null when there was none.';
