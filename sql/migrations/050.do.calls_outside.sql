-- Calls to models and search services: who cools down, what was answered already, and what a run keeps repeating.

create table ops_model_cooldowns (
  provider text not null,
  model text not null,
  failures integer not null default 1,
  fault text not null,
  message text,
  failed_at timestamptz not null,
  until_at timestamptz not null,
  probe_until timestamptz,
  primary key (provider, model)
);
comment on table ops_model_cooldowns is 'Models that failed and are not asked until then; a model without a row is well. Deleted by the first answer.';
comment on column ops_model_cooldowns.failures is 'In a row, counted once for calls that ran side by side; the length of the pause follows from it.';
comment on column ops_model_cooldowns.probe_until is 'One caller tries it until then; the others go on to the next model.';

-- Whether to ask a model now: go, probe (the pause is over, and this caller alone tries it) or cooling.
create function model_turn(wanted_provider text, wanted_model text, probe_for interval default '2 minutes') returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  -- A breaker of the service, opened by hand or by Atlas, keeps all of its models out; what they do wrong by themselves is theirs.
  if exists (select from ops_breakers where name = 'service:' || wanted_provider and state = 'open' and open_until > clock_now()) then
    return 'cooling';
  end if;
  if not exists (select from ops_model_cooldowns where provider = wanted_provider and model = wanted_model) then
    return 'go';
  end if;
  update ops_model_cooldowns set probe_until = clock_now() + probe_for
    where provider = wanted_provider and model = wanted_model and until_at <= clock_now() and (probe_until is null or probe_until <= clock_now());
  return case when found then 'probe' else 'cooling' end;
end $$;
comment on function model_turn(text, text, interval) is 'go, probe or cooling: of many callers at the end of a pause one probes.';

create function model_failed(
  failed_provider text, failed_model text, fault text, message text, minutes double precision[], at_least interval default '0', asked_ago interval default '0'
) returns timestamptz
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_model_cooldowns; times integer; until_then timestamptz;
begin
  select * into was from ops_model_cooldowns c where c.provider = failed_provider and c.model = failed_model for update;
  -- Calls that ran side by side tell of one failure: who asked before the last one was noted does not lengthen the pause.
  times := case when not found then 1 when was.failed_at > clock_now() - asked_ago then was.failures else was.failures + 1 end;
  if model_failed.fault in ('no_credit', 'unauthorized', 'unknown_model') then
    times := greatest(times, cardinality(minutes));
  end if;
  until_then := greatest(clock_now() + make_interval(secs => minutes[least(times, cardinality(minutes))] * 60), clock_now() + at_least, was.until_at);
  insert into ops_model_cooldowns as c (provider, model, failures, fault, message, failed_at, until_at)
    values (failed_provider, failed_model, times, model_failed.fault, model_failed.message, clock_now(), until_then)
    on conflict (provider, model) do update set failures = excluded.failures, fault = excluded.fault, message = excluded.message,
      failed_at = excluded.failed_at, until_at = excluded.until_at, probe_until = null;
  insert into ops_agent_events (kind, severity, payload, tags)
    values ('service.cooling', 'warning', jsonb_build_object('service', failed_provider, 'model', failed_model, 'fault', model_failed.fault, 'message', model_failed.message,
            'failures', times, 'until', until_then), array[failed_provider]);
  return until_then;
end $$;
comment on function model_failed(text, text, text, text, double precision[], interval, interval) is 'Starts or lengthens the pause of a model; minutes is the ladder, at_least what the service asked for. Returns its end.';

create function model_answered(answering_provider text, answering_model text) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_model_cooldowns;
begin
  delete from ops_model_cooldowns where provider = answering_provider and model = answering_model returning * into was;
  if not found then
    return false;
  end if;
  insert into ops_agent_events (kind, payload, tags)
    values ('service.recovered', jsonb_build_object('service', answering_provider, 'model', answering_model, 'after_failures', was.failures,
            'since', was.failed_at), array[answering_provider]);
  return true;
end $$;
comment on function model_answered(text, text) is 'Ends the pause of a model that answered; true where there was one.';

-- A person's way out: after a new key or a paid bill nobody waits for the end of a pause.
create function reset_model(wanted_provider text, wanted_model text default null) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare ended jsonb;
begin
  with gone as (
    delete from ops_model_cooldowns where provider = wanted_provider and (wanted_model is null or model = wanted_model) returning model, until_at)
  select jsonb_object_agg(model, until_at) into ended from gone;
  if ended is null then
    return 0;
  end if;
  perform record_act('providers reset', wanted_provider, ended, null);
  return (select count(*) from jsonb_object_keys(ended));
end $$;
comment on function reset_model(text, text) is 'Ends the pauses of a provider (or of one of its models) at once; returns how many.';

create table ops_repeated_calls (
  run text not null,
  call text not null,
  times integer not null default 1,
  answer text,
  last_at timestamptz not null,
  primary key (run, call)
);
comment on table ops_repeated_calls is 'How often one run made the same call without news; the fifth time ends the run. Kept for a day.';
comment on column ops_repeated_calls.answer is 'A hash of the last answer: another one is news, and counting starts anew.';

create function call_times(wanted_run text, wanted_call text) returns integer
language sql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$ select coalesce((select times from ops_repeated_calls where run = wanted_run and call = wanted_call and last_at > clock_now() - interval '1 day'), 0) $$;

create function note_call(made_in text, made_call text, given text) returns integer
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  insert into ops_repeated_calls as r (run, call, answer, last_at) values (made_in, made_call, given, clock_now())
    on conflict (run, call) do update set
      times = case when r.answer is distinct from excluded.answer or r.last_at <= clock_now() - interval '1 day' then 1 else r.times + 1 end,
      answer = excluded.answer, last_at = excluded.last_at
    returning times
$$;
comment on function note_call(text, text, text) is 'Counts one answered call of a run; another answer than before starts at 1 again.';

create table ops_search_cache (
  venue text not null,
  query_key text not null,
  query text not null,
  answer jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (venue, query_key)
);
comment on table ops_search_cache is 'Answers of search services for a day, by what was asked. Untrusted, like all that was found.';
create index ops_search_cache_expires on ops_search_cache (expires_at);

create table ops_service_windows (
  service text not null,
  seconds integer not null,
  most bigint,
  remaining bigint,
  resets_at timestamptz,
  next_at timestamptz,
  updated_at timestamptz not null,
  primary key (service, seconds)
);
comment on table ops_service_windows is 'What services say of their own limits, by the length of the window; the row of 0 seconds spaces our calls.';
comment on column ops_service_windows.next_at is 'When the next call may start: callers of all processes take turns.';

-- A turn to call: how many ms to wait before it. Null where a window is used up for longer than `patience`, and nothing was taken.
create function take_call_turn(wanted_service text, spacing interval, patience interval default '5 seconds') returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare start_at timestamptz;
begin
  insert into ops_service_windows (service, seconds, updated_at, next_at) values (wanted_service, 0, clock_now(), clock_now()) on conflict do nothing;
  select next_at into start_at from ops_service_windows where service = wanted_service and seconds = 0 for update;
  -- No queue is that long: the clock was set back.
  if start_at > clock_now() + interval '10 minutes' then
    start_at := clock_now();
  end if;
  select greatest(start_at, clock_now(), max(resets_at)) into start_at from ops_service_windows
    where service = wanted_service and seconds > 0 and remaining <= 0 and resets_at > clock_now();
  start_at := greatest(start_at, clock_now());
  if start_at > clock_now() + patience then
    return null;
  end if;
  update ops_service_windows set next_at = start_at + spacing, updated_at = clock_now() where service = wanted_service and seconds = 0;
  return ceil(extract(epoch from start_at - clock_now()) * 1000);
end $$;
comment on function take_call_turn(text, interval, interval) is 'Takes a turn among all processes and returns the wait before it in ms; null when a window is used up for longer.';

-- What the service said of its windows: [{"seconds", "most", "remaining", "resets_in"}].
create function note_windows(of_service text, windows jsonb) returns void
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  insert into ops_service_windows (service, seconds, most, remaining, resets_at, updated_at)
    select of_service, w.seconds, w.most, w.remaining, clock_now() + make_interval(secs => w.resets_in), clock_now()
    from jsonb_to_recordset(windows) w(seconds integer, most bigint, remaining bigint, resets_in double precision)
    where w.seconds > 0 order by w.seconds
    on conflict (service, seconds) do update set most = excluded.most, remaining = excluded.remaining, resets_at = excluded.resets_at, updated_at = excluded.updated_at
$$;

-- One row a call; the row of the step that made it is the engine's.
create function record_call(call jsonb) returns bigint
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  insert into ops_outcome_rows (mission_id, job, agent, task, provider, model, success, state, duration_ms, input_bytes, prompt_tokens, completion_tokens, cost_usd, error_class, error_fingerprint, trace_id)
    select c.mission_id, c.job, c.agent, c.task, c.provider, c.model, c.fault is null, case when c.fault is null then 'succeeded' else 'failed' end, c.duration_ms, c.input_bytes,
           c.prompt_tokens, c.completion_tokens, coalesce(c.cost_usd, 0), c.fault, case when c.fault is not null then md5(concat_ws(' ', c.provider, c.model, c.fault)) end, c.trace_id
    from jsonb_to_record(call) c(mission_id bigint, job bigint, agent text, task text, provider text, model text, fault text, duration_ms double precision, input_bytes bigint,
           prompt_tokens integer, completion_tokens integer, cost_usd numeric, trace_id uuid)
    returning id
$$;
comment on function record_call(jsonb) is 'The outcome of one call to a model or a search service (task model_call, search_call), failed ones too.';
