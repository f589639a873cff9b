-- The whole schema as it stands, for reading; made from sql/migrations by: npm run schema
-- PostgreSQL 15

CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE TYPE public.breaker_answer AS (
	admitted boolean,
	probe boolean,
	state text,
	failures integer,
	opens integer,
	open_until timestamp with time zone,
	threshold integer,
	reason text
);

CREATE TYPE public.gate_answer AS (
	proposal bigint,
	state text,
	mission bigint,
	reason_code text,
	reason text,
	approval bigint
);

COMMENT ON TYPE public.gate_answer IS 'What became of a proposal: approved with its mission, proposed with its approval, or rejected or duplicate with the reason.';

CREATE TYPE public.gate_reason AS (
	code text,
	reason text
);

CREATE DOMAIN public.job_attempts AS smallint
	CONSTRAINT job_attempts_check CHECK (((VALUE >= 1) AND (VALUE <= 100)));

CREATE DOMAIN public.job_idempotency_key AS text
	CONSTRAINT job_idempotency_key_check CHECK (((length(VALUE) >= 1) AND (length(VALUE) <= 512)));

CREATE DOMAIN public.job_source AS text
	CONSTRAINT job_source_check CHECK ((VALUE = ANY (ARRAY['sql'::text, 'cli'::text, 'telegram'::text, 'dashboard'::text, 'cron'::text, 'rule'::text, 'agent'::text, 'mission'::text, 'raw'::text])));

CREATE TYPE public.spend_answer AS (
	reservation bigint,
	reason_code text,
	reason text,
	retry_at timestamp with time zone
);

COMMENT ON TYPE public.spend_answer IS 'Either a reservation, or why there is none (price_unknown, budget, calls, quota, policy) and when it is worth asking again.';

CREATE TYPE public.start_answer AS (
	granted integer,
	reason_code text,
	reason text,
	retry_at timestamp with time zone
);

CREATE FUNCTION public.add_buttons(message bigint, buttons jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
  insert into message_buttons (token, outbox_id, line, place, label, action, args, for_user, expires_at)
  select substr(replace(gen_random_uuid()::text, '-', ''), 1, 20), $1, l.n, b.n, b.value ->> 'label', b.value ->> 'action',
         coalesce((select array_agg(a.value order by a.n) from jsonb_array_elements_text(b.value -> 'args') with ordinality as a (value, n)), '{}'),
         (b.value ->> 'for_user')::bigint, clock_now() + (b.value ->> 'expires_in')::interval
  from jsonb_array_elements($2) with ordinality as l (value, n),
       jsonb_array_elements(case jsonb_typeof(l.value) when 'array' then l.value else jsonb_build_array(l.value) end) with ordinality as b (value, n)
$_$;

CREATE FUNCTION public.add_device(kind text, name text, subject text, role text, public_key text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare known ops_devices; new_id bigint;
begin
  if add_device.kind is null or add_device.kind not in ('ssh', 'telegram') then
    perform refuse('OC009', format('the kind of a device is "%s"', add_device.kind), 'ssh or telegram');
  end if;
  if add_device.role is null or add_device.role not in ('viewer', 'operator', 'owner') then
    perform refuse('OC009', format('the role of a device is "%s"', add_device.role), 'viewer, operator or owner');
  end if;
  if add_device.name is null or add_device.name !~ '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$' then
    perform refuse('OC009', format('the name of a device is "%s"', add_device.name), 'up to 64 of A-Z a-z 0-9 _ . @ -, with a letter or digit first');
  end if;
  select * into known from ops_devices d
    where d.kind = add_device.kind and d.revoked_at is null and (d.subject = add_device.subject or d.name = add_device.name) limit 1;
  if found then
    perform refuse('OC008', case when known.subject = add_device.subject then format('%s is paired already, as "%s" (d%s, %s)', add_device.subject, known.name, known.id, known.role)
                                 else format('there is a device named "%s" already (d%s)', known.name, known.id) end,
      'revoke it first, or choose another name');
  end if;
  insert into ops_devices (kind, name, subject, role, public_key)
    values (add_device.kind, add_device.name, add_device.subject, add_device.role, add_device.public_key) returning id into new_id;
  perform record_act('devices add', 'd' || new_id, null,
    jsonb_build_object('kind', add_device.kind, 'name', add_device.name, 'subject', add_device.subject, 'role', add_device.role));
  return new_id;
exception when unique_violation then
  perform refuse('OC008', format('"%s" was paired by somebody else at this moment', add_device.name), 'look at the list of devices');
end $_$;

COMMENT ON FUNCTION public.add_device(kind text, name text, subject text, role text, public_key text) IS 'Pairs an SSH key (subject: its fingerprint) or a Telegram user (subject: its id); returns the id.';

CREATE FUNCTION public.add_interest(query text, cadence interval DEFAULT '1 day'::interval, venue text DEFAULT NULL::text, depth text DEFAULT 'quick'::text, budget_usd numeric DEFAULT 0.05, asset text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.add_job(identifier text, payload jsonb DEFAULT '{}'::jsonb, queue_name text DEFAULT NULL::text, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT NULL::integer, job_key text DEFAULT NULL::text, priority integer DEFAULT NULL::integer, flags text[] DEFAULT NULL::text[], job_key_mode text DEFAULT 'replace'::text, idempotency_key text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare new_id bigint; task ops_tasks; keyed graphile_worker._private_jobs; ignored text;
begin
  -- Each expression here is made ready anew by each transaction, which costs a microsecond or two: the usual call meets one.
  if num_nulls(run_at, max_attempts, priority) < 3 or payload is null then
    if max_attempts not between 1 and 100 then
      perform refuse('OC009', format('max_attempts is %s, expected 1 to 100', max_attempts), 'leave it out to use the task''s own');
    end if;
    if priority not between -32768 and 32767 then
      perform refuse('OC009', format('priority is %s, expected -32768 to 32767 (lower runs first)', priority), 'leave it out for 0');
    end if;
    if run_at is not null and not (run_at between '1970-01-01' and '2200-01-01') then
      perform refuse('OC009', format('run_at is %s, expected a time from 1970 to 2200', run_at), 'leave it out for now');
    end if;
    payload := coalesce(payload, '{}');
  end if;

  -- The fast path, one statement: the task, its predicate, the job, its request and the notification, in which `r` keeps equal
  -- ones of one transaction apart, as each nudges one worker.
  if num_nonnulls(job_key, queue_name, flags, idempotency_key) = 0 then
    with job as (
      insert into graphile_worker._private_jobs (task_id, payload, run_at, max_attempts, priority)
        select g.id, add_job.payload::json, coalesce(add_job.run_at, now()), coalesce(add_job.max_attempts, t.max_attempts), coalesce(add_job.priority, 0)
        from ops_tasks t join graphile_worker._private_tasks g on g.identifier = t.identifier
        where t.identifier = add_job.identifier and t.retired_at is null and not t.limited and add_job.payload @@ t.payload_predicate
          and (pg_column_size(add_job.payload) <= 250 or octet_length(add_job.payload::text) <= 65536)
          and (trusted_session() or task_allowed(t))
        returning id)
    insert into job_requests_direct (id, task, run_at, max_attempts, priority)
      select id, add_job.identifier, add_job.run_at, add_job.max_attempts, add_job.priority from job
      returning id, pg_notify('jobs:insert', '{"r":' || random()::text || ',"count":1}') into new_id, ignored;
    if new_id is null then
      new_id := add_limited_job(add_job.identifier, add_job.payload, add_job.run_at, add_job.max_attempts, add_job.priority);
    end if;
    return new_id;
  end if;

  perform set_config('openclaw.enqueued', 'on', true);
  if length(idempotency_key) not between 1 and 512 then
    perform refuse('OC009', format('idempotency_key has %s characters, expected 1 to 512', length(idempotency_key)), 'a hash of what makes the job the same is short enough');
  end if;
  if length(job_key) not between 1 and 512 then
    perform refuse('OC009', format('job_key has %s characters, expected 1 to 512', length(job_key)), 'a hash of what makes the job the same is short enough');
  end if;
  if coalesce(job_key_mode, '') not in ('replace', 'preserve_run_at', 'unsafe_dedupe') then
    perform refuse('OC009', format('job_key_mode is "%s", expected replace, preserve_run_at or unsafe_dedupe', job_key_mode), 'leave it out for replace');
  end if;
  if idempotency_key is not null then
    -- Callers of one key take turns, so that the second sees the first's row.
    perform pg_advisory_xact_lock(hashtextextended('job:' || idempotency_key, 0));
    if exists (select from job_requests r where r.idempotency_key = add_job.idempotency_key) then
      perform set_config('openclaw.enqueued', 'off', true);
      return repeated_request(add_job.identifier, add_job.idempotency_key);
    end if;
  end if;
  -- A key, a queue, flags or an idempotency key: graphile-worker's own function, which may return NULL under contention, and NULL means that
  -- nothing was queued; so it is asked again.
  select * into task from ops_tasks t where t.identifier = add_job.identifier and t.retired_at is null;
  if not found or octet_length(add_job.payload::text) > 65536 or (add_job.payload @@ task.payload_predicate) is not true or not task_allowed(task) then
    perform raise_for_request(add_job.identifier, add_job.payload);
  end if;
  for attempt in 1..100 loop
    select * into keyed from graphile_worker.add_job(add_job.identifier, add_job.payload::json, add_job.queue_name, add_job.run_at,
      coalesce(add_job.max_attempts, task.max_attempts::integer), add_job.job_key, add_job.priority, add_job.flags, add_job.job_key_mode);
    exit when keyed.id is not null;
    perform pg_sleep(0.01);
  end loop;
  if keyed.id is null then
    perform refuse('OC009', format('job_key "%s" stayed contended for a second; nothing was queued', job_key), 'try again');
  end if;
  insert into job_requests (id, task, run_at, max_attempts, priority, job_key, idempotency_key)
    values (keyed.id, add_job.identifier, add_job.run_at, add_job.max_attempts, add_job.priority, add_job.job_key, add_job.idempotency_key)
    on conflict (id) do nothing;
  perform set_config('openclaw.enqueued', 'off', true);
  return keyed.id;
end $$;

COMMENT ON FUNCTION public.add_job(identifier text, payload jsonb, queue_name text, run_at timestamp with time zone, max_attempts integer, job_key text, priority integer, flags text[], job_key_mode text, idempotency_key text) IS 'Queues a job in the caller''s transaction and returns its id. The same idempotency_key twice returns the first job''s id and queues nothing.';

CREATE FUNCTION public.add_jobs(jobs jsonb) RETURNS SETOF bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare unknown_key text;
begin
  perform set_config('openclaw.enqueued', 'off', true);
  if jsonb_typeof(jobs) is distinct from 'array' then
    perform refuse('OC009', format('add_jobs takes an array, not %s', coalesce('a JSON ' || jsonb_typeof(jobs), 'SQL null')),
      'pass [{"identifier": "task", "payload": {}}, ...]');
  end if;
  select k into unknown_key from jsonb_array_elements(jobs) e, jsonb_object_keys(case jsonb_typeof(e) when 'object' then e else '{"element that is no object":0}' end) k
    where k not in ('identifier', 'payload', 'run_at', 'max_attempts', 'priority', 'idempotency_key') limit 1;
  if unknown_key is not null then
    perform refuse('OC009', format('add_jobs does not know the key "%s"', unknown_key),
      'keys are identifier, payload, run_at, max_attempts, priority, idempotency_key; a job_key goes to add_job()');
  end if;
  return query
    insert into job_requests (task, payload, run_at, max_attempts, priority, idempotency_key)
      select e.identifier, coalesce(e.payload, '{}'), e.run_at, e.max_attempts, e.priority, e.idempotency_key
      from jsonb_to_recordset(jobs) e(identifier text, payload jsonb, run_at timestamptz, max_attempts smallint, priority smallint, idempotency_key text)
      on conflict ((job_requests.idempotency_key)) where job_requests.idempotency_key is not null do nothing
      returning id;
end $$;

COMMENT ON FUNCTION public.add_jobs(jobs jsonb) IS 'Queues an array of {identifier, payload, run_at, max_attempts, priority, idempotency_key} as one set; returns the ids of those that are new.';

CREATE FUNCTION public.add_limited_job(task text, payload jsonb, run_at timestamp with time zone, max_attempts integer, priority integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare new_id bigint;
begin
  if not exists (select from ops_tasks t where t.identifier = add_limited_job.task and t.limited and t.retired_at is null) then
    perform raise_for_request(add_limited_job.task, add_limited_job.payload);
  end if;
  perform set_config('openclaw.enqueued', 'off', true);
  insert into job_requests (task, payload, run_at, max_attempts, priority)
    values (add_limited_job.task, add_limited_job.payload, add_limited_job.run_at, add_limited_job.max_attempts, add_limited_job.priority) returning id into new_id;
  return new_id;
end $$;

CREATE FUNCTION public.add_mission(plan jsonb, input jsonb DEFAULT '{}'::jsonb, title text DEFAULT NULL::text, priority integer DEFAULT 0, dedupe_key text DEFAULT NULL::text, untrusted boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare answer gate_answer;
begin
  answer := propose_mission(plan, input, title, priority, dedupe_key, untrusted);
  if answer.state = 'proposed' then
    raise notice 'proposal p% waits for approval a%: %', answer.proposal, answer.approval, answer.reason;
  elsif answer.state = 'rejected' then
    raise warning 'proposal p% was refused (%): %', answer.proposal, answer.reason_code, answer.reason;
  end if;
  return answer.mission;
end $$;

COMMENT ON FUNCTION public.add_mission(plan jsonb, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean) IS 'Submits a plan through the gate. Returns the mission''s id, of the open mission where the key is taken, or null where it waits for an approval or policy refuses it; propose_mission() says why.';

CREATE FUNCTION public.add_mission(task text, input jsonb DEFAULT '{}'::jsonb, title text DEFAULT NULL::text, priority integer DEFAULT 0, dedupe_key text DEFAULT NULL::text, untrusted boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- A literal in SQL may be either; a plan is an object.
  if task ~ '^\s*\{' then
    return add_mission(task::jsonb, input, title, priority, dedupe_key, untrusted);
  end if;
  return add_mission(function_plan(task, input), '{}'::jsonb, title, priority, dedupe_key, untrusted);
end $$;

COMMENT ON FUNCTION public.add_mission(task text, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean) IS 'Submits a mission that runs a durable function with this payload; a plan as text is a plan. Returns the mission''s id.';

CREATE FUNCTION public.add_research_signals(signals jsonb, origin jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(id bigint, is_new boolean, address text, type text, asset text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.add_research_signals(signals jsonb, origin jsonb) IS 'Stores signals, the same one once while it lives; a new one is told as signal.found, marked untrusted.';

CREATE FUNCTION public.admit_device(kind text, subject text) RETURNS TABLE(id bigint, name text, role text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
  update ops_devices d set last_seen_at = clock_now()
    where d.kind = admit_device.kind and d.subject = admit_device.subject and d.revoked_at is null
      and (d.last_seen_at is null or d.last_seen_at < clock_now() - interval '1 minute');
  return query select d.id, d.name, d.role from ops_devices d
    where d.kind = admit_device.kind and d.subject = admit_device.subject and d.revoked_at is null;
end $$;

COMMENT ON FUNCTION public.admit_device(kind text, subject text) IS 'The device of this subject with its role, or no row: unknown or revoked.';

CREATE FUNCTION public.admit_limited() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare poke record; admitted integer := 0;
begin
  if not exists (select from limit_pokes) and not exists (select from limit_rates where next_at <= clock_now()) then
    return 0;
  end if;
  for poke in
    with told as (delete from limit_pokes where id in (select id from limit_pokes order by id limit 1000 for update skip locked) returning task, key),
    due as (select task, null::text as key from limit_rates where next_at <= clock_now())
    select task, case when bool_or(key is null) or count(distinct key) > 20 then array[null::text] else array_agg(distinct key) end as keys from (table told union all table due) a group by task order by task
  loop
    perform lock_limits(poke.task);
    for n in 1..cardinality(poke.keys) loop
      admitted := admitted + let_in(poke.task, poke.keys[n]);
    end loop;
  end loop;
  return admitted;
end $$;

COMMENT ON FUNCTION public.admit_limited() IS 'Lets in the jobs and steps for which there is a place by now; returns how many.';

CREATE FUNCTION public.agent_alive_limit() RETURNS interval
    LANGUAGE sql IMMUTABLE
    RETURN '00:01:15'::interval;

COMMENT ON FUNCTION public.agent_alive_limit() IS 'Two and a half beats: an agent that was silent for longer is down.';

CREATE FUNCTION public.alert_rank(severity text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN array_position(ARRAY['info'::text, 'warning'::text, 'error'::text, 'critical'::text], severity);

CREATE FUNCTION public.alert_text(severity text, kind text, title text, body text, runbook text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select concat_ws(E'\n',
    case kind when 'resolved' then 'RESOLVED' when 'test' then 'TEST' when 'digest' then 'DIGEST' else upper(severity) end || ': ' || title,
    nullif(body, ''), 'Runbook: docs/runbooks/' || runbook || '.md')
$$;

CREATE FUNCTION public.answer_approval(id bigint, answer text, reason text DEFAULT NULL::text, output jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare a ops_approvals; mission ops_missions;
begin
  select * into a from ops_approvals where ops_approvals.id = answer_approval.id;
  if not found then
    perform refuse('OC011', format('there is no approval a%s', answer_approval.id), 'openclaw approvals list');
  end if;
  select * into mission from ops_missions m where m.id = a.mission_id for no key update;
  perform from ops_mission_proposals p where p.id = a.proposal_id for no key update;
  select * into a from ops_approvals where ops_approvals.id = a.id for update;
  if a.who = 'owner' and current_standing() <> 'owner' or current_standing() = 'viewer' then
    perform refuse('OC006', format('approval a%s is answered by the %s; you are %s (%s)', a.id, a.who, current_actor(), current_standing()), 'ask them: openclaw approvals show a' || a.id);
  end if;
  if not trusted_session() and not sql_may_answer(a.kind, a.actor) then
    perform refuse('OC006', format('approval a%s (%s, asked for by %s) may not be answered by %s', a.id, a.kind, a.actor, current_actor()), 'policy approvals.sql says what a limited role may answer; somebody else has to');
  end if;
  if not coalesce(answer_approval.answer = any (a.options), false) then
    perform refuse('OC009', format('"%s" is no answer to a%s (%s)', answer_approval.answer, a.id, a.question), format('answer %s', array_to_string(a.options, ', ')));
  end if;
  if a.state <> 'open' then
    -- A button pressed twice is pressed once.
    if a.answer = answer_approval.answer then
      return a.answer;
    end if;
    perform refuse('OC008', format('approval a%s is %s', a.id, case a.state when 'answered' then format('answered: %s, by %s', a.answer, a.answered_by) else a.state end), 'the first answer holds');
  end if;
  if mission.state in ('succeeded', 'failed', 'cancelled') then
    perform refuse('OC008', format('mission m%s has ended (%s); the question is void', mission.id, mission.state), 'nothing is to be done');
  end if;
  if a.expires_at <= clock_now() then
    perform refuse('OC008', format('approval a%s has expired at %s', a.id, a.expires_at), 'its answer on expiry holds');
  end if;
  perform record_act(case answer_approval.answer when 'reject' then 'reject' else 'approve' end, 'a' || a.id, jsonb_build_object('state', 'open'),
    jsonb_strip_nulls(jsonb_build_object('state', 'answered', 'answer', answer_approval.answer, 'reason', answer_approval.reason)), '{}', a.trace_id);
  perform settle_approval(a.id, 'answered', answer_approval.answer, current_actor(), answer_approval.reason, answer_approval.output, 'approval.answered');
  return answer_approval.answer;
end $$;

COMMENT ON FUNCTION public.answer_approval(id bigint, answer text, reason text, output jsonb) IS 'Answers an open question with one of its options; returns the answer that holds. The first answer wins: another one afterwards is refused (OC008), the same one again is not.';

CREATE FUNCTION public.clock_now() RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
    AS $$ begin return coalesce((select c.at from public.clock_override c), pg_catalog.now()); end $$;

COMMENT ON FUNCTION public.clock_now() IS 'The one clock: leases, wake-ups, quotas (UTC days) and retention use it.';

CREATE FUNCTION public.current_actor() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  select case when pg_catalog.length(pg_catalog.current_setting('openclaw.actor', true)) operator(pg_catalog.>) 0 and public.trusted_session()
              then pg_catalog.current_setting('openclaw.actor', true)
              else pg_catalog.concat('sql:', session_user) end
$$;

COMMENT ON FUNCTION public.current_actor() IS 'cli:<user>, telegram:<id>, ssh:<name>, sql:<role>, agent:<id>, rule:<name>, cron or system.';

CREATE FUNCTION public.current_trace() RETURNS uuid
    LANGUAGE sql PARALLEL SAFE
    AS $$
  select case when pg_catalog.length(pg_catalog.current_setting('openclaw.trace', true)) operator(pg_catalog.=) 36
              then pg_catalog.current_setting('openclaw.trace', true)::pg_catalog.uuid
              -- Random bits in the form of a version 4 UUID. A trace is no secret, and gen_random_uuid(), which asks the system
              -- for strong ones, cost more than the rest of a request's row.
              else pg_catalog.overlay(pg_catalog.overlay(
                     pg_catalog.md5(pg_catalog.concat(pg_catalog.random(), pg_catalog.random())), '4', 13), '8', 17)::pg_catalog.uuid end
$$;

COMMENT ON FUNCTION public.current_trace() IS 'The trace that the caller goes on with (openclaw.trace), or a new one.';

CREATE TABLE public.ops_approvals (
    id bigint NOT NULL,
    kind text NOT NULL,
    question text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    options text[] DEFAULT '{approve,reject}'::text[] NOT NULL,
    who text DEFAULT 'operator'::text NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    answer text,
    answered_by text,
    reason text,
    output jsonb,
    on_expiry text,
    expires_at timestamp with time zone,
    mission_id bigint,
    step_id bigint,
    proposal_id bigint,
    actor text DEFAULT public.current_actor() NOT NULL,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    answered_at timestamp with time zone,
    CONSTRAINT ops_approvals_check CHECK (((state = 'open'::text) = (answered_at IS NULL))),
    CONSTRAINT ops_approvals_check1 CHECK (((state = 'answered'::text) = (answer IS NOT NULL))),
    CONSTRAINT ops_approvals_check2 CHECK ((answer = ANY (options))),
    CONSTRAINT ops_approvals_check3 CHECK ((on_expiry = ANY (options))),
    CONSTRAINT ops_approvals_check4 CHECK (((on_expiry IS NULL) OR (expires_at IS NOT NULL))),
    CONSTRAINT ops_approvals_detail_check CHECK ((jsonb_typeof(detail) = 'object'::text)),
    CONSTRAINT ops_approvals_kind_check CHECK ((kind ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
    CONSTRAINT ops_approvals_options_check CHECK ((((cardinality(options) >= 1) AND (cardinality(options) <= 20)) AND (array_position(options, NULL::text) IS NULL))),
    CONSTRAINT ops_approvals_question_check CHECK (((length(question) >= 1) AND (length(question) <= 4000))),
    CONSTRAINT ops_approvals_state_check CHECK ((state = ANY (ARRAY['open'::text, 'answered'::text, 'expired'::text, 'cancelled'::text]))),
    CONSTRAINT ops_approvals_who_check CHECK ((who = ANY (ARRAY['operator'::text, 'owner'::text])))
);

COMMENT ON TABLE public.ops_approvals IS 'Durable questions to a person. The first answer holds; what follows from it is done in its transaction (apply_approval).';

COMMENT ON COLUMN public.ops_approvals.kind IS 'step (a plan''s step asks before it starts), code (ctx.approve), unknown (did this effect happen?), proposal, learning, ...: what apply_approval does with the answer.';

COMMENT ON COLUMN public.ops_approvals.detail IS 'For the reader: effects {option: what it does}, cost_usd, unanswered (what happens when nobody answers, where it is not clear from on_expiry), and what else helps.';

COMMENT ON COLUMN public.ops_approvals.who IS 'Who may answer: an operator, or the owner only.';

COMMENT ON COLUMN public.ops_approvals.output IS 'What the answer brings beside its word: the output of a step that is known to be done, say.';

COMMENT ON COLUMN public.ops_approvals.on_expiry IS 'The answer that is taken when nobody gave one by expires_at; without one the question expires.';

COMMENT ON COLUMN public.ops_approvals.actor IS 'Who asked, or on whose behalf: a limited role does not answer what it asked for itself.';

CREATE FUNCTION public.apply_approval(a public.ops_approvals) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  if a.kind = 'proposal' then
    perform decide_proposal(a);
    return;
  end if;
  -- step, code, unknown: the mission's next segment reads the answer and goes on by it.
  if a.mission_id is not null then
    perform nudge_mission(a.mission_id);
  end if;
  if a.kind in ('learning', 'pause') then
    perform apply_learned(a);
  end if;
end $$;

CREATE FUNCTION public.apply_change(change bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare c ops_learned_changes; version_now integer;
begin
  select * into c from ops_learned_changes where id = change and state = 'proposed' for update;
  if not found then
    return;
  end if;
  if sound_policy(c.policy_key) is distinct from c.before then
    update ops_learned_changes set state = 'superseded', settled_at = clock_now(), verdict = 'policy was changed meanwhile' where id = c.id;
    return;
  end if;
  version_now := set_policy(c.policy_key, c.after, format('learned: %s', c.evidence ->> 'why'));
  update ops_learned_changes set state = 'applied', applied_at = clock_now(), policy_version = version_now where id = c.id;
end $$;

CREATE FUNCTION public.apply_learned(a public.ops_approvals) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  if a.kind = 'pause' then
    if a.answer = 'approve' then
      perform trip_breaker('kind:' || (a.detail ->> 'mission_kind'), interval '6 hours', format('approved by %s: it kept failing', a.answered_by));
    end if;
    return;
  end if;
  if a.answer = 'approve' then
    perform apply_change((a.detail ->> 'change')::bigint);
  else
    update ops_learned_changes set state = 'rejected', settled_at = clock_now() where id = (a.detail ->> 'change')::bigint and state = 'proposed';
  end if;
end $$;

CREATE FUNCTION public.apply_retention(at_most integer DEFAULT 5000) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare deleted bigint; done jsonb := '{}'; ids bigint[];
begin
  perform set_config('openclaw.retention', 'on', true);
  select array_agg(job_id) into ids from (
    select job_id from job_history
    where (state = 'succeeded' and finished_at < retention_limit('retention.jobs_ok')) or (state <> 'succeeded' and finished_at < retention_limit('retention.jobs_failed'))
    order by finished_at limit at_most) old;
  delete from job_requests where id = any (ids);
  delete from job_progress where job_id = any (ids);
  delete from job_cancels where job_id = any (ids);
  delete from job_holds where job_id = any (ids);
  delete from job_crashes where job_id = any (ids);
  delete from checkpoints where scope in (select 'j' || id from unnest(ids) id);
  delete from job_history where job_id = any (ids);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('jobs', deleted);

  delete from ops_agent_events where id in (select id from ops_agent_events where created_at < retention_limit('retention.events') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('events', deleted);
  delete from agent_events where id in (select id from agent_events where created_at < retention_limit('retention.events') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('acts', deleted);
  delete from ops_outcome_rows where id in (select id from ops_outcome_rows where created_at < retention_limit('retention.events') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('outcomes', deleted);
  delete from ops_reactions where id in (select id from ops_reactions where created_at < retention_limit('retention.events') order by id limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('reactions', deleted);
  delete from ops_health_runs where id in (select id from ops_health_runs where finished_at < retention_limit('retention.events') order by finished_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('health_runs', deleted);
  delete from ops_alerts where id in (select id from ops_alerts where created_at < retention_limit('retention.events') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('alerts', deleted);
  delete from ops_cron_runs where (schedule, planned_for) in (select schedule, planned_for from ops_cron_runs where planned_for < retention_limit('retention.events') order by planned_for limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('cron_runs', deleted);

  select array_agg(id) into ids from (select id from ops_missions where finished_at < retention_limit('retention.missions') order by finished_at limit at_most) old;
  delete from ops_mission_proposals where mission_id = any (ids);
  delete from checkpoints where scope in (select format('m%s/%s', s.mission_id, s.name) from ops_mission_steps s where s.mission_id = any (ids));
  delete from ops_signals where mission_id = any (ids);
  delete from ops_mission_steps where mission_id = any (ids);
  delete from ops_missions where id = any (ids);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('missions', deleted);
  delete from ops_mission_proposals where id in (
    select id from ops_mission_proposals where mission_id is null and state <> 'proposed' and created_at < retention_limit('retention.missions') limit at_most);
  delete from ops_approvals where id in (
    select id from ops_approvals where state <> 'open' and answered_at < retention_limit('retention.missions') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('approvals', deleted);
  delete from agent_heartbeats where id in (select id from agent_heartbeats where received_at < retention_limit('retention.heartbeats') order by received_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('beats', deleted);
  delete from agent_messages where id in (select id from agent_messages where handled_at is not null and created_at < retention_limit('retention.messages') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('messages', deleted);
  delete from inbox where id in (select id from inbox where handled_at is not null and received_at < retention_limit('retention.messages') order by received_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('received', deleted);
  -- An edit goes before what it edits; buttons go with their message.
  delete from outbox where id in (
    select o.id from outbox o where o.state not in ('queued', 'sending') and o.created_at < retention_limit('retention.messages')
      and not exists (select from outbox e where e.edits = o.id) order by o.created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('sent', deleted);
  delete from workers where state <> 'live' and ended_at < retention_limit('retention.workers');
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('workers', deleted);

  -- What was found outside and has expired (signals stay for the time of events, so that it is seen what became of them).
  delete from ops_search_cache where expires_at < clock_now();
  delete from ops_repeated_calls where last_at < clock_now() - interval '1 day';
  delete from ops_research_signals where id in (select id from ops_research_signals where expires_at < retention_limit('retention.events') order by expires_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('research_signals', deleted);
  perform set_config('openclaw.retention', 'off', true);
  return done;
end $$;

COMMENT ON FUNCTION public.apply_retention(at_most integer) IS 'Deletes one batch of what policy retention.* says is old; returns the counts, all 0 when there is no more.';

CREATE FUNCTION public.apply_task_retries() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare retries jsonb := policy_value('task.retries') -> new.identifier;
begin
  if jsonb_typeof(retries) = 'number' and (retries #>> '{}')::numeric between 0 and 99 then
    new.max_attempts := (retries #>> '{}')::numeric::smallint + 1;
  end if;
  return new;
end $$;

CREATE FUNCTION public.approval_fault(asked jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare question jsonb := case jsonb_typeof(asked) when 'object' then asked -> 'question' else asked end; unknown_key text;
begin
  if coalesce(jsonb_typeof(question), '') <> 'string' or length(question #>> '{}') not between 1 and 1000 then
    return 'approval: expected a question of 1 to 1000 characters, or {question, expires, on_expiry, who}';
  end if;
  if jsonb_typeof(asked) = 'string' then return null; end if;
  select k into unknown_key from jsonb_object_keys(asked) k where k not in ('question', 'expires', 'on_expiry', 'who') limit 1;
  return case
    when unknown_key is not null then format('approval: unknown key "%s"; known keys are question, expires, on_expiry, who', unknown_key)
    when asked ? 'expires' and duration_ms(asked -> 'expires') is null then format('approval: expires is %s, expected ms or a text like "8 h"', asked -> 'expires')
    when asked ? 'on_expiry' and asked ->> 'on_expiry' not in ('approve', 'reject') then format('approval: on_expiry is %s, expected approve or reject', asked -> 'on_expiry')
    when asked ? 'on_expiry' and not asked ? 'expires' then 'approval: on_expiry is given without expires'
    when asked ? 'who' and asked ->> 'who' not in ('operator', 'owner') then format('approval: who is %s, expected operator or owner', asked -> 'who') end;
end $$;

CREATE FUNCTION public.approval_text(approval bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
  select concat_ws(E'\n',
    format('a%s  %s', a.id, a.question),
    format('asked    %s UTC by %s%s%s', to_char(a.created_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'), a.actor,
           case when a.mission_id is not null then format(', for mission m%s%s', a.mission_id, coalesce(format(' "%s"', m.title), '')) end,
           case when s.name is not null then format(', step %s (task %s, effect %s)', s.name, s.task, s.effect) end),
    (select string_agg(format('%s %s', rpad(o, 8), coalesce(a.detail -> 'effects' ->> o,
       case o when 'approve' then 'it goes on' when 'reject' then 'it does not happen' else 'the answer is given to the function' end)), E'\n' order by n) from unnest(a.options) with ordinality u(o, n)),
    format('cost     %s', case when a.detail ? 'cost_usd' then '$' || (a.detail ->> 'cost_usd') else 'none that is known' end),
    case a.state
      when 'open' then 'no answer  ' || coalesce(a.detail ->> 'unanswered', case
        when a.on_expiry is not null then format('%s is taken at %s UTC', a.on_expiry, to_char(a.expires_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'))
        when a.expires_at is not null then format('it expires at %s UTC and does not happen', to_char(a.expires_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'))
        else 'it waits, as long as it takes; nothing is lost' end)
      else format('%s %s', rpad(a.state, 8), concat_ws(', ', a.answer, 'by ' || a.answered_by, a.reason, to_char(a.answered_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') || ' UTC')) end,
    case when a.state = 'open' then format('answer   %s%s', case when 'approve' = any (a.options) then format('openclaw approve a%s', a.id)
           else (select string_agg(format('openclaw approve a%s %s', a.id, o), '  or  ') from unnest(a.options) o where o <> 'reject') end,
           case when 'reject' = any (a.options) then format('  or  openclaw reject a%s --reason "..."', a.id) end
           || case when a.who = 'owner' then '  (the owner only)' else '' end) end)
  from ops_approvals a left join ops_missions m on m.id = a.mission_id left join ops_mission_steps s on s.id = a.step_id where a.id = approval_text.approval
$_$;

COMMENT ON FUNCTION public.approval_text(approval bigint) IS 'A question as a person reads it: what each answer does, the cost, what happens without an answer, and the command that answers.';

CREATE FUNCTION public.approve(id bigint, answer text DEFAULT 'approve'::text, reason text DEFAULT NULL::text) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ select answer_approval(id, answer, reason) $$;

COMMENT ON FUNCTION public.approve(id bigint, answer text, reason text) IS 'Answers approval id, with approve unless said otherwise.';

CREATE FUNCTION public.approve_pairing(code text, role text DEFAULT NULL::text, name text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare p ops_pairings; device bigint; as_role text;
begin
  if current_source() = 'telegram' then
    perform refuse('OC006', 'pairing is not approved in a chat', 'openclaw pair approve <code>, at the machine');
  end if;
  select * into p from ops_pairings w where w.decided_at is null and w.expires_at > clock_now() and w.code_hash = pairing_hash(w.salt, $1) order by w.id limit 1 for no key update;
  if not found then
    perform refuse('OC011', 'no pairing that waits has this code', 'openclaw pair list; a code is good for an hour, and the person gets a new one by writing again');
  end if;
  as_role := coalesce($2, case when exists (select from ops_devices d where d.kind = 'telegram' and d.role = 'owner' and d.revoked_at is null) then 'operator' else 'owner' end);
  device := add_device(p.kind, coalesce($3, coalesce(nullif(left(regexp_replace(p.name, '[^A-Za-z0-9_.@-]', '', 'g'), 40), ''), 'user') || '-' || p.subject), p.subject, as_role);
  update ops_pairings w set decided_at = clock_now(), decided_by = current_actor(), outcome = 'approved', device_id = device where w.id = p.id;
  perform record_act('pair approve', 'd' || device, null, jsonb_build_object('subject', p.subject, 'role', as_role));
  perform queue_message('telegram:' || p.subject, format('You are paired, as %s. Send /help for what you can do.', as_role), '{}', 'pairing/' || p.id, 'info');
  return device;
end $_$;

COMMENT ON FUNCTION public.approve_pairing(code text, role text, name text) IS 'Lets in whoever was given this code. The first is the owner unless said otherwise, later ones operators.';

CREATE FUNCTION public.ask_approval(kind text, question text, options text[] DEFAULT '{approve,reject}'::text[], detail jsonb DEFAULT '{}'::jsonb, who text DEFAULT 'operator'::text, expires_in interval DEFAULT NULL::interval, on_expiry text DEFAULT NULL::text, mission_id bigint DEFAULT NULL::bigint, step_id bigint DEFAULT NULL::bigint, proposal_id bigint DEFAULT NULL::bigint, actor text DEFAULT NULL::text, trace_id uuid DEFAULT NULL::uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare asked ops_approvals;
begin
  if not coalesce(on_expiry = any (options), true) then
    perform refuse('OC009', format('on_expiry is "%s", which is none of the options (%s)', on_expiry, array_to_string(options, ', ')), 'name one of the options, or leave it out');
  end if;
  if on_expiry is not null and expires_in is null then
    perform refuse('OC009', 'on_expiry is given without expires_in', 'say when, for example expires_in => ''8 hours''');
  end if;
  if coalesce(length(question), 0) not between 1 and 4000 then
    perform refuse('OC009', format('the question has %s characters, expected 1 to 4000', coalesce(length(question), 0)), 'put what is long into detail');
  end if;
  -- The same question again, after a crash of whoever asked, is the same row.
  select * into asked from ops_approvals a
    where a.state = 'open' and (a.step_id = ask_approval.step_id or a.proposal_id = ask_approval.proposal_id) limit 1;
  if found then
    return asked.id;
  end if;
  insert into ops_approvals (kind, question, options, detail, who, expires_at, on_expiry, mission_id, step_id, proposal_id, actor, trace_id)
    values (ask_approval.kind, ask_approval.question, ask_approval.options, coalesce(ask_approval.detail, '{}'), ask_approval.who, clock_now() + ask_approval.expires_in,
            ask_approval.on_expiry, ask_approval.mission_id, ask_approval.step_id, ask_approval.proposal_id, coalesce(ask_approval.actor, current_actor()),
            coalesce(ask_approval.trace_id, current_trace()))
    returning * into asked;
  insert into ops_agent_events (kind, severity, mission_id, step_id, trace_id, payload, tags)
    values ('approval.asked', 'warning', asked.mission_id, asked.step_id, asked.trace_id,
            jsonb_strip_nulls(jsonb_build_object('approval', asked.id, 'kind', asked.kind, 'question', left(asked.question, 500), 'options', asked.options, 'who', asked.who,
                               'expires_at', asked.expires_at, 'on_expiry', asked.on_expiry, 'proposal', asked.proposal_id)), array[asked.kind]);
  perform pg_notify('approval:changed', asked.id::text);
  return asked.id;
end $$;

COMMENT ON FUNCTION public.ask_approval(kind text, question text, options text[], detail jsonb, who text, expires_in interval, on_expiry text, mission_id bigint, step_id bigint, proposal_id bigint, actor text, trace_id uuid) IS 'Asks a person, in the caller''s transaction; returns the approval''s id. Asked again for the same step or proposal while it is open, it is the same question. detail: effects {option: what it does}, cost_usd, unanswered.';

CREATE FUNCTION public.ask_for_step(mission bigint, of_epoch integer, step bigint, kind text, question text, options text[], detail jsonb, who text, expires_in interval, on_expiry text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions; asked bigint;
begin
  select * into m from ops_missions where id = mission and epoch = of_epoch and state = 'running' for no key update;
  if not found then
    return null;
  end if;
  asked := ask_approval(kind, question, options, detail, who, expires_in, on_expiry, mission_id => mission, step_id => step, actor => m.actor, trace_id => m.trace_id);
  update ops_mission_steps set approval_id = asked, state = case state when 'queued' then 'waiting' else state end where id = step and mission_id = mission;
  -- Read here: the statement that calls this does not see what it wrote.
  return (select to_jsonb(a) from ops_approvals a where a.id = asked);
end $$;

COMMENT ON FUNCTION public.ask_for_step(mission bigint, of_epoch integer, step bigint, kind text, question text, options text[], detail jsonb, who text, expires_in interval, on_expiry text) IS 'Asks about a step and gives the approval''s row; null when the mission belongs to another epoch. Asked again while it is open, it is the same question.';

CREATE TABLE public.ops_backups (
    id bigint NOT NULL,
    name text NOT NULL,
    archive text,
    offsite text,
    host text NOT NULL,
    bytes bigint,
    sha256 text,
    snapshot_at timestamp with time zone,
    row_count bigint,
    duration_ms double precision,
    faults text[] DEFAULT '{}'::text[] NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    offsite_id text,
    offsite_error text,
    offsite_at timestamp with time zone,
    local_deleted_at timestamp with time zone,
    offsite_deleted_at timestamp with time zone,
    actor text DEFAULT public.current_actor() NOT NULL,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    started_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT ops_backups_archive_check CHECK ((archive = ANY (ARRAY['verified'::text, 'partial'::text, 'failed'::text]))),
    CONSTRAINT ops_backups_bytes_check CHECK ((bytes >= 0)),
    CONSTRAINT ops_backups_name_check CHECK ((name ~ '^openclaw_backup_[0-9]{8}_[0-9]{6}\.(tar\.gz|tar\.zst\.age)$'::text)),
    CONSTRAINT ops_backups_offsite_check CHECK ((offsite = ANY (ARRAY['uploaded'::text, 'local_only'::text, 'failed'::text]))),
    CONSTRAINT ops_backups_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

COMMENT ON TABLE public.ops_backups IS 'One row a backup. archive null: it is being made, or whoever made it was killed, which the next run settles.';

COMMENT ON COLUMN public.ops_backups.archive IS 'verified: read back whole, each checksum, the dump decoded. partial: so too, but something could not be read, and faults names it. failed: there is no archive.';

COMMENT ON COLUMN public.ops_backups.offsite IS 'uploaded: Drive has it with the same checksum. local_only: no Drive is set up, so it is no backup against the loss of this machine. failed: the upload did not end; the next run goes on with it. null: not tried yet.';

COMMENT ON COLUMN public.ops_backups.faults IS 'What is missing from a partial archive, or why there is none; no secrets.';

COMMENT ON COLUMN public.ops_backups.detail IS 'Versions, row counts by table, what was left out, times of the stages.';

CREATE FUNCTION public.begin_backup(suffix text, host text, trace uuid DEFAULT NULL::uuid) RETURNS public.ops_backups
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare at timestamptz := clock_now(); made ops_backups;
begin
  loop
    insert into ops_backups (name, host, trace_id) values ('openclaw_backup_' || to_char(at at time zone 'UTC', 'YYYYMMDD_HH24MISS') || suffix, begin_backup.host, coalesce(trace, current_trace()))
      on conflict (name) do nothing returning * into made;
    exit when found;
    at := at + interval '1 second';
  end loop;
  perform record_act('backup create', made.name, null, null, jsonb_build_object('backup', made.id), made.trace_id);
  return made;
end $$;

COMMENT ON FUNCTION public.begin_backup(suffix text, host text, trace uuid) IS 'A new backup with the next free name; suffix is .tar.gz or .tar.zst.age.';

CREATE FUNCTION public.begin_limited_job(job bigint, pool text, given_key text DEFAULT NULL::text, OUT verdict text, OUT wait_ms double precision) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare j graphile_worker._private_jobs; t ops_tasks; of_key text;
begin
  select * into j from graphile_worker._private_jobs where id = job and locked_by = pool;
  select o.* into t from ops_tasks o join graphile_worker._private_tasks g on g.identifier = o.identifier where g.id = j.task_id;
  if j.id is null or t.limits is null then
    verdict := case when j.id is null then 'gone' else 'run' end;
    return;
  end if;
  of_key := coalesce(left(given_key, 500), limit_key(t.limits, readable_json(j.payload)));
  select p.verdict, p.wait_ms into verdict, wait_ms from take_place('j' || job, t.identifier, of_key, j.attempts) p;
  if verdict <> 'wait' then
    return;
  end if;
  verdict := 'gone';
  if j.key is null and j.job_queue_id is null and j.flags is null then
    perform set_config('openclaw.ledger', 'ride', true);
    delete from graphile_worker._private_jobs where id = job;
  else
    update graphile_worker._private_jobs set locked_by = null, locked_at = null, attempts = greatest(attempts - 1, 0), run_at = now() + interval '1 year' where id = job;
    update graphile_worker._private_job_queues set locked_by = null, locked_at = null where id = j.job_queue_id and locked_by = pool;
  end if;
  insert into limit_waits as w (holder, task, key, priority, since, parked, payload, attempts, max_attempts, last_error)
    values ('j' || job, t.identifier, of_key, j.priority, j.created_at, j.key is not null or j.job_queue_id is not null or j.flags is not null,
            j.payload, greatest(j.attempts - 1, 0), j.max_attempts, j.last_error)
    on conflict (holder) do update set key = excluded.key, payload = excluded.payload;
  -- The lock is ours: a place that came free meanwhile is given out here.
  perform let_in(t.identifier, of_key);
end $$;

COMMENT ON FUNCTION public.begin_limited_job(job bigint, pool text, given_key text, OUT verdict text, OUT wait_ms double precision) IS 'Asked by the worker before it starts a job of a limited task: run, later (in wait_ms) or gone (it waits for a place).';

CREATE FUNCTION public.begin_limited_step(step bigint, of_epoch integer, payload jsonb, given_key text DEFAULT NULL::text, OUT verdict text, OUT wait_ms double precision) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare s record; of_key text;
begin
  select o.identifier, o.limits, st.attempt, m.id as mission_id, m.priority, m.created_at into s
    from ops_mission_steps st join ops_missions m on m.id = st.mission_id and m.epoch = of_epoch and m.state = 'running' join ops_tasks o on o.identifier = st.task
    where st.id = begin_limited_step.step and st.state in ('queued', 'running');
  if not found or s.limits is null then
    -- Without a row the next checkpoint is fenced and says so.
    verdict := 'run';
    return;
  end if;
  of_key := coalesce(left(given_key, 500), limit_key(s.limits, begin_limited_step.payload));
  select p.verdict, p.wait_ms into verdict, wait_ms from take_place('s' || step, s.identifier, of_key, s.attempt) p;
  update ops_mission_steps st set limited = true where st.id = begin_limited_step.step and not st.limited;
  if verdict = 'wait' then
    insert into limit_waits as w (holder, task, key, priority, since, mission_id) values ('s' || step, s.identifier, of_key, s.priority, s.created_at, s.mission_id)
      on conflict (holder) do nothing;
    perform let_in(s.identifier, of_key);
  end if;
end $$;

COMMENT ON FUNCTION public.begin_limited_step(step bigint, of_epoch integer, payload jsonb, given_key text, OUT verdict text, OUT wait_ms double precision) IS 'Asked by a segment before it starts a step of a limited task: run, later (in wait_ms) or wait (its mission is woken when there is a place).';

CREATE FUNCTION public.begin_suspect(job bigint, pool text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ update job_crashes set suspect_of = pool where job_id = job $$;

CREATE FUNCTION public.breaker_admit(breaker text, by text, keep_probe interval DEFAULT NULL::interval) RETURNS public.breaker_answer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare b ops_breakers; rule jsonb; answer breaker_answer;
begin
  select * into b from ops_breakers o where o.name = breaker;
  rule := breaker_rule(breaker);
  if rule is null then
    return row (false, false, coalesce(b.state, 'closed'), b.failures, b.opens, null, null, format('policy %s is missing or malformed', case when breaker like 'kind:%' then 'breaker.missions' else 'breaker.services' end))::breaker_answer;
  end if;
  if b.name is null or b.state = 'closed' then
    return row (true, false, 'closed', coalesce(b.failures, 0), 0, null, (rule ->> 'failures')::integer, null)::breaker_answer;
  end if;
  if b.state = 'open' and b.open_until <= clock_now() or b.state = 'half_open' and (b.probe_until <= clock_now() or b.probe = by) then
    update ops_breakers o set state = 'half_open', open_until = null, probe = by, probe_until = clock_now() + coalesce(keep_probe, (rule ->> 'probe')::interval), updated_at = clock_now()
      where o.name = breaker and (o.state = 'open' and o.open_until <= clock_now() or o.state = 'half_open' and (o.probe_until <= clock_now() or o.probe = by)) returning * into b;
    if found then
      return row (true, true, 'half_open', b.failures, b.opens, null, (rule ->> 'failures')::integer, null)::breaker_answer;
    end if;
    select * into b from ops_breakers o where o.name = breaker;
    if b.state = 'closed' then
      return row (true, false, 'closed', b.failures, 0, null, (rule ->> 'failures')::integer, null)::breaker_answer;
    end if;
  end if;
  return row (false, false, b.state, b.failures, b.opens, coalesce(b.open_until, b.probe_until), (rule ->> 'failures')::integer,
    case when b.state = 'half_open' then format('breaker %s is half open: %s is trying', breaker, b.probe)
         else format('breaker %s is open until %s: %s', breaker, to_char(b.open_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), coalesce(b.reason, b.last_error, 'it failed')) end)::breaker_answer;
end $$;

COMMENT ON FUNCTION public.breaker_admit(breaker text, by text, keep_probe interval) IS 'Whether a call or a start may be made now, and whether it is the one probe. Writes only when a probe is given.';

CREATE FUNCTION public.breaker_report(breaker text, ok boolean, by text, error text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare b ops_breakers; rule jsonb := breaker_rule(breaker); lasts interval;
begin
  if ok then
    update ops_breakers o set state = 'closed', failures = 0, opens = 0, opened_at = null, open_until = null, probe = null, probe_until = null, reason = null, updated_at = clock_now()
      where o.name = breaker and (o.state = 'closed' and o.failures > 0 or o.state = 'half_open' and o.probe = by);
    return (select state from ops_breakers where name = breaker);
  end if;
  if ok is null then
    update ops_breakers o set state = 'open', open_until = clock_now(), probe = null, probe_until = null, updated_at = clock_now()
      where o.name = breaker and o.state = 'half_open' and o.probe = by;
    return (select state from ops_breakers where name = breaker);
  end if;
  insert into ops_breakers as o (name, failures, last_error, actor, updated_at) values (breaker, 1, left(breaker_report.error, 2000), 'system', clock_now())
    on conflict (name) do update set failures = o.failures + 1, last_error = excluded.last_error, updated_at = clock_now()
      where o.state = 'closed' or o.state = 'half_open' and o.probe = by
    returning * into b;
  -- A policy that is missing admits nothing, so there is nothing to open.
  if b.name is null or rule is null or b.state = 'closed' and b.failures < (rule ->> 'failures')::integer then
    return b.state;
  end if;
  lasts := least((rule ->> 'open')::interval * (2 ^ least(b.opens, 20)), greatest((rule ->> 'max')::interval, (rule ->> 'open')::interval));
  update ops_breakers o set state = 'open', opens = o.opens + 1, opened_at = clock_now(), open_until = clock_now() + lasts, probe = null, probe_until = null,
      reason = format('%s failure%s in a row', b.failures, case when b.failures > 1 then 's' else '' end), updated_at = clock_now()
    where o.name = breaker;
  return 'open';
end $$;

COMMENT ON FUNCTION public.breaker_report(breaker text, ok boolean, by text, error text) IS 'Counts how a call or mission ended: failures in a row open the breaker, a probe closes it or opens it for longer. ok null: it was given up and says nothing; the probe is free again.';

CREATE FUNCTION public.breaker_rule(name text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ begin return sound_policy(case when name like 'kind:%' then 'breaker.missions' else 'breaker.services' end); end $$;

CREATE FUNCTION public.budget_limit(key text, period text) RETURNS numeric
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select case when key = 'all' then policy_value('budget.usd') ->> span when key like 'mission:%' then policy_value('budget.usd') ->> 'mission'
              when key like 'agent:%' then policy_value('budget.agents') -> substr(key, 7) ->> span
              when key like 'provider:%' then policy_value('budget.providers') -> substr(key, 10) ->> span end::numeric
  from (select case length(period) when 10 then 'day' when 7 then 'month' end as span) s
$$;

CREATE FUNCTION public.budget_turns_at(period text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select case length(period) when 10 then (period::date + 1)::timestamp at time zone 'UTC'
                             when 7 then ((period || '-01')::date + interval '1 month')::timestamp at time zone 'UTC' end
$$;

CREATE FUNCTION public.call_times(wanted_run text, wanted_call text) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ select coalesce((select times from ops_repeated_calls where run = wanted_run and call = wanted_call and last_at > clock_now() - interval '1 day'), 0) $$;

CREATE FUNCTION public.cancel_job(job bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was record;
begin
  select j.*, t.identifier into was from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id where j.id = job for update of j;
  if not found then
    if cancel_waiting_job(job) then
      return 'cancelled';
    end if;
    if exists (select from job_history where job_id = job) then
      perform refuse('OC008', format('job j%s has ended (%s)', job, (select state from job_history where job_id = job)), 'only a queued, retrying or running job can be cancelled');
    end if;
    perform refuse('OC011', format('there is no job j%s', job), 'openclaw jobs list');
  end if;
  perform raise_unless_mine((select actor from job_requests where id = job), 'job j' || job);
  -- A mission's segment is cancelled with its mission: alone it would come back.
  if was.identifier = 'mission' then
    return cancel_mission((was.payload ->> 'mission_id')::bigint);
  end if;
  if was.locked_by is not null then
    insert into job_cancels (job_id) values (job) on conflict do nothing;
    perform record_act('jobs cancel', 'j' || job, '{"state": "running"}', '{"state": "running", "cancel_requested": true}');
    perform pg_notify('job:control', job::text);
    return 'cancelling';
  end if;
  insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, error_class, last_error)
    values (was.id, was.identifier, was.payload, 'cancelled', was.priority, was.run_at, was.attempts, was.max_attempts, was.key, was.created_at, 'cancelled',
            format('cancelled by %s', current_actor()));
  delete from graphile_worker._private_jobs where id = job;
  perform record_act('jobs cancel', 'j' || job, jsonb_build_object('state', case when was.attempts > 0 then 'retrying' else 'queued' end), '{"state": "cancelled"}');
  perform pg_notify('job:ended', job::text);
  return 'cancelled';
end $$;

COMMENT ON FUNCTION public.cancel_job(job bigint) IS 'Ends a waiting job as cancelled, or tells the worker that runs it to abort it.';

CREATE FUNCTION public.cancel_mission(mission bigint, hard boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions; invoked bigint;
begin
  select * into m from ops_missions where id = mission for no key update;
  if not found then
    perform refuse('OC011', format('there is no mission m%s', mission), 'openclaw missions list');
  end if;
  if m.state in ('succeeded', 'failed', 'cancelled') then
    perform refuse('OC008', format('mission m%s has ended (%s)', mission, m.state), 'only an open mission can be cancelled');
  end if;
  perform raise_unless_mine(m.actor, 'mission m' || mission);
  update ops_missions set cancel_requested_by = coalesce(cancel_requested_by, current_actor()) where id = mission;
  -- What it invoked ends with it; their ids are higher.
  for invoked in select c.id from ops_mission_steps s join ops_missions c on c.parent_step_id = s.id
                 where s.mission_id = mission and s.kind = 'invoke' and s.state = 'waiting' and c.finished_at is null order by c.id loop
    perform cancel_mission(invoked, hard);
  end loop;
  if not hard and exists (select from ops_mission_steps where mission_id = mission and state = 'running') then
    -- Somebody runs a step of it now: its true outcome is recorded, nothing new starts, and the worker ends the mission.
    perform pg_notify('mission:control', mission::text);
    perform record_act('missions cancel', 'm' || mission, jsonb_build_object('state', m.state), jsonb_build_object('state', m.state, 'cancel_requested', true), '{}', m.trace_id);
    return 'cancelling';
  end if;
  with ended as (
    update ops_mission_steps s set finished_at = clock_now(), error_class = 'cancelled',
        -- Of what is cut off, nobody knows whether it happened outside.
        state = case when s.state = 'running' and s.effect = 'outside' and not exists (select from ops_tasks t where t.identifier = s.task and (t.idempotent or t.durable)) then 'unknown' else 'cancelled' end,
        error = case when s.state = 'running' then 'the mission was cancelled while it ran' else 'the mission was cancelled' end
      where mission_id = mission and state in ('queued', 'waiting', 'running') returning id, task, attempt, state)
  insert into ops_outcome_rows (mission_id, step_id, task, attempt, success, state, error_class, trace_id)
    select mission, id, task, attempt, false, ended.state, 'cancelled', m.trace_id from ended
    on conflict (step_id, attempt) where step_id is not null do nothing;
  -- A higher epoch: whoever runs a step of it now writes nothing more, and stops.
  update ops_missions set state = 'cancelled', finished_at = clock_now(), epoch = epoch + hard::integer, job_id = null, wake_at = null, wait_reason = null,
      error_class = 'cancelled', error = format('cancelled by %s', current_actor()) where id = mission;
  insert into ops_agent_events (kind, mission_id, trace_id, payload, tags)
    values ('mission.cancelled', mission, m.trace_id, jsonb_build_object('kind', m.kind, 'was', m.state), array[m.kind]);
  perform record_act('missions cancel', 'm' || mission, jsonb_build_object('state', m.state), '{"state": "cancelled"}', '{}', m.trace_id);
  -- A segment that is between two steps learns of it at once too.
  perform pg_notify('mission:control', mission::text);
  perform pg_notify('mission:ended', mission::text);
  return 'cancelled';
end $$;

COMMENT ON FUNCTION public.cancel_mission(mission bigint, hard boolean) IS 'Nothing of the mission starts any more; a step that runs is told to stop and its true outcome is recorded. hard: it ends now, whatever its worker does; a running step of effect outside is unknown.';

CREATE FUNCTION public.cancel_waiting_job(job bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was limit_waits;
begin
  if not exists (select from limit_waits where holder = 'j' || job and not parked) then
    return false;
  end if;
  perform raise_unless_mine((select actor from job_requests where id = job), 'job j' || job);
  delete from limit_waits where holder = 'j' || job and not parked returning * into was;
  if not found then
    return false;
  end if;
  insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, created_at, error_class, last_error)
    values (job, was.task, was.payload, 'cancelled', was.priority, was.since, was.attempts, was.max_attempts, was.since, 'cancelled', format('cancelled by %s', current_actor()));
  perform record_act('jobs cancel', 'j' || job, '{"state": "queued"}', '{"state": "cancelled"}');
  perform pg_notify('job:ended', job::text);
  return true;
end $$;

CREATE FUNCTION public.change_matching(verb text, filter jsonb, apply boolean DEFAULT false, at_most integer DEFAULT 1000) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare ids bigint[]; each bigint; done bigint[] := '{}'; refused jsonb := '[]';
begin
  if coalesce(verb, '') not in ('missions retry', 'missions cancel', 'jobs retry', 'jobs cancel') then
    perform refuse('OC009', format('"%s" is not done in bulk', verb), 'missions retry, missions cancel, jobs retry, jobs cancel');
  end if;
  -- Only what the verb can change.
  select coalesce(array_agg(u.found order by u.found), '{}') into ids from unnest(matching(split_part(verb, ' ', 1), filter, at_most)) u(found)
    where case verb
      when 'missions retry' then exists (select from ops_missions m where m.id = u.found and m.state in ('failed', 'cancelled'))
      when 'missions cancel' then exists (select from ops_missions m where m.id = u.found and m.finished_at is null)
      when 'jobs retry' then exists (select from job_history h where h.job_id = u.found and h.state <> 'succeeded')
        and not exists (select from agent_events e where e.target = 'j' || u.found and e.verb = 'jobs retry')
      else exists (select from graphile_worker._private_jobs j where j.id = u.found) end;
  if apply then
    foreach each in array ids loop
      begin
        case verb
          when 'missions retry' then perform retry_mission(each);
          when 'missions cancel' then perform cancel_mission(each);
          when 'jobs retry' then perform retry_job(each);
          else perform cancel_job(each);
        end case;
        done := done || each;
      exception when sqlstate 'OC006' or sqlstate 'OC008' or sqlstate 'OC009' then
        -- It has changed since it matched: the others go on, and this one is told.
        refused := refused || jsonb_build_object('id', each, 'error', sqlerrm);
      end;
    end loop;
  end if;
  return jsonb_build_object('matched', cardinality(ids), 'ids', to_jsonb(ids[1:100]), 'done', cardinality(done), 'refused', refused);
end $$;

COMMENT ON FUNCTION public.change_matching(verb text, filter jsonb, apply boolean, at_most integer) IS 'missions retry, missions cancel, jobs retry or jobs cancel for all that a filter {state, kind, task, error_class, since} matches; without apply only told.';

CREATE FUNCTION public.check_approval_state() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if tg_op = 'DELETE' then
    if current_setting('openclaw.retention', true) = 'on' and old.state <> 'open' then return old; end if;
    raise exception using errcode = 'OC010', message = format('delete of approval a%s is refused: history is kept', old.id), hint = 'answer it; answered ones leave by retention';
  end if;
  if old.state <> 'open' then
    raise exception using errcode = 'OC008', message = format('approval a%s is %s and stays so', old.id, old.state), hint = 'the first answer holds';
  end if;
  return new;
end $$;

CREATE FUNCTION public.check_backup_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  if old.archive is not null and new.archive is distinct from old.archive then
    perform refuse('OC008', format('backup %s is %s and cannot become %s', old.name, old.archive, new.archive), 'make a new backup');
  end if;
  if old.offsite = 'uploaded' and new.offsite is distinct from 'uploaded' then
    perform refuse('OC008', format('backup %s is uploaded and cannot become %s', old.name, new.offsite), 'nothing: it is there');
  end if;
  return new;
end $$;

CREATE FUNCTION public.check_mission_state() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not (case old.state
    when 'approved' then new.state in ('running', 'waiting', 'cancelled', 'failed')
    when 'running' then new.state in ('waiting', 'succeeded', 'failed', 'cancelled')
    when 'waiting' then new.state in ('running', 'failed', 'cancelled')
    else false end)
    -- retry_mission() opens what has ended; only the owner can write here at all.
    and not (current_setting('openclaw.reopen', true) is not distinct from 'on' and new.state = 'waiting')
  then
    raise exception using errcode = 'OC008', message = format('mission m%s cannot go from %s to %s', old.id, old.state, new.state),
      hint = 'an ended mission stays as it is; retry_mission(id) takes it up again, or submit its plan again';
  end if;
  return new;
end $$;

CREATE FUNCTION public.check_policy() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare fault text := policy_fault(new.key, new.value); near text;
begin
  if fault is not null then
    if not exists (select from ops_policy_keys k where k.key = new.key) then
      select k.key into near from ops_policy_keys k order by (split_part(k.key, '.', 1) = split_part(new.key, '.', 1)) desc, abs(length(k.key) - length(new.key)) limit 1;
      perform refuse('OC011', fault, format('openclaw policy list; perhaps "%s"', near));
    end if;
    perform refuse('OC009', fault, format('openclaw policy explain %s', new.key));
  end if;
  return new;
end $$;

CREATE FUNCTION public.check_proposal_state() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if old.state <> 'proposed' then
    raise exception using errcode = 'OC008', message = format('proposal p%s was decided: %s by %s', old.id, old.state, old.decided_by),
      hint = 'a decision is made once; submit the plan again';
  end if;
  return new;
end $$;

CREATE FUNCTION public.check_rule() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
declare faults text[];
begin
  if not exists (select from ops_event_kinds k where k.kind like replace(replace(new.kind_glob, '_', '\_'), '*', '%')) and new.kind_glob !~ '^user\.' and not (new.over is not null and new.kind_glob = 'agent.heartbeat') then
    perform refuse('OC012', format('rule %s: no event has a kind like "%s"', new.name, new.kind_glob), 'select kind, description from ops_event_kinds; kinds of your own begin with user.');
  end if;
  if new.condition is not null then
    begin
      perform jsonb_path_match('{"payload": {}}', new.condition, '{}', false);
    exception
      when sqlstate '22038' then
        perform refuse('OC012', format('rule %s: its condition is no predicate: %s', new.name, new.condition), 'compare something: $.payload.cost > 3, or exists($.payload.url)');
      when others then
        null; -- A path that meets nothing in an empty payload is for the event to decide.
    end;
  end if;
  if new.plan is not null then
    select array_agg(format('%s: %s', f.at, f.message)) into faults from plan_faults(new.plan) f;
    if faults is not null then
      raise exception using errcode = 'OC007', message = format('rule %s: its plan has %s fault(s)', new.name, cardinality(faults)), detail = array_to_string(faults, E'\n'), hint = 'mend the plan';
    end if;
  end if;
  -- A generated column is not there yet in a BEFORE trigger.
  if tg_op = 'UPDATE' and to_jsonb(new) - array['enabled', 'version', 'updated_at', 'actor', 'kind_like', 'kind_start'] <> to_jsonb(old) - array['enabled', 'version', 'updated_at', 'actor', 'kind_like', 'kind_start'] then
    new.version := old.version + 1;
  end if;
  new.updated_at := clock_now();
  return new;
end $_$;

CREATE FUNCTION public.check_signal_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if tg_op = 'DELETE' and current_setting('openclaw.retention', true) = 'on' then return old; end if;
  if tg_op = 'UPDATE' and old.step_id is null and (new.id, new.mission_id, new.name, new.payload) is not distinct from (old.id, old.mission_id, old.name, old.payload) then return new; end if;
  raise exception using errcode = 'OC010', message = format('%s of signal %s is refused: a signal is taken once and kept', lower(tg_op), old.id), hint = 'send another one';
end $$;

CREATE FUNCTION public.check_step_state() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not (case old.state
    when 'queued' then new.state in ('running', 'waiting', 'skipped', 'cancelled', 'failed')
      -- It began and ended between two checkpoints, as what only reads may.
      or new.state = 'succeeded' and new.attempt > old.attempt
    when 'running' then new.state in ('succeeded', 'failed', 'queued', 'waiting', 'cancelled', 'unknown')
    when 'waiting' then new.state in ('queued', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')
    when 'unknown' then new.state in ('succeeded', 'failed', 'queued', 'running')
    else false end)
    and not (current_setting('openclaw.reopen', true) is not distinct from 'on' and new.state in ('queued', 'waiting'))
  then
    raise exception using errcode = 'OC008', message = format('step %s of mission m%s cannot go from %s to %s', old.name, old.mission_id, old.state, new.state),
      hint = 'the outcome of an ended step stays as it is';
  end if;
  return new;
end $$;

CREATE TABLE public.agent_messages (
    id bigint NOT NULL,
    recipient text NOT NULL,
    kind text NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    sender text DEFAULT public.current_actor() NOT NULL,
    reply_to text,
    untrusted boolean DEFAULT false NOT NULL,
    dedupe_key text,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    started_at timestamp with time zone,
    handled_at timestamp with time zone,
    result jsonb,
    error_class text,
    error text,
    CONSTRAINT agent_messages_check CHECK (((handled_at IS NOT NULL) = (state <> 'waiting'::text))),
    CONSTRAINT agent_messages_kind_check CHECK ((kind ~ '^[a-z][a-z0-9_.]{0,63}$'::text)),
    CONSTRAINT agent_messages_payload_check CHECK ((jsonb_typeof(payload) = 'object'::text)),
    CONSTRAINT agent_messages_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'handled'::text, 'failed'::text])))
);

COMMENT ON TABLE public.agent_messages IS 'What agents are told. Each is handled once: handled_at is written in one transaction with everything that handling it changed.';

COMMENT ON COLUMN public.agent_messages.reply_to IS 'Where an answer goes: a recipient of queue_message, or null.';

COMMENT ON COLUMN public.agent_messages.attempts IS 'Raised before handling starts, so that a message which kills its agent is given up after three starts.';

CREATE FUNCTION public.claim_agent_message(agent text, in_hand bigint[] DEFAULT '{}'::bigint[]) RETURNS SETOF public.agent_messages
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
  update agent_messages m set attempts = m.attempts + 1, started_at = clock_now()
    where m.id = (select id from agent_messages where recipient = $1 and handled_at is null and not_before <= clock_now() and id <> all (in_hand) order by id limit 1 for update)
    returning m.*
$_$;

CREATE TABLE public.ops_interests (
    id bigint NOT NULL,
    query text NOT NULL,
    asset text,
    cadence interval NOT NULL,
    venue text,
    depth text DEFAULT 'quick'::text NOT NULL,
    budget_usd numeric(14,6) DEFAULT 0.05 NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    next_run_at timestamp with time zone DEFAULT now() NOT NULL,
    last_run_at timestamp with time zone,
    last_error text,
    runs integer DEFAULT 0 NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ops_interests_asset_check CHECK (((length(asset) >= 1) AND (length(asset) <= 100))),
    CONSTRAINT ops_interests_budget_usd_check CHECK ((budget_usd > (0)::numeric)),
    CONSTRAINT ops_interests_cadence_check CHECK (((cadence >= '00:15:00'::interval) AND (cadence <= '90 days'::interval))),
    CONSTRAINT ops_interests_depth_check CHECK ((depth = ANY (ARRAY['quick'::text, 'deep'::text]))),
    CONSTRAINT ops_interests_query_check CHECK (((length(query) >= 3) AND (length(query) <= 400))),
    CONSTRAINT ops_interests_venue_check CHECK ((venue = ANY (ARRAY['brave'::text, 'perplexity'::text])))
);

COMMENT ON TABLE public.ops_interests IS 'What Scout looks at again and again: the question, how often, where, and the most that one run may cost.';

CREATE FUNCTION public.claim_due_interest() RETURNS SETOF public.ops_interests
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  update ops_interests i set last_run_at = clock_now(), next_run_at = clock_now() + i.cadence, runs = i.runs + 1
    where i.id = (select id from ops_interests where enabled and next_run_at <= clock_now() order by next_run_at, id limit 1 for update skip locked)
    returning i.*
$$;

COMMENT ON FUNCTION public.claim_due_interest() IS 'Takes the interest that is due the longest and plans its next run; of several callers each gets another.';

CREATE TABLE public.inbox (
    id bigint NOT NULL,
    source text NOT NULL,
    update_id bigint NOT NULL,
    kind text NOT NULL,
    chat_id bigint,
    user_id bigint,
    payload jsonb NOT NULL,
    trace_id uuid DEFAULT gen_random_uuid() NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    received_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    handled_at timestamp with time zone,
    route text,
    outcome text,
    error text,
    CONSTRAINT inbox_check CHECK (((handled_at IS NOT NULL) = (outcome IS NOT NULL))),
    CONSTRAINT inbox_outcome_check CHECK ((outcome = ANY (ARRAY['answered'::text, 'routed'::text, 'ignored'::text, 'refused'::text, 'failed'::text])))
);

COMMENT ON TABLE public.inbox IS 'What came from outside, committed before it is acknowledged. The same update ten times is one row and one handling.';

COMMENT ON COLUMN public.inbox.source IS 'telegram:<id of the bot>: another bot counts its updates anew.';

CREATE FUNCTION public.claim_inbox(chats_in_hand bigint[]) RETURNS SETOF public.inbox
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  update inbox i set attempts = i.attempts + 1
    where i.id = coalesce(
      (select p.id from inbox p join ops_devices d on d.kind = 'telegram' and d.revoked_at is null and d.subject = p.user_id::text
       where p.handled_at is null and coalesce(p.chat_id, 0) <> all (chats_in_hand) order by p.id limit 1),
      (select o.id from inbox o where o.handled_at is null and coalesce(o.chat_id, 0) <> all (chats_in_hand) order by o.id limit 1))
    and i.handled_at is null
    returning i.*
$$;

CREATE TABLE public.outbox (
    id bigint NOT NULL,
    dedupe_key text,
    channel text DEFAULT 'telegram'::text NOT NULL,
    recipient text NOT NULL,
    chat_id bigint,
    part_of bigint,
    part smallint DEFAULT 1 NOT NULL,
    edits bigint,
    answers bigint,
    text text NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    severity text DEFAULT 'info'::text NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    not_before timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    message_id bigint,
    error text,
    actor text DEFAULT public.current_actor() NOT NULL,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT outbox_channel_check CHECK ((channel = 'telegram'::text)),
    CONSTRAINT outbox_check CHECK (((state <> 'sent'::text) OR (message_id IS NOT NULL))),
    CONSTRAINT outbox_options_check CHECK ((jsonb_typeof(options) = 'object'::text)),
    CONSTRAINT outbox_severity_check CHECK ((severity = ANY (ARRAY['debug'::text, 'info'::text, 'warning'::text, 'error'::text, 'critical'::text]))),
    CONSTRAINT outbox_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'unknown'::text, 'skipped'::text]))),
    CONSTRAINT outbox_text_check CHECK ((length(text) > 0))
);

COMMENT ON TABLE public.outbox IS 'What goes out, in order within a chat. Delivery is a fact of its own: message_id is the proof, unknown is a message that was in flight when its sender died, skipped one that nobody could be given.';

COMMENT ON COLUMN public.outbox.part_of IS 'The first part of a text that was too long for one message.';

COMMENT ON COLUMN public.outbox.edits IS 'The row whose message this one rewrites.';

COMMENT ON COLUMN public.outbox.answers IS 'The approval that this message asks for: its buttons, and replies to it, answer that.';

COMMENT ON COLUMN public.outbox.revision IS 'Raised when the text of a waiting edit is replaced, so that a sender notices what came meanwhile.';

CREATE FUNCTION public.claim_outbox(resting bigint[], at_most integer) RETURNS SETOF public.outbox
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  update outbox o set state = 'sending', started_at = clock_now(), attempts = o.attempts + 1
    where o.id in (
      select head.id from (
        select distinct on (chat_id) id, not_before from outbox
        where state = 'queued' and chat_id is not null and chat_id <> all (resting)
        order by chat_id, coalesce(part_of, id), part) head
      where head.not_before <= clock_now() order by head.id limit at_most)
    and o.state = 'queued'
    returning o.*
$$;

CREATE FUNCTION public.close_function_steps(mission bigint, of_epoch integer, parents bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions; closed integer;
begin
  select * into m from ops_missions where id = mission and epoch = of_epoch and state = 'running' for no key update;
  if not found then return 0; end if;
  with ended as (
    update ops_mission_steps set state = 'cancelled', finished_at = clock_now(), error_class = coalesce(error_class, 'cancelled'), error = coalesce(error, 'the function ended without it')
      where parent_step_id = any (parents) and state in ('queued', 'running', 'waiting') returning id, task, name, kind, attempt)
  insert into ops_outcome_rows (mission_id, step_id, task, attempt, success, state, error_class, trace_id)
    select mission, id, case kind when 'invoke' then task else task || '#' || name end, attempt, false, 'cancelled', 'cancelled', m.trace_id from ended
    on conflict (step_id, attempt) where step_id is not null do nothing;
  get diagnostics closed = row_count;
  return closed;
end $$;

CREATE FUNCTION public.control_target(scope text, target text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
begin
  if scope is null or scope not in ('all', 'agent', 'task', 'mission', 'schedule') then
    perform refuse('OC009', format('scope is %s, expected all, agent, task, mission or schedule', coalesce('"' || scope || '"', 'null')), 'pause(''all'') stops everything');
  end if;
  if scope = 'all' then
    if coalesce(target, '') <> '' then
      perform refuse('OC009', format('scope all takes no target, not "%s"', target), 'leave the target out');
    end if;
    return '';
  end if;
  if coalesce(target, '') = '' then
    perform refuse('OC009', format('scope %s needs a target', scope), format('name the %s', scope));
  end if;
  if scope = 'mission' then
    target := substring(target from '^m?([0-9]{1,18})$');
    if target is null or not exists (select from ops_missions where id = target::bigint) then
      perform refuse('OC011', 'there is no such mission', 'openclaw missions list');
    end if;
  elsif scope = 'task' and not exists (select from ops_tasks where identifier = target) then
    perform refuse('OC001', format('unknown task "%s"', target), 'known tasks: select identifier, title from ops_tasks');
  elsif scope = 'agent' and target !~ '^[a-z][a-z0-9_-]{0,62}$' then
    perform refuse('OC009', format('"%s" is no name of an agent', target), 'openclaw agents list');
  elsif scope = 'schedule' and not exists (select from ops_schedules where id = target) then
    perform refuse('OC011', format('there is no schedule "%s"', target), 'openclaw cron list; a new line is known when a worker has read it');
  end if;
  return target;
end $_$;

CREATE FUNCTION public.count_mission_end() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare breaker text := 'kind:' || new.kind;
begin
  if new.state = 'failed' then
    perform breaker_report(breaker, false, 'm' || new.id, coalesce(new.error, new.error_class));
  elsif exists (select from ops_breakers b where b.name = breaker and (b.failures > 0 or b.state <> 'closed')) then
    perform breaker_report(breaker, case when new.state = 'succeeded' then true end, 'm' || new.id);
  end if;
  return null;
end $$;

CREATE FUNCTION public.count_task_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  update ops_tasks_generation set generation = generation + 1;
  return null;
end $$;

CREATE FUNCTION public.current_source() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  select case when pg_catalog.length(pg_catalog.current_setting('openclaw.source', true)) operator(pg_catalog.>) 0 and public.trusted_session()
              then pg_catalog.current_setting('openclaw.source', true)
              else 'sql' end
$$;

CREATE FUNCTION public.current_standing() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select case when not trusted_session() then 'operator'
              when current_setting('openclaw.role', true) in ('viewer', 'operator') then current_setting('openclaw.role', true)
              else 'owner' end
$$;

COMMENT ON FUNCTION public.current_standing() IS 'viewer, operator or owner: what the person behind this session may do. A surface says it by the setting openclaw.role; without one, a member of the owner is the owner.';

CREATE FUNCTION public.decide_proposal(a public.ops_approvals) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare p ops_mission_proposals; stop gate_reason; new_mission bigint; new_state text := 'rejected';
begin
  select * into p from ops_mission_proposals where id = a.proposal_id and state = 'proposed' for no key update;
  if not found then return; end if;
  if a.answer = 'approve' then
    new_mission := nextval(pg_get_serial_sequence('public.ops_missions', 'id'));
    if gate_paused(p.agent) then
      stop := row ('paused', 'work is paused: openclaw resume, then submit it again'::text);
    else
      select * into stop from gate_stop(p.kind, p.agent, p.plan, p.cost_estimate_usd, new_mission, p.trace_id);
    end if;
    if stop.code is null then
      perform start_mission(p, new_mission, 'approved_by_person', a.answered_by);
      update ops_mission_proposals set state = 'approved', mission_id = new_mission, reason_code = 'approved_by_person', reason = a.reason, decided_by = a.answered_by, decided_at = clock_now() where id = p.id;
      return;
    end if;
  elsif a.answer is null then
    new_state := 'expired';
    stop := row ('expired', 'nobody answered in time'::text);
  else
    stop := row ('rejected_by_person', a.reason);
  end if;
  update ops_mission_proposals set state = new_state, reason_code = stop.code, reason = stop.reason, decided_by = coalesce(case when a.answer is not null then a.answered_by end, 'system'), decided_at = clock_now() where id = p.id;
  perform tell_refusal(p.id, p.kind, p.title, p.agent, stop.code, stop.reason, p.trace_id, p.untrusted);
end $$;

COMMENT ON FUNCTION public.decide_proposal(a public.ops_approvals) IS 'What follows from the answer to a proposal; the gate is asked once more before a mission starts.';

CREATE FUNCTION public.decide_reactions(event_ids bigint[], rule_ids bigint[]) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
  pair record; answer gate_answer; rested timestamptz; verdict text; why text; new_mission bigint; new_message bigint; today date := (clock_now() at time zone 'utc')::date; counts jsonb := '{}';
  was_actor text := current_setting('openclaw.actor', true); was_source text := current_setting('openclaw.source', true); was_trace text := current_setting('openclaw.trace', true);
begin
  for pair in
    with causes as materialized (
      -- Of missions that a reaction started, each once: walking up a chain costs more than all the rest.
      select m.id as mission, c.depth, c.rule_ids, c.path
      from ops_missions m cross join lateral event_causes(m.id) c
      where m.cause_event_id is not null and m.id = any (array(select e.mission_id from ops_agent_events e where e.id = any (event_ids) and e.mission_id is not null))),
    paired as (
      -- Only what the verdict needs: the sorts below would else carry each event and rule whole.
      select e.id as event_id, r.id as rule_id, e.mission_id, r.version, r.name, r.probability, r.daily_cap, reaction_roll(e.id, r.id) as roll,
             coalesce(c.depth, 0) as depth, coalesce(c.rule_ids, '{}') as above, c.path,
             rule_rest(r) as rest,
             case when r.over is not null then coalesce(e.payload ->> 'key', '') when r.cooldown_key is null then '' else coalesce(jsonb_path_query_first(event_document(e), r.cooldown_key, '{}', true) #>> '{}', '') end as key
      from unnest(event_ids, rule_ids) p(event_id, rule_id)
      join ops_agent_events e on e.id = p.event_id
      join ops_reaction_rules r on r.id = p.rule_id
      left join causes c on c.mission = e.mission_id
      where not exists (select from ops_reactions d where d.event_id = e.id and d.rule_id = r.id)),
    judged as (
      select p.*, case when p.rule_id = any (p.above) then 'cycle' when p.depth >= 5 then 'depth' when p.roll >= p.probability then 'probability' end as first_verdict
      from paired p),
    ranked as materialized (
      -- Of one key with a cooldown the first event of the batch is tried; a key that rests, or a rule that is at its cap, already needs no try.
      select j.*, case when j.first_verdict is not null then j.first_verdict
                       when j.rest > '0' and row_number() over (partition by j.rule_id, j.key, j.first_verdict is null order by j.event_id) > 1 then 'cooldown'
                       when j.rest > '0' and exists (select from ops_reaction_rests t where t.rule_id = j.rule_id and t.key = j.key and t.fired_at > clock_now() - j.rest) then 'cooldown'
                       when j.daily_cap <= (select t.fired from ops_reaction_days t where t.rule_id = j.rule_id and t.day = today) then 'cap' end as verdict
      from judged j),
    settled as (
      insert into ops_reactions (event_id, rule_id, rule_version, state, reason, roll, depth)
      select k.event_id, k.rule_id, k.version, k.verdict,
             case k.verdict
               when 'cycle' then format('the rule is among its own causes: %s', k.path)
               when 'depth' then format('%s reactions lie above it: %s', k.depth, k.path)
               when 'probability' then format('rolled %s of %s', round(k.roll::numeric, 4), k.probability)
               when 'cap' then format('it fired %s times today (UTC), its cap', k.daily_cap)
               when 'cooldown' then format('it rests for %s after the first event of this key', k.rest) end, k.roll, k.depth
      from ranked k where k.verdict is not null
      on conflict (event_id, rule_id) do nothing
      returning event_id, rule_id, state, reason),
    told as (
      insert into ops_agent_events (kind, severity, mission_id, cause_event_id, payload, tags)
      select 'policy.reaction_stopped', 'warning', k.mission_id, s.event_id, jsonb_build_object('rule', k.name, 'event', s.event_id, 'why', s.state, 'path', s.reason), array[k.name]
      from settled s join ranked k using (event_id, rule_id) where s.state in ('cycle', 'depth')),
    counted as (
      select coalesce(jsonb_object_agg(state, n), '{}') as by_state from (select state, count(*) as n from settled group by state) c),
    tried as (
      select e, r, k.event_id, k.rule_id, k.roll, k.depth, k.key, k.rest
      from ranked k join ops_agent_events e on e.id = k.event_id join ops_reaction_rules r on r.id = k.rule_id where k.verdict is null)
    select t.e, t.r, t.event_id, t.rule_id, t.roll, t.depth, t.key, t.rest, c.by_state from counted c left join tried t on true
    order by t.rule_id, t.key, t.event_id
  loop
    if counts = '{}' then
      counts := pair.by_state;
    end if;
    if pair.event_id is null then
      return counts;
    end if;
    verdict := 'fired'; why := null; rested := null; answer := null; new_mission := null; new_message := null;
    begin
      if pair.rest > '0' then
        select t.fired_at into rested from ops_reaction_rests t where t.rule_id = pair.rule_id and t.key = pair.key for update;
        insert into ops_reaction_rests as t (rule_id, key, fired_at) values (pair.rule_id, pair.key, clock_now())
          on conflict (rule_id, key) do update set fired_at = excluded.fired_at where t.fired_at <= excluded.fired_at - pair.rest;
        if not found then
          verdict := 'cooldown'; why := format('it rests for %s after it fired', pair.rest);
        end if;
      end if;
      if verdict = 'fired' and (pair.r).daily_cap is not null then
        insert into ops_reaction_days as t (rule_id, day, fired) values (pair.rule_id, today, 1)
          on conflict (rule_id, day) do update set fired = t.fired + 1 where t.fired < (pair.r).daily_cap;
        if not found then
          raise exception using errcode = 'OC020', message = format('it fired %s times today (UTC), its cap', (pair.r).daily_cap);
        end if;
      end if;
      if verdict = 'fired' then
        perform set_config('openclaw.actor', 'rule:' || (pair.r).name, true), set_config('openclaw.source', 'rule', true),
                set_config('openclaw.trace', coalesce((pair.e).trace_id::text, ''), true);
        if (pair.r).plan is not null then
          answer := propose_mission((pair.r).plan, jsonb_build_object('event', event_document(pair.e)), null, (pair.r).priority,
            case when (pair.r).dedupe_template is not null then fill_template((pair.r).dedupe_template, event_document(pair.e)) end, (pair.e).untrusted);
          new_mission := answer.mission;
          if answer.state = 'proposed' then
            verdict := 'asked'; why := format('proposal p%s waits for a%s: %s', answer.proposal, answer.approval, answer.reason);
            update ops_mission_proposals set cause_event_id = pair.event_id, cause_depth = pair.depth + 1 where id = answer.proposal;
          elsif answer.state = 'rejected' then
            -- The refused proposal stays as a row; what the rule had spent is given back.
            verdict := 'refused'; why := format('proposal p%s: %s', answer.proposal, answer.reason);
            if rested is null then
              delete from ops_reaction_rests t where t.rule_id = pair.rule_id and t.key = pair.key;
            else
              update ops_reaction_rests t set fired_at = rested where t.rule_id = pair.rule_id and t.key = pair.key;
            end if;
            update ops_reaction_days t set fired = t.fired - 1 where t.rule_id = pair.rule_id and t.day = today;
          elsif answer.state = 'duplicate' then
            why := format('m%s with this key is open', answer.mission);
          end if;
          update ops_missions set cause_event_id = pair.event_id, cause_depth = pair.depth + 1 where id = new_mission and answer.state = 'approved' and cause_event_id is null;
        else
          new_message := send_to_agent((pair.r).agent, 'reaction', jsonb_build_object('rule', (pair.r).name, 'event', event_document(pair.e)),
            format('reaction:%s:%s', pair.event_id, pair.rule_id), null, (pair.e).untrusted);
        end if;
      end if;
    exception
      -- The block is undone, the rest and the count of the day with it: what did not fire has spent nothing.
      when sqlstate 'OC020' then
        verdict := 'cap'; why := sqlerrm; new_mission := null;
      when sqlstate 'OC006' or sqlstate 'OC007' or sqlstate 'OC009' or sqlstate 'OC011' then
        verdict := 'refused'; why := sqlerrm; new_mission := null;
      when serialization_failure or deadlock_detected or lock_not_available or query_canceled then
        raise;
      when others then
        verdict := 'error'; why := format('%s (%s)', sqlerrm, sqlstate); new_mission := null;
    end;
    perform set_config('openclaw.actor', coalesce(was_actor, ''), true), set_config('openclaw.source', coalesce(was_source, ''), true), set_config('openclaw.trace', coalesce(was_trace, ''), true);
    insert into ops_reactions (event_id, rule_id, rule_version, state, reason, mission_id, message_id, roll, depth)
      values (pair.event_id, pair.rule_id, (pair.r).version, verdict, why, new_mission, new_message, pair.roll, pair.depth)
      on conflict (event_id, rule_id) do nothing;
    counts := counts || jsonb_build_object(verdict, coalesce((counts ->> verdict)::integer, 0) + 1);
  end loop;
  return counts;
end $$;

CREATE FUNCTION public.demoted(providers jsonb, provider text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS $$ select (select coalesce(jsonb_agg(p order by n), '[]') from jsonb_array_elements_text(providers) with ordinality e(p, n) where p <> provider) || to_jsonb(provider) $$;

CREATE FUNCTION public.duration_ms(value jsonb) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare parts text[];
begin
  if jsonb_typeof(value) = 'number' then
    return case when (value #>> '{}')::numeric between 1 and 604800000 then (value #>> '{}')::numeric::bigint end;
  end if;
  parts := regexp_match(value #>> '{}', '^[ \t\r\n]*([0-9]{1,9}(?:\.[0-9]{1,3})?)[ \t\r\n]*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)[ \t\r\n]*$');
  if parts is null then return null; end if;
  return (parts[1]::numeric * case when parts[2] = 'ms' then 1 when parts[2] like 's%' then 1000 when parts[2] like 'm%' then 60000 when parts[2] like 'h%' then 3600000 else 86400000 end)::bigint;
end $_$;

CREATE FUNCTION public.duration_percentile(of_task text, of_provider text, of_model text, fraction double precision, since date) RETURNS double precision
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select round(power(1.2, bucket + 0.5)::numeric, 1)::double precision
  from (select bucket, sum(sum(outcomes)) over (order by bucket) as upto, sum(sum(outcomes)) over () as total
        from ops_outcome_durations d
        where d.task = of_task and (of_provider is null or d.provider = of_provider) and (of_model is null or d.model = of_model) and d.day >= since group by bucket) b
  where upto >= fraction * total order by bucket limit 1
$$;

CREATE FUNCTION public.edit_message(message bigint, text text, options jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare original outbox; waiting bigint;
begin
  select * into original from outbox where id = $1 for no key update;
  if not found then
    perform refuse('OC011', format('there is no message %s in the outbox', $1), 'queue_message() returns the id');
  end if;
  if original.state = 'queued' then
    update outbox set text = $2, options = outbox.options || coalesce($3, '{}') where id = $1;
    return $1;
  end if;
  if original.chat_id is null then
    return $1;
  end if;
  update outbox set text = $2, options = outbox.options || coalesce($3, '{}'), revision = revision + 1
    where edits = $1 and state in ('queued', 'sending') returning id into waiting;
  if waiting is null then
    insert into outbox (recipient, chat_id, edits, text, options, severity, trace_id)
      values (original.recipient, original.chat_id, $1, $2, (original.options - 'answers') || coalesce($3, '{}'), original.severity, original.trace_id)
      returning id into waiting;
  end if;
  perform pg_notify('outbox', '');
  return waiting;
end $_$;

COMMENT ON FUNCTION public.edit_message(message bigint, text text, options jsonb) IS 'Rewrites a message that queue_message() queued, as often as wanted; the sender sends the newest text, at most one edit a second a chat.';

CREATE FUNCTION public.end_backup(backup bigint, outcome text, facts jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare made ops_backups; problems text[] := array(select jsonb_array_elements_text(coalesce(facts -> 'faults', '[]')));
begin
  update ops_backups set archive = outcome, bytes = (facts ->> 'bytes')::bigint, sha256 = facts ->> 'sha256', snapshot_at = (facts ->> 'snapshot_at')::timestamptz,
      row_count = (facts ->> 'row_count')::bigint, duration_ms = (facts ->> 'duration_ms')::float8, faults = problems, detail = coalesce(facts -> 'detail', '{}'), finished_at = clock_now()
    where id = backup and archive is null returning * into made;
  if not found then
    perform refuse('OC008', format('backup %s has ended already', backup), 'openclaw backup list');
  end if;
  if outcome <> 'verified' then
    perform raise_alert(case outcome when 'partial' then 'warning' else 'error' end, 'backup.archive', format('The backup %s is %s', made.name, outcome), coalesce(problems[1], ''), 'backup-stale');
  elsif (select b.archive <> 'verified' from ops_backups b where b.id < made.id and b.archive is not null order by b.id desc limit 1) then
    perform raise_alert('info', 'backup.archive', format('The backup %s is verified', made.name), kind => 'resolved');
  end if;
  insert into ops_agent_events (kind, severity, payload, tags, trace_id)
    values ('backup.' || outcome, case outcome when 'verified' then 'info' when 'partial' then 'warning' else 'error' end,
            jsonb_build_object('backup', made.id, 'name', made.name, 'bytes', made.bytes, 'faults', problems[1:20]), array['backup'], made.trace_id);
end $$;

COMMENT ON FUNCTION public.end_backup(backup bigint, outcome text, facts jsonb) IS 'Records once how the archive came out (verified, partial, failed), with an event.';

CREATE FUNCTION public.end_failed_jobs(specs json, holder text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare ended integer; ended_ids text; given_back boolean;
begin
  with u as (
    select * from json_to_recordset(specs) u(id bigint, kind text, message text, delay_ms float8, error_class text, state text, started float8, finished float8, held text, held_reason text, held_until timestamptz)),
  r as (
    update graphile_worker._private_jobs j set
      last_error = coalesce(u.message, j.last_error),
      run_at = case when u.kind = 'retry' or u.delay_ms > 0 then now() + u.delay_ms * interval '1 millisecond' else j.run_at end,
      attempts = case u.kind when 'give_back' then greatest(j.attempts - 1, 0) else j.attempts end,
      locked_by = null, locked_at = null, updated_at = now()
    from u where j.id = any (array(select o.id from u o where o.kind <> 'final')) and j.locked_by = holder and u.id = j.id
    returning j.id, j.job_queue_id, u.kind),
  d as (
    delete from graphile_worker._private_jobs j where j.id = any (array(select o.id from u o where o.kind = 'final')) and j.locked_by = holder
    returning j.id, j.task_id, j.payload, j.priority, j.run_at, j.attempts, j.max_attempts, j.key, j.created_at, j.locked_by, j.job_queue_id),
  q as (
    update graphile_worker._private_job_queues set locked_by = null, locked_at = null
    where id = any (array(select job_queue_id from r union select job_queue_id from d)) and locked_by = holder),
  h as (
    insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, finished_at, worker, error_class, last_error)
    select d.id, t.identifier, d.payload, u.state, d.priority, d.run_at, d.attempts, d.max_attempts, d.key, d.created_at,
           now() - u.started * interval '1 millisecond', now() - u.finished * interval '1 millisecond', d.locked_by, u.error_class, u.message
    from d join u on u.id = d.id join graphile_worker._private_tasks t on t.id = d.task_id
    returning job_id, task, state, error_class, last_error, attempts),
  e as (
    insert into ops_agent_events (kind, severity, job, trace_id, mission_id, payload, tags)
    select 'job.' || h.state, case h.state when 'failed' then 'error' else 'info' end, h.job_id,
           (select a.trace_id from job_requests a where a.id = h.job_id), (select a.mission_id from job_requests a where a.id = h.job_id),
           jsonb_build_object('task', h.task, 'error_class', h.error_class, 'error', left(h.last_error, 500), 'attempts', h.attempts), array[h.task]
    from h),
  c as (delete from job_cancels where job_id = any (array(select d.id from d))),
  g as (delete from job_holds where job_id = any (array(select d.id from d))),
  x as (
    insert into job_holds as o (job_id, reason_code, reason, until)
    select u.id, u.held, u.held_reason, u.held_until from u where u.held is not null and u.id = any (array(select r.id from r))
    on conflict (job_id) do update set reason_code = excluded.reason_code, reason = excluded.reason, until = excluded.until, since = case when o.reason_code = excluded.reason_code then o.since else now() end)
  select (select count(*) from r) + (select count(*) from d), (select string_agg(d.id::text, ',') from d), exists (select from r where r.kind = 'give_back')
    into ended, ended_ids, given_back;
  if ended_ids is not null then
    perform pg_notify('job:ended', case when length(ended_ids) < 8000 then ended_ids else '' end);
    if exists (select from limit_slots) then
      perform free_places(string_to_array(ended_ids, ',')::bigint[], true);
    end if;
  end if;
  if given_back then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":1}', random()));
  end if;
  return ended;
end $$;

COMMENT ON FUNCTION public.end_failed_jobs(specs json, holder text) IS 'Releases or ends the jobs that the holder still holds, by an array of {id, kind: retry | final | give_back, message, delay_ms, error_class, state, started, finished} (ms ago); returns how many. The database''s clock decides when a retry is due.';

CREATE FUNCTION public.end_interest_run(interest bigint, error text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ update ops_interests set last_error = end_interest_run.error where id = interest $$;

CREATE FUNCTION public.end_spend(ids bigint[], new_state text, cost numeric) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.end_succeeded_jobs(ids bigint[], results text[], starts double precision[], ends double precision[], holder text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare ended integer; ended_ids text;
begin
  with d as (
    delete from graphile_worker._private_jobs j where j.id = any (ids) and j.locked_by = holder
    returning j.id, j.task_id, j.payload, j.priority, j.run_at, j.attempts, j.max_attempts, j.key, j.created_at, j.locked_by, j.job_queue_id),
  q as (
    update graphile_worker._private_job_queues set locked_by = null, locked_at = null
    where id = any (array(select job_queue_id from d where job_queue_id is not null)) and locked_by = holder),
  h as (
    insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, finished_at, worker, result)
    select d.id, t.identifier, d.payload, 'succeeded', d.priority, d.run_at, d.attempts, d.max_attempts, d.key, d.created_at,
           now() - u.started * interval '1 millisecond', now() - u.finished * interval '1 millisecond', d.locked_by, u.result::json
    from d join unnest(ids, results, starts, ends) u(id, result, started, finished) on u.id = d.id
    join graphile_worker._private_tasks t on t.id = d.task_id)
  select count(*), string_agg(d.id::text, ',') into ended, ended_ids from d;
  if ended > 0 then
    perform pg_notify('job:ended', case when length(ended_ids) < 8000 then ended_ids else '' end);
    if exists (select from limit_slots) then
      perform free_places(string_to_array(ended_ids, ',')::bigint[], true);
    end if;
  end if;
  return ended;
end $$;

COMMENT ON FUNCTION public.end_succeeded_jobs(ids bigint[], results text[], starts double precision[], ends double precision[], holder text) IS 'Ends the jobs that the holder still holds as succeeded, with their results (JSON text) and how long ago (ms) they started and finished: no host''s clock is asked; returns how many.';

CREATE FUNCTION public.ensure_job(mission bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions; new_id bigint;
begin
  select * into m from ops_missions where id = mission for no key update;
  if not found or m.state not in ('approved', 'running', 'waiting') then
    return null;
  end if;
  if m.paused or is_paused('mission', m.agent, m.id) then
    -- What woke it is not lost: it is due as soon as the pause ends.
    update ops_missions set wake_at = least(wake_at, clock_now()), wait_reason = 'paused' where id = m.id and m.state = 'waiting' and m.job_id is null;
    return null;
  end if;
  if m.job_id is not null and exists (select from graphile_worker._private_jobs where id = m.job_id) then
    return m.job_id;
  end if;
  insert into graphile_worker._private_jobs (task_id, payload, priority, max_attempts)
    select t.id, json_build_object('mission_id', m.id), m.priority, 100 from graphile_worker._private_tasks t where t.identifier = 'mission'
    returning id into new_id;
  if new_id is null then
    perform refuse('OC001', 'the task "mission" is not registered', 'start a worker once: openclaw up');
  end if;
  insert into job_requests_direct (id, task, source, actor, mission_id, trace_id) values (new_id, 'mission', m.source, m.actor, m.id, m.trace_id);
  update ops_missions set job_id = new_id, wake_at = null, wait_reason = case when state = 'waiting' then 'queued' end where id = m.id;
  perform pg_notify('jobs:insert', format('{"r":%s,"count":1}', random()));
  return new_id;
end $$;

COMMENT ON FUNCTION public.ensure_job(mission bigint) IS 'Gives a mission its one job if it has none; returns the job''s id, or null when the mission has ended or is paused.';

CREATE FUNCTION public.event_causes(mission bigint) RETURNS TABLE(depth integer, rule_ids bigint[], path text)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  -- The rule is whoever asked for the mission, also where a person let it in later.
  with recursive up as (
    select 1 as n, m.id as mission, m.cause_event_id, m.actor from ops_missions m where m.id = event_causes.mission and m.cause_event_id is not null
    union all
    select up.n + 1, m.id, m.cause_event_id, m.actor
    from up join ops_agent_events e on e.id = up.cause_event_id join ops_missions m on m.id = e.mission_id
    where m.cause_event_id is not null and up.n < 6)
  select coalesce(max(up.n), 0)::integer, coalesce(array_agg(r.id order by up.n) filter (where r.id is not null), '{}'),
         string_agg(format('m%s (rule %s on e%s)', up.mission, r.name, up.cause_event_id), ' <- ' order by up.n)
  from up left join ops_reaction_rules r on up.actor = 'rule:' || r.name
$$;

COMMENT ON FUNCTION public.event_causes(mission bigint) IS 'The chain of reactions above a mission: its depth, the rules, and the path in words.';

CREATE TABLE public.ops_agent_events (
    id bigint NOT NULL,
    kind text NOT NULL,
    source text DEFAULT public.current_source() NOT NULL,
    agent text,
    actor text DEFAULT public.current_actor() NOT NULL,
    severity text DEFAULT 'info'::text NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    untrusted boolean DEFAULT false NOT NULL,
    mission_id bigint,
    step_id bigint,
    job bigint,
    cause_event_id bigint,
    depth smallint DEFAULT 0 NOT NULL,
    trace_id uuid,
    tx xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ops_agent_events_kind_check CHECK (((kind = ANY (ARRAY['step.succeeded'::text, 'mission.started'::text, 'mission.succeeded'::text])) OR (kind ~ '^(mission|step|job|agent|worker|service|breaker|budget|approval|backup|health|signal|policy|cron|secret|message|user)\.[a-z0-9_]+(\.[a-z0-9_]+)*$'::text))),
    CONSTRAINT ops_agent_events_payload_check CHECK ((jsonb_typeof(payload) = 'object'::text)),
    CONSTRAINT ops_agent_events_severity_check CHECK ((severity = ANY (ARRAY['debug'::text, 'info'::text, 'warning'::text, 'error'::text, 'critical'::text])))
);

COMMENT ON TABLE public.ops_agent_events IS 'Append-only log of facts; reactions start from it.';

COMMENT ON COLUMN public.ops_agent_events.tx IS 'The inserting transaction: followers stay below the oldest running one.';

CREATE FUNCTION public.event_document(e public.ops_agent_events) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
  select jsonb_build_object('id', e.id, 'kind', e.kind, 'source', e.source, 'agent', e.agent, 'actor', e.actor, 'severity', e.severity, 'tags', to_jsonb(e.tags),
    'payload', e.payload, 'untrusted', e.untrusted, 'mission_id', e.mission_id, 'step_id', e.step_id, 'job', e.job, 'trace_id', e.trace_id, 'created_at', e.created_at)
$$;

CREATE FUNCTION public.expire_approvals(at_most integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare due ops_approvals; settled integer := 0; mission ops_missions;
begin
  for due in select a.* from ops_approvals a left join ops_missions m on m.id = a.mission_id
             where a.state = 'open' and (a.expires_at <= clock_now() or m.finished_at is not null) order by a.id limit at_most loop
    -- In the order of answer_approval; what another session holds is left to the next second.
    if due.mission_id is not null then
      select * into mission from ops_missions where id = due.mission_id for no key update skip locked;
      continue when not found;
    end if;
    if due.proposal_id is not null then
      perform from ops_mission_proposals where id = due.proposal_id for no key update skip locked;
      continue when not found;
    end if;
    perform from ops_approvals where id = due.id and state = 'open' for update skip locked;
    continue when not found;
    if due.mission_id is not null and mission.finished_at is not null then
      perform settle_approval(due.id, 'cancelled', null, 'system', format('mission m%s has ended', due.mission_id), null, 'approval.cancelled');
    elsif due.on_expiry is not null then
      perform settle_approval(due.id, 'answered', due.on_expiry, 'system', 'nobody answered in time', null, 'approval.expired');
    else
      perform settle_approval(due.id, 'expired', null, 'system', 'nobody answered in time', null, 'approval.expired');
    end if;
    settled := settled + 1;
  end loop;
  return settled;
end $$;

COMMENT ON FUNCTION public.expire_approvals(at_most integer) IS 'Takes the answer on expiry where nobody answered in time, and closes the questions of missions that have ended; returns how many.';

CREATE FUNCTION public.expire_spend() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.expire_spend() IS 'Gives back what a dead worker had reserved, what nobody settled in time, and what an ended mission did not use of its estimate; returns how many.';

CREATE FUNCTION public.explain_event(document jsonb, event bigint DEFAULT NULL::bigint) RETURNS TABLE(rule text, enabled boolean, matches boolean, why text, state text, reason text, mission_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select r.name, r.enabled, m.mismatch is null and r.over is null, case when r.over is not null then 'a rule on time: looked at once a minute' else m.mismatch end, d.state, d.reason, d.mission_id
  from ops_reaction_rules r
  left join ops_reactions d on d.rule_id = r.id and d.event_id = event
  cross join lateral (select rule_mismatch(r, document ->> 'kind', coalesce(document ->> 'source', 'sql'),
    array(select jsonb_array_elements_text(case when jsonb_typeof(document -> 'tags') = 'array' then document -> 'tags' else '[]' end)),
    coalesce((document ->> 'untrusted')::boolean, false),
    exists (select from ops_missions c where c.id = (document ->> 'mission_id')::bigint and c.cause_event_id is not null), document) as mismatch) m
  order by (m.mismatch is null) desc, r.name
$$;

CREATE FUNCTION public.fill_template(template text, document jsonb) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare hole text; filled text := template;
begin
  for hole in select distinct m[1] from regexp_matches(template, '\{([A-Za-z0-9_.]+)\}', 'g') m loop
    filled := replace(filled, '{' || hole || '}', coalesce(document #>> string_to_array(hole, '.'), ''));
  end loop;
  return filled;
end $$;

CREATE FUNCTION public.finish_agent_message(message bigint, outcome text, result jsonb DEFAULT NULL::jsonb, error_class text DEFAULT NULL::text, error text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare m agent_messages; took double precision;
begin
  update agent_messages a set state = $2, handled_at = clock_now(), result = $3, error_class = $4, error = $5
    where a.id = $1 and a.handled_at is null returning a.* into m;
  if not found then
    return false;
  end if;
  took := extract(epoch from clock_timestamp() - m.started_at) * 1000;
  insert into ops_agent_events (kind, agent, severity, tags, payload, trace_id)
    values (case $2 when 'handled' then 'agent.message_handled' else 'agent.message_failed' end, m.recipient, case $2 when 'handled' then 'info' else 'error' end, array[m.kind],
            jsonb_strip_nulls(jsonb_build_object('message', m.id, 'kind', m.kind, 'sender', m.sender, 'attempts', m.attempts, 'error_class', $4, 'error', $5)), m.trace_id);
  insert into ops_outcome_rows (agent, task, attempt, success, state, duration_ms, input_bytes, error_class, trace_id)
    values (m.recipient, 'agent:' || m.kind, m.attempts, $2 = 'handled', case $2 when 'handled' then 'succeeded' else 'failed' end, greatest(took, 0), octet_length(m.payload::text), $4, m.trace_id);
  return true;
end $_$;

COMMENT ON FUNCTION public.finish_agent_message(message bigint, outcome text, result jsonb, error_class text, error text) IS 'Marks a message as handled or failed, with its event and its outcome, once.';

CREATE FUNCTION public.finish_inbox(received bigint, route text, outcome text, error text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
begin
  update inbox i set handled_at = clock_now(), route = $2, outcome = $3, error = $4 where i.id = $1 and i.handled_at is null;
  return found;
end $_$;

COMMENT ON FUNCTION public.finish_inbox(received bigint, route text, outcome text, error text) IS 'The one end of an update, in the transaction of all that it caused; false where it has ended already.';

CREATE FUNCTION public.forget_memory(memory bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare gone ops_memory;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not change memory', session_user), 'openclaw memory remove');
  end if;
  delete from ops_memory where id = memory returning * into gone;
  if not found then
    perform refuse('OC011', format('there is no memory %s', memory), 'openclaw memory list');
  end if;
  perform record_act('memory remove', 'memory ' || memory, jsonb_build_object('kind', gone.kind, 'text', left(gone.text, 500)), null);
  return true;
end $$;

CREATE TABLE public.ops_tasks (
    identifier text NOT NULL,
    title text NOT NULL,
    pool text NOT NULL,
    effect text NOT NULL,
    idempotent boolean DEFAULT false NOT NULL,
    untrusted boolean DEFAULT false NOT NULL,
    durable boolean DEFAULT false NOT NULL,
    limits jsonb,
    limited boolean GENERATED ALWAYS AS (((limits IS NOT NULL) AND (NOT durable))) STORED NOT NULL,
    max_attempts smallint NOT NULL,
    timeout_ms integer NOT NULL,
    backoff jsonb NOT NULL,
    payload_schema jsonb NOT NULL,
    payload_predicate jsonpath NOT NULL,
    payload_fields jsonb DEFAULT '[]'::jsonb NOT NULL,
    file text NOT NULL,
    content_hash text NOT NULL,
    registered_by text NOT NULL,
    registered_at timestamp with time zone DEFAULT now() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT ops_tasks_effect_check CHECK ((effect = ANY (ARRAY['read'::text, 'write'::text, 'outside'::text]))),
    CONSTRAINT ops_tasks_identifier_check CHECK (((length(identifier) <= 128) AND (identifier ~ '^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$'::text))),
    CONSTRAINT ops_tasks_max_attempts_check CHECK (((max_attempts >= 1) AND (max_attempts <= 100))),
    CONSTRAINT ops_tasks_pool_check CHECK ((pool = ANY (ARRAY['missions'::text, 'reactions'::text, 'learning'::text, 'upkeep'::text]))),
    CONSTRAINT ops_tasks_timeout_ms_check CHECK ((timeout_ms > 0))
);

COMMENT ON TABLE public.ops_tasks IS 'Every task that a worker registered at its start. What is not here, or is retired, is refused when it is asked for.';

COMMENT ON COLUMN public.ops_tasks.identifier IS 'The file''s name below the tasks folder, without its ending.';

COMMENT ON COLUMN public.ops_tasks.effect IS 'What a run changes: read (nothing), write (this system), outside (the world: at least once, needs approval when asked for by a machine).';

COMMENT ON COLUMN public.ops_tasks.idempotent IS 'True when running it twice is the same as once, although its effect is outside.';

COMMENT ON COLUMN public.ops_tasks.untrusted IS 'True when its output comes from outside (a fetched page, a model) and must not be believed.';

COMMENT ON COLUMN public.ops_tasks.durable IS 'True for a function with steps, sleeps and waits: a job of it submits a mission, which runs it.';

COMMENT ON COLUMN public.ops_tasks.limits IS '{limit, key, interval_ms}: at most limit at once of a key, and one start each interval_ms. key: an array of texts and paths into the payload that are joined; "function": only a worker knows it. Of a durable function it is the mission''s step that is limited.';

COMMENT ON COLUMN public.ops_tasks.limited IS 'Its jobs wait for a place.';

COMMENT ON COLUMN public.ops_tasks.backoff IS '{initial_ms, factor, max_ms}: the wait before attempt n+1 is initial_ms * factor^(n-1), at most max_ms.';

COMMENT ON COLUMN public.ops_tasks.payload_schema IS 'JSON Schema of the payload, for people and forms.';

COMMENT ON COLUMN public.ops_tasks.payload_predicate IS 'The top level of that schema as one jsonpath predicate: what does not match is refused at insert.';

COMMENT ON COLUMN public.ops_tasks.payload_fields IS 'Array of {key, required, types}: the same, to name the faulty field.';

CREATE FUNCTION public.free_of_key(t public.ops_tasks, of_key text) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ select not t.limits ? 'limit' or (select count(*) from limit_slots s where s.task = t.identifier and s.key = of_key) < (t.limits ->> 'limit')::integer $$;

CREATE FUNCTION public.free_places(jobs bigint[], at_once boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare freed record;
begin
  delete from limit_waits where holder = any (select 'j' || job from unnest(jobs) job);
  for freed in
    with gone as (delete from limit_slots where holder = any (select 'j' || job from unnest(jobs) job) returning task, key)
    select distinct task, key from gone order by task, key
  loop
    if at_once and pg_try_advisory_xact_lock(hashtextextended('limits:' || freed.task, 0)) then
      perform let_in(freed.task, freed.key);
    else
      insert into limit_pokes (task, key) values (freed.task, freed.key);
      perform pg_notify('limit:poke', '');
    end if;
  end loop;
end $$;

CREATE FUNCTION public.free_step_place() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  delete from limit_waits where holder = 's' || new.id;
  with gone as (delete from limit_slots where holder = 's' || new.id returning task, key)
  insert into limit_pokes (task, key) select task, key from gone;
  perform pg_notify('limit:poke', '');
  return null;
end $$;

CREATE FUNCTION public.function_plan(task text, input jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare t ops_tasks; fault record;
begin
  select * into t from ops_tasks o where o.identifier = task and o.retired_at is null;
  if not found then
    perform raise_for_request(task, '{}');
  end if;
  if not t.durable then
    perform refuse('OC009', format('task %s is no durable function', task), 'queue it with add_job() or openclaw run, or put it into a plan');
  end if;
  if (coalesce(input, '{}') @@ t.payload_predicate) is not true then
    perform raise_for_request(task, coalesce(input, '{}'));
  end if;
  return jsonb_build_object(
    'kind', left(regexp_replace(regexp_replace(lower(task), '[^a-z0-9]+', '_', 'g'), '^([^a-z])', 'f_\1'), 63),
    'title', left(t.title, 200), 'function', task,
    'steps', jsonb_build_array(jsonb_build_object('name', left(regexp_replace(regexp_replace(lower(task), '[^a-z0-9]+', '_', 'g'), '^([^a-z])', 'f_\1'), 63), 'task', task,
                                                  'payload', coalesce(input, '{}'))));
end $$;

COMMENT ON FUNCTION public.function_plan(task text, input jsonb) IS 'The plan of a mission that runs a durable function.';

CREATE FUNCTION public.gate_caps(steps integer) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare caps jsonb := policy_value('gate.caps'); missions_cap numeric; steps_cap numeric; today date := utc_day(); g gate_counters; really bigint;
begin
  if jsonb_typeof(caps -> 'active_missions') is distinct from 'number' or jsonb_typeof(caps -> 'steps_per_day') is distinct from 'number' then return 'policy'; end if;
  missions_cap := (caps ->> 'active_missions')::numeric;
  steps_cap := (caps ->> 'steps_per_day')::numeric;
  update gate_counters c set steps = case when c.day = today then c.steps else 0 end + gate_caps.steps, day = today, active = c.active + 1
    where case when c.day = today then c.steps else 0 end + gate_caps.steps <= steps_cap and c.active < missions_cap and c.counted_at > now() - interval '1 minute';
  if found then return null; end if;
  select * into g from gate_counters for no key update;
  if not found then return 'policy'; end if;
  -- With the row locked, in a statement and so a snapshot of its own: nobody else is being admitted now.
  select count(*) into really from ops_missions where state in ('approved', 'running', 'waiting');
  if really >= missions_cap then return 'cap_missions'; end if;
  if (case when g.day = today then g.steps else 0 end) + gate_caps.steps > steps_cap then return 'cap_steps'; end if;
  update gate_counters c set steps = case when c.day = today then c.steps else 0 end + gate_caps.steps, day = today, active = really + 1, counted_at = now();
  return null;
end $$;

COMMENT ON FUNCTION public.gate_caps(steps integer) IS 'Takes a place among the open missions and the steps from today''s, or says which cap is full.';

CREATE FUNCTION public.gate_paused(agent text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ begin return is_paused(agent => gate_paused.agent); end $$;

COMMENT ON FUNCTION public.gate_paused(agent text) IS 'Whether everything, or this agent, is paused: then nothing is let in. A paused task is held at its start.';

CREATE FUNCTION public.gate_stop(kind text, agent text, plan jsonb, cost_estimate_usd numeric, mission bigint, trace_id uuid) RETURNS public.gate_reason
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare b ops_breakers; quotas jsonb; short record; stop gate_reason; spend spend_answer; step_count integer := jsonb_array_length(plan -> 'steps');
begin
  select * into b from ops_breakers o where o.name = 'kind:' || gate_stop.kind and o.state = 'open' and o.open_until > clock_now();
  if b.name is not null then
    stop.code := 'breaker';
    stop.reason := format('missions of kind %s are stopped until %s: %s', kind, to_char(b.open_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), coalesce(b.reason, b.last_error));
    return stop;
  end if;
  quotas := policy_value('quota.tasks');
  if jsonb_typeof(quotas) is distinct from 'object' then
    stop.code := 'policy';
    stop.reason := 'policy quota.tasks is missing or malformed';
    return stop;
  end if;
  -- Spent at the start of a step; what has none left today is not let in.
  if quotas <> '{}' then
    select t.task, t.n, quotas -> t.task as quota, coalesce(q.used, 0) as used into short
      from (select s ->> 'task' as task, count(*) as n from jsonb_array_elements(plan -> 'steps') s where quotas ? (s ->> 'task') group by 1) t
      left join ops_quota_use q on q.task = t.task and q.day = utc_day()
      where jsonb_typeof(quotas -> t.task) is distinct from 'number' or coalesce(q.used, 0) >= (quotas ->> t.task)::numeric order by 1 limit 1;
    if found then
      stop.code := 'quota';
      stop.reason := format('task %s has had %s of its %s starts today (UTC)', short.task, short.used, short.quota);
      return stop;
    end if;
  end if;
  stop.code := gate_caps(step_count);
  if stop.code is not null then
    stop.reason := case stop.code when 'cap_missions' then format('%s missions are open, the most that policy gate.caps allows', policy_value('gate.caps') ->> 'active_missions')
                        when 'cap_steps' then format('%s steps do not fit into the %s that policy gate.caps allows a day (UTC)', step_count, policy_value('gate.caps') ->> 'steps_per_day')
                        else 'policy gate.caps is missing or malformed' end;
    return stop;
  end if;
  if cost_estimate_usd > 0 then
    spend := reserve_spend('estimate', null, cost_estimate_usd, agent, mission, kind => 'estimate', keep => '10 years', trace_id => gate_stop.trace_id);
    if spend.reservation is null then
      update gate_counters c set steps = c.steps - step_count, active = c.active - 1;
      stop.code := spend.reason_code;
      stop.reason := spend.reason;
    end if;
  end if;
  return stop;
end $$;

CREATE FUNCTION public.give_back_unknown(pool text, known bigint[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare given integer;
begin
  update graphile_worker._private_jobs j set locked_by = null, locked_at = null, attempts = greatest(j.attempts - 1, 0)
    where j.locked_by = pool and j.locked_at < now() - interval '10 seconds' and j.id <> all (known);
  get diagnostics given = row_count;
  if given > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), given));
  end if;
  return given;
end $$;

COMMENT ON FUNCTION public.give_back_unknown(pool text, known bigint[]) IS 'Gives back the jobs that are locked in a pool''s name and that the pool does not know of; returns how many.';

CREATE FUNCTION public.guarded_tasks() RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select case when jsonb_typeof(v) = 'object'
              then array(select jsonb_object_keys(v)) || array(select substr(b.name, 6) from ops_breakers b where b.name like 'task:%' and b.state <> 'closed') end
  from (select policy_value('quota.tasks') as v) p
$$;

COMMENT ON FUNCTION public.guarded_tasks() IS 'The tasks that have to ask before each start: those with a quota, and those that somebody stopped.';

CREATE FUNCTION public.in_quiet_hours(severity text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare quiet jsonb := sound_policy('alerts.quiet'); at time; starts time; ends time;
begin
  if coalesce(quiet ->> 'from', '') = '' or coalesce(quiet ->> 'to', '') = '' or alert_rank(severity) >= alert_rank(coalesce(quiet ->> 'below', 'error')) then
    return false;
  end if;
  at := (clock_now() at time zone coalesce(quiet ->> 'zone', 'UTC'))::time;
  starts := (quiet ->> 'from')::time;
  ends := (quiet ->> 'to')::time;
  return case when starts <= ends then at >= starts and at < ends else at >= starts or at < ends end;
exception when others then
  -- A policy that cannot be read must not keep an alert from anybody.
  return false;
end $$;

CREATE FUNCTION public.incident_tried(incident bigint, act text, result text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  update ops_incidents set tried = tried || jsonb_build_array(jsonb_build_object('at', clock_now(), 'act', incident_tried.act, 'result', incident_tried.result)) where id = incident
$$;

CREATE FUNCTION public.invoke_mission(mission bigint, of_epoch integer, parent bigint, step_name text, invoked text, given jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions; new_step bigint; child bigint;
begin
  select * into m from ops_missions where id = mission and epoch = of_epoch and state = 'running' for no key update;
  if not found then return null; end if;
  insert into ops_mission_steps (mission_id, parent_step_id, name, kind, position, task, payload, state, attempt, max_attempts, timeout_ms, effect, idempotency_key, epoch, started_at)
    select mission, parent, step_name, 'invoke', least(201 + count(*), 32000), invoked, given, 'waiting', 1, 1, 1, 'read', format('m%s/%s', mission, step_name), of_epoch, clock_now()
    from ops_mission_steps where parent_step_id = parent
    -- A retried one is invoked anew.
    on conflict (mission_id, name) do update set state = 'waiting', epoch = of_epoch where ops_mission_steps.state = 'queued'
    returning id into new_step;
  perform set_config('openclaw.actor', m.actor, true), set_config('openclaw.source', 'mission', true), set_config('openclaw.trace', m.trace_id::text, true);
  child := add_mission(invoked, given, priority => m.priority::integer, dedupe_key => format('invoke:m%s/%s', mission, step_name), untrusted => m.untrusted);
  if child is null then
    -- Nobody would wake the parent: a person's yes comes from ctx.approve, before what asks for it.
    perform refuse('OC006', format('policy does not let mission m%s invoke %s by itself', mission, invoked),
      'ask with ctx.approve() first and do it in a step, or let policy gate.approval or gate.auto_approve allow it');
  end if;
  update ops_missions set parent_step_id = new_step where id = child;
  return new_step;
end $$;

CREATE FUNCTION public.is_paused(task text DEFAULT NULL::text, agent text DEFAULT NULL::text, mission bigint DEFAULT NULL::bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  return exists (select from ops_controls c
    where c.scope = 'all' or (c.scope = 'task' and c.target = is_paused.task) or (c.scope = 'agent' and c.target = is_paused.agent)
       or (c.scope = 'mission' and c.target = is_paused.mission::text));
end $$;

COMMENT ON FUNCTION public.is_paused(task text, agent text, mission bigint) IS 'Whether everything, this task, this agent or this mission is paused. Without arguments: whether everything is.';

CREATE FUNCTION public.is_schedule_paused(schedule text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ select exists (select from ops_controls c where c.scope = 'schedule' and c.target = is_schedule_paused.schedule) $$;

COMMENT ON FUNCTION public.is_schedule_paused(schedule text) IS 'Whether this schedule plans no runs at present.';

CREATE TABLE public.job_history (
    job_id bigint NOT NULL,
    task text NOT NULL,
    payload json NOT NULL,
    state text NOT NULL,
    priority smallint NOT NULL,
    run_at timestamp with time zone NOT NULL,
    attempts smallint NOT NULL,
    max_attempts smallint NOT NULL,
    job_key text,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    worker text,
    result json,
    error_class text,
    last_error text,
    tx xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT job_history_state_check CHECK ((state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])))
);

COMMENT ON TABLE public.job_history IS 'One row for each job that ended, written in the statement that removes the job. payload and result are json, never cast here: one odd payload must not stop a worker.';

COMMENT ON COLUMN public.job_history.error_class IS 'Why it ended so: timeout, bad_payload, permanent, exhausted, poison, lost, cancelled, removed, or the error''s own code.';

COMMENT ON COLUMN public.job_history.tx IS 'The transaction that ended it: the learner, which follows, stays below the oldest running one.';

CREATE FUNCTION public.job_duration(h public.job_history) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    RETURN ((EXTRACT(epoch FROM ((h).finished_at - (h).started_at)))::double precision * (1000)::double precision);

CREATE FUNCTION public.job_fingerprint(h public.job_history) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (((h).state = 'failed'::text) AND ((h).last_error IS NOT NULL)) THEN md5((((((h).task || ':'::text) || COALESCE((h).error_class, ''::text)) || ':'::text) || regexp_replace((h).last_error, '[0-9]+'::text, '#'::text, 'g'::text))) ELSE NULL::text END;

CREATE FUNCTION public.json_schema_fault(schema jsonb, value jsonb, at text DEFAULT 'value'::text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_variable
declare
  entry record; fault text; kind text := jsonb_typeof(value); number numeric;
begin
  if value is null then return format('%s is missing', at); end if;
  select k into fault from jsonb_object_keys(schema) k
    where k not in ('$schema', 'type', 'enum', 'const', 'minimum', 'maximum', 'exclusiveMinimum', 'minLength', 'maxLength', 'pattern', 'items', 'minItems', 'maxItems',
                    'properties', 'required', 'additionalProperties', 'propertyNames', 'anyOf', 'description') limit 1;
  if fault is not null then return format('%s: the schema has the unknown keyword "%s"', at, fault); end if;
  if schema ? 'anyOf' then
    if not exists (select from jsonb_array_elements(schema -> 'anyOf') branch where json_schema_fault(branch, value, at) is null) then
      return (select string_agg(f, '; or ') from (select json_schema_fault(branch, value, at) as f from jsonb_array_elements(schema -> 'anyOf') branch) branches);
    end if;
  end if;
  if schema ? 'const' and value <> schema -> 'const' then return format('%s is %s, expected %s', at, left(value::text, 80), schema -> 'const'); end if;
  if schema ? 'enum' and not exists (select from jsonb_array_elements(schema -> 'enum') c(choice) where choice = value) then
    return format('%s is %s, expected one of %s', at, left(value::text, 80), (select string_agg(choice #>> '{}', ', ') from jsonb_array_elements(schema -> 'enum') choice));
  end if;
  if schema ? 'type' and kind <> schema ->> 'type' and not (kind = 'number' and schema ->> 'type' = 'integer' and (value #>> '{}')::numeric % 1 = 0) then
    return format('%s is %s, expected %s %s', at, left(value::text, 80), case when schema ->> 'type' ~ '^[aeiou]' then 'an' else 'a' end, schema ->> 'type');
  end if;
  if kind = 'number' then
    number := (value #>> '{}')::numeric;
    if number < (schema ->> 'minimum')::numeric then return format('%s is %s, expected at least %s', at, number, schema ->> 'minimum'); end if;
    if number > (schema ->> 'maximum')::numeric then return format('%s is %s, expected at most %s', at, number, schema ->> 'maximum'); end if;
    if number <= (schema ->> 'exclusiveMinimum')::numeric then return format('%s is %s, expected more than %s', at, number, schema ->> 'exclusiveMinimum'); end if;
  elsif kind = 'string' then
    if length(value #>> '{}') < (schema ->> 'minLength')::integer then return format('%s is shorter than %s characters', at, schema ->> 'minLength'); end if;
    if length(value #>> '{}') > (schema ->> 'maxLength')::integer then return format('%s is longer than %s characters', at, schema ->> 'maxLength'); end if;
    if (value #>> '{}') !~ (schema ->> 'pattern') then return format('%s is %s, which does not match %s', at, left(value::text, 80), schema ->> 'pattern'); end if;
  elsif kind = 'array' then
    if jsonb_array_length(value) < (schema ->> 'minItems')::integer then return format('%s has fewer than %s elements', at, schema ->> 'minItems'); end if;
    if jsonb_array_length(value) > (schema ->> 'maxItems')::integer then return format('%s has more than %s elements', at, schema ->> 'maxItems'); end if;
    if schema ? 'items' then
      for entry in select e.value, e.n from jsonb_array_elements(value) with ordinality e(value, n) loop
        fault := json_schema_fault(schema -> 'items', entry.value, format('%s[%s]', at, entry.n - 1));
        if fault is not null then return fault; end if;
      end loop;
    end if;
  elsif kind = 'object' then
    select format('%s lacks "%s"', at, k) into fault from jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) k where not value ? k limit 1;
    if fault is not null then return fault; end if;
    for entry in select e.key, e.value from jsonb_each(value) e loop
      if schema ? 'propertyNames' then
        fault := json_schema_fault(schema -> 'propertyNames', to_jsonb(entry.key), format('the key "%s" of %s', left(entry.key, 80), at));
        if fault is not null then return fault; end if;
      end if;
      if coalesce(schema -> 'properties' ? entry.key, false) then
        fault := json_schema_fault(schema -> 'properties' -> entry.key, entry.value, at || '.' || entry.key);
      elsif schema -> 'additionalProperties' = 'false' then
        fault := format('%s has the unknown key "%s"; known are %s', at, left(entry.key, 80), (select string_agg(k, ', ') from jsonb_object_keys(schema -> 'properties') k));
      elsif jsonb_typeof(schema -> 'additionalProperties') = 'object' then
        fault := json_schema_fault(schema -> 'additionalProperties', entry.value, at || '.' || entry.key);
      end if;
      if fault is not null then return fault; end if;
    end loop;
  end if;
  return null;
end $_$;

COMMENT ON FUNCTION public.json_schema_fault(schema jsonb, value jsonb, at text) IS 'The first fault of a value by the part of JSON Schema that policy uses; null when it fits.';

CREATE FUNCTION public.json_to_jsonb_lossy(value json) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return value::jsonb;
exception when others then
  begin
    return regexp_replace(regexp_replace(value::text, '\\u0000', '', 'g'), '\\u[dD][89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?', '?', 'g')::jsonb;
  exception when others then
    return jsonb_build_object('unreadable', true, 'text', value::text);
  end;
end $$;

CREATE FUNCTION public.jsonpath_fault(path text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if path ~ '\*\*.*\*\*' then
    return format('"%s" has ** more than once, which can take for ever', path);
  end if;
  perform path::jsonpath;
  return null;
exception when others then
  return format('"%s" is not an SQL/JSON path: %s', path, sqlerrm);
end $$;

CREATE FUNCTION public.kind_admits(kind text, mission bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  return not exists (select from ops_breakers b where b.name = 'kind:' || kind and b.state <> 'closed') or (breaker_admit('kind:' || kind, 'm' || mission)).admitted;
end $$;

CREATE FUNCTION public.kind_starts(kind text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return array(select left(kind, n) from generate_series(0, length(kind)) n);
end $$;

CREATE FUNCTION public.last_verified_backup() RETURNS TABLE(id bigint, name text, offsite text, finished_at timestamp with time zone, age_seconds double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select b.id, b.name, b.offsite, b.finished_at, extract(epoch from clock_now() - b.finished_at)::float8
  from ops_backups b where b.archive = 'verified' and (b.local_deleted_at is null or b.offsite = 'uploaded' and b.offsite_deleted_at is null)
  order by b.finished_at desc limit 1
$$;

COMMENT ON FUNCTION public.last_verified_backup() IS 'The newest verified backup that still is somewhere, with its age; no row when there is none.';

CREATE FUNCTION public.learn(at_most integer DEFAULT 20000) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare c ops_cursors; j ops_cursors; last_tx xid8; last_id bigint; last_job_tx xid8; last_job bigint; rows_found integer; jobs_found integer; horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
begin
  insert into ops_cursors (name) values ('learn'), ('learn_jobs') on conflict do nothing;
  -- One learner at a time; another waits here and then finds the cursor moved.
  select * into c from ops_cursors where name = 'learn' for update;
  select * into j from ops_cursors where name = 'learn_jobs' for update;
  select count(*)::integer, (array_agg(b.tx order by b.tx desc, b.id desc))[1], (array_agg(b.id order by b.tx desc, b.id desc))[1] into rows_found, last_tx, last_id
  from (select o.tx, o.id from ops_outcome_rows o where (o.tx, o.id) > (c.tx, c.id) and o.tx < horizon order by o.tx, o.id limit at_most) b;
  select count(*)::integer, (array_agg(b.tx order by b.tx desc, b.job_id desc))[1], (array_agg(b.job_id order by b.tx desc, b.job_id desc))[1] into jobs_found, last_job_tx, last_job
  from (select h.tx, h.job_id from job_history h where (h.tx, h.job_id) > (j.tx, j.id) and h.tx < horizon order by h.tx, h.job_id limit at_most) b;
  if rows_found + jobs_found = 0 then
    return 0;
  end if;
  with ended as (
    select o.tx, o.id, o.task, coalesce(o.provider, '') as provider, coalesce(o.model, '') as model, o.success, o.attempt, coalesce(o.duration_ms, 0) as duration_ms, o.cost_usd,
           coalesce(o.prompt_tokens, 0) + coalesce(o.completion_tokens, 0) as tokens, o.error_class, o.error_fingerprint, o.created_at
    -- What was skipped or cancelled says nothing about its task.
    from ops_outcome_rows o where (o.tx, o.id) > (c.tx, c.id) and (o.tx, o.id) <= (last_tx, last_id) and o.state not in ('skipped', 'cancelled')
    union all
    select h.tx, h.job_id, h.task, '', '', h.state = 'succeeded', greatest(h.attempts, 1::smallint), coalesce(job_duration(h), 0), 0, 0, h.error_class, job_fingerprint(h), h.finished_at
    from job_history h where (h.tx, h.job_id) > (j.tx, j.id) and (h.tx, h.job_id) <= (last_job_tx, last_job) and h.state <> 'cancelled' and h.task <> 'mission'),
  batch as materialized (
    select o.*, (o.created_at at time zone 'utc')::date as day, row_number() over (partition by o.task, o.provider, o.model order by o.tx, o.id) as n,
           power(0.97, least(row_number() over (partition by o.task, o.provider, o.model order by o.tx desc, o.id desc) - 1, 1000)) as weight
    from ended o),
  days as (
    insert into ops_outcome_days as t (task, provider, model, day, outcomes, successes, duration_ms, cost_usd, tokens)
    select task, provider, model, day, count(*), count(*) filter (where success), sum(duration_ms), sum(cost_usd), sum(tokens) from batch group by 1, 2, 3, 4
    on conflict (task, provider, model, day) do update set outcomes = t.outcomes + excluded.outcomes, successes = t.successes + excluded.successes,
      duration_ms = t.duration_ms + excluded.duration_ms, cost_usd = t.cost_usd + excluded.cost_usd, tokens = t.tokens + excluded.tokens),
  durations as (
    insert into ops_outcome_durations as t (task, provider, model, day, bucket, outcomes)
    select task, provider, model, day, floor(ln(greatest(duration_ms, 1)) / ln(1.2))::smallint, count(*) from batch where success group by 1, 2, 3, 4, 5
    on conflict (task, provider, model, day, bucket) do update set outcomes = t.outcomes + excluded.outcomes),
  attempts as (
    insert into ops_outcome_attempts as t (task, attempt, day, outcomes, successes)
    select task, attempt, day, count(*), count(*) filter (where success) from batch group by 1, 2, 3
    on conflict (task, attempt, day) do update set outcomes = t.outcomes + excluded.outcomes, successes = t.successes + excluded.successes),
  errors as (
    insert into ops_outcome_errors as t (task, provider, model, error_class, fingerprint, outcomes, last_at)
    select task, provider, model, coalesce(error_class, 'error'), coalesce(error_fingerprint, ''), count(*), max(created_at) from batch where not success group by 1, 2, 3, 4, 5
    on conflict (task, provider, model, error_class, fingerprint) do update set outcomes = t.outcomes + excluded.outcomes, last_at = greatest(t.last_at, excluded.last_at)),
  -- What was applied is watched over what comes after it.
  watched as (
    update ops_learned_changes l set outcomes = l.outcomes + b.n, successes = l.successes + b.ok
    from (select a.id, count(*)::integer as n, count(*) filter (where b.success)::integer as ok from ops_learned_changes a join batch b on (b.task = a.task or a.task = 'service:' || b.provider) and b.created_at > a.applied_at
          where a.state = 'applied' group by a.id) b where l.id = b.id),
  -- S(n) = max(0, S(n-1) + x) without a loop: the running sum less its running minimum.
  weighed as (
    select b.task, b.provider, b.model, b.n, b.success, b.weight, b.duration_ms, b.cost_usd, d.evidence,
           sum(case when d.expected is null then 0 when b.success then ln(0.6) else ln((1 - 0.6 * d.expected) / (1 - d.expected)) end)
             over (partition by b.task, b.provider, b.model order by b.n) as run
    from batch b left join ops_drifts d on d.task = b.task and d.provider = b.provider and d.model = b.model),
  walked as (
    select w.*, w.run - least(-coalesce(w.evidence, 0), min(w.run) over (partition by w.task, w.provider, w.model order by w.n)) as s from weighed w),
  summed as (
    select task, provider, model, count(*)::integer as outcomes, count(*) filter (where success)::integer as successes, max(s) as highest, (array_agg(s order by n desc))[1] as s,
           sum(weight) as w, coalesce(sum(weight) filter (where success), 0) as w_ok, sum(weight * duration_ms) as w_ms, sum(weight * cost_usd::double precision) as w_cost from walked group by 1, 2, 3)
  insert into ops_drifts as t (task, provider, model, outcomes, successes, evidence, recent_outcomes, recent_successes, recent_ms, recent_cost, drifted_at, drifts)
  -- The rows of before come along in the same statement: what a conflict keeps, it keeps from here.
  select s.task, s.provider, s.model, s.outcomes + coalesce(d.outcomes, 0), s.successes + coalesce(d.successes, 0), case when s.highest >= 12 then 0 else s.s end,
         s.w + k.keeps * coalesce(d.recent_outcomes, 0), s.w_ok + k.keeps * coalesce(d.recent_successes, 0), s.w_ms + k.keeps * coalesce(d.recent_ms, 0), s.w_cost + k.keeps * coalesce(d.recent_cost, 0),
         case when s.highest >= 12 then clock_now() else d.drifted_at end, coalesce(d.drifts, 0) + (s.highest >= 12)::integer
  from summed s left join ops_drifts d using (task, provider, model) cross join lateral (select power(0.97, least(s.outcomes, 1000)) as keeps) k
  on conflict (task, provider, model) do update set outcomes = excluded.outcomes, successes = excluded.successes, evidence = excluded.evidence, drifted_at = excluded.drifted_at, drifts = excluded.drifts,
    recent_outcomes = excluded.recent_outcomes, recent_successes = excluded.recent_successes, recent_ms = excluded.recent_ms, recent_cost = excluded.recent_cost;
  -- What is expected comes from the first fifty outcomes, and anew from the next fifty after a drift.
  update ops_drifts set expected = greatest(0.05, least(0.97, wilson_low(successes, outcomes, 1))) where expected is null and outcomes >= 50;
  with told as (
    update ops_drifts d set expected = null, outcomes = 0, successes = 0 where d.drifted_at = clock_now() and d.expected is not null returning d.task, d.provider, d.model, d.expected, d.drifts)
  insert into ops_agent_events (kind, severity, source, actor, payload, tags)
    select 'policy.drift', 'warning', 'agent', 'system', jsonb_build_object('task', t.task, 'provider', t.provider, 'model', t.model, 'method', 'Bernoulli CUSUM, Page 1954'), array[t.task] from told t;
  update ops_cursors set tx = coalesce(last_tx, tx), id = coalesce(last_id, id), updated_at = clock_now() where name = 'learn';
  update ops_cursors set tx = coalesce(last_job_tx, tx), id = coalesce(last_job, id), updated_at = clock_now() where name = 'learn_jobs';
  return rows_found + jobs_found;
end $$;

COMMENT ON FUNCTION public.learn(at_most integer) IS 'Takes the next outcomes into the statistics, in one transaction with the cursor; returns how many. 0: caught up.';

CREATE FUNCTION public.let_in(of_task text, of_key text DEFAULT NULL::text, at_most integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare t ops_tasks; w limit_waits; starts timestamptz; jobs integer := 0; steps integer := 0; number bigint;
begin
  select * into t from ops_tasks where identifier = of_task;
  update limit_rates set next_at = null where task = of_task and next_at is not null;
  while jobs + steps < at_most loop
    w := next_waiting(t, of_key);
    exit when w.holder is null;
    number := substr(w.holder, 2)::bigint;
    if w.parked then
      -- Somebody's open transaction may have its row, to replace it by its key: then it is looked at again in a second.
      perform from graphile_worker._private_jobs where id = number for update skip locked;
      if not found then
        if exists (select from graphile_worker._private_jobs where id = number) then
          insert into limit_pokes (task, key) values (of_task, of_key);
          exit;
        end if;
        delete from limit_waits where holder = w.holder;
        continue;
      end if;
    end if;
    starts := take_start(t, interval '2 seconds');
    exit when starts is null;
    delete from limit_waits where holder = w.holder;
    insert into limit_slots (holder, task, key, start_at) values (w.holder, w.task, w.key, starts);
    if w.mission_id is not null then
      insert into mission_wakes (mission_id) values (w.mission_id);
      steps := steps + 1;
    else
      if w.parked then
        update graphile_worker._private_jobs set run_at = now() + greatest(starts - clock_now(), '0') where id = number and locked_by is null;
      else
        insert into graphile_worker._private_jobs (id, task_id, payload, run_at, attempts, max_attempts, priority, last_error, created_at)
          overriding system value
          select number, g.id, w.payload, now() + greatest(starts - clock_now(), '0'), w.attempts, w.max_attempts, w.priority, w.last_error, w.since
          from graphile_worker._private_tasks g where g.identifier = w.task;
      end if;
      jobs := jobs + 1;
    end if;
  end loop;
  if jobs > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), jobs));
  end if;
  if jobs + steps = at_most then
    insert into limit_pokes (task, key) values (of_task, of_key);
    perform pg_notify('limit:poke', '');
  end if;
  return jobs + steps;
end $$;

CREATE FUNCTION public.limit_key(limits jsonb, payload jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select left(coalesce(string_agg(coalesce(case jsonb_typeof(part) when 'array' then payload #>> array(select jsonb_array_elements_text(part)) else part #>> '{}' end, ''), '' order by n), ''), 500)
  from jsonb_array_elements(case jsonb_typeof(limits -> 'key') when 'array' then limits -> 'key' end) with ordinality parts(part, n)
$$;

COMMENT ON FUNCTION public.limit_key(limits jsonb, payload jsonb) IS 'The key by which a payload counts for the limits of its task.';

CREATE FUNCTION public.lock_limits(task text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ select pg_advisory_xact_lock(hashtextextended('limits:' || task, 0)) $$;

CREATE FUNCTION public.lose_outbox() RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  with lost as (
    update outbox set state = 'unknown', ended_at = clock_now(), error = 'its sender died while it was on its way' where state = 'sending' returning id, trace_id),
  told as (
    insert into ops_agent_events (kind, agent, severity, payload, trace_id)
      select 'message.unknown', 'milkbot', 'warning', jsonb_build_object('outbox', id), trace_id from lost returning 1)
  select count(*)::integer from told
$$;

CREATE FUNCTION public.mark_backup_pruned(backup bigint, place text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare made ops_backups;
begin
  update ops_backups set local_deleted_at = case when place = 'local' then clock_now() else local_deleted_at end,
      offsite_deleted_at = case when place = 'offsite' then clock_now() else offsite_deleted_at end
    where id = backup returning * into made;
  if found then
    perform record_act('backup prune', made.name, null, jsonb_build_object('deleted', place));
  end if;
end $$;

COMMENT ON FUNCTION public.mark_backup_pruned(backup bigint, place text) IS 'Notes that the archive was deleted here (local) or there (offsite).';

CREATE FUNCTION public.matching(noun text, filter jsonb, at_most integer) RETURNS bigint[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare unknown_key text; since interval; ids bigint[];
begin
  if filter is null or jsonb_typeof(filter) <> 'object' or filter = '{}' then
    perform refuse('OC009', 'the filter is empty', 'say at least one of state, kind, task, error_class, since');
  end if;
  select k into unknown_key from jsonb_object_keys(filter) k where k not in ('state', 'kind', 'task', 'error_class', 'since') limit 1;
  if unknown_key is not null then
    perform refuse('OC009', format('the filter does not know "%s"', unknown_key), 'state, kind (missions), task, error_class, since (for example 2h)');
  end if;
  if filter ? 'since' then
    since := duration_ms(filter -> 'since') * interval '1 millisecond';
    if since is null then
      perform refuse('OC009', format('since is %s', filter -> 'since'), 'a length of time, for example "2 h"');
    end if;
  end if;
  if noun = 'missions' then
    select array_agg(id order by id) into ids from (
      select m.id from ops_missions m
      where (not filter ? 'state' or m.state = filter ->> 'state') and (not filter ? 'kind' or m.kind = filter ->> 'kind')
        and (not filter ? 'task' or exists (select from ops_mission_steps s where s.mission_id = m.id and s.task = filter ->> 'task'))
        and (not filter ? 'error_class' or m.error_class = filter ->> 'error_class')
        and (since is null or coalesce(m.finished_at, m.created_at) > clock_now() - since)
        and (trusted_session() or m.actor = current_actor())
      order by m.id limit at_most) found;
  else
    select array_agg(id order by id) into ids from (
      select q.id from task_queue q
      where (not filter ? 'state' or q.state = filter ->> 'state') and (not filter ? 'task' or q.task = filter ->> 'task')
        and q.task <> 'mission' and (not filter ? 'error_class' or q.error_class = filter ->> 'error_class')
        and (since is null or coalesce(q.finished_at, q.created_at) > clock_now() - since)
        and (trusted_session() or q.actor = current_actor())
      order by q.id limit at_most) found;
  end if;
  return coalesce(ids, '{}');
end $$;

CREATE FUNCTION public.may_act(wanted_act text, wanted_subject text, most integer, span interval, incident bigint DEFAULT NULL::bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform pg_advisory_xact_lock(hashtextextended('act:' || wanted_act || ':' || wanted_subject, 0));
  if (select count(*) from ops_watch_acts where act = wanted_act and subject = wanted_subject and at > clock_now() - span) >= most then
    return false;
  end if;
  insert into ops_watch_acts (act, subject, incident_id, at) values (wanted_act, wanted_subject, incident, clock_now());
  perform record_act('atlas ' || wanted_act, wanted_subject, null, jsonb_build_object('incident', incident));
  return true;
end $$;

COMMENT ON FUNCTION public.may_act(wanted_act text, wanted_subject text, most integer, span interval, incident bigint) IS 'Counts an act against its limit (so many in so long for a subject), and records it; false where there is no room.';

CREATE FUNCTION public.mission_of_message(chat bigint, message bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
  select coalesce((select m.mission_id from mission_messages m where m.outbox_id = coalesce(o.edits, o.id)),
                  (select m.id from ops_missions m where m.trace_id = o.trace_id order by m.id desc limit 1))
  from outbox o where o.chat_id = $1 and o.message_id = $2 order by o.id limit 1
$_$;

COMMENT ON FUNCTION public.mission_of_message(chat bigint, message bigint) IS 'The mission that a message of a chat is about, for a thumb on it; null where it is about none.';

CREATE FUNCTION public.model_answered(answering_provider text, answering_model text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.model_answered(answering_provider text, answering_model text) IS 'Ends the pause of a model that answered; true where there was one.';

CREATE FUNCTION public.model_failed(failed_provider text, failed_model text, fault text, message text, minutes double precision[], at_least interval DEFAULT '00:00:00'::interval, asked_ago interval DEFAULT '00:00:00'::interval) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.model_failed(failed_provider text, failed_model text, fault text, message text, minutes double precision[], at_least interval, asked_ago interval) IS 'Starts or lengthens the pause of a model; minutes is the ladder, at_least what the service asked for. Returns its end.';

CREATE FUNCTION public.model_turn(wanted_provider text, wanted_model text, probe_for interval DEFAULT '00:02:00'::interval) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.model_turn(wanted_provider text, wanted_model text, probe_for interval) IS 'go, probe or cooling: of many callers at the end of a pause one probes.';

CREATE FUNCTION public.mute_alerts(pattern text, span interval, reason text DEFAULT NULL::text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was ops_alert_mutes; at timestamptz := clock_now() + span;
begin
  if span is null or span <= '0' or span > '30 days' then
    perform refuse('OC009', format('a mute lasts %s, expected up to 30 days', coalesce(span::text, 'null')), 'for example: 2 hours');
  end if;
  select * into was from ops_alert_mutes m where m.pattern = mute_alerts.pattern;
  insert into ops_alert_mutes as m (pattern, until, reason) values (mute_alerts.pattern, at, mute_alerts.reason)
    on conflict on constraint ops_alert_mutes_pkey do update set until = excluded.until, reason = excluded.reason, actor = excluded.actor, created_at = excluded.created_at;
  perform record_act('alerts mute', mute_alerts.pattern, case when was.pattern is not null then jsonb_build_object('until', was.until) end,
    jsonb_build_object('until', at, 'reason', reason));
  return at;
end $$;

COMMENT ON FUNCTION public.mute_alerts(pattern text, span interval, reason text) IS 'Silences the alerts of a fingerprint (* for any text) for a time; they are still recorded.';

CREATE TABLE public.limit_waits (
    holder text NOT NULL,
    task text NOT NULL,
    key text NOT NULL,
    priority smallint NOT NULL,
    since timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    mission_id bigint,
    parked boolean DEFAULT false NOT NULL,
    payload json,
    attempts smallint DEFAULT 0 NOT NULL,
    max_attempts smallint DEFAULT 1 NOT NULL,
    last_error text,
    CONSTRAINT limit_waits_holder_check CHECK ((holder ~ '^[js][0-9]+$'::text))
);

COMMENT ON TABLE public.limit_waits IS 'Jobs and steps of a limited task that wait for a place.';

COMMENT ON COLUMN public.limit_waits.holder IS 'j<job>, or s<step of a mission>.';

COMMENT ON COLUMN public.limit_waits.mission_id IS 'Of a step: its mission, to be woken.';

COMMENT ON COLUMN public.limit_waits.parked IS 'The job is still in graphile-worker''s table, far in the future, because it has a key, a queue or flags there; else its only row is this one.';

CREATE FUNCTION public.next_waiting(t public.ops_tasks, of_key text) RETURNS public.limit_waits
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare found limit_waits;
begin
  if t.limits ? 'limit' and of_key is null then
    with recursive keys as (
      (select w.key from limit_waits w where w.task = t.identifier order by w.key limit 1)
      union all
      select (select w.key from limit_waits w where w.task = t.identifier and w.key > k.key order by w.key limit 1) from keys k where k.key is not null)
    select first.* into found from keys k cross join lateral (
        select * from limit_waits w where w.task = t.identifier and w.key = k.key order by w.priority, w.since, w.holder limit 1) first
      where free_of_key(t, k.key) order by first.priority, first.since, first.holder limit 1;
  elsif t.limits ? 'limit' then
    if free_of_key(t, of_key) then
      select * into found from limit_waits w where w.task = t.identifier and w.key = of_key order by w.priority, w.since, w.holder limit 1;
    end if;
  else
    select * into found from limit_waits w where w.task = t.identifier order by w.priority, w.since, w.holder limit 1;
  end if;
  return found;
end $$;

CREATE FUNCTION public.note_call(made_in text, made_call text, given text) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  insert into ops_repeated_calls as r (run, call, answer, last_at) values (made_in, made_call, given, clock_now())
    on conflict (run, call) do update set
      times = case when r.answer is distinct from excluded.answer or r.last_at <= clock_now() - interval '1 day' then 1 else r.times + 1 end,
      answer = excluded.answer, last_at = excluded.last_at
    returning times
$$;

COMMENT ON FUNCTION public.note_call(made_in text, made_call text, given text) IS 'Counts one answered call of a run; another answer than before starts at 1 again.';

CREATE FUNCTION public.note_function_version(mission bigint, of_epoch integer, step bigint, hash text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions; s ops_mission_steps;
begin
  select * into m from ops_missions where id = mission and epoch = of_epoch and state = 'running' for no key update;
  if not found then return; end if;
  select * into s from ops_mission_steps where id = step;
  update ops_mission_steps set version = hash where id = step;
  if s.version is not null then
    insert into ops_agent_events (kind, severity, mission_id, step_id, trace_id, payload, tags)
      values ('mission.function_changed', 'warning', m.id, step, m.trace_id,
              jsonb_build_object('task', s.task, 'was', left(s.version, 12), 'is', left(hash, 12), 'note', 'it goes on by the names of its recorded steps'), array[s.task]);
  end if;
end $$;

CREATE FUNCTION public.note_state(watched text, now_state text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, blind_after interval DEFAULT '00:01:00'::interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.note_state(watched text, now_state text, at timestamp with time zone, blind_after interval) IS 'Notes what a watcher sees. A change begins at its time; a gap in the watching is unknown.';

CREATE FUNCTION public.note_windows(of_service text, windows jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  insert into ops_service_windows (service, seconds, most, remaining, resets_at, updated_at)
    select of_service, w.seconds, w.most, w.remaining, clock_now() + make_interval(secs => w.resets_in), clock_now()
    from jsonb_to_recordset(windows) w(seconds integer, most bigint, remaining bigint, resets_in double precision)
    where w.seconds > 0 order by w.seconds
    on conflict (service, seconds) do update set most = excluded.most, remaining = excluded.remaining, resets_at = excluded.resets_at, updated_at = excluded.updated_at
$$;

CREATE FUNCTION public.nudge_mission(mission bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare is_parked boolean;
begin
  update ops_missions set signal_seq = signal_seq + 1 where id = mission and state in ('approved', 'running', 'waiting') returning state = 'waiting' and job_id is null into is_parked;
  if is_parked then
    perform ensure_job(mission);
  end if;
  -- The worker that runs it now looks at once.
  perform pg_notify('mission:control', mission::text);
end $$;

COMMENT ON FUNCTION public.nudge_mission(mission bigint) IS 'Wakes a mission for what it waits for; one that runs looks again before it parks.';

CREATE FUNCTION public.open_incident(kind text, subject text, severity text, what text, why text DEFAULT ''::text, needed text DEFAULT ''::text) RETURNS TABLE(id bigint, is_new boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
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
end $_$;

COMMENT ON FUNCTION public.open_incident(kind text, subject text, severity text, what text, why text, needed text) IS 'Opens an incident, with its event and its alert, or counts one that is open already.';

CREATE FUNCTION public.pairing_hash(salt text, code text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    RETURN sha256(convert_to(((salt || ':'::text) || upper(regexp_replace(code, '[^A-Za-z0-9]'::text, ''::text, 'g'::text))), 'UTF8'::name));

CREATE FUNCTION public.park_broken(mission bigint, job bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- Shared with whoever closes it and then releases what waits: this park is either there to be released, or sees that it is closed.
  perform from ops_breakers b join ops_missions m on b.name = 'kind:' || m.kind where m.id = park_broken.mission for share of b;
  update ops_missions m set state = 'waiting', wait_reason = 'breaker', job_id = null, wake_at = greatest(coalesce(b.open_until, b.probe_until), clock_now() + interval '1 second')
    from ops_breakers b
    where m.id = mission and m.job_id = job and m.epoch = 0 and m.state in ('approved', 'waiting') and b.name = 'kind:' || m.kind and b.state <> 'closed';
  return found;
end $$;

COMMENT ON FUNCTION public.park_broken(mission bigint, job bigint) IS 'Parks a mission whose kind is stopped, until its breaker turns.';

CREATE FUNCTION public.park_paused(mission bigint, job bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  update ops_missions m set state = 'waiting', wait_reason = 'paused', wake_at = clock_now() + interval '30 seconds', job_id = null
    where m.id = park_paused.mission and m.job_id = park_paused.job and m.state in ('approved', 'running', 'waiting')
      and (m.paused or is_paused('mission', m.agent, m.id));
  return found;
end $$;

CREATE FUNCTION public.pause(scope text, target text DEFAULT NULL::text, hard boolean DEFAULT false, reason text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was ops_controls; wanted text; now_in_force ops_controls;
begin
  wanted := control_target(pause.scope, pause.target);
  if pause.scope = 'mission' then
    perform raise_unless_mine((select m.actor from ops_missions m where m.id = wanted::bigint), 'mission m' || wanted);
    if exists (select from ops_missions m where m.id = wanted::bigint and m.state in ('succeeded', 'failed', 'cancelled')) then
      perform refuse('OC008', format('mission m%s has ended', wanted), 'only an open mission can be paused');
    end if;
    update ops_missions m set paused = true where m.id = wanted::bigint;
  end if;
  select c.* into was from ops_controls c where c.scope = pause.scope and c.target = wanted for update;
  insert into ops_controls as c (scope, target, hard, reason) values (pause.scope, wanted, coalesce(pause.hard, false), pause.reason)
    on conflict on constraint ops_controls_pkey do update set hard = excluded.hard, reason = excluded.reason, actor = excluded.actor
    returning * into now_in_force;
  perform record_act('pause', trim(pause.scope || ' ' || wanted), case when was.scope is not null then to_jsonb(was) end, to_jsonb(now_in_force));
  perform pg_notify('ops:control', pause.scope);
  return was.scope is null;
end $$;

COMMENT ON FUNCTION public.pause(scope text, target text, hard boolean, reason text) IS 'Anybody who may ask for work may stop it; only who paused, or the operator, may resume. Nothing of the scope (all, agent, task, mission) starts any more; hard: what runs is aborted and given back. A paused schedule plans no runs. True when it was not paused before.';

CREATE TABLE public.ops_controls (
    scope text NOT NULL,
    target text DEFAULT ''::text NOT NULL,
    hard boolean DEFAULT false NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    reason text,
    since timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT ops_controls_check CHECK (((scope = 'all'::text) = (target = ''::text))),
    CONSTRAINT ops_controls_scope_check CHECK ((scope = ANY (ARRAY['all'::text, 'agent'::text, 'task'::text, 'mission'::text, 'schedule'::text])))
);

COMMENT ON TABLE public.ops_controls IS 'What is paused, since when, by whom and why.';

COMMENT ON COLUMN public.ops_controls.target IS 'The agent, the task, the schedule or the mission''s id as digits; empty for all.';

COMMENT ON COLUMN public.ops_controls.hard IS 'Whether running work is aborted as well; it is given back and runs again after the resume.';

CREATE FUNCTION public.paused_by(task text DEFAULT NULL::text, agent text DEFAULT NULL::text, mission bigint DEFAULT NULL::bigint) RETURNS SETOF public.ops_controls
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select c.* from ops_controls c
  where c.scope = 'all' or (c.scope = 'task' and c.target = paused_by.task) or (c.scope = 'agent' and c.target = paused_by.agent)
     or (c.scope = 'mission' and c.target = paused_by.mission::text)
  order by c.hard desc, c.since limit 1
$$;

COMMENT ON FUNCTION public.paused_by(task text, agent text, mission bigint) IS 'The control that stops this from starting, or no row.';

CREATE FUNCTION public.payload_fault(task public.ops_tasks, payload jsonb, OUT code text, OUT message text, OUT remedy text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare field jsonb; found text;
begin
  if payload is null or jsonb_typeof(payload) <> 'object' then
    code := 'OC002';
    message := format('payload of task %s is %s, expected an object', task.identifier, coalesce('a JSON ' || jsonb_typeof(payload), 'SQL null'));
    remedy := format('pass an object, for example %L', '{}');
    return;
  end if;
  for field in select * from jsonb_array_elements(task.payload_fields) loop
    found := jsonb_typeof(payload -> (field ->> 'key'));
    if found is null then
      if (field ->> 'required')::boolean then
        code := 'OC004';
        message := format('payload of task %s lacks the required key "%s"', task.identifier, field ->> 'key');
        remedy := format('add "%s" (%s)', field ->> 'key', coalesce((select string_agg(t, ' or ') from jsonb_array_elements_text(field -> 'types') t), 'any type'));
        return;
      end if;
    elsif jsonb_array_length(field -> 'types') > 0 and not (field -> 'types' ? found)
          and not (found = 'number' and field -> 'types' ? 'integer' and (payload ->> (field ->> 'key'))::numeric % 1 = 0) then
      code := 'OC005';
      message := format('key "%s" of the payload of task %s is a JSON %s, expected %s', field ->> 'key', task.identifier, found,
                        (select string_agg(t, ' or ') from jsonb_array_elements_text(field -> 'types') t));
      remedy := format('pass "%s" as %s', field ->> 'key', (select string_agg(t, ' or ') from jsonb_array_elements_text(field -> 'types') t));
      return;
    end if;
  end loop;
end $$;

CREATE FUNCTION public.payload_paths(payload jsonb, at text DEFAULT ''::text) RETURNS TABLE(place text, path text, well_formed boolean)
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
declare entry record;
begin
  if jsonb_typeof(payload) = 'object' then
    if payload ? '$path' then
      place := at; path := payload ->> '$path';
      well_formed := jsonb_typeof(payload -> '$path') = 'string' and not exists (select from jsonb_object_keys(payload) k where k not in ('$path', 'default'));
      return next;
      return;
    end if;
    for entry in select * from jsonb_each(payload) loop
      return query select * from payload_paths(entry.value, at || '.' || entry.key);
    end loop;
  elsif jsonb_typeof(payload) = 'array' then
    for entry in select * from jsonb_array_elements(payload) with ordinality e(value, n) loop
      return query select * from payload_paths(entry.value, format('%s[%s]', at, entry.n - 1));
    end loop;
  end if;
end $_$;

CREATE FUNCTION public.plan_faults(plan jsonb) RETURNS TABLE(at text, message text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
declare step jsonb; step_name text; position integer := 0; seen text[] := '{}'; task ops_tasks; fault record; field jsonb; reference record; referenced text; names text[];
  closure jsonb; needed text; plan_keys constant text[] := array['kind', 'title', 'description', 'input', 'steps', 'output', 'function'];
  step_keys constant text[] := array['name', 'task', 'payload', 'needs', 'retries', 'timeout', 'approval'];
begin
  if plan is null or jsonb_typeof(plan) <> 'object' then
    return query select 'plan', format('is %s, expected an object with kind, title and steps', coalesce('a JSON ' || jsonb_typeof(plan), 'SQL null'));
    return;
  end if;
  if octet_length(plan::text) > 262144 then
    return query select 'plan', format('has %s bytes, at most 262144 are taken', octet_length(plan::text));
    return;
  end if;
  return query select 'plan', format('unknown key "%s"; known keys are %s', k, array_to_string(plan_keys, ', ')) from jsonb_object_keys(plan) k where k <> all (plan_keys);
  if jsonb_typeof(plan -> 'kind') is distinct from 'string' or plan ->> 'kind' !~ '^[a-z][a-z0-9_]{0,62}$' then
    return query select 'kind', format('is %s, expected a name like host_report (a-z, 0-9, _)', coalesce((plan -> 'kind')::text, 'missing'));
  end if;
  if plan ? 'title' and (jsonb_typeof(plan -> 'title') <> 'string' or length(plan ->> 'title') not between 1 and 200) then
    return query select 'title', 'expected a text of 1 to 200 characters'::text;
  end if;
  if plan ? 'input' and jsonb_typeof(plan -> 'input') <> 'object' then
    return query select 'input', format('is a JSON %s, expected an object', jsonb_typeof(plan -> 'input'));
  end if;
  if plan ? 'output' then
    return query select 'output' || p.place, case when not p.well_formed then 'expected {"$path": "...", "default": ...}' else jsonpath_fault(p.path) end
      from payload_paths(plan -> 'output') p where not p.well_formed or jsonpath_fault(p.path) is not null;
  end if;
  if plan ? 'function' and (coalesce(jsonb_array_length(nullif(plan -> 'steps', 'null')), 0) <> 1 or plan -> 'steps' -> 0 -> 'task' is distinct from plan -> 'function'
      or not exists (select from ops_tasks t where t.identifier = plan ->> 'function' and t.durable)) then
    return query select 'function', 'is for missions of one durable function; submit it by its name'::text;
  end if;
  if coalesce(jsonb_typeof(plan -> 'steps'), '') <> 'array' or jsonb_array_length(plan -> 'steps') = 0 then
    return query select 'steps', 'expected an array with at least one step'::text;
    return;
  end if;
  if jsonb_array_length(plan -> 'steps') > 200 then
    return query select 'steps', format('has %s steps, at most 200 are taken', jsonb_array_length(plan -> 'steps'));
    return;
  end if;
  select array_agg(s ->> 'name') into names from jsonb_array_elements(plan -> 'steps') s where s ->> 'name' is not null;
  names := coalesce(names, '{}');

  -- What each step may read: its needs and theirs.
  with recursive direct as (
    select distinct s ->> 'name' as name, n as need
    from jsonb_array_elements(plan -> 'steps') s, jsonb_array_elements_text(case when jsonb_typeof(s -> 'needs') = 'array' then s -> 'needs' else '[]' end) n
    where s ->> 'name' is not null and n is not null),
  reached as (
    select name, need from direct
    union
    select r.name, d.need from reached r join direct d on d.name = r.need)
  select coalesce(jsonb_object_agg(r.name, r.needs), '{}') into closure from (select name, jsonb_agg(need) as needs from reached group by name) r;

  for step in select * from jsonb_array_elements(plan -> 'steps') loop
    at := format('steps[%s]', position);
    position := position + 1;
    if jsonb_typeof(step) <> 'object' then
      message := format('is a JSON %s, expected an object with name and task', jsonb_typeof(step)); return next;
      continue;
    end if;
    step_name := step ->> 'name';
    at := at || coalesce(' ' || step_name, '');
    for message in select format('unknown key "%s"; known keys are %s', k, array_to_string(step_keys, ', ')) from jsonb_object_keys(step) k where k <> all (step_keys) loop return next; end loop;
    if jsonb_typeof(step -> 'name') is distinct from 'string' or step_name !~ '^[a-z][a-z0-9_]{0,62}$' then
      message := format('name is %s, expected a name like fetch_page (a-z, 0-9, _)', coalesce((step -> 'name')::text, 'missing')); return next;
    elsif step_name = any (seen) then
      message := 'the name is used twice'; return next;
    end if;
    seen := seen || step_name;
    if step ? 'retries' and (jsonb_typeof(step -> 'retries') <> 'number' or (step ->> 'retries')::numeric not between 0 and 99 or (step ->> 'retries')::numeric % 1 <> 0) then
      message := format('retries is %s, expected a whole number from 0 to 99', step -> 'retries'); return next;
    end if;
    if step ? 'timeout' and coalesce(duration_ms(step -> 'timeout'), 0) not between 1 and 604800000 then
      message := format('timeout is %s, expected ms or a text like "30 s", at most 7 days', step -> 'timeout'); return next;
    end if;
    if step ? 'approval' then
      message := approval_fault(step -> 'approval');
      if message is not null then return next; end if;
    end if;
    if jsonb_typeof(coalesce(step -> 'needs', '[]')) <> 'array' then
      message := format('needs is a JSON %s, expected an array of step names', jsonb_typeof(step -> 'needs')); return next;
    else
      for needed in select * from jsonb_array_elements_text(coalesce(step -> 'needs', '[]')) loop
        if needed is null then
          message := 'needs holds a JSON null, expected step names'; return next;
        elsif needed <> all (names) then
          message := format('needs "%s", which is no step of this plan', needed); return next;
        end if;
      end loop;
      if closure -> step_name ? step_name then
        message := 'needs itself, directly or through others: a cycle'; return next;
      end if;
    end if;

    select * into task from ops_tasks t where t.identifier = step ->> 'task' and t.retired_at is null;
    if not found then
      message := format('task is %s, which is not a known task (select identifier from ops_tasks)', coalesce((step -> 'task')::text, 'missing')); return next;
      continue;
    end if;
    if task.identifier = 'mission' then
      message := 'task "mission" runs missions and cannot be a step'; return next;
      continue;
    end if;
    if step ? 'payload' and jsonb_typeof(step -> 'payload') <> 'object' then
      message := format('payload is a JSON %s, expected an object', jsonb_typeof(step -> 'payload')); return next;
      continue;
    end if;
    for reference in select * from payload_paths(coalesce(step -> 'payload', '{}')) loop
      if not reference.well_formed then
        message := format('payload%s: expected {"$path": "...", "default": ...}', reference.place); return next;
        continue;
      end if;
      message := jsonpath_fault(reference.path);
      if message is not null then
        message := format('payload%s: %s', reference.place, message); return next;
        continue;
      end if;
      for referenced in select m[1] from regexp_matches(reference.path, '\$\.steps\."?([A-Za-z0-9_]+)"?', 'g') m loop
        if referenced <> all (names) then
          message := format('payload%s reads step "%s", which is no step of this plan', reference.place, referenced); return next;
        elsif not coalesce(closure -> step_name ? referenced, false) then
          message := format('payload%s reads step "%s" without needing it; add it to needs', reference.place, referenced); return next;
        end if;
      end loop;
    end loop;
    -- A payload without paths must fit; with paths, the keys that are known already must.
    if not exists (select from payload_paths(coalesce(step -> 'payload', '{}'))) then
      if (coalesce(step -> 'payload', '{}') @@ task.payload_predicate) is not true then
        select * into fault from payload_fault(task, coalesce(step -> 'payload', '{}'));
        message := coalesce(fault.message, format('payload does not match the schema of task %s', task.identifier)); return next;
      end if;
    else
      for field in select * from jsonb_array_elements(task.payload_fields) loop
        if not coalesce(step -> 'payload' ? (field ->> 'key'), false) then
          if (field ->> 'required')::boolean then
            message := format('payload lacks the required key "%s" of task %s', field ->> 'key', task.identifier); return next;
          end if;
        elsif not coalesce(step -> 'payload' -> (field ->> 'key') ? '$path', false) then
          select * into fault from payload_fault(jsonb_populate_record(task, jsonb_build_object('payload_fields', jsonb_build_array(field))), step -> 'payload');
          if fault.message is not null then message := fault.message; return next; end if;
        end if;
      end loop;
    end if;
  end loop;
end $_$;

COMMENT ON FUNCTION public.plan_faults(plan jsonb) IS 'Everything that is wrong with a plan, at once; no rows for a sound one.';

CREATE FUNCTION public.plan_runs(specs jsonb, planned_for timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.plan_runs(specs jsonb, planned_for timestamp with time zone) IS 'In place of graphile-worker''s own query: the runs that are due at this minute, each once across all workers.';

CREATE FUNCTION public.policy_fault(key text, value jsonb) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select case when k.key is null then format('there is no policy key "%s"', policy_fault.key) else json_schema_fault(k.schema, policy_fault.value, policy_fault.key) end
  from (select 1) one left join ops_policy_keys k on k.key = policy_fault.key
$$;

COMMENT ON FUNCTION public.policy_fault(key text, value jsonb) IS 'What is wrong with a value for a key of policy, or null.';

CREATE FUNCTION public.policy_value(wanted text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$ begin return (select p.value from public.ops_policy p where p.key operator(pg_catalog.=) wanted order by p.version desc limit 1); end $$;

CREATE FUNCTION public.propose_changes() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare since date := (clock_now() at time zone 'utc')::date - 6; w record; made integer := 0; new_change ops_learned_changes; automatic jsonb := coalesce(sound_policy('learning.auto'), '[]');
begin
  for w in
    with recent as (
      select d.task, sum(d.outcomes)::integer as outcomes, sum(d.successes)::integer as successes from ops_outcome_days d where d.day >= since group by d.task having sum(d.outcomes) >= 20),
    tasks as (
      select r.*, t.timeout_ms, t.max_attempts, coalesce((sound_policy('task.timeouts') ->> r.task)::integer, t.timeout_ms) as timeout_now,
             coalesce((sound_policy('task.retries') ->> r.task)::integer + 1, t.max_attempts) as attempts_now,
             duration_percentile(r.task, null, null, 0.95, since) as p95,
             coalesce((select sum(e.outcomes) from ops_outcome_errors e where e.task = r.task and e.error_class = 'timeout' and e.last_at >= since), 0)::integer as timeouts
      from recent r join ops_tasks t on t.identifier = r.task and t.retired_at is null),
    curve as (
      select a.task, a.attempt, sum(a.outcomes) as ended, sum(a.successes) as succeeded, sum(sum(a.outcomes)) over (partition by a.task order by a.attempt desc) as reached
      from ops_outcome_attempts a where a.day >= since group by a.task, a.attempt)
    -- Timeouts of a task whose successes come close to the limit: it is the limit that is wrong.
    select 'timeout' as kind, task, 'task.timeouts' as key, outcomes, successes, to_jsonb(least(604800000, (2 * timeout_now)::bigint)) as value,
           jsonb_build_object('why', 'it often ran out of time, and what succeeds takes nearly as long as it may', 'timeouts', timeouts, 'outcomes', outcomes, 'p95_ms', p95, 'timeout_ms', timeout_now) as evidence
    from tasks where timeouts >= greatest(5, 0.1 * outcomes) and p95 > 0.5 * timeout_now
    union all
    -- Attempts that never helped, or a last one that still does.
    select 'retries', t.task, 'task.retries', t.outcomes, t.successes, to_jsonb(t.attempts_now - 2),
           jsonb_build_object('why', 'the last attempt has almost never helped', 'attempt', c.attempt, 'reached', c.reached, 'succeeded', c.succeeded)
    from tasks t join curve c on c.task = t.task and c.attempt = t.attempts_now where t.attempts_now > 2 and c.reached >= 30 and wilson_high(c.succeeded, c.reached) < 0.15
    union all
    select 'retries', t.task, 'task.retries', t.outcomes, t.successes, to_jsonb(t.attempts_now),
           jsonb_build_object('why', 'the last attempt still succeeds often, so one more is worth it', 'attempt', c.attempt, 'reached', c.reached, 'succeeded', c.succeeded)
    from tasks t join curve c on c.task = t.task and c.attempt = t.attempts_now where t.attempts_now between 1 and 9 and c.reached >= 20 and c.reached >= 0.05 * t.outcomes and c.reached > c.succeeded and wilson_low(c.succeeded, c.reached) > 0.3
    union all
    -- A provider whose success fell, where another one is there to be asked first.
    select 'provider_order', d.task, 'providers.order', r.outcomes, r.successes, demoted(sound_policy('providers.order'), d.provider),
           jsonb_build_object('why', 'its success rate fell', 'provider', d.provider, 'model', d.model, 'seen_at', d.drifted_at, 'method', 'Bernoulli CUSUM, Page 1954')
    from ops_drifts d join recent r on r.task = d.task
    where d.provider <> '' and d.drifted_at > clock_now() - interval '1 hour' and sound_policy('providers.order') ? d.provider
      and demoted(sound_policy('providers.order'), d.provider) <> sound_policy('providers.order')
    union all
    -- What has never succeeded in a week only costs.
    select 'stop', t.task, 'quota.tasks', t.outcomes, 0, to_jsonb(0),
           jsonb_build_object('why', 'it has only failed in seven days', 'outcomes', t.outcomes,
             'top_error', (select e.error_class from ops_outcome_errors e where e.task = t.task and e.last_at >= since order by e.outcomes desc, e.error_class limit 1))
    from tasks t where t.successes = 0 and sound_policy('quota.tasks') -> t.task is distinct from '0'
    union all
    -- A breaker that opens often on a service that nearly always answers is too quick; one that lets most calls of a week fail, too slow.
    select 'breaker', 'service:' || s.provider, 'breaker.services', s.outcomes, s.successes,
           to_jsonb(case when s.well then (s.rule ->> 'failures')::integer + 2 else greatest(2, (s.rule ->> 'failures')::integer - 1) end),
           jsonb_build_object('why', case when s.well then 'it opens often on a service that nearly always answers' else 'most calls fail before it opens' end,
             'service', s.provider, 'opened', s.opened, 'outcomes', s.outcomes, 'successes', s.successes, 'failures', s.rule -> 'failures')
    from (select p.*, sound_policy('breaker.services') as rule, wilson_low(p.successes, p.outcomes) > 0.9 as well, wilson_high(p.successes, p.outcomes) < 0.5 as badly,
                 (select count(*)::integer from ops_agent_events e where e.kind = 'breaker.opened' and e.tags @> array['service:' || p.provider] and e.created_at >= since) as opened
          from (select d.provider, sum(d.outcomes)::integer as outcomes, sum(d.successes)::integer as successes from ops_outcome_days d
                where d.day >= since and d.provider <> '' group by d.provider having sum(d.outcomes) >= 50) p) s
    where s.well and s.opened >= 5 and (s.rule ->> 'failures')::integer <= 10 or s.badly and s.opened >= 1 and (s.rule ->> 'failures')::integer > 2
  loop
    -- Once a week for one change of one task is enough for a person.
    if exists (select from ops_learned_changes c where c.kind = w.kind and c.task = w.task and (c.state in ('proposed', 'applied') or c.created_at > clock_now() - interval '7 days')) then
      continue;
    end if;
    insert into ops_learned_changes (kind, task, policy_key, before, after, evidence, base_outcomes, base_successes)
      values (w.kind, w.task, w.key, sound_policy(w.key), case w.kind when 'provider_order' then w.value else coalesce(sound_policy(w.key), '{}') || jsonb_build_object(case w.kind when 'breaker' then 'failures' else w.task end, w.value) end, w.evidence, w.outcomes, w.successes)
      on conflict do nothing returning * into new_change;
    if new_change.id is null then
      continue;
    end if;
    made := made + 1;
    insert into ops_agent_events (kind, source, actor, payload, tags)
      values ('policy.proposed', 'agent', 'system', jsonb_build_object('change', new_change.id, 'kind', w.kind, 'task', w.task, 'key', w.key, 'evidence', w.evidence), array[w.task]);
    if automatic ? w.kind then
      perform apply_change(new_change.id);
    else
      update ops_learned_changes set approval_id = ask_approval('learning', format('%s of %s: %s. Change policy %s?', w.kind, w.task, w.evidence ->> 'why', w.key),
          detail => jsonb_build_object('change', new_change.id, 'evidence', w.evidence, 'before', new_change.before, 'after', new_change.after,
            'effects', jsonb_build_object('approve', 'the new value is in force at once; it is watched and undone when it does worse', 'reject', 'nothing changes'), 'unanswered', 'nothing changes'),
          expires_in => interval '7 days')
        where id = new_change.id;
    end if;
  end loop;
  return made;
end $$;

COMMENT ON FUNCTION public.propose_changes() IS 'Looks at seven days of statistics and proposes changes of policy, with evidence; a person answers, except for what policy learning.auto lists.';

CREATE FUNCTION public.propose_mission(plan jsonb, input jsonb DEFAULT '{}'::jsonb, title text DEFAULT NULL::text, priority integer DEFAULT 0, dedupe_key text DEFAULT NULL::text, untrusted boolean DEFAULT false, agent text DEFAULT NULL::text, cost_estimate_usd numeric DEFAULT 0) RETURNS public.gate_answer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare
  faults text[]; answer gate_answer; p ops_mission_proposals; stop gate_reason; approvals jsonb; auto jsonb; decision text; by_untrusted text; open_mission bigint;
  asks text; generation_now bigint; plan_hash bytea := sha256(convert_to(propose_mission.plan::text, 'UTF8')); kinds text[]; expires interval; effects text;
begin
  p.plan := propose_mission.plan;
  select g.generation into generation_now from ops_tasks_generation g;
  if not exists (select from sound_plans s where s.hash = plan_hash and s.generation = generation_now) then
    select array_agg(format('%s: %s', f.at, f.message)) into faults from plan_faults(p.plan) f;
    if faults is null then
      insert into sound_plans (hash, generation) values (plan_hash, generation_now) on conflict (hash) do update set generation = excluded.generation, checked_at = now();
    end if;
  end if;
  if jsonb_typeof(coalesce(propose_mission.input, '{}')) <> 'object' then
    faults := faults || format('input: is a JSON %s, expected an object', jsonb_typeof(propose_mission.input));
  end if;
  if octet_length(propose_mission.input::text) > 262144 then
    faults := faults || format('input: has %s bytes, at most 262144 are taken', octet_length(propose_mission.input::text));
  end if;
  if length(propose_mission.title) not between 1 and 200 then
    faults := faults || format('title: has %s characters, expected 1 to 200', length(propose_mission.title));
  end if;
  if length(propose_mission.dedupe_key) not between 1 and 512 then
    faults := faults || format('dedupe_key: has %s characters, expected 1 to 512', length(propose_mission.dedupe_key));
  end if;
  if propose_mission.priority not between -32768 and 32767 then
    faults := faults || format('priority: is %s, expected -32768 to 32767 (lower runs first)', propose_mission.priority);
  end if;
  if propose_mission.cost_estimate_usd is null or propose_mission.cost_estimate_usd < 0 or propose_mission.cost_estimate_usd > 1000000 or propose_mission.cost_estimate_usd = 'NaN' then
    faults := faults || format('cost_estimate_usd: is %s, expected 0 to 1000000', coalesce(propose_mission.cost_estimate_usd::text, 'not known'));
  end if;
  if propose_mission.agent !~ '^[a-z0-9][a-z0-9_-]{0,62}$' then
    faults := faults || format('agent: is "%s", expected a name like scout', left(propose_mission.agent, 80));
  end if;
  if faults is not null then
    raise exception using errcode = 'OC007', message = format('the plan has %s fault%s; nothing was stored', cardinality(faults), case when cardinality(faults) > 1 then 's' else '' end),
      detail = array_to_string(faults, E'\n'), hint = 'mend the plan and submit it again';
  end if;
  if not trusted_session() then
    -- A limited role's steps are held to the same rule as its jobs.
    select array_agg(distinct s ->> 'task') into faults from jsonb_array_elements(p.plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task' where not task_allowed(t);
    if faults is not null then
      perform refuse('OC006', format('role %s may not queue: %s', session_user, array_to_string(faults, ', ')), 'ask the operator to submit the plan, or to add these tasks to policy sql.allow');
    end if;
  end if;

  p.source := current_source();
  p.actor := current_actor();
  p.agent := coalesce(case when trusted_session() then propose_mission.agent end, case when p.actor like 'agent:%' then substr(p.actor, 7) end);
  p.kind := p.plan ->> 'kind';
  p.title := coalesce(propose_mission.title, p.plan ->> 'title', p.kind);
  p.input := coalesce(p.plan -> 'input', '{}') || coalesce(propose_mission.input, '{}');
  p.priority := propose_mission.priority;
  p.dedupe_key := propose_mission.dedupe_key;
  p.untrusted := coalesce(propose_mission.untrusted, false);
  p.cost_estimate_usd := propose_mission.cost_estimate_usd;
  p.trace_id := current_trace();
  select case max(case t.effect when 'outside' then 3 when 'write' then 2 else 1 end) when 3 then 'outside' when 2 then 'write' else 'read' end,
         case when bool_or(t.untrusted) or p.untrusted then untrusted_risk(p.plan, p.untrusted) end,
         array_agg(distinct t.identifier)
    into p.risk, by_untrusted, kinds
    from jsonb_array_elements(p.plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task';

  -- Kill switch.
  if gate_paused(p.agent) then
    stop := row ('paused', 'work is paused: openclaw resume'::text);
  end if;

  -- One open mission or proposal a key; when it has ended, the key is free again.
  if stop.code is null and p.dedupe_key is not null then
    perform pg_advisory_xact_lock(hashtextextended('mission:' || p.dedupe_key, 0));
    select o.mission_id, case when o.mission_id is not null then format('mission m%s with this key is open', o.mission_id) else format('proposal p%s with this key waits for its answer', o.id) end into open_mission, p.reason
      from ops_mission_proposals o left join ops_missions m on m.id = o.mission_id
      where o.dedupe_key = p.dedupe_key and (o.state = 'proposed' or m.state in ('approved', 'running', 'waiting')) order by o.id limit 1;
    if found then
      insert into ops_mission_proposals (kind, title, state, priority, reason_code, reason, plan, input, source, actor, agent, risk, untrusted, cost_estimate_usd, dedupe_key, decided_by, decided_at, trace_id)
        values (p.kind, p.title, 'duplicate', p.priority, 'duplicate', p.reason, p.plan, p.input, p.source, p.actor, p.agent, p.risk, p.untrusted, p.cost_estimate_usd, p.dedupe_key, 'system', clock_now(), p.trace_id)
        returning id into p.id;
      return row (p.id, 'duplicate', open_mission, 'duplicate', p.reason, null)::gate_answer;
    end if;
  end if;

  -- What policy says of who asks for what.
  approvals := policy_value('gate.approval');
  auto := policy_value('gate.auto_approve');
  asks := case when p.source in ('cli', 'telegram', 'dashboard') then 'person' when p.source = 'cron' then 'cron' else 'machine' end;
  decision := approvals -> asks ->> p.risk;
  p.reason_code := case when asks = 'person' then 'own_submission' else 'approved_by_policy' end;
  if decision = 'ask' and jsonb_typeof(auto) = 'array' and (auto ? p.kind or (auto ?& kinds)) then
    decision := 'auto';
    p.reason_code := 'auto_approved';
  end if;
  if by_untrusted is not null and decision in ('auto', 'ask') then
    -- The stricter of the two; a malformed one is neither.
    decision := case approvals -> 'untrusted' ->> by_untrusted when 'auto' then decision when 'ask' then 'ask' when 'refuse' then 'refuse' end;
  end if;
  if stop.code is null and coalesce(decision, '') not in ('auto', 'ask') then
    stop := case when decision = 'refuse' then row ('refused_by_policy', format('policy gate.approval refuses effect %s from %s%s', p.risk, asks, case when by_untrusted is not null then ' with data from outside' else '' end))
                 else row ('policy', 'policy gate.approval is missing or malformed'::text) end;
  end if;

  if stop.code is null and decision = 'auto' then
    p.mission_id := nextval(pg_get_serial_sequence('public.ops_missions', 'id'));
    select * into stop from gate_stop(p.kind, p.agent, p.plan, p.cost_estimate_usd, p.mission_id, p.trace_id);
  end if;

  if stop.code is not null then
    insert into ops_mission_proposals (kind, title, state, priority, reason_code, reason, plan, input, source, actor, agent, risk, untrusted, cost_estimate_usd, dedupe_key, decided_by, decided_at, trace_id)
      values (p.kind, p.title, 'rejected', p.priority, stop.code, stop.reason, p.plan, p.input, p.source, p.actor, p.agent, p.risk, p.untrusted, p.cost_estimate_usd, p.dedupe_key, 'system', clock_now(), p.trace_id)
      returning id into p.id;
    perform tell_refusal(p.id, p.kind, p.title, p.agent, stop.code, stop.reason, p.trace_id, p.untrusted);
    return row (p.id, 'rejected', null, stop.code, stop.reason, null)::gate_answer;
  end if;

  if decision = 'auto' then
    p.id := nextval(pg_get_serial_sequence('public.ops_mission_proposals', 'id'));
    perform start_mission(p, p.mission_id, p.reason_code, p.actor);
    insert into ops_mission_proposals (id, kind, title, state, priority, reason_code, plan, input, source, actor, agent, risk, untrusted, cost_estimate_usd, dedupe_key, mission_id, decided_by, decided_at, trace_id) overriding system value
      values (p.id, p.kind, p.title, 'approved', p.priority, p.reason_code, p.plan, p.input, p.source, p.actor, p.agent, p.risk, p.untrusted, p.cost_estimate_usd, p.dedupe_key, p.mission_id,
              case when p.reason_code = 'own_submission' then p.actor else 'system' end, clock_now(), p.trace_id);
    perform record_act('missions new', 'm' || p.mission_id, null, jsonb_build_object('state', 'approved', 'kind', p.kind, 'steps', jsonb_array_length(p.plan -> 'steps'), 'proposal', p.id), '{}', p.trace_id);
    return row (p.id, 'approved', p.mission_id, p.reason_code, null, null)::gate_answer;
  end if;

  -- Someone is asked. What would start, at what cost, and what happens when nobody answers, is in the question.
  expires := (sound_policy('gate.proposals') ->> 'expire')::interval;
  p.reason := case when by_untrusted is not null then format('data from outside reach a step of effect %s', by_untrusted) else format('effect %s asked for by %s', p.risk, p.actor) end;
  insert into ops_mission_proposals (kind, title, state, priority, reason_code, reason, plan, input, source, actor, agent, risk, untrusted, cost_estimate_usd, dedupe_key, trace_id, expires_at)
    values (p.kind, p.title, 'proposed', p.priority, 'approval_needed', p.reason, p.plan, p.input, p.source, p.actor, p.agent, p.risk, p.untrusted, p.cost_estimate_usd, p.dedupe_key, p.trace_id,
            clock_now() + coalesce(expires, '1 day'))
    returning id into p.id;
  select string_agg(format('%s (%s, %s)', s.value ->> 'name', t.identifier, t.effect), ', ' order by s.n) into effects
    from jsonb_array_elements(p.plan -> 'steps') with ordinality s(value, n) join ops_tasks t on t.identifier = s.value ->> 'task';
  answer.approval := ask_approval('proposal', left(format('Start "%s"? %s', p.title, p.reason), 4000),
    detail => jsonb_strip_nulls(jsonb_build_object('effects', jsonb_build_object('approve', left(format('starts %s', effects), 2000), 'reject', 'nothing starts'),
                                 'cost_usd', case when p.cost_estimate_usd > 0 then trim_scale(p.cost_estimate_usd) end, 'risk', p.risk, 'untrusted', by_untrusted is not null, 'proposal', p.id)),
    expires_in => coalesce(expires, '1 day'), proposal_id => p.id, actor => p.actor, trace_id => p.trace_id);
  insert into ops_agent_events (kind, agent, trace_id, untrusted, payload, tags)
    values ('mission.proposed', p.agent, p.trace_id, p.untrusted, jsonb_build_object('proposal', p.id, 'kind', p.kind, 'title', p.title, 'risk', p.risk, 'reason', p.reason, 'approval', answer.approval), array[p.kind]);
  perform record_act('missions new', 'p' || p.id, null, jsonb_build_object('state', 'proposed', 'kind', p.kind, 'risk', p.risk, 'approval', answer.approval), '{}', p.trace_id);
  return row (p.id, 'proposed', null, 'approval_needed', p.reason, answer.approval)::gate_answer;
end $_$;

COMMENT ON FUNCTION public.propose_mission(plan jsonb, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean, agent text, cost_estimate_usd numeric) IS 'The one door to a mission: validates the plan whole, asks policy, and stores the proposal with what became of it; an approved one has its mission and job, all in the caller''s transaction. Call it in FROM: select (propose_mission(...)).* would call it once for each column.';

CREATE FUNCTION public.prune_memory(cap integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare gone integer;
begin
  delete from ops_memory m where (m.superseded_by is not null and m.updated_at < clock_now() - interval '30 days')
    or m.id in (
      select r.id from (
        select o.id, row_number() over (partition by o.agent order by o.pinned desc,
                 o.confidence * power(0.5, extract(epoch from clock_now() - coalesce(o.last_used_at, o.created_at)) / (90 * 86400)) desc, o.id desc) as place, o.pinned
        from ops_memory o where o.superseded_by is null) r
      where r.place > cap and not r.pinned);
  get diagnostics gone = row_count;
  return gone;
end $$;

CREATE FUNCTION public.put_rule(rule jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
declare
  keys constant text[] := array['name', 'description', 'enabled', 'kind', 'source', 'tags_all', 'tags_any', 'condition', 'probability', 'cooldown', 'cooldown_key', 'daily_cap', 'priority', 'scope', 'agent', 'plan', 'dedupe', 'over', 'at_least', 'absent'];
  unknown text; was ops_reaction_rules; now_is ops_reaction_rules;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not write rules', session_user), 'a rule acts with the system''s rights: ask the operator (openclaw rules add)');
  end if;
  if rule is null or jsonb_typeof(rule) <> 'object' or rule ->> 'name' is null or rule ->> 'kind' is null then
    perform refuse('OC012', 'a rule is an object with name, kind, and plan or agent', 'openclaw rules show mission_failed is an example');
  end if;
  select string_agg(k, ', ' order by k) into unknown from jsonb_object_keys(rule) k where k <> all (keys);
  if unknown is not null then
    perform refuse('OC012', format('rule %s: unknown key %s', rule ->> 'name', unknown), 'known keys are ' || array_to_string(keys, ', '));
  end if;
  select * into was from ops_reaction_rules where name = rule ->> 'name' for update;
  begin
    insert into ops_reaction_rules as r (name, description, enabled, kind_glob, source, tags_all, tags_any, condition, probability, cooldown, cooldown_key, daily_cap, priority, scope, agent, plan, dedupe_template, over, at_least, absent)
    values (rule ->> 'name', rule ->> 'description', coalesce((rule ->> 'enabled')::boolean, was.enabled, true), rule ->> 'kind', rule ->> 'source',
            array(select jsonb_array_elements_text(coalesce(rule -> 'tags_all', '[]'))), array(select jsonb_array_elements_text(coalesce(rule -> 'tags_any', '[]'))),
            (rule ->> 'condition')::jsonpath, coalesce((rule ->> 'probability')::double precision, 1), coalesce((rule ->> 'cooldown')::interval, '0'), (rule ->> 'cooldown_key')::jsonpath,
            (rule ->> 'daily_cap')::integer, coalesce((rule ->> 'priority')::smallint, 0), coalesce(rule ->> 'scope', 'all'), rule ->> 'agent', rule -> 'plan', rule ->> 'dedupe',
            (rule ->> 'over')::interval, (rule ->> 'at_least')::integer, coalesce((rule ->> 'absent')::boolean, false))
    on conflict (name) do update set description = excluded.description, enabled = excluded.enabled, kind_glob = excluded.kind_glob, source = excluded.source, tags_all = excluded.tags_all,
      tags_any = excluded.tags_any, condition = excluded.condition, probability = excluded.probability, cooldown = excluded.cooldown, cooldown_key = excluded.cooldown_key,
      daily_cap = excluded.daily_cap, priority = excluded.priority, scope = excluded.scope, agent = excluded.agent, plan = excluded.plan, dedupe_template = excluded.dedupe_template,
      over = excluded.over, at_least = excluded.at_least, absent = excluded.absent, actor = excluded.actor
    returning * into now_is;
  exception
    when syntax_error or invalid_text_representation or invalid_datetime_format or datetime_field_overflow or numeric_value_out_of_range or check_violation or not_null_violation then
      perform refuse('OC012', format('rule %s: %s', rule ->> 'name', sqlerrm), 'durations are like "10 minutes"; condition and cooldown_key are SQL/JSON paths like $.payload.kind; plan or agent, not both');
  end;
  if was.id is null or now_is.version <> was.version or now_is.enabled <> was.enabled then
    perform record_act('rules add', now_is.name, case when was.id is not null then jsonb_build_object('version', was.version, 'enabled', was.enabled) end,
      jsonb_build_object('version', now_is.version, 'enabled', now_is.enabled));
  end if;
  return now_is.id;
end $_$;

COMMENT ON FUNCTION public.put_rule(rule jsonb) IS 'Writes a rule, new or the next version of its name; every fault is refused (OC012, OC007). Returns its id.';

CREATE FUNCTION public.queue_message(recipient text, text text, options jsonb DEFAULT '{}'::jsonb, dedupe_key text DEFAULT NULL::text, severity text DEFAULT 'info'::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare chats bigint[]; roles text[]; chat bigint; key text; one bigint; first_id bigint; given jsonb := coalesce($3, '{}');
begin
  if coalesce(length($2), 0) = 0 then
    perform refuse('OC009', 'a message has no text', 'give it one');
  end if;
  if $1 ~ '^(telegram:)?-?[0-9]{1,18}$' then
    chats := array[regexp_replace($1, '^telegram:', '')::bigint];
  else
    roles := case $1 when 'owner' then array['owner'] when 'operators' then array['owner', 'operator'] when 'everyone' then array['owner', 'operator', 'viewer'] end;
    if roles is null then
      perform refuse('OC009', format('%L is no recipient', $1), 'telegram:<chat id>, owner, operators or everyone');
    end if;
    select array_agg(d.subject::bigint order by d.id) into chats from ops_devices d
      where d.kind = 'telegram' and d.revoked_at is null and d.role = any (roles) and d.subject ~ '^[0-9]{1,15}$';
  end if;
  if chats is null then
    insert into outbox (recipient, text, options, dedupe_key, severity, answers, state, error, ended_at)
      values ($1, $2, given, $4, $5, (given ->> 'answers')::bigint, 'skipped', 'nobody is paired: openclaw pair list', clock_now())
      on conflict (dedupe_key) do nothing returning id into first_id;
    return coalesce(first_id, (select o.id from outbox o where o.dedupe_key = $4));
  end if;
  foreach chat in array chats loop
    key := case when cardinality(chats) > 1 then $4 || '@' || chat else $4 end;
    insert into outbox (recipient, chat_id, text, options, dedupe_key, severity, answers)
      values ($1, chat, $2, given - 'buttons', key, $5, (given ->> 'answers')::bigint)
      on conflict (dedupe_key) do nothing returning id into one;
    if one is null then
      first_id := coalesce(first_id, (select o.id from outbox o where o.dedupe_key = key));
      continue;
    end if;
    first_id := coalesce(first_id, one);
    perform add_buttons(one, given -> 'buttons');
  end loop;
  perform pg_notify('outbox', '');
  return first_id;
end $_$;

COMMENT ON FUNCTION public.queue_message(recipient text, text text, options jsonb, dedupe_key text, severity text) IS 'Queues a message in the caller''s transaction; returns the id of its first row. The same dedupe key is the same message. Recipient: telegram:<chat id>, owner, operators, everyone. Options: html (true: the text is Telegram''s HTML), buttons ([[{label, action, args, for_user, expires_in}]]), answers (an approval''s id, which a reply to the message answers), silent, alert (true: a muted chat is spared it unless it is critical).';

CREATE FUNCTION public.queue_reactions() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare chunk record; new_id bigint; queued integer := 0; wanted text[];
begin
  select array_agg(k.kind) into wanted from (select distinct kind from inserted) k
    where exists (select from ops_reaction_rules r where r.enabled and r.over is null and r.kind_start = any (array(select left(k.kind, n) from generate_series(0, length(k.kind)) n)) and k.kind like r.kind_like);
  if wanted is null then
    return null;
  end if;
  for chunk in
    select array_agg(w.id order by w.id) as ids, min(w.trace_id::text)::uuid as trace_id
    from (select e.id, e.trace_id, (row_number() over (order by e.id) - 1) / 500 as part
          from inserted e where e.kind = any (wanted)) w
    group by w.part
  loop
    perform set_config('openclaw.enqueued', 'on', true);
    insert into graphile_worker._private_jobs (task_id, payload, max_attempts)
      select t.id, json_build_object('events', chunk.ids), 25 from graphile_worker._private_tasks t where t.identifier = 'react'
      returning id into new_id;
    insert into job_requests (id, task, source, actor, trace_id) values (new_id, 'react', 'rule', 'system', coalesce(chunk.trace_id, gen_random_uuid()));
    perform set_config('openclaw.enqueued', 'off', true);
    queued := queued + 1;
  end loop;
  if queued > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), queued));
  end if;
  return null;
end $$;

COMMENT ON FUNCTION public.queue_reactions() IS 'One `react` job for the events of a statement, in its own transaction: a rollback takes it back.';

CREATE FUNCTION public.queue_requests() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare bad record; queued integer; denied text[];
begin
  if not trusted_session() then
    denied := array(select o.identifier from ops_tasks o where o.identifier in (select a.task from asked a) and not task_allowed(o));
  end if;
  select a.task, coalesce(a.payload, '{}') as payload, a.job_key, a.run_at into bad
    from asked a left join ops_tasks t on t.identifier = a.task and t.retired_at is null
    where t.identifier is null
      or (coalesce(a.payload, '{}') @@ t.payload_predicate) is not true
      -- What a table keeps compressed is up to 255 times as long as its column.
      or pg_column_size(a.payload) > 250 and octet_length(a.payload::text) > 65536
      or a.job_key is not null
      or not (a.run_at between '1970-01-01' and '2200-01-01')
      or a.task = any (denied)
    limit 1;
  if found then
    if bad.job_key is not null then
      perform refuse('OC009', 'job_key cannot be given in an insert into task_queue, because the keyed job may exist already',
        'use add_job(identifier, payload, job_key => ...)');
    end if;
    if not (bad.run_at between '1970-01-01' and '2200-01-01') then
      perform refuse('OC009', format('run_at is %s, expected a time from 1970 to 2200', bad.run_at), 'leave it out for now');
    end if;
    perform raise_for_request(bad.task, bad.payload);
  end if;
  insert into graphile_worker._private_jobs (id, task_id, payload, run_at, max_attempts, priority)
    overriding system value
    select a.id, g.id, coalesce(a.payload, '{}')::json, coalesce(a.run_at, now()), coalesce(a.max_attempts, t.max_attempts), coalesce(a.priority, 0)
    from asked a
    join ops_tasks t on t.identifier = a.task
    join graphile_worker._private_tasks g on g.identifier = a.task
    -- What is due later, or has a key that only a worker knows, comes to its limit when it is fetched.
    where not t.limited or a.run_at > now() or t.limits ->> 'key' = 'function';
  get diagnostics queued = row_count;
  if queued < (select count(*) from asked) then
    insert into limit_waits (holder, task, key, priority, payload, max_attempts)
      select 'j' || a.id, a.task, limit_key(t.limits, coalesce(a.payload, '{}')), coalesce(a.priority, 0), coalesce(a.payload, '{}')::json, coalesce(a.max_attempts, t.max_attempts)
      from asked a join ops_tasks t on t.identifier = a.task
      where t.limited and (a.run_at > now()) is not true and t.limits ->> 'key' is distinct from 'function';
    -- Let in when this has committed, by a worker: a transaction that stays open holds up nobody.
    insert into limit_pokes (task, key) select distinct task, key from limit_waits where holder in (select 'j' || id from asked);
    perform pg_notify('limit:poke', '');
  end if;
  if queued > 0 then
    -- `r` keeps equal notifications of one transaction apart: each nudges as many workers as it has jobs.
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), queued));
  end if;
  return null;
end $$;

CREATE FUNCTION public.queue_run(schedule text, planned_for timestamp with time zone, job jsonb, made_up boolean) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.queue_run(schedule text, planned_for timestamp with time zone, job jsonb, made_up boolean) IS 'Queues the job of one planned run and writes its row.';

CREATE FUNCTION public.raise_alert(severity text, fingerprint text, title text, body text DEFAULT ''::text, runbook text DEFAULT NULL::text, kind text DEFAULT 'problem'::text, hold boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare limits jsonb := coalesce(sound_policy('alerts.limits'), '{}'); why text; outcome text := 'sent'; raised bigint; message bigint; at timestamptz := clock_now(); told boolean;
begin
  if alert_rank(severity) is null then
    perform refuse('OC009', format('severity is "%s", expected info, warning, error or critical', severity), 'pass one of those');
  end if;
  -- Alerts are few: one lock for all, so that of many at once the limits let exactly so many through.
  perform pg_advisory_xact_lock(hashtext('openclaw:alerts'));
  if exists (select from ops_alert_mutes m where m.until > at
             and (m.pattern = raise_alert.fingerprint or (raise_alert.severity <> 'critical' and raise_alert.fingerprint like replace(replace(replace(m.pattern, '\', '\\'), '_', '\_'), '*', '%')))) then
    outcome := 'muted'; why := 'mute';
  elsif hold then
    outcome := 'held'; why := 'flapping';
  elsif kind = 'resolved' then
    -- An all-clear for what nobody heard of would only raise questions.
    told := exists (
      select from ops_alerts a where a.fingerprint = raise_alert.fingerprint and a.kind in ('problem', 'reminder') and a.state in ('sent', 'direct')
        and a.id > coalesce((select max(c.id) from ops_alerts c where c.fingerprint = raise_alert.fingerprint and c.kind = 'resolved'), 0));
    if not told then
      outcome := 'held'; why := 'problem never sent';
    end if;
  elsif kind <> 'test' and exists (
      select from ops_alerts a where a.fingerprint = raise_alert.fingerprint and a.kind = raise_alert.kind and a.state in ('sent', 'direct')
        and a.created_at > at - coalesce(limits ->> 'per_fingerprint', '15 minutes')::interval) then
    outcome := 'held'; why := 'repeated';
  end if;
  if outcome = 'sent' and kind not in ('test', 'resolved') and in_quiet_hours(severity) then
    outcome := 'held'; why := 'quiet hours';
  end if;
  if outcome = 'sent' and (select count(*) from ops_alerts a where a.state = 'sent' and a.kind <> 'digest' and a.created_at > at - interval '1 hour')
                          >= coalesce((limits ->> 'bucket')::integer, 20) then
    outcome := 'held'; why := 'bucket';
  end if;
  raised := nextval(pg_get_serial_sequence('ops_alerts', 'id'));
  if outcome = 'sent' then
    message := queue_message('owner', alert_text(severity, kind, title, body, runbook), '{"alert": true}', 'alert:' || raised, severity);
  end if;
  insert into ops_alerts (id, severity, kind, fingerprint, title, body, runbook, state, reason, message_id, created_at)
    overriding system value
    values (raised, severity, kind, fingerprint, left(title, 500), left(body, 8000), runbook, outcome, why, message, at);
  return raised;
end $$;

COMMENT ON FUNCTION public.raise_alert(severity text, fingerprint text, title text, body text, runbook text, kind text, hold boolean) IS 'Raises an alert in the caller''s transaction: sent through the outbox, or held for the digest (repeated within a quarter of an hour, quiet hours, more than 20 an hour), or muted. Returns its id.';

CREATE FUNCTION public.raise_append_only() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if tg_op = 'DELETE' and current_setting('openclaw.retention', true) = 'on' then
    return null;
  end if;
  raise exception using errcode = 'OC010', message = format('%s on %I is refused: the table is append-only', lower(tg_op), tg_table_name),
    hint = 'append a new row; old rows leave by retention only (policy retention.*)';
end $$;

CREATE FUNCTION public.raise_for_request(wanted text, payload jsonb) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare task ops_tasks; fault record; near text;
begin
  select * into task from ops_tasks where identifier = wanted;
  if not found or task.retired_at is not null then
    select identifier into near from ops_tasks
      where retired_at is null and (identifier like '%' || left(wanted, 4) || '%' or left(identifier, 3) = left(wanted, 3))
      order by abs(length(identifier) - length(wanted)) limit 1;
    perform refuse('OC001', format('unknown task "%s"%s', wanted, case when task.retired_at is not null then ' (its file is gone)' else '' end),
      coalesce('did you mean "' || near || '"? ', '') || 'known tasks: select identifier, title from ops_tasks');
  end if;
  if octet_length(payload::text) > 65536 then
    perform refuse('OC003', format('payload of task %s has %s bytes, at most 65536 are taken', wanted, octet_length(payload::text)),
      'store the data in a table or a file and pass its id');
  end if;
  select * into fault from payload_fault(task, payload);
  if fault.code is not null then
    perform refuse(fault.code, fault.message, fault.remedy);
  end if;
  if not task_allowed(task) then
    perform refuse('OC006', format('task "%s" has effect %s, which role %s may not queue', wanted, task.effect, session_user),
      'ask the operator to add it to policy sql.allow');
  end if;
  perform refuse('OC005', format('payload of task %s does not match its schema', wanted), format('select payload_schema from ops_tasks where identifier = %L', wanted));
end $$;

CREATE FUNCTION public.raise_no_delete() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if tg_op = 'DELETE' and current_setting('openclaw.retention', true) = 'on' then return null; end if;
  raise exception using errcode = 'OC010', message = format('%s on %I is refused: history is kept', lower(tg_op), tg_table_name),
    hint = 'cancel_mission(id) ends a mission; old ones leave by retention';
end $$;

CREATE FUNCTION public.raise_rule_kept() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  raise exception using errcode = 'OC010', message = 'a rule is not deleted: its decisions refer to it', hint = 'openclaw rules disable <rule>';
end $$;

CREATE FUNCTION public.raise_task_queue_readonly() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  raise exception using errcode = 'OC009', message = format('%s on task_queue is refused: it is a view of what happened', lower(tg_op)),
    hint = 'cancel_job(id) stops a job, retry_job(id) runs a failed one again';
end $$;

CREATE FUNCTION public.raise_unless_mine(owner_actor text, what text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not trusted_session() and owner_actor is distinct from current_actor() then
    perform refuse('OC006', format('%s was asked for by %s; role %s may only change its own', what, coalesce(owner_actor, 'somebody else'), session_user), 'ask the operator');
  end if;
end $$;

CREATE FUNCTION public.rate_message(message bigint, rating integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare o outbox; m ops_missions; by_agent text;
begin
  select * into o from outbox where id = (select coalesce(p.edits, p.part_of, p.id) from outbox p where p.id = rate_message.message);
  if not found then
    perform refuse('OC011', format('there is no message %s in the outbox', rate_message.message), 'a thumb belongs to a message that was sent');
  end if;
  select * into m from ops_missions where trace_id = o.trace_id and created_at between o.created_at - interval '7 days' and o.created_at order by id limit 1;
  by_agent := case when o.actor like 'agent:%' then substr(o.actor, 7) else m.agent end;
  return record_rating(case when m.id is not null then 'rated:' || m.kind else 'rated:message' end, rate_message.rating, m.id, by_agent, o.trace_id, 'messages rate', 'message ' || o.id);
end $$;

COMMENT ON FUNCTION public.rate_message(message bigint, rating integer) IS 'A person''s thumb for a message that was sent (its row of the outbox), 1 or -1: an outcome of the mission that it belongs to by its trace, else of its agent. Null where this person has said so before.';

CREATE FUNCTION public.rate_mission(mission bigint, rating integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions;
begin
  select * into m from ops_missions where id = rate_mission.mission;
  if not found then
    perform refuse('OC011', format('there is no mission m%s', rate_mission.mission), 'openclaw missions list');
  end if;
  return record_rating('rated:' || m.kind, rate_mission.rating, m.id, m.agent, m.trace_id, 'missions rate', 'm' || m.id);
end $$;

COMMENT ON FUNCTION public.rate_mission(mission bigint, rating integer) IS 'A person''s thumb for a mission, 1 or -1. Returns the outcome''s id, null where this person has said so before.';

CREATE FUNCTION public.react(event_ids bigint[]) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare matched_events bigint[]; matched_rules bigint[];
begin
  select array_agg(e.id), array_agg(w.rule_id) into matched_events, matched_rules
  from ops_agent_events e
  join (select k.kind, r.id as rule_id, r as rule
        from (select distinct kind from ops_agent_events where id = any (event_ids)) k
        join ops_reaction_rules r on r.enabled and r.over is null and r.kind_start = any (kind_starts(k.kind)) and k.kind like r.kind_like) w on w.kind = e.kind
  left join ops_missions m on m.id = e.mission_id
  where e.id = any (event_ids)
    and rule_mismatch(w.rule, e.kind, e.source, e.tags, e.untrusted, e.cause_event_id is not null or m.cause_event_id is not null, event_document(e)) is null;
  return decide_reactions(coalesce(matched_events, '{}'), coalesce(matched_rules, '{}'));
end $$;

COMMENT ON FUNCTION public.react(event_ids bigint[]) IS 'Decides the events against all rules, once; again it changes nothing. Returns how many decisions of each kind.';

CREATE FUNCTION public.reaction_roll(event bigint, rule bigint) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    AS $$ select ('x' || substr(md5(event || ':' || rule), 1, 13))::bit(52)::bigint / 4503599627370496.0::double precision $$;

CREATE FUNCTION public.readable_json(value json) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (value IS NULL) THEN NULL::jsonb WHEN ((octet_length((value)::text) > 8192) OR ((value)::text ~ '\\u(0000|[dD][89a-fA-F])|[0-9][eE][-+]?[0-9]{3}'::text)) THEN public.json_to_jsonb_lossy(value) ELSE (value)::jsonb END;

COMMENT ON FUNCTION public.readable_json(value json) IS 'jsonb of any json, for views: what jsonb cannot hold is dropped instead of raising.';

CREATE FUNCTION public.reads_any(payload jsonb, names text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
  select payload is not null and exists (
    select from payload_paths(payload) p
    where case when p.path ~ '^\s*(strict|lax)?\s*\$\.(input|mission)\y' and p.path !~ '\$\.?"?steps' then false
               when exists (select from regexp_matches(p.path, '\$\.steps\."?([A-Za-z0-9_]+)"?', 'g'))
                 then exists (select from regexp_matches(p.path, '\$\.steps\."?([A-Za-z0-9_]+)"?', 'g') m where m[1] = any (names))
               else true end)
$_$;

CREATE FUNCTION public.reconcile_limits() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare freed integer;
begin
  with gone as (
    delete from limit_slots l where l.since < clock_now() - interval '10 seconds' and case left(l.holder, 1)
      when 'j' then not exists (select from graphile_worker._private_jobs j where j.id = substr(l.holder, 2)::bigint)
      else not exists (select from ops_mission_steps s where s.id = substr(l.holder, 2)::bigint and s.finished_at is null) end
    returning task)
  select count(*) into freed from gone;
  insert into limit_pokes (task) select distinct task from limit_waits;
  return freed;
end $$;

COMMENT ON FUNCTION public.reconcile_limits() IS 'Frees the places of what is no more; returns how many.';

CREATE FUNCTION public.reconcile_missions(at_most integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare lost bigint; mended integer := 0;
begin
  for lost in select m.id from ops_missions m
              where m.state in ('approved', 'running') and not m.paused and not is_paused('mission', m.agent, m.id)
                and not exists (select from graphile_worker._private_jobs j where j.id = m.job_id)
              order by m.id limit at_most for no key update skip locked loop
    perform ensure_job(lost);
    mended := mended + 1;
  end loop;
  return mended;
end $$;

CREATE FUNCTION public.record_act(verb text, target text, before jsonb, after jsonb, payload jsonb DEFAULT '{}'::jsonb, trace_id uuid DEFAULT NULL::uuid) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare act bigint;
begin
  insert into agent_events (kind, verb, target, before, after, payload, trace_id)
    values ('act', record_act.verb, record_act.target, record_act.before, record_act.after, record_act.payload, record_act.trace_id) returning id into act;
  return act;
end $$;

CREATE FUNCTION public.record_call(call jsonb) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  insert into ops_outcome_rows (mission_id, job, agent, task, provider, model, success, state, duration_ms, input_bytes, prompt_tokens, completion_tokens, cost_usd, error_class, error_fingerprint, trace_id)
    select c.mission_id, c.job, c.agent, c.task, c.provider, c.model, c.fault is null, case when c.fault is null then 'succeeded' else 'failed' end, c.duration_ms, c.input_bytes,
           c.prompt_tokens, c.completion_tokens, coalesce(c.cost_usd, 0), c.fault, case when c.fault is not null then md5(concat_ws(' ', c.provider, c.model, c.fault)) end, c.trace_id
    from jsonb_to_record(call) c(mission_id bigint, job bigint, agent text, task text, provider text, model text, fault text, duration_ms double precision, input_bytes bigint,
           prompt_tokens integer, completion_tokens integer, cost_usd numeric, trace_id uuid)
    returning id
$$;

COMMENT ON FUNCTION public.record_call(call jsonb) IS 'The outcome of one call to a model or a search service (task model_call, search_call), failed ones too.';

CREATE FUNCTION public.record_drill(backup bigint, ok boolean, took_ms double precision, rows_restored bigint, problems text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare drill bigint; made ops_backups;
begin
  select * into made from ops_backups b where b.id = backup;
  insert into ops_backup_drills (backup_id, passed, duration_ms, row_count, faults) values (backup, ok, took_ms, rows_restored, problems) returning id into drill;
  insert into ops_agent_events (kind, severity, payload, tags)
    values (case when ok then 'backup.drill_passed' else 'backup.drill_failed' end, case when ok then 'info' else 'error' end,
            jsonb_build_object('backup', made.id, 'name', made.name, 'duration_ms', took_ms, 'rows', rows_restored, 'faults', problems[1:20]), array['backup', 'drill']);
  if not ok then
    perform raise_alert('error', 'backup.drill', format('The backup %s could not be restored', made.name), coalesce(problems[1], ''), 'backup-stale');
  end if;
  return drill;
end $$;

COMMENT ON FUNCTION public.record_drill(backup bigint, ok boolean, took_ms double precision, rows_restored bigint, problems text[]) IS 'Records a restore drill, with an event.';

CREATE FUNCTION public.record_rating(of_task text, rating integer, mission bigint, agent text, trace_id uuid, verb text, target text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare new_id bigint; before smallint;
begin
  if rating is null or rating not in (-1, 1) then
    perform refuse('OC009', format('the rating is %s', rating), '1 (good) or -1 (not)');
  end if;
  -- Two thumbs of one person at once take turns.
  perform pg_advisory_xact_lock(hashtextextended('rating:' || target, 0));
  select (e.after ->> 'rating')::smallint into before from agent_events e where e.target = record_rating.target and e.verb = record_rating.verb and e.actor = current_actor() order by e.id desc limit 1;
  if before = rating then
    return null;
  end if;
  insert into ops_outcome_rows (mission_id, agent, task, success, state, rating, error_class, trace_id)
    values (mission, record_rating.agent, of_task, rating > 0, 'rated', rating, case when rating < 0 then 'disliked' end, record_rating.trace_id) returning id into new_id;
  perform record_act(verb, target, case when before is not null then jsonb_build_object('rating', before) end, jsonb_build_object('rating', rating), '{}', record_rating.trace_id);
  return new_id;
end $$;

CREATE FUNCTION public.record_removed_jobs() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, worker, error_class, last_error)
    select o.id, coalesce(t.identifier, '?'), o.payload,
           -- A stock worker deletes what it holds only when it has succeeded; an unheld job was removed by somebody.
           case when o.locked_by is not null then 'succeeded' else 'cancelled' end,
           o.priority, o.run_at, o.attempts, o.max_attempts, o.key, o.created_at, o.locked_at, o.locked_by,
           case when o.locked_by is null then 'removed' end, o.last_error
    from gone o left join graphile_worker._private_tasks t on t.id = o.task_id
    on conflict (job_id) do nothing;
  if exists (select from limit_slots) or exists (select from limit_waits where parked) then
    perform free_places(array(select id from gone), false);
  end if;
  return null;
exception when others then
  raise warning 'openclaw: removed jobs were not recorded: %', sqlerrm;
  return null;
end $$;

CREATE FUNCTION public.refuse(code text, message text, remedy text, detail text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if detail is null then
    raise exception using errcode = code, message = message, hint = remedy;
  end if;
  raise exception using errcode = code, message = message, hint = remedy, detail = detail;
end $$;

CREATE FUNCTION public.register_schedules(schedules jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  insert into ops_schedules as s (id, task, line, file, missed, made_up_for)
    select e ->> 'id', e ->> 'task', e ->> 'line', e ->> 'file', e ->> 'missed', make_interval(secs => (e ->> 'made_up_for_ms')::double precision / 1000)
    from jsonb_array_elements(schedules) e order by 1
  on conflict (id) do update set task = excluded.task, line = excluded.line, file = excluded.file, missed = excluded.missed, made_up_for = excluded.made_up_for, seen_at = clock_now(),
    -- With other times it is another plan: runs of the old one were not missed.
    settled_until = case when substring(s.line from '^(\S+\s+){5}') is distinct from substring(excluded.line from '^(\S+\s+){5}') then clock_now() else s.settled_until end
$$;

COMMENT ON FUNCTION public.register_schedules(schedules jsonb) IS 'A worker has read these lines: [{id, task, line, file, missed, made_up_for_ms}].';

CREATE FUNCTION public.reject(id bigint, reason text DEFAULT NULL::text) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ select answer_approval(id, 'reject', reason) $$;

COMMENT ON FUNCTION public.reject(id bigint, reason text) IS 'Answers approval id with reject.';

CREATE FUNCTION public.reject_pairing(code text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare rejected bigint;
begin
  update ops_pairings p set decided_at = clock_now(), decided_by = current_actor(), outcome = 'rejected'
    where p.id = (select w.id from ops_pairings w where w.decided_at is null and w.expires_at > clock_now()
                    and (w.code_hash = pairing_hash(w.salt, $1) or w.id::text = $1) order by w.id limit 1 for no key update)
    returning p.id into rejected;
  if rejected is null then
    perform refuse('OC011', 'no pairing that waits has this code or number', 'openclaw pair list');
  end if;
  perform record_act('pair reject', 'pairing ' || rejected, null, '{"outcome": "rejected"}');
  return rejected;
end $_$;

CREATE FUNCTION public.release_after_breaker() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform release_holds('{breaker}');
  return null;
end $$;

CREATE FUNCTION public.release_after_policy() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform release_holds(case when new.key = 'quota.tasks' then '{quota,policy}'::text[] when new.key like 'budget.%' then '{budget,calls,policy}' else '{breaker,policy}' end);
  return null;
end $$;

CREATE FUNCTION public.release_holds(reasons text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare released integer;
begin
  with held as (
    delete from job_holds h where h.reason_code = any (reasons) returning h.job_id),
  due as (
    select j.id from graphile_worker._private_jobs j where j.id in (select job_id from held) and j.locked_by is null and j.run_at > now() order by j.id for no key update)
  update graphile_worker._private_jobs j set run_at = now() from due where j.id = due.id;
  get diagnostics released = row_count;
  update ops_mission_steps s set wake_at = clock_now()
    where s.state = 'queued' and s.wake_at > clock_now() and s.mission_id in (select m.id from ops_missions m where m.state = 'waiting' and m.job_id is null and m.wait_reason = any (reasons));
  update ops_missions m set wake_at = clock_now() where m.state = 'waiting' and m.job_id is null and m.wait_reason = any (reasons) and m.wake_at > clock_now();
  if released > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), released));
  end if;
  return released;
end $$;

COMMENT ON FUNCTION public.release_holds(reasons text[]) IS 'Jobs and missions that wait for a quota, budget or breaker are looked at again now.';

CREATE FUNCTION public.release_pool(dead_pool text, cause text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was workers; released integer; poisoned integer; mission_task integer := (select id from graphile_worker._private_tasks where identifier = 'mission');
begin
  update workers set state = 'dead', ended_at = clock_now(), end_reason = cause where pool_id = dead_pool and state = 'live' returning * into was;
  if not found then
    return 0;
  end if;
  -- With a suspect among them, the death is the suspect's; else each that ran is one from now on.
  with held as (
    select j.id, c.suspect_of is not distinct from dead_pool and c.job_id is not null as suspect
    from graphile_worker._private_jobs j left join job_crashes c on c.job_id = j.id
    where j.locked_by = dead_pool and j.task_id is distinct from mission_task and (not was.local_queue or j.id = any (was.running))),
  counted as (
    insert into job_crashes as c (job_id, crashes, last_cause)
    select id, 1, cause from held where suspect or not exists (select from held where suspect)
    on conflict (job_id) do update set crashes = c.crashes + 1, last_cause = excluded.last_cause, suspect_of = null
    returning job_id, crashes)
  insert into ops_agent_events (kind, severity, job, trace_id, mission_id, payload, tags)
    select 'job.crashed', 'warning', c.job_id, r.trace_id, r.mission_id,
           jsonb_build_object('cause', cause, 'crashes', c.crashes, 'host', was.host, 'pid', was.pid, 'pool_id', dead_pool), array[was.pool]
    from counted c left join job_requests r on r.id = c.job_id;
  with gone as (
    delete from graphile_worker._private_jobs j using job_crashes c
    where j.locked_by = dead_pool and c.job_id = j.id and c.crashes >= 3 returning j.*),
  ended as (
    insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, worker, error_class, last_error)
      select g.id, t.identifier, g.payload, 'failed', g.priority, g.run_at, g.attempts, g.max_attempts, g.key, g.created_at, g.locked_at, dead_pool, 'poison',
             format('its worker died while it ran, for the third time: %s', cause)
      from gone g join graphile_worker._private_tasks t on t.id = g.task_id
      returning job_id, task, last_error, attempts)
  insert into ops_agent_events (kind, severity, job, payload, tags)
    select 'job.failed', 'error', job_id, jsonb_build_object('task', task, 'error_class', 'poison', 'error', last_error, 'attempts', attempts), array[task] from ended;
  get diagnostics poisoned = row_count;
  update graphile_worker._private_jobs j set
      locked_by = null, locked_at = null, run_at = greatest(j.run_at, now()), attempts = greatest(j.attempts - 1, 0),
      last_error = case when exists (select from job_crashes c where c.job_id = j.id) then format('worker died: %s', cause) else j.last_error end
    where j.locked_by = dead_pool;
  get diagnostics released = row_count;
  update graphile_worker._private_job_queues set locked_by = null, locked_at = null where locked_by = dead_pool;
  insert into ops_agent_events (kind, severity, payload, tags)
    values ('worker.died', 'error', jsonb_build_object('pool_id', dead_pool, 'name', was.name, 'host', was.host, 'pid', was.pid, 'cause', cause, 'released', released, 'poison', poisoned), array[was.pool]);
  if released > 0 then
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), released));
  end if;
  return released + poisoned;
end $$;

COMMENT ON FUNCTION public.release_pool(dead_pool text, cause text) IS 'Marks a pool dead and gives its jobs back, once; returns how many.';

CREATE FUNCTION public.release_spend(reservation bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not spend', session_user), 'queue a task that does');
  end if;
  return cardinality(end_spend(array[reservation], 'released', null)) > 0;
end $$;

COMMENT ON FUNCTION public.release_spend(reservation bigint) IS 'Gives a reservation back: the call was not made, or failed and costs nothing.';

CREATE FUNCTION public.release_strays() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare gone text[] := array(select pool_id from workers where state <> 'live' and ended_at > clock_now() - interval '2 minutes'); given integer;
begin
  if gone = '{}' then
    return 0;
  end if;
  update graphile_worker._private_jobs j set locked_by = null, locked_at = null, attempts = greatest(j.attempts - 1, 0) where j.locked_by = any (gone);
  get diagnostics given = row_count;
  if given > 0 then
    update graphile_worker._private_job_queues set locked_by = null, locked_at = null where locked_by = any (gone);
    perform pg_notify('jobs:insert', format('{"r":%s,"count":%s}', random(), given));
  end if;
  return given;
end $$;

COMMENT ON FUNCTION public.release_strays() IS 'Gives back what a pool fetched after it had been declared dead or had retired; returns how many.';

CREATE FUNCTION public.remember(kind text, text text, agent text DEFAULT NULL::text, tags text[] DEFAULT '{}'::text[], confidence double precision DEFAULT 0.5, provenance jsonb DEFAULT '{}'::jsonb, untrusted boolean DEFAULT false, supersedes bigint DEFAULT NULL::bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_variable
declare m ops_memory; by_person boolean := current_actor() !~ '^(agent|rule):|^(system|cron)$';
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not write memory', session_user), 'what agents believe is the operator''s: openclaw memory add');
  end if;
  if kind is null or kind not in ('insight', 'pattern', 'strategy', 'preference', 'lesson') then
    perform refuse('OC009', format('there is no kind of memory "%s"', kind), 'insight, pattern, strategy, preference or lesson');
  end if;
  if coalesce(length(btrim(text)), 0) not between 1 and 8000 then
    perform refuse('OC009', format('the text has %s characters, expected 1 to 8000', coalesce(length(btrim(text)), 0)), 'one thought a row; long notes belong into the workspace');
  end if;
  if confidence not between 0 and 1 then
    perform refuse('OC009', format('confidence is %s, expected 0 to 1', confidence), '0.5 is a guess, 0.9 is well shown');
  end if;
  insert into ops_memory as o (kind, text, agent, tags, confidence, provenance, untrusted, pinned)
    values (kind, btrim(text), agent, coalesce(tags, '{}'), confidence, coalesce(provenance, '{}'), untrusted, by_person)
    on conflict (content_hash) where superseded_by is null do update set
      confidence = least(0.99, greatest(o.confidence, 1 - (1 - o.confidence) * (1 - excluded.confidence))), updated_at = clock_now(),
      tags = array(select distinct unnest(o.tags || excluded.tags) order by 1), pinned = o.pinned or excluded.pinned, untrusted = o.untrusted and excluded.untrusted
    returning * into m;
  if supersedes is not null and supersedes <> m.id then
    update ops_memory set superseded_by = m.id, updated_at = clock_now() where id = supersedes and superseded_by is null;
    if not found then
      perform refuse('OC011', format('there is no memory %s to supersede', supersedes), 'openclaw memory list');
    end if;
  end if;
  perform record_act('memory add', 'memory ' || m.id, null, jsonb_build_object('kind', m.kind, 'confidence', m.confidence), jsonb_strip_nulls(jsonb_build_object('supersedes', supersedes)));
  return m.id;
end $_$;

COMMENT ON FUNCTION public.remember(kind text, text text, agent text, tags text[], confidence double precision, provenance jsonb, untrusted boolean, supersedes bigint) IS 'Writes a memory, or makes the same one surer. Returns its id.';

CREATE FUNCTION public.remove_interest(interest bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was ops_interests;
begin
  delete from ops_interests where id = interest returning * into was;
  if not found then
    perform refuse('OC011', format('there is no interest i%s', interest), 'openclaw interests list');
  end if;
  perform record_act('interests remove', 'i' || interest, jsonb_build_object('query', was.query, 'cadence', was.cadence), null);
  return was.query;
end $$;

CREATE FUNCTION public.renew_leases(pools jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare renewed text[]; judges boolean;
begin
  with beats as (
    select * from jsonb_to_recordset(pools) b(pool_id text, running bigint[], rss_bytes bigint, loop_lag_ms real)),
  kept as (
    update workers w set running = b.running, rss_bytes = b.rss_bytes, loop_lag_ms = b.loop_lag_ms, seen_at = clock_now(),
      -- A gap, or a clock that went back.
      streak_since = case when w.seen_at between clock_now() - interval '5 seconds' and clock_now() then w.streak_since else clock_now() end
    from beats b where w.pool_id = b.pool_id and w.state = 'live'
    returning w.pool_id, w.streak_since)
  select coalesce(array_agg(pool_id), '{}'), coalesce(bool_and(streak_since <= clock_now() - interval '15 seconds'), false) into renewed, judges from kept;
  return jsonb_build_object(
    'renewed', to_jsonb(renewed),
    'controls', (select coalesce(jsonb_agg(jsonb_build_object('scope', c.scope, 'target', c.target, 'hard', c.hard)), '[]') from ops_controls c),
    'silent', case when judges then (select coalesce(jsonb_agg(w.pool_id), '[]') from workers w where w.state = 'live' and w.seen_at < clock_now() - interval '12 seconds') else '[]' end);
end $$;

COMMENT ON FUNCTION public.renew_leases(pools jsonb) IS 'Renews the leases of one process and answers with what it must know: which it still holds, what is paused, which pools are silent.';

CREATE FUNCTION public.repeated_request(wanted text, key text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare earlier job_requests;
begin
  select * into earlier from job_requests where idempotency_key = key;
  if not found then
    perform refuse('OC009', format('idempotency_key "%s" is being used by another transaction', key), 'try again');
  end if;
  if earlier.task <> wanted then
    perform refuse('OC009', format('idempotency_key "%s" belongs to job j%s of task %s', key, earlier.id, earlier.task), 'use another key');
  end if;
  return earlier.id;
end $$;

CREATE FUNCTION public.request_pairing(kind text, subject text, name text, code text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare waiting ops_pairings; fresh text := gen_random_uuid()::text;
begin
  -- Two strangers at once must not both be the third.
  lock table ops_pairings in share row exclusive mode;
  select * into waiting from ops_pairings p where p.kind = $1 and p.subject = $2 and p.created_at > clock_now() - interval '1 hour' order by p.id desc limit 1;
  if found then
    -- Its code was made and never sent: the next message gets a new one.
    update ops_pairings p set salt = fresh, code_hash = pairing_hash(fresh, $4) where p.id = waiting.id and p.told_at is null and p.decided_at is null;
    return found;
  end if;
  if (select count(*) from ops_pairings p where p.kind = $1 and p.decided_at is null and p.expires_at > clock_now()) >= 3 then
    return false;
  end if;
  insert into ops_pairings (kind, subject, name, salt, code_hash, expires_at)
    values ($1, $2, left(regexp_replace($3, '[[:cntrl:]]', ' ', 'g'), 100), fresh, pairing_hash(fresh, $4), clock_now() + interval '1 hour');
  return true;
end $_$;

CREATE FUNCTION public.reserve_spend(provider text, model text DEFAULT NULL::text, amount_usd numeric DEFAULT NULL::numeric, agent text DEFAULT NULL::text, mission_id bigint DEFAULT NULL::bigint, step_id bigint DEFAULT NULL::bigint, job bigint DEFAULT NULL::bigint, task text DEFAULT NULL::text, holder text DEFAULT NULL::text, keep interval DEFAULT '00:15:00'::interval, trace_id uuid DEFAULT NULL::uuid, kind text DEFAULT 'call'::text) RETURNS public.spend_answer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
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
end $_$;

COMMENT ON FUNCTION public.reserve_spend(provider text, model text, amount_usd numeric, agent text, mission_id bigint, step_id bigint, job bigint, task text, holder text, keep interval, trace_id uuid, kind text) IS 'Reserves the most that a call can cost against every limit that it has, or says why not and when to ask again. Never raises for a full budget, so that the refusal is kept.';

CREATE FUNCTION public.reset_breaker(breaker text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was ops_breakers;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not reset a breaker', session_user), 'ask the operator');
  end if;
  select * into was from ops_breakers where name = breaker for update;
  if not found then
    perform refuse('OC011', format('there is no breaker "%s"', breaker), 'openclaw breakers list');
  end if;
  update ops_breakers set state = 'closed', failures = 0, opens = 0, opened_at = null, open_until = null, probe = null, probe_until = null, reason = null, last_error = null,
    actor = current_actor(), updated_at = clock_now() where name = breaker;
  perform record_act('breakers reset', breaker, jsonb_build_object('state', was.state, 'failures', was.failures), '{"state": "closed"}');
  return was.state;
end $$;

COMMENT ON FUNCTION public.reset_breaker(breaker text) IS 'Closes a breaker and forgets its failures; returns the state that it had.';

CREATE FUNCTION public.reset_model(wanted_provider text, wanted_model text DEFAULT NULL::text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.reset_model(wanted_provider text, wanted_model text) IS 'Ends the pauses of a provider (or of one of its models) at once; returns how many.';

CREATE FUNCTION public.resolve_incident(kind text, subject text, resolution text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
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
end $_$;

COMMENT ON FUNCTION public.resolve_incident(kind text, subject text, resolution text) IS 'Ends the open incident of a kind and subject, with the length of the outage; null where there is none.';

CREATE FUNCTION public.resolve_paths(payload jsonb, document jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
declare found jsonb; result jsonb; entry record;
begin
  if jsonb_typeof(payload) = 'object' then
    if payload ? '$path' then
      found := jsonb_path_query_first(document, (payload ->> '$path')::jsonpath);
      if found is null and not payload ? 'default' then
        perform refuse('OC009', format('path %s finds nothing in the outputs so far', payload ->> '$path'), 'give it a "default", or mend the path');
      end if;
      return coalesce(found, payload -> 'default');
    end if;
    result := '{}';
    for entry in select * from jsonb_each(payload) loop
      result := result || jsonb_build_object(entry.key, resolve_paths(entry.value, document));
    end loop;
    return result;
  elsif jsonb_typeof(payload) = 'array' then
    select coalesce(jsonb_agg(resolve_paths(e.value, document) order by e.n), '[]') into result from jsonb_array_elements(payload) with ordinality e(value, n);
    return result;
  end if;
  return payload;
end $_$;

CREATE FUNCTION public.resume(scope text, target text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was ops_controls; wanted text;
begin
  wanted := control_target(resume.scope, resume.target);
  select * into was from ops_controls c where c.scope = resume.scope and c.target = wanted for update;
  if not found then
    return false;
  end if;
  perform raise_unless_mine(was.actor, 'this pause');
  delete from ops_controls c where c.scope = resume.scope and c.target = wanted;
  update ops_missions m set paused = false where resume.scope = 'mission' and m.id::text = wanted and m.paused;
  -- What it held up looks again: parked missions are due, and those without a job get one.
  update ops_missions m set wake_at = clock_now() where m.state = 'waiting' and m.job_id is null and m.wait_reason = 'paused';
  perform wake_missions();
  perform reconcile_missions();
  perform record_act('resume', trim(resume.scope || ' ' || wanted), to_jsonb(was), null);
  perform pg_notify('ops:control', resume.scope);
  perform pg_notify('jobs:insert', format('{"r":%s,"count":1}', random()));
  return true;
end $$;

COMMENT ON FUNCTION public.resume(scope text, target text) IS 'Ends a pause of the same scope and target; what waited for it goes on. False when nothing was paused.';

CREATE FUNCTION public.retention_limit(key text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ select clock_now() - (policy_value(key) #>> '{}')::interval $$;

COMMENT ON FUNCTION public.retention_limit(key text) IS 'What is older goes. A missing policy gives null, and null deletes nothing.';

CREATE FUNCTION public.retry_job(job bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was job_history; live graphile_worker._private_jobs; new_id bigint;
begin
  perform set_config('openclaw.enqueued', 'off', true);
  perform raise_unless_mine((select actor from job_requests where id = job), 'job j' || job);
  select * into live from graphile_worker._private_jobs where id = job for update;
  if found then
    if live.locked_by is not null then
      perform refuse('OC008', format('job j%s is running', job), 'cancel it first');
    end if;
    update graphile_worker._private_jobs set run_at = now(), max_attempts = greatest(max_attempts, attempts + 1) where id = job;
    perform record_act('jobs retry', 'j' || job, jsonb_build_object('run_at', live.run_at, 'attempts', live.attempts), jsonb_build_object('run_at', now()));
    perform pg_notify('jobs:insert', format('{"r":%s,"count":1}', random()));
    return job;
  end if;
  if exists (select from limit_waits w where w.holder = 'j' || job) then
    perform refuse('OC008', format('job j%s waits for a place of its task', job), 'openclaw why j' || job);
  end if;
  select * into was from job_history where job_id = job;
  if not found then
    perform refuse('OC011', format('there is no job j%s', job), 'openclaw jobs list');
  end if;
  if was.state = 'succeeded' then
    perform refuse('OC008', format('job j%s succeeded', job), 'queue a new one with add_job() or openclaw run');
  end if;
  insert into job_requests (task, payload, priority, mission_id, trace_id)
    select was.task, readable_json(was.payload) - '_cron', was.priority, r.mission_id, coalesce(r.trace_id, gen_random_uuid())
    from (select 1) one left join job_requests r on r.id = job
    returning id into new_id;
  perform record_act('jobs retry', 'j' || job, jsonb_build_object('state', was.state, 'error_class', was.error_class), jsonb_build_object('job', 'j' || new_id));
  return new_id;
end $$;

COMMENT ON FUNCTION public.retry_job(job bigint) IS 'Runs a waiting job now, or queues a failed or cancelled one anew (a new id: history is kept). Returns the id that will run.';

CREATE FUNCTION public.retry_mission(mission bigint, from_step text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions; ids bigint[]; parents bigint[];
begin
  select * into m from ops_missions where id = mission for no key update;
  if not found then
    perform refuse('OC011', format('there is no mission m%s', mission), 'openclaw missions list');
  end if;
  perform raise_unless_mine(m.actor, 'mission m' || mission);
  if m.finished_at is null then
    perform refuse('OC008', format('mission m%s is %s', mission, m.state), 'only a mission that has ended is taken up again; openclaw why m' || mission);
  end if;
  if m.state = 'succeeded' and from_step is null then
    perform refuse('OC008', format('mission m%s succeeded', mission), 'name the step to go on from (--from), or submit it again');
  end if;
  if from_step is not null and not exists (select from ops_mission_steps where mission_id = mission and name = from_step) then
    perform refuse('OC009', format('mission m%s has no step "%s"', mission, from_step),
      'its steps: ' || (select string_agg(name, ', ' order by position) from ops_mission_steps where mission_id = mission));
  end if;
  select array_agg(id) into ids from steps_to_reopen(mission, from_step) id;
  -- The function whose steps are opened runs again.
  select array_agg(distinct parent_step_id) into parents from ops_mission_steps where id = any (ids) and parent_step_id is not null;
  perform set_config('openclaw.reopen', 'on', true);
  update ops_missions set parent_step_id = null where parent_step_id = any (ids);
  update ops_mission_steps s set
      state = case when s.kind in ('sleep', 'signal', 'approval') then 'waiting' else 'queued' end,
      finished_at = null, wake_at = null, output = null, error_class = null, error = null,
      approval_id = case when s.kind = 'approval' or (select a.answer from ops_approvals a where a.id = s.approval_id) is distinct from 'approve' then null else s.approval_id end,
      -- As many attempts as the first time.
      max_attempts = s.attempt + coalesce((select t.max_attempts from ops_tasks t where t.identifier = s.task), 1)
    where s.id = any (ids || parents) and s.state in ('failed', 'skipped', 'cancelled', 'succeeded', 'unknown');
  update ops_missions set state = 'waiting', wait_reason = 'queued', finished_at = null, output = null, error_class = null, error = null, cancel_requested_by = null,
      signal_seq = signal_seq + 1, job_id = null where id = mission;
  perform set_config('openclaw.reopen', 'off', true);
  insert into ops_agent_events (kind, mission_id, trace_id, payload, tags)
    values ('mission.retried', mission, m.trace_id, jsonb_strip_nulls(jsonb_build_object('kind', m.kind, 'was', m.state, 'from', from_step, 'steps', cardinality(ids))), array[m.kind]);
  perform record_act('missions retry', 'm' || mission, jsonb_build_object('state', m.state, 'error_class', m.error_class),
    jsonb_strip_nulls(jsonb_build_object('state', 'waiting', 'from', from_step, 'steps', cardinality(ids))), '{}', m.trace_id);
  perform ensure_job(mission);
  return 'waiting';
end $$;

COMMENT ON FUNCTION public.retry_mission(mission bigint, from_step text) IS 'Takes an ended mission up again: its steps that did not succeed, or from a named step on. Attempts count on; outcomes and events stay.';

CREATE FUNCTION public.revoke_device(device bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare d ops_devices;
begin
  select * into d from ops_devices where id = device for no key update;
  if not found then
    perform refuse('OC011', format('there is no device d%s', device), 'look at the list of devices');
  end if;
  if d.revoked_at is not null then
    perform refuse('OC008', format('device d%s (%s) was revoked at %s', device, d.name, d.revoked_at), 'nothing is left to do');
  end if;
  update ops_devices set revoked_at = clock_now() where id = device;
  perform record_act('devices revoke', 'd' || device, jsonb_build_object('name', d.name, 'subject', d.subject, 'role', d.role), '{"revoked": true}');
  return device;
end $$;

COMMENT ON FUNCTION public.revoke_device(device bigint) IS 'The device is let in no more, and its next command is refused.';

CREATE FUNCTION public.rollback_policy(key text, to_version integer DEFAULT NULL::integer, reason text DEFAULT NULL::text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare now_version integer := (select max(p.version) from ops_policy p where p.key = rollback_policy.key); earlier ops_policy;
begin
  select * into earlier from ops_policy p where p.key = rollback_policy.key and p.version = coalesce(to_version, now_version - 1);
  if not found then
    perform refuse('OC011', format('policy %s has no version %s', rollback_policy.key, coalesce(to_version, now_version - 1)), format('openclaw policy diff %s', rollback_policy.key));
  end if;
  return set_policy(rollback_policy.key, earlier.value, coalesce(rollback_policy.reason, format('back to version %s', earlier.version)));
end $$;

COMMENT ON FUNCTION public.rollback_policy(key text, to_version integer, reason text) IS 'Makes an earlier value (by default the one before) the newest version: history only grows.';

CREATE FUNCTION public.route_message(text text) RETURNS TABLE(name text, target text, pattern text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$ select r.name, r.target, r.pattern from ops_routes r where r.enabled and btrim($1) ~* r.pattern order by r.position limit 1 $_$;

COMMENT ON FUNCTION public.route_message(text text) IS 'The one row that decides: the gateway routes by it and `route explain` shows it.';

CREATE TABLE public.ops_reaction_rules (
    id bigint NOT NULL,
    name text NOT NULL,
    description text,
    enabled boolean DEFAULT true NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    kind_glob text NOT NULL,
    source text,
    tags_all text[] DEFAULT '{}'::text[] NOT NULL,
    tags_any text[] DEFAULT '{}'::text[] NOT NULL,
    condition jsonpath,
    probability double precision DEFAULT 1 NOT NULL,
    cooldown interval DEFAULT '00:00:00'::interval NOT NULL,
    cooldown_key jsonpath,
    daily_cap integer,
    priority smallint DEFAULT 0 NOT NULL,
    scope text DEFAULT 'all'::text NOT NULL,
    agent text,
    plan jsonb,
    dedupe_template text,
    over interval,
    at_least integer,
    absent boolean DEFAULT false NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    kind_like text GENERATED ALWAYS AS (replace(replace(kind_glob, '_'::text, '\_'::text), '*'::text, '%'::text)) STORED NOT NULL,
    kind_start text GENERATED ALWAYS AS (split_part(kind_glob, '*'::text, 1)) STORED NOT NULL,
    CONSTRAINT ops_reaction_rules_at_least_check CHECK ((at_least > 0)),
    CONSTRAINT ops_reaction_rules_check CHECK (((agent IS NOT NULL) <> (plan IS NOT NULL))),
    CONSTRAINT ops_reaction_rules_check1 CHECK (((over IS NOT NULL) = ((at_least IS NOT NULL) OR absent))),
    CONSTRAINT ops_reaction_rules_check2 CHECK (((at_least IS NULL) OR (NOT absent))),
    CONSTRAINT ops_reaction_rules_cooldown_check CHECK ((cooldown >= '00:00:00'::interval)),
    CONSTRAINT ops_reaction_rules_daily_cap_check CHECK ((daily_cap > 0)),
    CONSTRAINT ops_reaction_rules_dedupe_template_check CHECK (((length(dedupe_template) >= 1) AND (length(dedupe_template) <= 300))),
    CONSTRAINT ops_reaction_rules_kind_glob_check CHECK ((kind_glob ~ '^[a-z*][a-z0-9_.*]{0,99}$'::text)),
    CONSTRAINT ops_reaction_rules_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
    CONSTRAINT ops_reaction_rules_over_check CHECK (((over > '00:00:00'::interval) AND (over <= '90 days'::interval))),
    CONSTRAINT ops_reaction_rules_probability_check CHECK (((probability >= (0)::double precision) AND (probability <= (1)::double precision))),
    CONSTRAINT ops_reaction_rules_scope_check CHECK ((scope = ANY (ARRAY['all'::text, 'trusted'::text, 'root'::text]))),
    CONSTRAINT ops_reaction_rules_version_check CHECK ((version > 0))
);

COMMENT ON TABLE public.ops_reaction_rules IS 'What starts by itself: an event that matches fires the plan or tells the agent. Checked when it is written (OC012, OC007).';

COMMENT ON COLUMN public.ops_reaction_rules.kind_glob IS 'Of the event''s kind; * stands for anything: mission.failed, backup.*';

COMMENT ON COLUMN public.ops_reaction_rules.condition IS 'An SQL/JSON predicate over the event: $.payload.error_class == "timeout"';

COMMENT ON COLUMN public.ops_reaction_rules.cooldown IS 'How long the rule rests after it fired; with cooldown_key, for that key only.';

COMMENT ON COLUMN public.ops_reaction_rules.cooldown_key IS 'An SQL/JSON path into the event: what the cooldown, or the count of a rule on time, is kept for.';

COMMENT ON COLUMN public.ops_reaction_rules.scope IS 'all; trusted: not where the event carries data from outside; root: not where a reaction caused the event.';

COMMENT ON COLUMN public.ops_reaction_rules.plan IS 'A plan as any other. Its input has the event: {"$path": "$.input.event.payload.error"}';

COMMENT ON COLUMN public.ops_reaction_rules.dedupe_template IS 'The mission''s dedupe key; {payload.kind} takes from the event.';

COMMENT ON COLUMN public.ops_reaction_rules.over IS 'Of a rule on time: the length of the window that is looked at once a minute.';

COMMENT ON COLUMN public.ops_reaction_rules.at_least IS 'Of a rule on time: fires when the window has this many matching events (of one cooldown_key).';

COMMENT ON COLUMN public.ops_reaction_rules.absent IS 'Of a rule on time: fires when the window has none. Kind agent.heartbeat looks at each agent''s last beat.';

COMMENT ON COLUMN public.ops_reaction_rules.kind_start IS 'What stands before the first *: the rules that may want a kind are those that start like it, found by index, so that a thousand others cost nothing.';

CREATE FUNCTION public.rule_mismatch(r public.ops_reaction_rules, kind text, source text, tags text[], untrusted boolean, caused boolean, document jsonb) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  select case
    when kind not like (r).kind_like then 'another kind'
    when (r).source is not null and (r).source <> source then 'another source'
    when not tags @> (r).tags_all then 'not all of tags_all'
    when (r).tags_any <> '{}' and not tags && (r).tags_any then 'none of tags_any'
    when (r).scope = 'trusted' and untrusted then 'untrusted data, and its scope is trusted'
    when (r).scope = 'root' and caused then 'caused by a reaction, and its scope is root'
    when (r).condition is not null and jsonb_path_match(document, (r).condition, '{}', true) is not true then 'the condition is not true'
  end
$$;

CREATE FUNCTION public.rule_rest(r public.ops_reaction_rules) RETURNS interval
    LANGUAGE sql IMMUTABLE
    AS $$ select case when (r).over is null then (r).cooldown else greatest((r).cooldown, (r).over) end $$;

CREATE FUNCTION public.search_memory(wanted text, of_agent text DEFAULT NULL::text, at_most integer DEFAULT 10) RETURNS TABLE(id bigint, kind text, agent text, text text, tags text[], confidence real, untrusted boolean, rank real, created_at timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare words tsquery := websearch_to_tsquery('simple', wanted); found integer := 0; seen bigint[] := '{}';
begin
  -- Of very many rows with the word the newest thousand are ranked: ranking all of them is what takes the time.
  return query
    select m.id, m.kind, m.agent, m.text, m.tags, m.confidence, m.untrusted, (ts_rank(m.search, words) * (0.5 + m.confidence) * (1 + ln(1 + m.used_count) / 10))::real, m.created_at
    from (select c.* from ops_memory c where c.search @@ words and c.superseded_by is null and (of_agent is null or c.agent is null or c.agent = of_agent) order by c.id desc limit 1000) m
    order by 8 desc, m.id desc limit at_most;
  get diagnostics found = row_count;
  if found >= at_most or length(wanted) < 3 or not exists (select from pg_extension where extname = 'pg_trgm') then
    return;
  end if;
  return query execute
    'select m.id, m.kind, m.agent, m.text, m.tags, m.confidence, m.untrusted, (word_similarity($1, m.text) / 10 * (0.5 + m.confidence))::real, m.created_at
     from (select c.* from ops_memory c where $1 <% c.text and not c.search @@ $4 and c.superseded_by is null and ($2 is null or c.agent is null or c.agent = $2) limit 300) m
     order by 8 desc, m.id desc limit $3'
    using wanted, of_agent, at_most - found, words;
end $_$;

COMMENT ON FUNCTION public.search_memory(wanted text, of_agent text, at_most integer) IS 'Memories that fit some words, best first; misspelt words too where pg_trgm is there.';

CREATE FUNCTION public.send_alert_digest() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare after_id bigint; newest bigint; held integer; lines text; worst text; raised bigint; message bigint; last_at timestamptz;
  every interval := coalesce(sound_policy('alerts.limits') ->> 'digest', '15 minutes')::interval;
begin
  perform pg_advisory_xact_lock(hashtext('openclaw:alerts'));
  select coalesce(max(d.through), 0) into after_id from ops_alert_digests d;
  select max(created_at) into last_at from ops_alerts where kind = 'digest';
  if last_at > clock_now() - every then
    return null;
  end if;
  select max(a.id), count(*), (array['info', 'warning', 'error', 'critical'])[max(alert_rank(a.severity))] into newest, held, worst
    from ops_alerts a where a.id > after_id and a.state = 'held';
  if held = 0 or in_quiet_hours(worst) then
    return null;
  end if;
  select string_agg(format('%s x %s (%s)', g.n, g.title, g.reason), E'\n' order by g.n desc, g.title) into lines from (
    select count(*) as n, (array_agg(a.title order by a.id desc))[1] as title, string_agg(distinct a.reason, ', ') as reason
    from ops_alerts a where a.id > after_id and a.id <= newest and a.state = 'held' group by a.fingerprint, a.kind order by count(*) desc limit 30) g;
  raised := nextval(pg_get_serial_sequence('ops_alerts', 'id'));
  message := queue_message('owner', alert_text(worst, 'digest', format('%s alerts were held back', held), lines, null), '{"alert": true}', 'alert:' || raised, worst);
  insert into ops_alerts (id, severity, kind, fingerprint, title, body, state, message_id)
    overriding system value
    values (raised, worst, 'digest', 'digest', format('%s alerts were held back', held), left(lines, 8000), 'sent', message);
  insert into ops_alert_digests values (raised, newest);
  return raised;
end $$;

COMMENT ON FUNCTION public.send_alert_digest() IS 'Sends what was held since the last digest as one message, at most one in a quarter of an hour; returns its id, or null.';

CREATE FUNCTION public.send_to_agent(recipient text, kind text, payload jsonb DEFAULT '{}'::jsonb, dedupe_key text DEFAULT NULL::text, reply_to text DEFAULT NULL::text, untrusted boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare new_id bigint;
begin
  if not exists (select from ops_agents a where a.id = $1) then
    perform refuse('OC011', format('there is no agent %L', $1), 'openclaw agents list');
  end if;
  insert into agent_messages (recipient, kind, payload, sender, reply_to, untrusted, dedupe_key, trace_id)
    values ($1, $2, coalesce($3, '{}'), current_actor(), $5, $6, $4, current_trace())
    on conflict (dedupe_key) do nothing returning id into new_id;
  if new_id is null then
    select m.id into new_id from agent_messages m where m.dedupe_key = $4;
    return new_id;
  end if;
  perform pg_notify('agent:message', $1);
  return new_id;
end $_$;

COMMENT ON FUNCTION public.send_to_agent(recipient text, kind text, payload jsonb, dedupe_key text, reply_to text, untrusted boolean) IS 'Tells an agent something, in the caller''s transaction. The same dedupe key is the same message.';

CREATE FUNCTION public.set_agent_wanted(agent text, wanted text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare was text;
begin
  select a.wanted into was from ops_agents a where a.id = $1 for no key update;
  if not found then
    perform refuse('OC011', format('there is no agent %L', $1), 'openclaw agents list');
  end if;
  if was <> $2 then
    update ops_agents a set wanted = $2 where a.id = $1;
    perform record_act(case $2 when 'running' then 'agents start' else 'agents stop' end, $1, jsonb_build_object('wanted', was), jsonb_build_object('wanted', $2));
    perform pg_notify('agent:message', $1);
  end if;
  return was;
end $_$;

COMMENT ON FUNCTION public.set_agent_wanted(agent text, wanted text) IS 'running or stopped; the agent''s process follows within a second and keeps what is sent to it meanwhile.';

CREATE FUNCTION public.set_backup_offsite(backup bigint, outcome text, remote_id text DEFAULT NULL::text, problem text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare made ops_backups;
begin
  update ops_backups set offsite = outcome, offsite_id = coalesce(remote_id, offsite_id), offsite_error = problem, offsite_at = clock_now()
    where id = backup returning * into made;
  if not found then
    perform refuse('OC011', format('there is no backup %s', backup), 'openclaw backup list');
  end if;
  if outcome = 'failed' then
    perform raise_alert('warning', 'backup.offsite', format('The backup %s is on this machine only', made.name), coalesce(problem, ''), 'backup-stale');
  end if;
  insert into ops_agent_events (kind, severity, payload, tags, trace_id)
    values (case outcome when 'failed' then 'backup.upload_failed' else 'backup.' || outcome end, case outcome when 'failed' then 'error' else 'info' end,
            jsonb_build_object('backup', made.id, 'name', made.name, 'remote', remote_id, 'error', problem), array['backup', 'drive'], made.trace_id);
end $$;

COMMENT ON FUNCTION public.set_backup_offsite(backup bigint, outcome text, remote_id text, problem text) IS 'Records where else the archive is (uploaded, local_only, failed), with an event.';

CREATE FUNCTION public.set_policy(key text, value jsonb, reason text DEFAULT NULL::text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare latest ops_policy; new_version integer;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not change policy', session_user), 'ask the operator: openclaw policy set');
  end if;
  if length(reason) > 500 then
    perform refuse('OC009', format('the reason has %s characters, at most 500 are taken', length(reason)), 'say it shorter');
  end if;
  -- Writers of one key take turns, so that a version is made once.
  perform pg_advisory_xact_lock(hashtextextended('policy:' || set_policy.key, 0));
  select * into latest from ops_policy p where p.key = set_policy.key order by p.version desc limit 1;
  if latest.value = set_policy.value and policy_fault(set_policy.key, set_policy.value) is null then
    return latest.version;
  end if;
  insert into ops_policy (key, version, value, reason) values (set_policy.key, coalesce(latest.version, 0) + 1, set_policy.value, set_policy.reason)
    returning version into new_version;
  return new_version;
end $$;

COMMENT ON FUNCTION public.set_policy(key text, value jsonb, reason text) IS 'A new version of a key, in force when the transaction commits; the same value again changes nothing. Returns the version in force.';

CREATE FUNCTION public.set_rule_enabled(rule text, wanted boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was boolean;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not change rules', session_user), 'ask the operator: openclaw rules enable, disable');
  end if;
  select enabled into was from ops_reaction_rules where name = rule for update;
  if not found then
    perform refuse('OC011', format('there is no rule "%s"', rule), 'openclaw rules list');
  end if;
  if was <> wanted then
    update ops_reaction_rules set enabled = wanted where name = rule;
    perform record_act(case when wanted then 'rules enable' else 'rules disable' end, rule, jsonb_build_object('enabled', was), jsonb_build_object('enabled', wanted));
  end if;
  return was <> wanted;
end $$;

CREATE FUNCTION public.settle_approval(approval bigint, new_state text, given text, by_actor text, why text, result jsonb, event text) RETURNS public.ops_approvals
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare a ops_approvals;
begin
  update ops_approvals set state = new_state, answer = given, answered_by = by_actor, reason = why, output = result, answered_at = clock_now() where id = approval returning * into a;
  insert into ops_agent_events (kind, mission_id, step_id, trace_id, payload, tags)
    values (event, a.mission_id, a.step_id, a.trace_id,
            jsonb_strip_nulls(jsonb_build_object('approval', a.id, 'kind', a.kind, 'question', left(a.question, 500), 'answer', a.answer, 'by', a.answered_by, 'reason', left(a.reason, 500),
                              'proposal', a.proposal_id)), array[a.kind]);
  if new_state <> 'cancelled' then
    perform apply_approval(a);
  end if;
  perform pg_notify('approval:changed', a.id::text);
  return a;
end $$;

CREATE FUNCTION public.settle_runs(schedule text, planned timestamp with time zone[], job jsonb, until timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.settle_runs(schedule text, planned timestamp with time zone[], job jsonb, until timestamp with time zone) IS 'Gives a row to each planned run up to then that has none: missed, paused, or made up for as the schedule''s rule says. Null when there was none.';

CREATE FUNCTION public.settle_spend(reservation bigint, cost numeric, prompt_tokens integer DEFAULT NULL::integer, completion_tokens integer DEFAULT NULL::integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.settle_spend(reservation bigint, cost numeric, prompt_tokens integer, completion_tokens integer) IS 'What a reserved call really cost, also when it is more than was reserved. Once: a second time gives false and changes nothing.';

CREATE FUNCTION public.show_mission(message bigint, text text, ended boolean, note text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare f mission_messages; o outbox;
begin
  update mission_messages m set shown = $2, ended_at = case when $3 then clock_now() end where m.outbox_id = $1 and m.ended_at is null returning * into f;
  if not found then return; end if;
  select * into o from outbox where id = $1;
  if $3 then
    perform add_buttons($1, jsonb_build_array(jsonb_build_array(
      jsonb_build_object('label', '👍', 'action', 'rate', 'args', jsonb_build_array('m' || f.mission_id, 'up')),
      jsonb_build_object('label', '👎', 'action', 'rate', 'args', jsonb_build_array('m' || f.mission_id, 'down')))));
  end if;
  perform edit_message($1, $2, '{"html": true}');
  if $4 is not null and o.chat_id is not null then
    perform queue_message('telegram:' || o.chat_id, $4, '{}', format('mission/%s/ended/%s', f.mission_id, $1));
  end if;
end $_$;

COMMENT ON FUNCTION public.show_mission(message bigint, text text, ended boolean, note text) IS 'Rewrites the message that follows a mission. At the end it gets its thumbs, and `note` goes out as a message of its own, because a rewritten one rings no phone.';

CREATE FUNCTION public.signal(mission bigint, name text, payload jsonb DEFAULT '{}'::jsonb, idempotency_key text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
#variable_conflict use_column
declare m ops_missions; new_id bigint;
begin
  if coalesce(signal.name, '') !~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$' then
    perform refuse('OC009', format('"%s" is no name of a signal', signal.name), '1 to 100 letters, digits and ._:-');
  end if;
  if octet_length(signal.payload::text) > 65536 then
    perform refuse('OC003', format('the payload of signal %s has %s bytes, at most 65536 are taken', signal.name, octet_length(signal.payload::text)),
      'store the data in a table or a file and pass its id');
  end if;
  select * into m from ops_missions where ops_missions.id = signal.mission for no key update;
  if not found then
    perform refuse('OC011', format('there is no mission m%s', signal.mission), 'openclaw missions list');
  end if;
  perform raise_unless_mine(m.actor, 'mission m' || m.id);
  select s.id into new_id from ops_signals s where s.mission_id = m.id and s.idempotency_key = signal.idempotency_key;
  if found then
    return new_id;
  end if;
  if m.finished_at is not null then
    perform refuse('OC008', format('mission m%s has ended (%s)', m.id, m.state), 'only an open mission hears signals');
  end if;
  insert into ops_signals (mission_id, name, payload, idempotency_key)
    values (m.id, signal.name, coalesce(signal.payload, '{}'), signal.idempotency_key) returning id into new_id;
  insert into ops_agent_events (kind, mission_id, trace_id, payload, tags)
    values ('signal.sent', m.id, m.trace_id, jsonb_build_object('signal', signal.name, 'id', new_id), array[signal.name]);
  perform record_act('missions signal', 'm' || m.id, null, jsonb_build_object('signal', signal.name, 'id', new_id), '{}', m.trace_id);
  perform nudge_mission(m.id);
  return new_id;
end $_$;

COMMENT ON FUNCTION public.signal(mission bigint, name text, payload jsonb, idempotency_key text) IS 'Says something to an open mission: a durable function that waits for this name goes on with the payload, now or when it comes to its wait. The same idempotency_key twice is one signal.';

CREATE FUNCTION public.slowest_statements(at_most integer DEFAULT 5) RETURNS TABLE(query text, calls bigint, mean_ms double precision, total_ms double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
declare source text;
begin
  select format('%I.pg_stat_statements', n.nspname) into source from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements';
  if source is null then
    return;
  end if;
  return query execute format('select regexp_replace(left(query, 120), ''\s+'', '' '', ''g''), calls, round(mean_exec_time::numeric, 2)::float8, round(total_exec_time::numeric, 1)::float8
    from %s where query ~* ''^\s*(select|insert|update|delete|with|merge)\y'' order by total_exec_time desc limit $1', source) using at_most;
exception when others then
  -- The library is not preloaded, or the role may not read it: no figures rather than invented ones.
  return;
end $_$;

COMMENT ON FUNCTION public.slowest_statements(at_most integer) IS 'The statements with the largest total time; no rows where the server does not keep them.';

CREATE FUNCTION public.sound_policy(wanted text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (select p.value from (select o.value from ops_policy o where o.key = wanted order by version desc limit 1) p
          join ops_policy_keys k on k.key = wanted where json_schema_fault(k.schema, p.value) is null);
end $$;

COMMENT ON FUNCTION public.sound_policy(wanted text) IS 'The value in force, or null when it is missing or does not fit its schema: null means no.';

CREATE FUNCTION public.spend_keys(provider text, agent text, mission bigint, day date) RETURNS TABLE(key text, period text)
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select k, p from (values ('all', to_char(day, 'YYYY-MM-DD')), ('all', to_char(day, 'YYYY-MM')),
      ('agent:' || agent, to_char(day, 'YYYY-MM-DD')), ('agent:' || agent, to_char(day, 'YYYY-MM')),
      ('provider:' || provider, to_char(day, 'YYYY-MM-DD')), ('provider:' || provider, to_char(day, 'YYYY-MM')),
      ('mission:' || mission, '')) v(k, p)
  where k is not null
$$;

CREATE FUNCTION public.spend_quota(task text, wanted integer DEFAULT 1) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare quotas jsonb := policy_value('quota.tasks'); today date := utc_day(); already integer; granted integer;
begin
  if jsonb_typeof(quotas) is distinct from 'object' then return null; end if;
  if not quotas ? spend_quota.task then return wanted; end if;
  if jsonb_typeof(quotas -> spend_quota.task) is distinct from 'number' then return 0; end if;
  loop
    select q.used into already from ops_quota_use q where q.task = spend_quota.task and q.day = today for no key update;
    exit when found;
    insert into ops_quota_use (task, day, used) values (spend_quota.task, today, 0) on conflict (task, day) do nothing;
  end loop;
  granted := least(wanted, greatest(0, floor((quotas ->> spend_quota.task)::numeric)::bigint - already));
  if granted > 0 then
    update ops_quota_use q set used = already + granted where q.task = spend_quota.task and q.day = today;
  end if;
  return granted;
end $$;

COMMENT ON FUNCTION public.spend_quota(task text, wanted integer) IS 'Spends starts of a task from today''s quota in the caller''s transaction; returns how many of those wanted may start. Null: policy is malformed, and none may.';

CREATE FUNCTION public.spread_task_retries() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  update ops_tasks t set max_attempts = t.max_attempts where new.value ? t.identifier;
  return null;
end $$;

CREATE FUNCTION public.sql_may_answer(kind text, asked_by text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(v -> 'kinds' ? kind, false) and (asked_by is distinct from current_actor() or coalesce(v -> 'own' = 'true', false)) from (select policy_value('approvals.sql') as v) p
$$;

COMMENT ON FUNCTION public.sql_may_answer(kind text, asked_by text) IS 'Whether policy approvals.sql lets this limited role answer; missing or malformed means no.';

CREATE TABLE public.ops_mission_proposals (
    id bigint NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    state text DEFAULT 'proposed'::text NOT NULL,
    priority smallint DEFAULT 0 NOT NULL,
    reason_code text,
    reason text,
    plan jsonb NOT NULL,
    input jsonb DEFAULT '{}'::jsonb NOT NULL,
    source text NOT NULL,
    actor text NOT NULL,
    agent text,
    risk text NOT NULL,
    untrusted boolean DEFAULT false NOT NULL,
    cost_estimate_usd numeric(14,6) DEFAULT 0 NOT NULL,
    dedupe_key text,
    mission_id bigint,
    decided_by text,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    decided_at timestamp with time zone,
    expires_at timestamp with time zone,
    cause_event_id bigint,
    cause_depth smallint DEFAULT 0 NOT NULL,
    CONSTRAINT ops_mission_proposals_check CHECK (((state = 'approved'::text) = (mission_id IS NOT NULL))),
    CONSTRAINT ops_mission_proposals_check1 CHECK (((state = 'proposed'::text) = (decided_at IS NULL))),
    CONSTRAINT ops_mission_proposals_risk_check CHECK ((risk = ANY (ARRAY['read'::text, 'write'::text, 'outside'::text]))),
    CONSTRAINT ops_mission_proposals_state_check CHECK ((state = ANY (ARRAY['proposed'::text, 'approved'::text, 'rejected'::text, 'expired'::text, 'duplicate'::text])))
);

COMMENT ON TABLE public.ops_mission_proposals IS 'Every mission that was asked for, whatever its source, and what became of it. A refused one is a row with its reason.';

COMMENT ON COLUMN public.ops_mission_proposals.reason_code IS 'Why it is in its state: own_submission, auto_approved, approved_by_policy, approved_by_person, rejected_by_person, approval_needed, expired, duplicate, paused, breaker, cap_missions, cap_steps, quota, budget, price_unknown, policy, refused_by_policy.';

CREATE FUNCTION public.start_mission(p public.ops_mission_proposals, mission bigint, code text, by_actor text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare m ops_missions;
begin
  insert into ops_missions (id, kind, title, plan, input, source, actor, agent, priority, untrusted, trace_id, cause_event_id, cause_depth, policy_snapshot) overriding system value
    select mission, p.kind, p.title, p.plan, p.input, p.source, p.actor, p.agent, p.priority, p.untrusted, p.trace_id, p.cause_event_id, coalesce(p.cause_depth, 0),
           (select jsonb_object_agg(k, policy_value(k)) from unnest('{sql.allow,gate.approval,gate.auto_approve,gate.caps,quota.tasks,budget.usd}'::text[]) k)
    returning * into m;
  if store_steps(m, p.plan) <> jsonb_array_length(p.plan -> 'steps') then
    perform refuse('OC001', 'a task of the plan is not known any more', 'submit the plan again');
  end if;
  insert into ops_agent_events (kind, mission_id, trace_id, agent, untrusted, payload, tags)
    values ('mission.approved', m.id, m.trace_id, m.agent, m.untrusted, jsonb_build_object('kind', m.kind, 'title', m.title, 'proposal', p.id, 'reason_code', code, 'by', by_actor), array[m.kind]);
  perform ensure_job(m.id);
  return m.id;
end $$;

CREATE FUNCTION public.start_task(task text, wanted integer DEFAULT 1) RETURNS public.start_answer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare b ops_breakers; granted integer;
begin
  select * into b from ops_breakers o where o.name = 'task:' || task and o.state <> 'closed';
  if b.open_until > clock_now() then
    return row (0, 'breaker', format('task %s is stopped until %s: %s', task, to_char(b.open_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), b.reason), b.open_until)::start_answer;
  elsif b.name is not null then
    -- A task's breaker opens only by hand, so that there is nothing to try when its time is over.
    update ops_breakers o set state = 'closed', opens = 0, opened_at = null, open_until = null, probe = null, probe_until = null, reason = null, updated_at = clock_now()
      where o.name = b.name and o.state = 'open' and o.open_until <= clock_now();
  end if;
  granted := spend_quota(task, wanted);
  if granted is null then
    return row (0, 'policy', 'policy quota.tasks is missing or malformed, so nothing starts', null)::start_answer;
  elsif granted < wanted then
    return row (granted, 'quota', format('task %s has had its %s starts of today (UTC)', task, policy_value('quota.tasks') ->> task), (utc_day() + 1)::timestamp at time zone 'UTC')::start_answer;
  end if;
  return row (granted, null, null, null)::start_answer;
end $$;

COMMENT ON FUNCTION public.start_task(task text, wanted integer) IS 'Spends starts of this task: how many of those wanted may start now, and for the others why not and when to ask again.';

CREATE FUNCTION public.step_payload(step bigint, uncommitted jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (select resolve_paths(s.payload, jsonb_build_object(
      'input', m.input,
      'mission', jsonb_build_object('id', m.id, 'kind', m.kind, 'title', m.title, 'created_at', m.created_at),
      'steps', (select coalesce(jsonb_object_agg(o.name, jsonb_build_object('state', o.state, 'output', o.output, 'error', o.error)), '{}')
                from ops_mission_steps o where o.mission_id = m.id and o.state in ('succeeded', 'failed', 'skipped', 'unknown')) || uncommitted))
    from ops_mission_steps s join ops_missions m on m.id = s.mission_id where s.id = step);
end $$;

COMMENT ON FUNCTION public.step_payload(step bigint, uncommitted jsonb) IS 'The payload of a step with every $path taken from the outputs of earlier steps.';

CREATE FUNCTION public.steps_to_reopen(mission bigint, from_step text) RETURNS SETOF bigint
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  with recursive named as (
    select s.* from ops_mission_steps s where s.mission_id = mission and s.name = from_step),
  after as (
    select id, name, parent_step_id from named
    union
    select s.id, s.name, s.parent_step_id from after a join ops_mission_steps s on s.mission_id = mission and s.parent_step_id is null and a.parent_step_id is null and a.name = any (s.needs))
  select id from ops_mission_steps where mission_id = mission and state in ('failed', 'skipped', 'cancelled')
  union select id from after
  -- Of a durable function: what it came to after the named step.
  union select s.id from ops_mission_steps s join named n on n.parent_step_id = s.parent_step_id and s.position >= n.position
  union select n.parent_step_id from named n where n.parent_step_id is not null
  -- And of a step of the plan that is opened as a whole, everything that its function did.
  union select s.id from ops_mission_steps s join after a on a.id = s.parent_step_id where a.parent_step_id is null
$$;

CREATE TABLE public.ops_missions (
    id bigint NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    state text DEFAULT 'approved'::text NOT NULL,
    wait_reason text,
    paused boolean DEFAULT false NOT NULL,
    parent_step_id bigint,
    plan jsonb NOT NULL,
    input jsonb DEFAULT '{}'::jsonb NOT NULL,
    output jsonb,
    error_class text,
    error text,
    source text NOT NULL,
    actor text NOT NULL,
    agent text,
    priority smallint DEFAULT 0 NOT NULL,
    epoch integer DEFAULT 0 NOT NULL,
    signal_seq integer DEFAULT 0 NOT NULL,
    job_id bigint,
    worker text,
    wake_at timestamp with time zone,
    cancel_requested_by text,
    policy_snapshot jsonb DEFAULT '{}'::jsonb NOT NULL,
    untrusted boolean DEFAULT false NOT NULL,
    cost_usd numeric(14,6) DEFAULT 0 NOT NULL,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    cause_event_id bigint,
    cause_depth smallint DEFAULT 0 NOT NULL,
    CONSTRAINT ops_missions_check CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])))),
    CONSTRAINT ops_missions_source_check CHECK ((source = ANY (ARRAY['sql'::text, 'cli'::text, 'telegram'::text, 'dashboard'::text, 'cron'::text, 'rule'::text, 'agent'::text, 'mission'::text, 'raw'::text]))),
    CONSTRAINT ops_missions_state_check CHECK ((state = ANY (ARRAY['approved'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])))
);

COMMENT ON TABLE public.ops_missions IS 'A durable run of named steps.';

COMMENT ON COLUMN public.ops_missions.parent_step_id IS 'The step of another mission that invoked this one and waits for its end.';

COMMENT ON COLUMN public.ops_missions.epoch IS 'Raised by each claim: the fence of everything that is written for it.';

COMMENT ON COLUMN public.ops_missions.signal_seq IS 'Raised by whatever a mission may wait for (a signal, an answer): a segment parks only while it is what the segment has seen, so that no wake-up is lost.';

COMMENT ON COLUMN public.ops_missions.job_id IS 'The only job that may claim it; null while it is parked or has ended.';

COMMENT ON COLUMN public.ops_missions.wake_at IS 'When a parked mission gets a job again; promoted once a second.';

COMMENT ON COLUMN public.ops_missions.cause_event_id IS 'The event whose reaction it is.';

COMMENT ON COLUMN public.ops_missions.cause_depth IS 'How many reactions lie between it and what nobody caused.';

CREATE FUNCTION public.store_steps(mission public.ops_missions, plan jsonb) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare stored integer;
begin
  insert into ops_mission_steps (mission_id, name, position, task, payload, needs, max_attempts, timeout_ms, effect, idempotency_key, untrusted, approval)
    select mission.id, s.value ->> 'name', s.n - 1, t.identifier, coalesce(s.value -> 'payload', '{}'),
           array(select jsonb_array_elements_text(coalesce(s.value -> 'needs', '[]'))),
           coalesce((s.value ->> 'retries')::smallint + 1, t.max_attempts), coalesce(duration_ms(s.value -> 'timeout'), t.timeout_ms), t.effect,
           format('m%s/%s', mission.id, s.value ->> 'name'), t.untrusted,
           case jsonb_typeof(s.value -> 'approval') when 'string' then jsonb_build_object('question', s.value -> 'approval') else s.value -> 'approval' end
    from jsonb_array_elements(plan -> 'steps') with ordinality s(value, n) join ops_tasks t on t.identifier = s.value ->> 'task';
  get diagnostics stored = row_count;
  return stored;
end $$;

CREATE FUNCTION public.submit_job_mission(job bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare asked record; earlier ops_mission_proposals; key text := 'job:j' || job;
begin
  select t.identifier as task, readable_json(j.payload) - '_cron' as payload, j.priority, r.actor, r.source, r.trace_id into asked
    from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id left join job_requests r on r.id = j.id where j.id = job;
  perform pg_advisory_xact_lock(hashtextextended(key, 0));
  select * into earlier from ops_mission_proposals p where p.dedupe_key = key order by p.id limit 1;
  if found then
    return earlier.mission_id;
  end if;
  perform set_config('openclaw.actor', coalesce(asked.actor, 'system'), true), set_config('openclaw.source', coalesce(asked.source, 'raw'), true),
          set_config('openclaw.trace', coalesce(asked.trace_id::text, ''), true);
  return add_mission(asked.task, asked.payload, priority => asked.priority, dedupe_key => key);
end $$;

COMMENT ON FUNCTION public.submit_job_mission(job bigint) IS 'The mission of a durable function that a job asks for; the same one when the job runs again.';

CREATE FUNCTION public.sweep_pool(silent_pool text) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was workers;
begin
  select * into was from workers where pool_id = silent_pool and state = 'live' and seen_at < clock_now() - interval '12 seconds' for update skip locked;
  if not found then
    return null;
  end if;
  if was.session_tag is not null then
    -- All are told, then waited for, 2 s at most: one after the other each would take a tenth of a second.
    for n in 1..40 loop
      perform pg_stat_clear_snapshot();
      perform case when n = 1 then pg_terminate_backend(a.pid) end from pg_stat_activity a
        where a.datname = current_database() and a.application_name like '%@' || was.session_tag and a.pid <> pg_backend_pid();
      exit when not found;
      perform pg_sleep(0.05);
    end loop;
  end if;
  return release_pool(silent_pool, format('no sign of life for %s s of process %s on %s (%s): its lease ran out',
    round(extract(epoch from clock_now() - was.seen_at)::numeric, 1), was.pid, was.host, was.name));
end $$;

COMMENT ON FUNCTION public.sweep_pool(silent_pool text) IS 'Declares a silent pool dead: ends its sessions, then gives back what it held. Null when it is not silent, or another does it now.';

CREATE FUNCTION public.sync_allowed_users(ids bigint[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare one bigint; n integer := 0; gone bigint;
begin
  perform pg_advisory_xact_lock(hashtext('sync_allowed_users'));
  for gone in select d.id from ops_devices d where d.kind = 'telegram' and d.created_by = 'config' and d.revoked_at is null and d.subject <> all (ids::text[]) order by d.id loop
    perform revoke_device(gone);
    n := n + 1;
  end loop;
  foreach one in array ids loop
    if exists (select from ops_devices d where d.kind = 'telegram' and d.subject = one::text and (d.revoked_at is null or d.created_by = 'config')) then
      continue;
    end if;
    perform set_config('openclaw.actor', 'config', true);
    perform add_device('telegram', 'user-' || one, one::text, case when one = ids[1] then 'owner' else 'operator' end);
    n := n + 1;
  end loop;
  return n;
end $$;

COMMENT ON FUNCTION public.sync_allowed_users(ids bigint[]) IS 'Makes devices of the configured Telegram users; returns how many were added or revoked.';

CREATE FUNCTION public.take_call_turn(wanted_service text, spacing interval, patience interval DEFAULT '00:00:05'::interval) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.take_call_turn(wanted_service text, spacing interval, patience interval) IS 'Takes a turn among all processes and returns the wait before it in ms; null when a window is used up for longer.';

CREATE FUNCTION public.take_place(of_holder text, of_task text, of_key text, of_attempt integer, OUT verdict text, OUT wait_ms double precision) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare mine limit_slots; t ops_tasks; starts timestamptz;
begin
  select * into t from ops_tasks where identifier = of_task;
  select * into mine from limit_slots where holder = of_holder;
  if not found or mine.attempt <> of_attempt and t.limits ? 'interval_ms' then
    perform lock_limits(of_task);
    -- Again, as nobody else gives out places now: it may have been let in meanwhile, and would wait beside its own place.
    select * into mine from limit_slots where holder = of_holder;
  end if;
  if mine.holder is null or mine.attempt <> of_attempt and t.limits ? 'interval_ms' then
    if mine.holder is null and (not free_of_key(t, of_key)
        or exists (select from limit_waits w where w.task = of_task and w.holder <> of_holder and (w.key = of_key or not t.limits ? 'limit'))) then
      verdict := 'wait';
      return;
    end if;
    starts := take_start(t, case when mine.holder is null then interval '2 seconds' else interval '1 year' end);
    if starts is null then
      verdict := 'wait';
      return;
    end if;
    delete from limit_waits where holder = of_holder;
    insert into limit_slots as s (holder, task, key, start_at, attempt) values (of_holder, of_task, of_key, starts, of_attempt)
      on conflict (holder) do update set start_at = excluded.start_at, attempt = excluded.attempt returning * into mine;
  elsif mine.attempt is distinct from of_attempt then
    update limit_slots set attempt = of_attempt where holder = of_holder;
  end if;
  wait_ms := greatest(0, extract(epoch from mine.start_at - clock_now()) * 1000);
  verdict := case when wait_ms > 20 then 'later' else 'run' end;
end $$;

CREATE FUNCTION public.take_start(t public.ops_tasks, look_ahead interval) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare starts timestamptz := clock_now(); free timestamptz;
begin
  if coalesce(t.limits ? 'interval_ms', false) is false then
    return starts;
  end if;
  select free_at into free from limit_rates r where r.task = t.identifier;
  starts := greatest(starts, free);
  if starts > clock_now() + look_ahead then
    update limit_rates r set next_at = starts - interval '1 second' where r.task = t.identifier;
    return null;
  end if;
  insert into limit_rates as r (task, free_at) values (t.identifier, starts + (t.limits ->> 'interval_ms')::float8 * interval '1 millisecond')
    on conflict (task) do update set free_at = excluded.free_at;
  return starts;
end $$;

CREATE FUNCTION public.task_allowed(task public.ops_tasks) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare allow jsonb;
begin
  if trusted_session() then return true; end if;
  allow := policy_value('sql.allow');
  if coalesce(allow -> 'except' ? task.identifier, false) then return false; end if;
  return coalesce(allow -> 'effects' ? task.effect, false) or coalesce(allow -> 'tasks' ? task.identifier, false);
end $$;

CREATE FUNCTION public.tell_breaker() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into ops_agent_events (kind, severity, payload, tags)
    values ('breaker.' || case new.state when 'open' then 'opened' when 'closed' then 'closed' else 'half_open' end, case new.state when 'open' then 'error' else 'info' end,
            jsonb_strip_nulls(jsonb_build_object('breaker', new.name, 'was', case when tg_op = 'UPDATE' then old.state end, 'failures', new.failures, 'opens', new.opens,
              'open_until', new.open_until, 'error', left(new.last_error, 500), 'reason', new.reason)), array[new.name]);
  perform pg_notify('breaker:changed', new.name);
  return null;
end $$;

CREATE FUNCTION public.tell_policy() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare before jsonb := (select p.value from ops_policy p where p.key = new.key and p.version < new.version order by p.version desc limit 1);
begin
  -- The defaults that a migration brings are no act of anybody.
  if new.version = 1 and new.actor = 'system' then return null; end if;
  insert into ops_agent_events (kind, payload, tags)
    values ('policy.changed', jsonb_build_object('key', new.key, 'version', new.version, 'before', before, 'after', new.value, 'reason', new.reason), array[new.key]);
  perform record_act('policy set', new.key, before, new.value, jsonb_build_object('version', new.version, 'reason', new.reason));
  perform pg_notify('policy:changed', new.key);
  return null;
end $$;

CREATE FUNCTION public.tell_refusal(proposal bigint, kind text, title text, agent text, code text, reason text, trace_id uuid, untrusted boolean) RETURNS void
    LANGUAGE sql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  insert into ops_agent_events (kind, severity, agent, trace_id, untrusted, payload, tags)
    values ('mission.refused', 'warning', agent, trace_id, untrusted, jsonb_build_object('proposal', proposal, 'kind', kind, 'title', title, 'reason_code', code, 'reason', reason), array[kind, code])
$$;

CREATE FUNCTION public.tell_trouble(kind text, severity text, title text, payload jsonb, tags text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into ops_agent_events (kind, severity, payload, tags) values (tell_trouble.kind, tell_trouble.severity, tell_trouble.payload, tell_trouble.tags);
  perform raise_alert(tell_trouble.severity, tell_trouble.kind, title, left(coalesce(tell_trouble.payload ->> 'error', tell_trouble.payload ->> 'where', ''), 2000));
end $$;

COMMENT ON FUNCTION public.tell_trouble(kind text, severity text, title text, payload jsonb, tags text[]) IS 'An event, and an alert with its kind as fingerprint.';

CREATE FUNCTION public.trip_breaker(breaker text, lasts interval DEFAULT NULL::interval, reason text DEFAULT NULL::text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $_$
declare was ops_breakers; until timestamptz;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not trip a breaker', session_user), 'ask the operator');
  end if;
  if breaker !~ '^(service|kind|task):[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$' then
    perform refuse('OC009', format('"%s" is no breaker', breaker), 'service:<name>, kind:<kind of mission> or task:<name>');
  end if;
  if lasts <= interval '0' or lasts > interval '365 days' then
    perform refuse('OC009', format('a breaker cannot be open for %s', lasts), 'from a second to a year');
  end if;
  until := clock_now() + coalesce(lasts, (breaker_rule(breaker) ->> 'open')::interval, '15 min');
  select * into was from ops_breakers where name = breaker for update;
  insert into ops_breakers as o (name, state, opens, opened_at, open_until, reason, updated_at) values (breaker, 'open', 1, clock_now(), until, coalesce(trip_breaker.reason, 'tripped by ' || current_actor()), clock_now())
    on conflict (name) do update set state = 'open', opens = greatest(o.opens, 1), opened_at = clock_now(), open_until = excluded.open_until, probe = null, probe_until = null,
      reason = excluded.reason, actor = current_actor(), updated_at = clock_now();
  perform record_act('breakers trip', breaker, jsonb_build_object('state', coalesce(was.state, 'closed')), jsonb_build_object('state', 'open', 'open_until', until, 'reason', trip_breaker.reason));
  return until;
end $_$;

COMMENT ON FUNCTION public.trip_breaker(breaker text, lasts interval, reason text) IS 'Opens a breaker by hand; returns until when.';

CREATE FUNCTION public.trusted_session() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select pg_catalog.has_table_privilege(session_user, 'public.clock_override', 'insert') $$;

COMMENT ON FUNCTION public.trusted_session() IS 'Whether the login belongs to the owner: a worker, the command line, an administrator.';

CREATE FUNCTION public.unmute_alerts(pattern text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare was ops_alert_mutes;
begin
  delete from ops_alert_mutes m where m.pattern = unmute_alerts.pattern returning * into was;
  if was.pattern is null then
    return false;
  end if;
  perform record_act('alerts unmute', unmute_alerts.pattern, jsonb_build_object('until', was.until), null);
  return true;
end $$;

COMMENT ON FUNCTION public.unmute_alerts(pattern text) IS 'Ends a mute; false when there was none of that pattern.';

CREATE FUNCTION public.untrusted_risk(plan jsonb, all_untrusted boolean) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare tainted text[]; grown text[];
begin
  if all_untrusted then
    return (select case max(case t.effect when 'outside' then 3 when 'write' then 2 else 1 end) when 3 then 'outside' when 2 then 'write' else 'read' end
            from jsonb_array_elements(plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task');
  end if;
  select array_agg(s ->> 'name') into tainted from jsonb_array_elements(plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task' where t.untrusted;
  if tainted is null then return null; end if;
  loop
    select array_agg(distinct s ->> 'name') into grown from jsonb_array_elements(plan -> 'steps') s
      where s ->> 'name' = any (tainted) or reads_any(s -> 'payload', tainted);
    exit when cardinality(grown) = cardinality(tainted);
    tainted := grown;
  end loop;
  return (select case max(case t.effect when 'outside' then 3 when 'write' then 2 else 1 end) when 3 then 'outside' when 2 then 'write' when 1 then 'read' end
          from jsonb_array_elements(plan -> 'steps') s join ops_tasks t on t.identifier = s ->> 'task' where reads_any(s -> 'payload', tainted));
end $$;

COMMENT ON FUNCTION public.untrusted_risk(plan jsonb, all_untrusted boolean) IS 'The greatest effect of a step that data from outside reach, or null where they reach none.';

CREATE FUNCTION public.uptime(from_at timestamp with time zone, to_at timestamp with time zone) RETURNS TABLE(subject text, up_s double precision, down_s double precision, unknown_s double precision, percent double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
  with part as (
    select s.subject, s.state, extract(epoch from least(coalesce(s.until, s.last_seen_at), to_at) - greatest(s.since, from_at)) as seconds
    from ops_watch_states s where s.since < to_at and coalesce(s.until, s.last_seen_at) > from_at),
  summed as (
    select p.subject, coalesce(sum(seconds) filter (where state = 'up'), 0) as up_s, coalesce(sum(seconds) filter (where state = 'down'), 0) as down_s from part p group by p.subject)
  select s.subject, s.up_s, s.down_s, greatest(0, extract(epoch from to_at - from_at) - s.up_s - s.down_s),
         round((100 * s.up_s / nullif(s.up_s + s.down_s, 0))::numeric, 3)::float8
  from summed s order by s.subject
$$;

COMMENT ON FUNCTION public.uptime(from_at timestamp with time zone, to_at timestamp with time zone) IS 'Seconds up, down and unwatched of each subject in a span; percent is of what was watched, null where nothing was.';

CREATE FUNCTION public.use_memories(ids bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ update ops_memory set used_count = used_count + 1, last_used_at = clock_now() where id in (select id from ops_memory where id = any (ids) order by id for update) $$;

CREATE FUNCTION public.utc_day() RETURNS date
    LANGUAGE plpgsql STABLE
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$ begin return (clock_now() at time zone 'UTC')::date; end $$;

COMMENT ON FUNCTION public.utc_day() IS 'The day of quotas and budgets: UTC, by the one clock, whatever zone the server or the session has.';

CREATE FUNCTION public.wake_invoker() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into mission_wakes (mission_id) select s.mission_id from ops_mission_steps s where s.id = new.parent_step_id;
  perform pg_notify('mission:control', new.id::text);
  return null;
end $$;

CREATE FUNCTION public.wake_missions(at_most integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare due bigint; woken integer := 0;
begin
  if is_paused() then
    return 0;
  end if;
  for due in select id from ops_missions where job_id is null and state = 'waiting' and not paused and wake_at <= clock_now()
               and not exists (select from ops_controls c where c.scope = 'agent' and c.target = agent)
             order by wake_at limit at_most for no key update skip locked loop
    perform ensure_job(due);
    woken := woken + 1;
  end loop;
  -- Invoked missions that have ended wake theirs.
  if exists (select from mission_wakes) then
    for due in with told as (delete from mission_wakes where id in (select id from mission_wakes order by id limit at_most for update skip locked) returning mission_id)
               select distinct mission_id from told order by mission_id loop
      perform nudge_mission(due);
      woken := woken + 1;
    end loop;
  end if;
  return woken;
end $$;

CREATE FUNCTION public.warn_budgets(keys text[], periods text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION public.warn_budgets(keys text[], periods text[]) IS 'Tells 75, 90 and 100 percent of each limit once a period.';

CREATE FUNCTION public.watch_changes() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare c record; pooled double precision; z double precision; settled integer := 0;
begin
  for c in
    select l.* from ops_learned_changes l where l.state = 'applied' and l.outcomes >= 30 order by l.id for update of l
  loop
    pooled := (c.base_successes + c.successes)::double precision / (c.base_outcomes + c.outcomes);
    z := case when pooled in (0, 1) then 0 else (c.successes::double precision / c.outcomes - c.base_successes::double precision / c.base_outcomes) / sqrt(pooled * (1 - pooled) * (1.0 / c.outcomes + 1.0 / c.base_outcomes)) end;
    if z < -2.33 then
      if (select max(version) from ops_policy where key = c.policy_key) = c.policy_version then
        perform set_policy(c.policy_key, c.before, format('undone: %s of %s succeeded, %s of %s before', c.successes, c.outcomes, c.base_successes, c.base_outcomes));
      end if;
      update ops_learned_changes set state = 'undone', settled_at = clock_now(), verdict = format('worse: %s of %s, before %s of %s (z = %s)', c.successes, c.outcomes, c.base_successes, c.base_outcomes, round(z::numeric, 2)) where id = c.id;
      insert into ops_agent_events (kind, severity, source, actor, payload, tags)
        values ('policy.undone', 'warning', 'agent', 'system', jsonb_build_object('change', c.id, 'kind', c.kind, 'task', c.task, 'key', c.policy_key, 'successes', c.successes, 'outcomes', c.outcomes, 'z', round(z::numeric, 2)), array[c.task]);
      settled := settled + 1;
    elsif c.outcomes >= 100 then
      update ops_learned_changes set state = 'kept', settled_at = clock_now(), verdict = format('not worse: %s of %s, before %s of %s (z = %s)', c.successes, c.outcomes, c.base_successes, c.base_outcomes, round(z::numeric, 2)) where id = c.id;
      settled := settled + 1;
    end if;
  end loop;
  return settled;
end $$;

COMMENT ON FUNCTION public.watch_changes() IS 'Undoes what did worse than before beyond chance, keeps what did not; returns how many were settled.';

CREATE FUNCTION public.watch_rules() RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_catalog', 'pg_temp'
    AS $$
declare r ops_reaction_rules; new_events bigint[]; all_events bigint[] := '{}'; all_rules bigint[] := '{}'; at timestamptz := clock_now();
begin
  -- A kind that no part is known to emit is noted once: a rule for it would be refused, so somebody has misspelt it, or forgotten the list.
  with noted as (
    insert into ops_unknown_kinds (kind, event_id)
    select e.kind, min(e.id) from ops_agent_events e
    where e.created_at > at - interval '5 minutes' and e.kind not like 'user.%' and not exists (select from ops_event_kinds k where k.kind = e.kind) group by e.kind order by e.kind
    on conflict (kind) do nothing returning kind, event_id)
  insert into ops_agent_events (kind, severity, source, actor, cause_event_id, payload, tags)
    select 'policy.unknown_kind', 'warning', 'rule', 'system', n.event_id, jsonb_build_object('kind', n.kind, 'event', n.event_id), array[n.kind] from noted n;
  for r in select * from ops_reaction_rules where enabled and over is not null order by id loop
    with windowed as (
      select coalesce(w.key, '') as key, w.n from (
        select case when r.cooldown_key is null then '' else jsonb_path_query_first(event_document(e), r.cooldown_key, '{}', true) #>> '{}' end as key, count(*) as n
        from ops_agent_events e left join ops_missions m on m.id = e.mission_id
        where r.kind_glob <> 'agent.heartbeat' and e.created_at > at - r.over and e.kind like r.kind_like
          and rule_mismatch(r, e.kind, e.source, e.tags, e.untrusted, e.cause_event_id is not null or m.cause_event_id is not null, event_document(e)) is null
        group by 1
        union all
        select h.agent, count(*) filter (where h.received_at > at - r.over) from agent_heartbeats h where r.kind_glob = 'agent.heartbeat' and h.received_at > at - interval '7 days' group by h.agent) w),
    firing as (
      select key, n from windowed where (r.at_least is not null and n >= r.at_least) or (r.absent and n = 0)
      union all
      select '', 0 where r.absent and r.kind_glob <> 'agent.heartbeat' and not exists (select from windowed)),
    told as (
      insert into ops_agent_events (kind, severity, source, actor, payload, tags)
      select 'cron.watch', 'warning', 'rule', 'rule:' || r.name, jsonb_build_object('rule', r.name, 'kind', r.kind_glob, 'key', f.key, 'count', f.n, 'over', r.over::text, 'absent', r.absent), array[r.name]
      from firing f
      where not exists (select from ops_reaction_rests t where t.rule_id = r.id and t.key = f.key and t.fired_at > at - rule_rest(r))
      returning id)
    select array_agg(id) into new_events from told;
    all_events := all_events || coalesce(new_events, '{}');
    all_rules := all_rules || array_fill(r.id, array[coalesce(cardinality(new_events), 0)]);
  end loop;
  return decide_reactions(all_events, all_rules);
end $$;

COMMENT ON FUNCTION public.watch_rules() IS 'Once a minute: counts over the windows of rules on time, and decides what fires.';

CREATE FUNCTION public.wilson_high(successes double precision, outcomes double precision, z double precision DEFAULT 1.96) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    AS $$ select 1 - wilson_low(outcomes - successes, outcomes, z) $$;

CREATE FUNCTION public.wilson_low(successes double precision, outcomes double precision, z double precision DEFAULT 1.96) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    AS $$ select case when outcomes > 0 then greatest(0, (successes / outcomes + z * z / (2 * outcomes) - z * sqrt(successes / outcomes * (1 - successes / outcomes) / outcomes + z * z / (4 * outcomes * outcomes))) / (1 + z * z / outcomes)) else 0 end $$;

CREATE TABLE public.agent_events (
    id bigint NOT NULL,
    agent text,
    kind text NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    surface text DEFAULT public.current_source() NOT NULL,
    verb text,
    target text,
    before jsonb,
    after jsonb,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    trace_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.agent_events IS 'Append-only log of acts (kind act: who changed what, from what to what) and of message hops.';

ALTER TABLE public.agent_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.agent_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.agent_heartbeats (
    id bigint NOT NULL,
    agent text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    seq bigint NOT NULL,
    status text NOT NULL,
    via text NOT NULL,
    current_job text,
    rss_bytes bigint,
    loop_lag_ms real,
    beat_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT agent_heartbeats_status_check CHECK ((status = ANY (ARRAY['starting'::text, 'idle'::text, 'busy'::text, 'stopped'::text, 'stopping'::text, 'ended'::text]))),
    CONSTRAINT agent_heartbeats_via_check CHECK ((via = ANY (ARRAY['bridge'::text, 'direct'::text])))
);

COMMENT ON TABLE public.agent_heartbeats IS 'Beats of the agents, two a minute each; who is down is one look at the last beat of each (agent_status).';

COMMENT ON COLUMN public.agent_heartbeats.via IS 'bridge: it came through Redis; direct: Redis, or the bridge, was away.';

ALTER TABLE public.agent_heartbeats ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.agent_heartbeats_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.agent_messages ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.agent_messages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_agents (
    id text NOT NULL,
    number smallint NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    domains text[] DEFAULT '{}'::text[] NOT NULL,
    identity jsonb NOT NULL,
    identity_hash text NOT NULL,
    identity_fault text,
    wanted text DEFAULT 'running'::text NOT NULL,
    registered_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ops_agents_id_check CHECK ((id ~ '^[a-z][a-z0-9_]{0,31}$'::text)),
    CONSTRAINT ops_agents_number_check CHECK (((number >= 1) AND (number <= 999))),
    CONSTRAINT ops_agents_wanted_check CHECK ((wanted = ANY (ARRAY['running'::text, 'stopped'::text])))
);

COMMENT ON TABLE public.ops_agents IS 'The roster: every agent that this installation has, with the identity that is in force.';

COMMENT ON COLUMN public.ops_agents.identity_fault IS 'Why the newest edit of the identity file is not in force; null when it is.';

COMMENT ON COLUMN public.ops_agents.wanted IS 'stopped: the agent''s process stays, takes no message and does nothing by itself.';

CREATE TABLE public.ops_outcome_rows (
    id bigint NOT NULL,
    mission_id bigint,
    step_id bigint,
    job bigint,
    attempt smallint DEFAULT 1 NOT NULL,
    agent text,
    task text NOT NULL,
    provider text,
    model text,
    success boolean NOT NULL,
    state text NOT NULL,
    duration_ms double precision,
    input_bytes bigint,
    prompt_tokens integer,
    completion_tokens integer,
    cost_usd numeric(14,6) DEFAULT 0 NOT NULL,
    error_class text,
    error_fingerprint text,
    rating smallint,
    trace_id uuid,
    tx xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ops_outcome_rows_cost_usd_check CHECK ((cost_usd >= (0)::numeric)),
    CONSTRAINT ops_outcome_rows_rating_check CHECK (((rating >= '-1'::integer) AND (rating <= 1)))
);

COMMENT ON TABLE public.ops_outcome_rows IS 'What a step, a call or an agent''s message cost and how it ended, written in the transaction that ends it; a person''s rating is a row of state rated. Read ops_outcomes, which has plain jobs too.';

CREATE VIEW public.agent_status AS
 SELECT a.number,
    a.id,
    a.name,
    a.role,
    a.domains,
    a.wanted,
    a.identity_fault,
        CASE
            WHEN (b.beat_at IS NULL) THEN 'never'::text
            WHEN ((b.status = 'ended'::text) OR ((public.clock_now() - b.received_at) > public.agent_alive_limit())) THEN 'down'::text
            WHEN (a.wanted = 'stopped'::text) THEN 'stopped'::text
            WHEN (b.via = 'direct'::text) THEN 'degraded'::text
            ELSE 'alive'::text
        END AS status,
    b.status AS doing,
    b.via,
    b.host,
    b.pid,
    b.seq,
    b.current_job,
    b.rss_bytes,
    b.loop_lag_ms,
    b.beat_at,
    b.received_at,
    ( SELECT count(*) AS count
           FROM public.agent_messages m
          WHERE ((m.recipient = a.id) AND (m.handled_at IS NULL))) AS waiting,
    ( SELECT COALESCE(sum(o.cost_usd), (0)::numeric) AS "coalesce"
           FROM public.ops_outcome_rows o
          WHERE ((o.agent = a.id) AND (o.created_at >= (date_trunc('day'::text, (public.clock_now() AT TIME ZONE 'UTC'::text)) AT TIME ZONE 'UTC'::text)))) AS cost_today_usd
   FROM (public.ops_agents a
     LEFT JOIN LATERAL ( SELECT h.id,
            h.agent,
            h.host,
            h.pid,
            h.seq,
            h.status,
            h.via,
            h.current_job,
            h.rss_bytes,
            h.loop_lag_ms,
            h.beat_at,
            h.received_at
           FROM public.agent_heartbeats h
          WHERE (h.agent = a.id)
          ORDER BY h.received_at DESC
         LIMIT 1) b ON (true));

COMMENT ON VIEW public.agent_status IS 'Each agent with its last beat: alive, degraded (its beats come without Redis), stopped (by a person), down, never.';

CREATE TABLE public.chat_conversations (
    chat_id bigint NOT NULL,
    user_id bigint NOT NULL,
    topic text NOT NULL,
    state jsonb DEFAULT '{}'::jsonb NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.chat_conversations IS 'What the bot has asked a person and waits to hear; forgotten after ten minutes.';

CREATE TABLE public.checkpoints (
    scope text NOT NULL,
    name text NOT NULL,
    output jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.checkpoints IS 'Outputs of ctx.step(): a retried run gets the recorded output instead of running the step again. scope is j<job> or m<mission>/<step>.';

CREATE TABLE public.clock_override (
    only_row boolean DEFAULT true NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT clock_override_only_row_check CHECK (only_row)
);

COMMENT ON TABLE public.clock_override IS 'Empty in production. A test writes one row here to set the time that clock_now() tells to every session.';

CREATE TABLE public.gate_counters (
    only_row boolean DEFAULT true NOT NULL,
    day date DEFAULT '2000-01-01'::date NOT NULL,
    steps bigint DEFAULT 0 NOT NULL,
    active bigint DEFAULT 0 NOT NULL,
    counted_at timestamp with time zone DEFAULT '2000-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    CONSTRAINT gate_counters_only_row_check CHECK (only_row)
);

COMMENT ON TABLE public.gate_counters IS 'Steps that were admitted today (UTC), and an upper bound of the open missions.';

ALTER TABLE public.inbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.inbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.job_cancels (
    job_id bigint NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.job_cancels IS 'Jobs that somebody wants to stop while they run; the worker that runs one aborts it and ends it as cancelled.';

CREATE TABLE public.job_crashes (
    job_id bigint NOT NULL,
    crashes smallint NOT NULL,
    last_cause text NOT NULL,
    suspect_of text
);

COMMENT ON TABLE public.job_crashes IS 'How often a worker died while it ran a job; the third death ends the job as poison. An attempt is not spent by a death.';

COMMENT ON COLUMN public.job_crashes.suspect_of IS 'The pool that runs it as its one suspect: a death of that pool is counted to this job alone.';

CREATE TABLE public.job_holds (
    job_id bigint NOT NULL,
    reason_code text NOT NULL,
    reason text NOT NULL,
    until timestamp with time zone,
    since timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.job_holds IS 'Jobs that policy gave back instead of starting them, and why: quota, budget, calls, breaker, policy. They are fetched again at until, or when the policy or breaker changes.';

CREATE TABLE public.job_progress (
    job_id bigint NOT NULL,
    fraction real,
    note text,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT job_progress_fraction_check CHECK (((fraction >= (0)::double precision) AND (fraction <= (1)::double precision)))
);

COMMENT ON TABLE public.job_progress IS 'The last word of a running job about itself; at most one write a second a job.';

CREATE TABLE public.job_requests (
    id bigint DEFAULT nextval('graphile_worker.jobs_id_seq1'::regclass) NOT NULL,
    task text NOT NULL,
    payload jsonb,
    run_at timestamp with time zone,
    max_attempts public.job_attempts,
    priority smallint,
    job_key text,
    idempotency_key public.job_idempotency_key,
    source public.job_source DEFAULT public.current_source() NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    mission_id bigint,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.job_requests IS 'Who asked for which job, when and why. Insert-only; a statement trigger queues what is inserted. Its ids are graphile-worker''s, so that plain add_job never collides.';

COMMENT ON COLUMN public.job_requests.payload IS 'As asked; null where graphile-worker''s row is the only copy.';

CREATE TABLE public.job_requests_direct (
    CONSTRAINT job_requests_direct_idempotency_key_check CHECK ((idempotency_key IS NULL))
)
INHERITS (public.job_requests);

COMMENT ON TABLE public.job_requests_direct IS 'The rows of job_requests whose job was queued in the same statement: no trigger queues them.';

CREATE TABLE public.limit_pokes (
    id bigint NOT NULL,
    task text NOT NULL,
    key text
);

COMMENT ON TABLE public.limit_pokes IS 'Where somebody may be let in now: written by whoever cannot wait for the task''s lock, emptied by workers at once and each second.';

ALTER TABLE public.limit_pokes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.limit_pokes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.limit_rates (
    task text NOT NULL,
    free_at timestamp with time zone NOT NULL,
    next_at timestamp with time zone
);

COMMENT ON TABLE public.limit_rates IS 'The rate of each task as one point in time (GCRA): the next start is not before it.';

COMMENT ON COLUMN public.limit_rates.next_at IS 'When those that wait are to be looked at again; null: nobody waits for time.';

CREATE TABLE public.limit_slots (
    holder text NOT NULL,
    task text NOT NULL,
    key text NOT NULL,
    start_at timestamp with time zone NOT NULL,
    attempt smallint,
    since timestamp with time zone DEFAULT public.clock_now() NOT NULL
);

COMMENT ON TABLE public.limit_slots IS 'Who has a place. It belongs to the job or step until that ends, not to a run of it, so that no crash can lose it.';

COMMENT ON COLUMN public.limit_slots.start_at IS 'Not before this, by the task''s rate.';

COMMENT ON COLUMN public.limit_slots.attempt IS 'The attempt that start_at was given for: by the rate, another one is another start.';

CREATE TABLE public.message_buttons (
    token text NOT NULL,
    outbox_id bigint NOT NULL,
    line smallint NOT NULL,
    place smallint NOT NULL,
    label text NOT NULL,
    action text NOT NULL,
    args text[] DEFAULT '{}'::text[] NOT NULL,
    for_user bigint,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    expires_at timestamp with time zone,
    used_at timestamp with time zone,
    used_by bigint
);

COMMENT ON TABLE public.message_buttons IS 'The buttons of sent messages. When one of a message is used, all of that message are.';

COMMENT ON COLUMN public.message_buttons.action IS 'A command of the chat, without its slash.';

COMMENT ON COLUMN public.message_buttons.for_user IS 'Only this person may press it (a confirmation); null: whoever''s role allows the command.';

COMMENT ON COLUMN public.message_buttons.used_by IS 'The inbox row of the press that won.';

CREATE TABLE public.mission_messages (
    outbox_id bigint NOT NULL,
    mission_id bigint NOT NULL,
    shown text DEFAULT ''::text NOT NULL,
    since timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    ended_at timestamp with time zone
);

COMMENT ON TABLE public.mission_messages IS 'Messages that show how a mission goes. Each is one message that is rewritten, until ended_at.';

CREATE TABLE public.mission_wakes (
    id bigint NOT NULL,
    mission_id bigint NOT NULL
);

COMMENT ON TABLE public.mission_wakes IS 'Missions that something else has to wake: emptied once a second by wake_missions().';

ALTER TABLE public.mission_wakes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.mission_wakes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.ops_agent_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_agent_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_alert_digests (
    alert_id bigint NOT NULL,
    through bigint NOT NULL
);

COMMENT ON TABLE public.ops_alert_digests IS 'Which held alerts a digest told of: all up to `through`. The alerts themselves are never changed.';

CREATE TABLE public.ops_alert_mutes (
    pattern text NOT NULL,
    until timestamp with time zone NOT NULL,
    reason text,
    actor text DEFAULT public.current_actor() NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT ops_alert_mutes_pattern_check CHECK (((length(pattern) >= 1) AND (length(pattern) <= 200)))
);

COMMENT ON TABLE public.ops_alert_mutes IS 'Fingerprints (with * for any text) that are silent until then. A critical alert is muted only by a pattern without *.';

CREATE TABLE public.ops_alerts (
    id bigint NOT NULL,
    severity text NOT NULL,
    kind text NOT NULL,
    fingerprint text NOT NULL,
    title text NOT NULL,
    body text DEFAULT ''::text NOT NULL,
    runbook text,
    state text NOT NULL,
    reason text,
    message_id bigint,
    actor text DEFAULT public.current_actor() NOT NULL,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    recorded_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT ops_alerts_body_check CHECK ((length(body) <= 8000)),
    CONSTRAINT ops_alerts_fingerprint_check CHECK (((length(fingerprint) >= 1) AND (length(fingerprint) <= 200))),
    CONSTRAINT ops_alerts_kind_check CHECK ((kind = ANY (ARRAY['problem'::text, 'reminder'::text, 'resolved'::text, 'digest'::text, 'test'::text]))),
    CONSTRAINT ops_alerts_runbook_check CHECK ((runbook ~ '^[a-z0-9-]+$'::text)),
    CONSTRAINT ops_alerts_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'error'::text, 'critical'::text]))),
    CONSTRAINT ops_alerts_state_check CHECK ((state = ANY (ARRAY['sent'::text, 'held'::text, 'muted'::text, 'direct'::text]))),
    CONSTRAINT ops_alerts_title_check CHECK (((length(title) >= 1) AND (length(title) <= 500)))
);

COMMENT ON TABLE public.ops_alerts IS 'Append-only: every alert and what became of it. state: sent (given to the outbox), held (counted in the next digest), muted, direct (sent by the second path while Postgres was away).';

COMMENT ON COLUMN public.ops_alerts.fingerprint IS 'What it is about: one problem in a quarter of an hour, whoever raises it.';

COMMENT ON COLUMN public.ops_alerts.reason IS 'Why it was not sent: repeated, bucket, quiet hours, flapping, mute, problem never sent.';

COMMENT ON COLUMN public.ops_alerts.message_id IS 'The row of the outbox, where there is one: whether it was delivered is said there.';

ALTER TABLE public.ops_alerts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.ops_approvals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_approvals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_backup_drills (
    id bigint NOT NULL,
    backup_id bigint NOT NULL,
    passed boolean NOT NULL,
    duration_ms double precision NOT NULL,
    row_count bigint,
    faults text[] DEFAULT '{}'::text[] NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL
);

COMMENT ON TABLE public.ops_backup_drills IS 'One row a restore drill: the archive was restored into a scratch database and each table counted against the manifest.';

ALTER TABLE public.ops_backup_drills ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_backup_drills_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.ops_backups ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_backups_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_breakers (
    name text NOT NULL,
    state text DEFAULT 'closed'::text NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    opens integer DEFAULT 0 NOT NULL,
    opened_at timestamp with time zone,
    open_until timestamp with time zone,
    probe text,
    probe_until timestamp with time zone,
    last_error text,
    reason text,
    actor text DEFAULT public.current_actor() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ops_breakers_check CHECK (((state = 'open'::text) = (open_until IS NOT NULL))),
    CONSTRAINT ops_breakers_check1 CHECK (((state = 'half_open'::text) = (probe IS NOT NULL))),
    CONSTRAINT ops_breakers_name_check CHECK ((name ~ '^(service|kind|task):[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$'::text)),
    CONSTRAINT ops_breakers_state_check CHECK ((state = ANY (ARRAY['closed'::text, 'open'::text, 'half_open'::text])))
);

COMMENT ON TABLE public.ops_breakers IS 'A row for each breaker that ever counted a failure. A service or kind without a row is closed.';

COMMENT ON COLUMN public.ops_breakers.opens IS 'How often it has opened since it was last closed: each time for twice as long.';

COMMENT ON COLUMN public.ops_breakers.probe IS 'Who may try while it is half open; after probe_until somebody else may.';

CREATE TABLE public.ops_budget_use (
    key text NOT NULL,
    period text NOT NULL,
    spent_usd numeric(14,6) DEFAULT 0 NOT NULL,
    reserved_usd numeric(14,6) DEFAULT 0 NOT NULL,
    warned smallint DEFAULT 0 NOT NULL,
    CONSTRAINT ops_budget_use_reserved_usd_check CHECK ((reserved_usd >= (0)::numeric))
);

COMMENT ON TABLE public.ops_budget_use IS 'What is spent and reserved: all, agent:<name> and provider:<name> by day and month (UTC), mission:<id>. calls:<provider> is there to be locked.';

COMMENT ON COLUMN public.ops_budget_use.warned IS 'The highest of 75, 90 and 100 percent that an event has told.';

CREATE TABLE public.ops_cron_runs (
    schedule text NOT NULL,
    planned_for timestamp with time zone NOT NULL,
    state text NOT NULL,
    job_id bigint,
    made_up boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT ops_cron_runs_check CHECK (((state = ANY (ARRAY['queued'::text, 'replaced'::text])) = (job_id IS NOT NULL))),
    CONSTRAINT ops_cron_runs_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'missed'::text, 'paused'::text, 'replaced'::text])))
);

COMMENT ON TABLE public.ops_cron_runs IS 'Each planned run of a schedule once: its job, or that it was missed or paused.';

COMMENT ON COLUMN public.ops_cron_runs.state IS 'replaced: the job still waited when the next run came, and is that one''s now.';

COMMENT ON COLUMN public.ops_cron_runs.made_up IS 'Whether it had been missed, and its job was queued later.';

CREATE TABLE public.ops_cursors (
    name text NOT NULL,
    tx xid8 DEFAULT '0'::xid8 NOT NULL,
    id bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.ops_cursors IS 'How far a follower of an append-only table has read: (transaction, id), because ids commit out of order. A restored database begins at 0.';

CREATE TABLE public.ops_devices (
    id bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    subject text NOT NULL,
    public_key text,
    role text NOT NULL,
    created_by text DEFAULT public.current_actor() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT ops_devices_check CHECK (
CASE kind
    WHEN 'ssh'::text THEN (subject ~ '^SHA256:[A-Za-z0-9+/]{43}$'::text)
    ELSE (subject ~ '^[1-9][0-9]{0,14}$'::text)
END),
    CONSTRAINT ops_devices_check1 CHECK (((kind <> 'ssh'::text) OR (public_key IS NOT NULL))),
    CONSTRAINT ops_devices_kind_check CHECK ((kind = ANY (ARRAY['ssh'::text, 'telegram'::text]))),
    CONSTRAINT ops_devices_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$'::text)),
    CONSTRAINT ops_devices_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'owner'::text])))
);

COMMENT ON TABLE public.ops_devices IS 'Paired devices: SSH keys that may open the screen, Telegram users that may talk to the bot.';

COMMENT ON COLUMN public.ops_devices.subject IS 'What proves it: the fingerprint of its key (SHA256:...), or the Telegram user id.';

COMMENT ON COLUMN public.ops_devices.role IS 'viewer looks, operator acts, owner also answers what is asked of the owner.';

COMMENT ON COLUMN public.ops_devices.last_seen_at IS 'When it was last let in; at most once a minute.';

ALTER TABLE public.ops_devices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_devices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_drifts (
    task text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    outcomes integer DEFAULT 0 NOT NULL,
    successes integer DEFAULT 0 NOT NULL,
    expected double precision,
    evidence double precision DEFAULT 0 NOT NULL,
    drifted_at timestamp with time zone,
    drifts integer DEFAULT 0 NOT NULL,
    recent_outcomes double precision DEFAULT 0 NOT NULL,
    recent_successes double precision DEFAULT 0 NOT NULL,
    recent_ms double precision DEFAULT 0 NOT NULL,
    recent_cost double precision DEFAULT 0 NOT NULL
);

COMMENT ON TABLE public.ops_drifts IS 'Whether a success rate has fallen: a Bernoulli CUSUM (Page 1954) of the rate that the first outcomes showed against three fifths of it.';

COMMENT ON COLUMN public.ops_drifts.expected IS 'The lower bound (Wilson 1927, z = 1) of the rate that was seen before; null until 50 outcomes.';

COMMENT ON COLUMN public.ops_drifts.evidence IS 'Log-likelihood ratio of fallen against not, never below 0; over 12 it is told.';

COMMENT ON COLUMN public.ops_drifts.recent_outcomes IS 'Outcomes, each weighing 0.97 of the next: about the last thirty. Choosing a provider looks at these.';

CREATE TABLE public.ops_event_kinds (
    kind text NOT NULL,
    description text NOT NULL
);

COMMENT ON TABLE public.ops_event_kinds IS 'Every kind of event that a part emits. Kinds of the operator''s own begin with user. and need no row.';

CREATE TABLE public.ops_health (
    check_id text NOT NULL,
    state text NOT NULL,
    verdict text NOT NULL,
    summary text NOT NULL,
    failures integer NOT NULL,
    passes integer NOT NULL,
    failed_since timestamp with time zone,
    fired_at timestamp with time zone,
    reminded_at timestamp with time zone,
    changes timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    flapping boolean DEFAULT false NOT NULL,
    passed_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT ops_health_check_id_check CHECK ((check_id ~ '^[a-z][a-z0-9_]*$'::text)),
    CONSTRAINT ops_health_failures_check CHECK ((failures >= 0)),
    CONSTRAINT ops_health_passes_check CHECK ((passes >= 0)),
    CONSTRAINT ops_health_state_check CHECK ((state = ANY (ARRAY['ok'::text, 'pending'::text, 'firing'::text, 'recovering'::text]))),
    CONSTRAINT ops_health_verdict_check CHECK ((verdict = ANY (ARRAY['pass'::text, 'warn'::text, 'fail'::text, 'unknown'::text, 'skipped'::text])))
);

COMMENT ON TABLE public.ops_health IS 'One row a check: ok -> pending -> firing -> recovering -> ok, with its counters. verdict and summary are the last look.';

COMMENT ON COLUMN public.ops_health.failures IS 'Failed looks in a row.';

COMMENT ON COLUMN public.ops_health.failed_since IS 'The first failure of the outage that goes on; the recovery''s notice counts from here.';

COMMENT ON COLUMN public.ops_health.changes IS 'When it fired or recovered within the last hour: more than four is flapping.';

CREATE TABLE public.ops_health_runs (
    id bigint NOT NULL,
    trigger text NOT NULL,
    host text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    exit_code smallint NOT NULL,
    findings jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT ops_health_runs_exit_code_check CHECK ((exit_code = ANY (ARRAY[0, 1, 3]))),
    CONSTRAINT ops_health_runs_findings_check CHECK ((jsonb_typeof(findings) = 'array'::text)),
    CONSTRAINT ops_health_runs_trigger_check CHECK ((trigger = ANY (ARRAY['cron'::text, 'timer'::text, 'cli'::text, 'telegram'::text, 'dashboard'::text, 'agent'::text])))
);

COMMENT ON TABLE public.ops_health_runs IS 'Append-only: every health run. One that found no Postgres is recorded by the next that does.';

ALTER TABLE public.ops_health_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_health_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.ops_health_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

COMMENT ON SEQUENCE public.ops_health_seq IS 'Counts the runs over row and file: the higher number is the newer state.';

CREATE TABLE public.ops_incidents (
    id bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    severity text DEFAULT 'error'::text NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    what text NOT NULL,
    why text DEFAULT ''::text NOT NULL,
    tried jsonb DEFAULT '[]'::jsonb NOT NULL,
    needed text DEFAULT ''::text NOT NULL,
    seen_by text DEFAULT public.current_actor() NOT NULL,
    seen integer DEFAULT 1 NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone,
    resolution text,
    trace_id uuid DEFAULT public.current_trace() NOT NULL,
    CONSTRAINT ops_incidents_check CHECK (((state = 'resolved'::text) = (resolved_at IS NOT NULL))),
    CONSTRAINT ops_incidents_kind_check CHECK ((kind ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
    CONSTRAINT ops_incidents_severity_check CHECK ((severity = ANY (ARRAY['warning'::text, 'error'::text, 'critical'::text]))),
    CONSTRAINT ops_incidents_state_check CHECK ((state = ANY (ARRAY['open'::text, 'resolved'::text]))),
    CONSTRAINT ops_incidents_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 200))),
    CONSTRAINT ops_incidents_tried_check CHECK ((jsonb_typeof(tried) = 'array'::text))
);

COMMENT ON TABLE public.ops_incidents IS 'What went wrong: what, why, what was tried by itself, and what is needed of a person.';

COMMENT ON COLUMN public.ops_incidents.tried IS 'Array of {at, act, result}, in order.';

COMMENT ON COLUMN public.ops_incidents.needed IS 'What a person has to do; empty where nothing.';

ALTER TABLE public.ops_incidents ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_incidents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.ops_interests ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_interests_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_learned_changes (
    id bigint NOT NULL,
    kind text NOT NULL,
    task text NOT NULL,
    policy_key text NOT NULL,
    before jsonb,
    after jsonb NOT NULL,
    evidence jsonb NOT NULL,
    state text DEFAULT 'proposed'::text NOT NULL,
    approval_id bigint,
    policy_version integer,
    base_outcomes integer NOT NULL,
    base_successes integer NOT NULL,
    outcomes integer DEFAULT 0 NOT NULL,
    successes integer DEFAULT 0 NOT NULL,
    verdict text,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    applied_at timestamp with time zone,
    settled_at timestamp with time zone,
    CONSTRAINT ops_learned_changes_kind_check CHECK ((kind = ANY (ARRAY['timeout'::text, 'retries'::text, 'provider_order'::text, 'stop'::text, 'breaker'::text]))),
    CONSTRAINT ops_learned_changes_state_check CHECK ((state = ANY (ARRAY['proposed'::text, 'rejected'::text, 'applied'::text, 'kept'::text, 'undone'::text, 'superseded'::text])))
);

COMMENT ON TABLE public.ops_learned_changes IS 'Changes of policy that the statistics propose, with their evidence, and what became of them.';

COMMENT ON COLUMN public.ops_learned_changes.task IS 'The task whose outcomes speak for it, or service:<provider>.';

COMMENT ON COLUMN public.ops_learned_changes.outcomes IS 'Of its task since it was applied, counted as the learner comes to them.';

ALTER TABLE public.ops_learned_changes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_learned_changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_memory (
    id bigint NOT NULL,
    kind text NOT NULL,
    agent text,
    text text NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    confidence real DEFAULT 0.5 NOT NULL,
    provenance jsonb DEFAULT '{}'::jsonb NOT NULL,
    untrusted boolean DEFAULT false NOT NULL,
    pinned boolean DEFAULT false NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    superseded_by bigint,
    used_count integer DEFAULT 0 NOT NULL,
    last_used_at timestamp with time zone,
    mirror_hash text,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    updated_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    content_hash text GENERATED ALWAYS AS (md5(((((kind || ':'::text) || COALESCE(agent, ''::text)) || ':'::text) || lower(regexp_replace(text, '\s+'::text, ' '::text, 'g'::text))))) STORED NOT NULL,
    search tsvector GENERATED ALWAYS AS ((setweight(to_tsvector('simple'::regconfig, text), 'A'::"char") || setweight(array_to_tsvector(tags), 'B'::"char"))) STORED NOT NULL,
    CONSTRAINT ops_memory_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT ops_memory_kind_check CHECK ((kind = ANY (ARRAY['insight'::text, 'pattern'::text, 'strategy'::text, 'preference'::text, 'lesson'::text]))),
    CONSTRAINT ops_memory_provenance_check CHECK ((jsonb_typeof(provenance) = 'object'::text)),
    CONSTRAINT ops_memory_text_check CHECK (((length(text) >= 1) AND (length(text) <= 8000)))
);

COMMENT ON TABLE public.ops_memory IS 'Insights, patterns, strategies, preferences and lessons, with how sure they are and where they come from.';

COMMENT ON COLUMN public.ops_memory.agent IS 'Whose it is; null is everybody''s.';

COMMENT ON COLUMN public.ops_memory.pinned IS 'Never pruned: an operator wrote it, or said so.';

COMMENT ON COLUMN public.ops_memory.superseded_by IS 'What took its place; such a row is kept for a while and found no more.';

COMMENT ON COLUMN public.ops_memory.mirror_hash IS 'SHA-256 of the file as it was last written or read: another one in the workspace is an edit by hand.';

ALTER TABLE public.ops_memory ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_memory_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.ops_mission_proposals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_mission_proposals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_mission_steps (
    id bigint NOT NULL,
    mission_id bigint NOT NULL,
    name text NOT NULL,
    "position" smallint NOT NULL,
    task text NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    needs text[] DEFAULT '{}'::text[] NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    attempt smallint DEFAULT 0 NOT NULL,
    max_attempts smallint NOT NULL,
    timeout_ms integer NOT NULL,
    effect text NOT NULL,
    idempotency_key text NOT NULL,
    epoch integer DEFAULT 0 NOT NULL,
    output jsonb,
    error_class text,
    error text,
    untrusted boolean DEFAULT false NOT NULL,
    wake_at timestamp with time zone,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    kind text DEFAULT 'task'::text NOT NULL,
    parent_step_id bigint,
    approval jsonb,
    approval_id bigint,
    version text,
    limited boolean DEFAULT false NOT NULL,
    CONSTRAINT ops_mission_steps_check CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text, 'unknown'::text])))),
    CONSTRAINT ops_mission_steps_effect_check CHECK ((effect = ANY (ARRAY['read'::text, 'write'::text, 'outside'::text]))),
    CONSTRAINT ops_mission_steps_kind_check CHECK ((kind = ANY (ARRAY['task'::text, 'step'::text, 'sleep'::text, 'signal'::text, 'approval'::text, 'invoke'::text]))),
    CONSTRAINT ops_mission_steps_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text, 'cancelled'::text, 'unknown'::text])))
)
WITH (fillfactor='60');

COMMENT ON TABLE public.ops_mission_steps IS 'The named checkpoints of a mission, each with exactly one recorded outcome.';

COMMENT ON COLUMN public.ops_mission_steps.attempt IS 'How often it was started; what was started and not ended when its worker died is known by this.';

COMMENT ON COLUMN public.ops_mission_steps.idempotency_key IS 'Given to the task, so that an effect outside can be told apart from its repetition.';

COMMENT ON COLUMN public.ops_mission_steps.wake_at IS 'Not before this time (a backoff).';

COMMENT ON COLUMN public.ops_mission_steps.kind IS 'task: of a plan. The others are made by a durable function as it runs: step, sleep, signal, approval, invoke.';

COMMENT ON COLUMN public.ops_mission_steps.parent_step_id IS 'The step whose durable function made this one; null for a step of the plan.';

COMMENT ON COLUMN public.ops_mission_steps.approval IS 'What the plan wants to be asked before it starts: {question, expires, on_expiry, who}.';

COMMENT ON COLUMN public.ops_mission_steps.approval_id IS 'The question that this step waits for, or whose answer it goes by.';

COMMENT ON COLUMN public.ops_mission_steps.version IS 'Of a step with a durable function: the hash of the file as the function last ran.';

COMMENT ON COLUMN public.ops_mission_steps.limited IS 'It has, or waits for, a place of its task; at its end that is free.';

ALTER TABLE public.ops_mission_steps ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_mission_steps_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.ops_missions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_missions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_model_cooldowns (
    provider text NOT NULL,
    model text NOT NULL,
    failures integer DEFAULT 1 NOT NULL,
    fault text NOT NULL,
    message text,
    failed_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL,
    probe_until timestamp with time zone
);

COMMENT ON TABLE public.ops_model_cooldowns IS 'Models that failed and are not asked until then; a model without a row is well. Deleted by the first answer.';

COMMENT ON COLUMN public.ops_model_cooldowns.failures IS 'In a row, counted once for calls that ran side by side; the length of the pause follows from it.';

COMMENT ON COLUMN public.ops_model_cooldowns.probe_until IS 'One caller tries it until then; the others go on to the next model.';

CREATE TABLE public.ops_outcome_attempts (
    task text NOT NULL,
    attempt smallint NOT NULL,
    day date NOT NULL,
    outcomes integer NOT NULL,
    successes integer NOT NULL
);

COMMENT ON TABLE public.ops_outcome_attempts IS 'With which attempt it ended: the curve of success after retry.';

CREATE TABLE public.ops_outcome_days (
    task text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    day date NOT NULL,
    outcomes integer NOT NULL,
    successes integer NOT NULL,
    duration_ms double precision NOT NULL,
    cost_usd numeric(14,6) NOT NULL,
    tokens bigint NOT NULL
);

COMMENT ON TABLE public.ops_outcome_days IS 'Outcomes by task, provider, model ('''' for none) and UTC day.';

CREATE TABLE public.ops_outcome_durations (
    task text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    day date NOT NULL,
    bucket smallint NOT NULL,
    outcomes integer NOT NULL
);

COMMENT ON TABLE public.ops_outcome_durations IS 'How long what succeeded took: bucket n holds 1.2^n to 1.2^(n+1) ms.';

CREATE TABLE public.ops_outcome_errors (
    task text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    error_class text NOT NULL,
    fingerprint text NOT NULL,
    outcomes integer NOT NULL,
    last_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.ops_outcome_errors IS 'How often which error ended it.';

ALTER TABLE public.ops_outcome_rows ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_outcome_rows_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.ops_outcomes AS
 SELECT ops_outcome_rows.id,
    ops_outcome_rows.mission_id,
    ops_outcome_rows.step_id,
    ops_outcome_rows.job,
    ops_outcome_rows.attempt,
    ops_outcome_rows.agent,
    ops_outcome_rows.task,
    ops_outcome_rows.provider,
    ops_outcome_rows.model,
    ops_outcome_rows.success,
    ops_outcome_rows.state,
    ops_outcome_rows.duration_ms,
    ops_outcome_rows.input_bytes,
    ops_outcome_rows.prompt_tokens,
    ops_outcome_rows.completion_tokens,
    ops_outcome_rows.cost_usd,
    ops_outcome_rows.error_class,
    ops_outcome_rows.error_fingerprint,
    ops_outcome_rows.rating,
    ops_outcome_rows.trace_id,
    ops_outcome_rows.tx,
    ops_outcome_rows.created_at
   FROM public.ops_outcome_rows
UNION ALL
 SELECT (- h.job_id) AS id,
    NULL::bigint AS mission_id,
    NULL::bigint AS step_id,
    h.job_id AS job,
    GREATEST(h.attempts, (1)::smallint) AS attempt,
    ( SELECT substr(r.actor, 7) AS substr
           FROM public.job_requests r
          WHERE ((r.id = h.job_id) AND (r.actor ~~ 'agent:%'::text))) AS agent,
    h.task,
    NULL::text AS provider,
    NULL::text AS model,
    (h.state = 'succeeded'::text) AS success,
    h.state,
    public.job_duration(h.*) AS duration_ms,
    NULL::bigint AS input_bytes,
    NULL::integer AS prompt_tokens,
    NULL::integer AS completion_tokens,
    (0)::numeric(14,6) AS cost_usd,
    h.error_class,
    public.job_fingerprint(h.*) AS error_fingerprint,
    NULL::smallint AS rating,
    ( SELECT r.trace_id
           FROM public.job_requests r
          WHERE (r.id = h.job_id)) AS trace_id,
    h.tx,
    h.finished_at AS created_at
   FROM public.job_history h
  WHERE (h.task <> 'mission'::text);

COMMENT ON VIEW public.ops_outcomes IS 'What each step, plain job, call and agent''s message cost and how it ended: exactly one row for each terminal attempt, there from the transaction that ends it. A step that a person had run again has a further row, with the later attempt.';

COMMENT ON COLUMN public.ops_outcomes.job IS 'Of a plain job the job itself; of a call (task model_call, search_call) the job that made it.';

CREATE TABLE public.ops_pairings (
    id bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    salt text DEFAULT (gen_random_uuid())::text NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    told_at timestamp with time zone,
    decided_at timestamp with time zone,
    decided_by text,
    outcome text,
    device_id bigint,
    CONSTRAINT ops_pairings_check CHECK (((decided_at IS NOT NULL) = (outcome IS NOT NULL))),
    CONSTRAINT ops_pairings_check1 CHECK (((outcome = 'approved'::text) = (device_id IS NOT NULL))),
    CONSTRAINT ops_pairings_kind_check CHECK ((kind = 'telegram'::text)),
    CONSTRAINT ops_pairings_outcome_check CHECK ((outcome = ANY (ARRAY['approved'::text, 'rejected'::text])))
);

COMMENT ON TABLE public.ops_pairings IS 'People who asked to be let in. Three may wait at once, each for an hour.';

ALTER TABLE public.ops_pairings ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_pairings_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_policy (
    key text NOT NULL,
    version integer NOT NULL,
    value jsonb NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ops_policy_key_check CHECK ((key ~ '^[a-z][a-z0-9_.]*$'::text)),
    CONSTRAINT ops_policy_version_check CHECK ((version > 0))
);

COMMENT ON TABLE public.ops_policy IS 'Versioned policy; in force is the highest version of a key. Rows are never changed: a change is a new version.';

CREATE TABLE public.ops_policy_keys (
    key text NOT NULL,
    schema jsonb NOT NULL,
    CONSTRAINT ops_policy_keys_schema_check CHECK ((jsonb_typeof(schema) = 'object'::text))
);

COMMENT ON TABLE public.ops_policy_keys IS 'Each key of policy with the JSON Schema of its value: what does not fit is refused, whoever inserts it.';

CREATE TABLE public.ops_quota_use (
    task text NOT NULL,
    day date NOT NULL,
    used integer NOT NULL,
    CONSTRAINT ops_quota_use_used_check CHECK ((used >= 0))
);

COMMENT ON TABLE public.ops_quota_use IS 'Starts of a task in a UTC day, where it has a quota.';

CREATE TABLE public.ops_reaction_days (
    rule_id bigint NOT NULL,
    day date NOT NULL,
    fired integer NOT NULL
);

COMMENT ON TABLE public.ops_reaction_days IS 'How often a rule fired on a UTC day: the ground of daily caps.';

CREATE TABLE public.ops_reaction_rests (
    rule_id bigint NOT NULL,
    key text NOT NULL,
    fired_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.ops_reaction_rests IS 'When a rule last fired for a key: the ground of cooldowns.';

ALTER TABLE public.ops_reaction_rules ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_reaction_rules_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_reactions (
    id bigint NOT NULL,
    event_id bigint NOT NULL,
    rule_id bigint NOT NULL,
    rule_version integer NOT NULL,
    state text NOT NULL,
    reason text,
    mission_id bigint,
    message_id bigint,
    roll double precision,
    depth smallint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ops_reactions_state_check CHECK ((state = ANY (ARRAY['fired'::text, 'asked'::text, 'refused'::text, 'probability'::text, 'cooldown'::text, 'cap'::text, 'depth'::text, 'cycle'::text, 'error'::text])))
);

COMMENT ON TABLE public.ops_reactions IS 'One decision a pair of event and rule that match: fired, or why not. Append-only.';

COMMENT ON COLUMN public.ops_reactions.rule_id IS 'No foreign key, which would be looked up for each decision: rules are switched off, never deleted.';

ALTER TABLE public.ops_reactions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_reactions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_repeated_calls (
    run text NOT NULL,
    call text NOT NULL,
    times integer DEFAULT 1 NOT NULL,
    answer text,
    last_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.ops_repeated_calls IS 'How often one run made the same call without news; the fifth time ends the run. Kept for a day.';

COMMENT ON COLUMN public.ops_repeated_calls.answer IS 'A hash of the last answer: another one is news, and counting starts anew.';

CREATE TABLE public.ops_research_signals (
    id bigint NOT NULL,
    type text NOT NULL,
    venue text NOT NULL,
    asset text NOT NULL,
    confidence real NOT NULL,
    rationale text NOT NULL,
    suggested_action text NOT NULL,
    risk_level text NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    score real NOT NULL,
    title text NOT NULL,
    address text NOT NULL,
    sources text[] DEFAULT '{}'::text[] NOT NULL,
    seen integer DEFAULT 1 NOT NULL,
    query text NOT NULL,
    interest_id bigint,
    agent text,
    mission_id bigint,
    untrusted boolean DEFAULT true NOT NULL,
    trace_id uuid,
    CONSTRAINT ops_research_signals_address_check CHECK ((length(address) <= 2000)),
    CONSTRAINT ops_research_signals_asset_check CHECK (((length(asset) >= 1) AND (length(asset) <= 100))),
    CONSTRAINT ops_research_signals_check CHECK ((expires_at > "timestamp")),
    CONSTRAINT ops_research_signals_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT ops_research_signals_rationale_check CHECK (((length(rationale) >= 1) AND (length(rationale) <= 2000))),
    CONSTRAINT ops_research_signals_risk_level_check CHECK ((risk_level = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text]))),
    CONSTRAINT ops_research_signals_score_check CHECK (((score >= (0)::double precision) AND (score <= (1)::double precision))),
    CONSTRAINT ops_research_signals_suggested_action_check CHECK ((length(suggested_action) <= 500)),
    CONSTRAINT ops_research_signals_title_check CHECK ((length(title) <= 300)),
    CONSTRAINT ops_research_signals_type_check CHECK ((type = ANY (ARRAY['opportunity'::text, 'risk'::text, 'news'::text, 'release'::text, 'price'::text, 'security'::text, 'regulation'::text, 'link'::text]))),
    CONSTRAINT ops_research_signals_untrusted_check CHECK (untrusted),
    CONSTRAINT ops_research_signals_venue_check CHECK (((length(venue) >= 1) AND (length(venue) <= 253)))
);

COMMENT ON TABLE public.ops_research_signals IS 'What research found, scored, until it expires. Untrusted for good: suggested_action is a text for a person, and nothing reads it as a command.';

COMMENT ON COLUMN public.ops_research_signals.venue IS 'Where it was found: the host of its main source.';

COMMENT ON COLUMN public.ops_research_signals.score IS 'Confidence, the number of independent hosts and how new it is, as one number for the order on the screen.';

COMMENT ON COLUMN public.ops_research_signals.address IS 'The canonical address of its main source; with type and asset it is the same signal again.';

COMMENT ON COLUMN public.ops_research_signals.seen IS 'How often it was found while it had not expired.';

ALTER TABLE public.ops_research_signals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_research_signals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_routes (
    id bigint NOT NULL,
    "position" integer NOT NULL,
    name text NOT NULL,
    pattern text NOT NULL,
    target text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    description text NOT NULL,
    CONSTRAINT ops_routes_name_check CHECK ((name ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
    CONSTRAINT ops_routes_target_check CHECK ((target ~ '^(command|agent:[a-z][a-z0-9_]{0,31})$'::text))
);

COMMENT ON TABLE public.ops_routes IS 'Where a text goes: the first enabled row, by position, whose pattern (a regular expression, without regard to case) matches.';

ALTER TABLE public.ops_routes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_routes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_schedules (
    id text NOT NULL,
    task text NOT NULL,
    line text NOT NULL,
    file text NOT NULL,
    missed text NOT NULL,
    made_up_for interval NOT NULL,
    known_since timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    settled_until timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    seen_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT ops_schedules_missed_check CHECK ((missed = ANY (ARRAY['skip'::text, 'one'::text, 'all'::text])))
);

COMMENT ON TABLE public.ops_schedules IS 'Each line of a crontab that a worker has read.';

COMMENT ON COLUMN public.ops_schedules.missed IS 'What becomes of runs that were missed: skip, one (the last of them), all.';

COMMENT ON COLUMN public.ops_schedules.made_up_for IS 'How old a missed run may be to be made up for.';

COMMENT ON COLUMN public.ops_schedules.settled_until IS 'Every run planned up to here has its row in ops_cron_runs.';

CREATE TABLE public.ops_search_cache (
    venue text NOT NULL,
    query_key text NOT NULL,
    query text NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.ops_search_cache IS 'Answers of search services for a day, by what was asked. Untrusted, like all that was found.';

CREATE TABLE public.ops_service_windows (
    service text NOT NULL,
    seconds integer NOT NULL,
    most bigint,
    remaining bigint,
    resets_at timestamp with time zone,
    next_at timestamp with time zone,
    updated_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.ops_service_windows IS 'What services say of their own limits, by the length of the window; the row of 0 seconds spaces our calls.';

COMMENT ON COLUMN public.ops_service_windows.next_at IS 'When the next call may start: callers of all processes take turns.';

CREATE TABLE public.ops_signals (
    id bigint NOT NULL,
    mission_id bigint NOT NULL,
    name text NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    idempotency_key text,
    actor text DEFAULT public.current_actor() NOT NULL,
    source text DEFAULT public.current_source() NOT NULL,
    step_id bigint,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    taken_at timestamp with time zone,
    CONSTRAINT ops_signals_check CHECK (((step_id IS NULL) = (taken_at IS NULL))),
    CONSTRAINT ops_signals_idempotency_key_check CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 512))),
    CONSTRAINT ops_signals_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$'::text))
);

COMMENT ON TABLE public.ops_signals IS 'What was said to missions. Each is taken once, by the first wait for its name; one that comes before its wait is kept.';

COMMENT ON COLUMN public.ops_signals.step_id IS 'The step that took it.';

ALTER TABLE public.ops_signals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_signals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_spend (
    id bigint NOT NULL,
    state text DEFAULT 'reserved'::text NOT NULL,
    kind text DEFAULT 'call'::text NOT NULL,
    provider text NOT NULL,
    model text,
    agent text,
    task text,
    mission_id bigint,
    step_id bigint,
    job bigint,
    reserved_usd numeric(14,6) NOT NULL,
    cost_usd numeric(14,6),
    prompt_tokens integer,
    completion_tokens integer,
    holder text,
    day date NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    trace_id uuid,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT ops_spend_check CHECK (((ended_at IS NULL) = (state = 'reserved'::text))),
    CONSTRAINT ops_spend_cost_usd_check CHECK ((cost_usd >= (0)::numeric)),
    CONSTRAINT ops_spend_kind_check CHECK ((kind = ANY (ARRAY['call'::text, 'estimate'::text]))),
    CONSTRAINT ops_spend_reserved_usd_check CHECK ((reserved_usd >= (0)::numeric)),
    CONSTRAINT ops_spend_state_check CHECK ((state = ANY (ARRAY['reserved'::text, 'settled'::text, 'released'::text, 'expired'::text])))
);

COMMENT ON TABLE public.ops_spend IS 'Each call that costs, from its reservation to its price; costs of agents, missions, models and days are summed from here. An estimate is what a mission was let in with: its calls draw on it.';

COMMENT ON COLUMN public.ops_spend.holder IS 'The pool that calls (by itself the one that holds the job); when it is dead, the reservation is given back.';

COMMENT ON COLUMN public.ops_spend.day IS 'The UTC day, with its month, that this counts for, whenever it is settled.';

ALTER TABLE public.ops_spend ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_spend_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.ops_task_stats AS
 SELECT s.task,
    s.provider,
    s.model,
    s.outcomes,
    s.successes,
    round(((s.successes)::numeric / (s.outcomes)::numeric), 4) AS success_rate,
    round((public.wilson_low((s.successes)::double precision, (s.outcomes)::double precision))::numeric, 4) AS rate_low,
    round((public.wilson_high((s.successes)::double precision, (s.outcomes)::double precision))::numeric, 4) AS rate_high,
    public.duration_percentile(s.task, s.provider, s.model, (0.5)::double precision, s.since) AS p50_ms,
    public.duration_percentile(s.task, s.provider, s.model, (0.95)::double precision, s.since) AS p95_ms,
    s.cost_usd,
    s.tokens,
    e.error_class AS top_error,
    e.outcomes AS top_error_outcomes,
    d.evidence AS drift_evidence,
    d.drifted_at
   FROM ((( SELECT ops_outcome_days.task,
            ops_outcome_days.provider,
            ops_outcome_days.model,
            (sum(ops_outcome_days.outcomes))::integer AS outcomes,
            (sum(ops_outcome_days.successes))::integer AS successes,
            sum(ops_outcome_days.cost_usd) AS cost_usd,
            (sum(ops_outcome_days.tokens))::bigint AS tokens,
            (((public.clock_now() AT TIME ZONE 'utc'::text))::date - 6) AS since
           FROM public.ops_outcome_days
          WHERE (ops_outcome_days.day >= (((public.clock_now() AT TIME ZONE 'utc'::text))::date - 6))
          GROUP BY ops_outcome_days.task, ops_outcome_days.provider, ops_outcome_days.model) s
     LEFT JOIN LATERAL ( SELECT x.error_class,
            (sum(x.outcomes))::integer AS outcomes
           FROM public.ops_outcome_errors x
          WHERE ((x.task = s.task) AND (x.provider = s.provider) AND (x.model = s.model) AND (x.last_at > (public.clock_now() - '7 days'::interval)))
          GROUP BY x.error_class
          ORDER BY ((sum(x.outcomes))::integer) DESC
         LIMIT 1) e ON (true))
     LEFT JOIN public.ops_drifts d ON (((d.task = s.task) AND (d.provider = s.provider) AND (d.model = s.model))));

COMMENT ON VIEW public.ops_task_stats IS 'Seven UTC days of outcomes by task, provider and model: rate with its Wilson interval, percentiles, cost, top error.';

CREATE TABLE public.ops_tasks_generation (
    only_row boolean DEFAULT true NOT NULL,
    generation bigint NOT NULL,
    CONSTRAINT ops_tasks_generation_only_row_check CHECK (only_row)
);

COMMENT ON TABLE public.ops_tasks_generation IS 'Counts the changes of ops_tasks.';

CREATE TABLE public.ops_unknown_kinds (
    kind text NOT NULL,
    event_id bigint NOT NULL,
    noted_at timestamp with time zone DEFAULT public.clock_now() NOT NULL
);

COMMENT ON TABLE public.ops_unknown_kinds IS 'Kinds of events that were seen and are on no list, each noted once with its first event.';

CREATE TABLE public.ops_watch_acts (
    id bigint NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    incident_id bigint,
    at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.ops_watch_acts IS 'What Atlas did by itself, counted against its limits.';

ALTER TABLE public.ops_watch_acts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_watch_acts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ops_watch_states (
    id bigint NOT NULL,
    subject text NOT NULL,
    state text NOT NULL,
    since timestamp with time zone NOT NULL,
    until timestamp with time zone,
    last_seen_at timestamp with time zone NOT NULL,
    CONSTRAINT ops_watch_states_check CHECK (((until IS NULL) OR (until >= since))),
    CONSTRAINT ops_watch_states_state_check CHECK ((state = ANY (ARRAY['up'::text, 'down'::text, 'unknown'::text])))
);

COMMENT ON TABLE public.ops_watch_states IS 'Who was up and who was down, from when to when. While nobody looked it is unknown, and counts neither way.';

ALTER TABLE public.ops_watch_states ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ops_watch_states_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.research_signals_now AS
 SELECT ops_research_signals.id,
    ops_research_signals.type,
    ops_research_signals.venue,
    ops_research_signals.asset,
    ops_research_signals.confidence,
    ops_research_signals.rationale,
    ops_research_signals.suggested_action,
    ops_research_signals.risk_level,
    ops_research_signals."timestamp",
    ops_research_signals.expires_at,
    ops_research_signals.score,
    ops_research_signals.title,
    ops_research_signals.address,
    ops_research_signals.sources,
    ops_research_signals.seen,
    ops_research_signals.query,
    ops_research_signals.interest_id,
    ops_research_signals.agent,
    ops_research_signals.untrusted
   FROM public.ops_research_signals
  WHERE (ops_research_signals.expires_at > public.clock_now());

COMMENT ON VIEW public.research_signals_now IS 'The signals that have not expired.';

CREATE TABLE public.schema_migrations (
    version bigint NOT NULL,
    name text,
    md5 text,
    run_at timestamp with time zone
);

CREATE TABLE public.sound_plans (
    hash bytea NOT NULL,
    generation bigint NOT NULL,
    checked_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.sound_plans IS 'Plans without faults, by hash, as of a generation of ops_tasks: any change of a task makes all of them unknown again.';

CREATE TABLE public.workers (
    pool_id text NOT NULL,
    name text NOT NULL,
    pool text NOT NULL,
    host text NOT NULL,
    boot_id text NOT NULL,
    pid integer NOT NULL,
    process_start text NOT NULL,
    session_tag text,
    state text DEFAULT 'live'::text NOT NULL,
    concurrency integer NOT NULL,
    local_queue boolean DEFAULT false NOT NULL,
    running bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    rss_bytes bigint,
    loop_lag_ms real,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    streak_since timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    end_reason text,
    CONSTRAINT workers_state_check CHECK ((state = ANY (ARRAY['live'::text, 'stopped'::text, 'dead'::text])))
);

COMMENT ON TABLE public.workers IS 'The registry of pools and their leases: a pool renews seen_at every second. A pool''s row is committed before its first fetch.';

COMMENT ON COLUMN public.workers.pool_id IS 'graphile-worker''s pool id: what stands in locked_by of the jobs that it holds.';

COMMENT ON COLUMN public.workers.boot_id IS 'With pid and process_start it proves, on the same host, that a pool is dead.';

COMMENT ON COLUMN public.workers.session_tag IS 'Ends the application_name of every session of its process, so that the sessions of a dead one can be found.';

COMMENT ON COLUMN public.workers.running IS 'Ids of the jobs that really run; what is locked and not listed was only fetched.';

COMMENT ON COLUMN public.workers.streak_since IS 'Since when its renewals are unbroken; only a pool with a long streak may judge others.';

CREATE VIEW public.task_queue AS
 SELECT h.job_id AS id,
    h.job_id,
    h.task,
    public.readable_json(h.payload) AS payload,
    h.state,
    h.priority,
    h.run_at,
    h.attempts,
    h.max_attempts,
    h.job_key,
    (r.idempotency_key)::text AS idempotency_key,
    COALESCE((r.source)::text,
        CASE
            WHEN ((h.payload)::text ~~ '%"_cron":%'::text) THEN 'cron'::text
            ELSE 'raw'::text
        END) AS source,
    COALESCE(r.actor,
        CASE
            WHEN ((h.payload)::text ~~ '%"_cron":%'::text) THEN 'cron'::text
            ELSE 'system'::text
        END) AS actor,
    r.mission_id,
    r.trace_id,
    h.created_at,
    h.started_at,
    h.finished_at,
    h.worker,
    public.readable_json(h.result) AS result,
    h.error_class,
    h.last_error
   FROM (public.job_history h
     LEFT JOIN public.job_requests r ON ((r.id = h.job_id)))
UNION ALL
 SELECT j.id,
    j.id AS job_id,
    t.identifier AS task,
    public.readable_json(j.payload) AS payload,
        CASE
            WHEN ((j.locked_at IS NOT NULL) AND ((w.pool_id IS NULL) OR (NOT w.local_queue) OR (j.id = ANY (w.running)))) THEN 'running'::text
            WHEN (j.locked_at IS NOT NULL) THEN 'queued'::text
            WHEN (j.attempts >= j.max_attempts) THEN 'failed'::text
            WHEN (j.attempts > 0) THEN 'retrying'::text
            ELSE 'queued'::text
        END AS state,
    j.priority,
    j.run_at,
    j.attempts,
    j.max_attempts,
    j.key AS job_key,
    (r.idempotency_key)::text AS idempotency_key,
    COALESCE((r.source)::text,
        CASE
            WHEN ((j.payload)::text ~~ '%"_cron":%'::text) THEN 'cron'::text
            ELSE 'raw'::text
        END) AS source,
    COALESCE(r.actor,
        CASE
            WHEN ((j.payload)::text ~~ '%"_cron":%'::text) THEN 'cron'::text
            ELSE 'system'::text
        END) AS actor,
    r.mission_id,
    r.trace_id,
    j.created_at,
    j.locked_at AS started_at,
    NULL::timestamp with time zone AS finished_at,
    j.locked_by AS worker,
    NULL::jsonb AS result,
        CASE
            WHEN ((j.attempts >= j.max_attempts) AND (j.locked_at IS NULL)) THEN 'exhausted'::text
            ELSE NULL::text
        END AS error_class,
    j.last_error
   FROM (((graphile_worker._private_jobs j
     JOIN graphile_worker._private_tasks t ON ((t.id = j.task_id)))
     LEFT JOIN public.workers w ON ((w.pool_id = j.locked_by)))
     LEFT JOIN public.job_requests r ON ((r.id = j.id)))
UNION ALL
 SELECT (substr(l.holder, 2))::bigint AS id,
    (substr(l.holder, 2))::bigint AS job_id,
    l.task,
    public.readable_json(l.payload) AS payload,
        CASE
            WHEN (l.attempts > 0) THEN 'retrying'::text
            ELSE 'queued'::text
        END AS state,
    l.priority,
    COALESCE(r.run_at, l.since) AS run_at,
    l.attempts,
    l.max_attempts,
    r.job_key,
    (r.idempotency_key)::text AS idempotency_key,
    COALESCE((r.source)::text,
        CASE
            WHEN ((l.payload)::text ~~ '%"_cron":%'::text) THEN 'cron'::text
            ELSE 'raw'::text
        END) AS source,
    COALESCE(r.actor,
        CASE
            WHEN ((l.payload)::text ~~ '%"_cron":%'::text) THEN 'cron'::text
            ELSE 'system'::text
        END) AS actor,
    r.mission_id,
    r.trace_id,
    l.since AS created_at,
    NULL::timestamp with time zone AS started_at,
    NULL::timestamp with time zone AS finished_at,
    NULL::text AS worker,
    NULL::jsonb AS result,
    NULL::text AS error_class,
    l.last_error
   FROM (public.limit_waits l
     LEFT JOIN public.job_requests r ON ((r.id = (substr(l.holder, 2))::bigint)))
  WHERE ((l.mission_id IS NULL) AND (NOT l.parked));

COMMENT ON VIEW public.task_queue IS 'Every job that was ever added, live and ended, also by plain graphile_worker.add_job and by cron, for the retention that policy sets. Insert (task, payload, ...) to queue a job; add_job() does the same.';

COMMENT ON COLUMN public.task_queue.state IS 'queued, running, retrying, succeeded, failed or cancelled; derived.';

CREATE TABLE public.telegram_chats (
    chat_id bigint NOT NULL,
    kind text NOT NULL,
    title text,
    listed boolean DEFAULT false NOT NULL,
    muted_until timestamp with time zone,
    menu text,
    seen_at timestamp with time zone DEFAULT public.clock_now() NOT NULL
);

COMMENT ON TABLE public.telegram_chats IS 'Chats that the bot has met. A group is answered only when it is listed.';

COMMENT ON COLUMN public.telegram_chats.menu IS 'The role whose command menu the chat was given.';

CREATE TABLE public.telegram_state (
    bot_id bigint NOT NULL,
    username text,
    mode text NOT NULL,
    last_poll_at timestamp with time zone,
    last_update_at timestamp with time zone,
    last_error text,
    last_error_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT telegram_state_mode_check CHECK ((mode = ANY (ARRAY['polling'::text, 'webhook'::text])))
);

COMMENT ON TABLE public.telegram_state IS 'How the connection to Telegram is: the age of the last finished poll is its health.';

CREATE TABLE public.uploads (
    sha256 text NOT NULL,
    name text NOT NULL,
    mime text NOT NULL,
    bytes bigint NOT NULL,
    file text NOT NULL,
    actor text DEFAULT public.current_actor() NOT NULL,
    created_at timestamp with time zone DEFAULT public.clock_now() NOT NULL,
    CONSTRAINT uploads_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

COMMENT ON TABLE public.uploads IS 'Files that people sent, by hash, below uploads/ of the home. Data only: nothing executes them.';

CREATE VIEW public.waits_for_place AS
 SELECT w.holder,
    (substr(w.holder, 2))::bigint AS id,
    w.mission_id,
    w.task,
    w.key,
    w.priority,
    w.since,
    w.attempts,
    w.max_attempts,
    w.last_error,
    w.parked,
    ((o.limits ->> 'limit'::text))::integer AS most,
    ( SELECT (count(*))::integer AS count
           FROM public.limit_slots s
          WHERE ((s.task = w.task) AND (s.key = w.key))) AS taken,
    ((o.limits ->> 'interval_ms'::text))::double precision AS interval_ms,
    r.free_at
   FROM ((public.limit_waits w
     JOIN public.ops_tasks o ON ((o.identifier = w.task)))
     LEFT JOIN public.limit_rates r ON ((r.task = w.task)));

COMMENT ON VIEW public.waits_for_place IS 'Jobs (j) and steps (s) that wait for a place of their limited task, with how many places of their key are taken and when the rate allows the next start.';

ALTER TABLE ONLY public.job_requests_direct ALTER COLUMN id SET DEFAULT nextval('graphile_worker.jobs_id_seq1'::regclass);

ALTER TABLE ONLY public.job_requests_direct ALTER COLUMN source SET DEFAULT public.current_source();

ALTER TABLE ONLY public.job_requests_direct ALTER COLUMN actor SET DEFAULT public.current_actor();

ALTER TABLE ONLY public.job_requests_direct ALTER COLUMN trace_id SET DEFAULT public.current_trace();

ALTER TABLE ONLY public.job_requests_direct ALTER COLUMN created_at SET DEFAULT now();

ALTER TABLE ONLY public.agent_events
    ADD CONSTRAINT agent_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.agent_heartbeats
    ADD CONSTRAINT agent_heartbeats_agent_host_pid_seq_key UNIQUE (agent, host, pid, seq);

ALTER TABLE ONLY public.agent_heartbeats
    ADD CONSTRAINT agent_heartbeats_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.agent_messages
    ADD CONSTRAINT agent_messages_dedupe_key_key UNIQUE (dedupe_key);

ALTER TABLE ONLY public.agent_messages
    ADD CONSTRAINT agent_messages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.chat_conversations
    ADD CONSTRAINT chat_conversations_pkey PRIMARY KEY (chat_id, user_id);

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (scope, name);

ALTER TABLE ONLY public.clock_override
    ADD CONSTRAINT clock_override_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.gate_counters
    ADD CONSTRAINT gate_counters_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_source_update_id_key UNIQUE (source, update_id);

ALTER TABLE ONLY public.job_cancels
    ADD CONSTRAINT job_cancels_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY public.job_crashes
    ADD CONSTRAINT job_crashes_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY public.job_history
    ADD CONSTRAINT job_history_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY public.job_holds
    ADD CONSTRAINT job_holds_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY public.job_progress
    ADD CONSTRAINT job_progress_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY public.job_requests_direct
    ADD CONSTRAINT job_requests_direct_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.job_requests
    ADD CONSTRAINT job_requests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.limit_pokes
    ADD CONSTRAINT limit_pokes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.limit_rates
    ADD CONSTRAINT limit_rates_pkey PRIMARY KEY (task);

ALTER TABLE ONLY public.limit_slots
    ADD CONSTRAINT limit_slots_pkey PRIMARY KEY (holder);

ALTER TABLE ONLY public.limit_waits
    ADD CONSTRAINT limit_waits_pkey PRIMARY KEY (holder);

ALTER TABLE ONLY public.message_buttons
    ADD CONSTRAINT message_buttons_pkey PRIMARY KEY (token);

ALTER TABLE ONLY public.mission_messages
    ADD CONSTRAINT mission_messages_pkey PRIMARY KEY (outbox_id);

ALTER TABLE ONLY public.mission_wakes
    ADD CONSTRAINT mission_wakes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_agent_events
    ADD CONSTRAINT ops_agent_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_agents
    ADD CONSTRAINT ops_agents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_alert_digests
    ADD CONSTRAINT ops_alert_digests_pkey PRIMARY KEY (alert_id);

ALTER TABLE ONLY public.ops_alert_mutes
    ADD CONSTRAINT ops_alert_mutes_pkey PRIMARY KEY (pattern);

ALTER TABLE ONLY public.ops_alerts
    ADD CONSTRAINT ops_alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_approvals
    ADD CONSTRAINT ops_approvals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_backup_drills
    ADD CONSTRAINT ops_backup_drills_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_backups
    ADD CONSTRAINT ops_backups_name_key UNIQUE (name);

ALTER TABLE ONLY public.ops_backups
    ADD CONSTRAINT ops_backups_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_breakers
    ADD CONSTRAINT ops_breakers_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.ops_budget_use
    ADD CONSTRAINT ops_budget_use_pkey PRIMARY KEY (key, period);

ALTER TABLE ONLY public.ops_controls
    ADD CONSTRAINT ops_controls_pkey PRIMARY KEY (scope, target);

ALTER TABLE ONLY public.ops_cron_runs
    ADD CONSTRAINT ops_cron_runs_pkey PRIMARY KEY (schedule, planned_for);

ALTER TABLE ONLY public.ops_cursors
    ADD CONSTRAINT ops_cursors_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.ops_devices
    ADD CONSTRAINT ops_devices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_drifts
    ADD CONSTRAINT ops_drifts_pkey PRIMARY KEY (task, provider, model);

ALTER TABLE ONLY public.ops_event_kinds
    ADD CONSTRAINT ops_event_kinds_pkey PRIMARY KEY (kind);

ALTER TABLE ONLY public.ops_health
    ADD CONSTRAINT ops_health_pkey PRIMARY KEY (check_id);

ALTER TABLE ONLY public.ops_health_runs
    ADD CONSTRAINT ops_health_runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_incidents
    ADD CONSTRAINT ops_incidents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_interests
    ADD CONSTRAINT ops_interests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_interests
    ADD CONSTRAINT ops_interests_query_key UNIQUE (query);

ALTER TABLE ONLY public.ops_learned_changes
    ADD CONSTRAINT ops_learned_changes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_memory
    ADD CONSTRAINT ops_memory_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_mission_proposals
    ADD CONSTRAINT ops_mission_proposals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_mission_steps
    ADD CONSTRAINT ops_mission_steps_mission_id_name_key UNIQUE (mission_id, name);

ALTER TABLE ONLY public.ops_mission_steps
    ADD CONSTRAINT ops_mission_steps_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_missions
    ADD CONSTRAINT ops_missions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_model_cooldowns
    ADD CONSTRAINT ops_model_cooldowns_pkey PRIMARY KEY (provider, model);

ALTER TABLE ONLY public.ops_outcome_attempts
    ADD CONSTRAINT ops_outcome_attempts_pkey PRIMARY KEY (task, attempt, day);

ALTER TABLE ONLY public.ops_outcome_days
    ADD CONSTRAINT ops_outcome_days_pkey PRIMARY KEY (task, provider, model, day);

ALTER TABLE ONLY public.ops_outcome_durations
    ADD CONSTRAINT ops_outcome_durations_pkey PRIMARY KEY (task, provider, model, day, bucket);

ALTER TABLE ONLY public.ops_outcome_errors
    ADD CONSTRAINT ops_outcome_errors_pkey PRIMARY KEY (task, provider, model, error_class, fingerprint);

ALTER TABLE ONLY public.ops_outcome_rows
    ADD CONSTRAINT ops_outcome_rows_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_pairings
    ADD CONSTRAINT ops_pairings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_policy_keys
    ADD CONSTRAINT ops_policy_keys_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.ops_policy
    ADD CONSTRAINT ops_policy_pkey PRIMARY KEY (key, version);

ALTER TABLE ONLY public.ops_quota_use
    ADD CONSTRAINT ops_quota_use_pkey PRIMARY KEY (task, day);

ALTER TABLE ONLY public.ops_reaction_days
    ADD CONSTRAINT ops_reaction_days_pkey PRIMARY KEY (rule_id, day);

ALTER TABLE ONLY public.ops_reaction_rests
    ADD CONSTRAINT ops_reaction_rests_pkey PRIMARY KEY (rule_id, key);

ALTER TABLE ONLY public.ops_reaction_rules
    ADD CONSTRAINT ops_reaction_rules_name_key UNIQUE (name);

ALTER TABLE ONLY public.ops_reaction_rules
    ADD CONSTRAINT ops_reaction_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_reactions
    ADD CONSTRAINT ops_reactions_event_id_rule_id_key UNIQUE (event_id, rule_id);

ALTER TABLE ONLY public.ops_reactions
    ADD CONSTRAINT ops_reactions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_repeated_calls
    ADD CONSTRAINT ops_repeated_calls_pkey PRIMARY KEY (run, call);

ALTER TABLE ONLY public.ops_research_signals
    ADD CONSTRAINT ops_research_signals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_routes
    ADD CONSTRAINT ops_routes_name_key UNIQUE (name);

ALTER TABLE ONLY public.ops_routes
    ADD CONSTRAINT ops_routes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_routes
    ADD CONSTRAINT ops_routes_position_key UNIQUE ("position");

ALTER TABLE ONLY public.ops_schedules
    ADD CONSTRAINT ops_schedules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_search_cache
    ADD CONSTRAINT ops_search_cache_pkey PRIMARY KEY (venue, query_key);

ALTER TABLE ONLY public.ops_service_windows
    ADD CONSTRAINT ops_service_windows_pkey PRIMARY KEY (service, seconds);

ALTER TABLE ONLY public.ops_signals
    ADD CONSTRAINT ops_signals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_spend
    ADD CONSTRAINT ops_spend_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_tasks_generation
    ADD CONSTRAINT ops_tasks_generation_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.ops_tasks
    ADD CONSTRAINT ops_tasks_pkey PRIMARY KEY (identifier);

ALTER TABLE ONLY public.ops_unknown_kinds
    ADD CONSTRAINT ops_unknown_kinds_pkey PRIMARY KEY (kind);

ALTER TABLE ONLY public.ops_watch_acts
    ADD CONSTRAINT ops_watch_acts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ops_watch_states
    ADD CONSTRAINT ops_watch_states_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_dedupe_key_key UNIQUE (dedupe_key);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.sound_plans
    ADD CONSTRAINT sound_plans_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.telegram_chats
    ADD CONSTRAINT telegram_chats_pkey PRIMARY KEY (chat_id);

ALTER TABLE ONLY public.telegram_state
    ADD CONSTRAINT telegram_state_pkey PRIMARY KEY (bot_id);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_pkey PRIMARY KEY (sha256);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (pool_id);

CREATE INDEX agent_events_created_at ON public.agent_events USING btree (created_at);

CREATE INDEX agent_events_target ON public.agent_events USING btree (target, id) WHERE (target IS NOT NULL);

CREATE INDEX agent_heartbeats_last ON public.agent_heartbeats USING btree (agent, received_at DESC);

CREATE INDEX agent_heartbeats_received_at ON public.agent_heartbeats USING btree (received_at);

CREATE INDEX agent_messages_created_at ON public.agent_messages USING btree (created_at);

CREATE INDEX agent_messages_open ON public.agent_messages USING btree (recipient, id) WHERE (handled_at IS NULL);

CREATE INDEX inbox_open ON public.inbox USING btree (chat_id, id) WHERE (handled_at IS NULL);

CREATE INDEX inbox_people ON public.inbox USING btree (user_id, id) WHERE (handled_at IS NULL);

CREATE INDEX inbox_received_at ON public.inbox USING btree (received_at);

CREATE INDEX job_history_failed ON public.job_history USING btree (finished_at) WHERE (state = 'failed'::text);

CREATE INDEX job_history_finished_at ON public.job_history USING btree (finished_at);

CREATE INDEX job_history_follow ON public.job_history USING btree (tx, job_id);

CREATE INDEX job_requests_direct_mission ON public.job_requests_direct USING btree (mission_id) WHERE (mission_id IS NOT NULL);

CREATE UNIQUE INDEX job_requests_idempotency_key ON public.job_requests USING btree (idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX job_requests_mission ON public.job_requests USING btree (mission_id) WHERE (mission_id IS NOT NULL);

CREATE INDEX limit_rates_due ON public.limit_rates USING btree (next_at) WHERE (next_at IS NOT NULL);

CREATE INDEX limit_slots_key ON public.limit_slots USING btree (task, key);

CREATE INDEX limit_waits_task ON public.limit_waits USING btree (task, priority, since, holder);

CREATE INDEX limit_waits_turn ON public.limit_waits USING btree (task, key, priority, since, holder);

CREATE INDEX message_buttons_outbox ON public.message_buttons USING btree (outbox_id);

CREATE INDEX mission_messages_mission ON public.mission_messages USING btree (mission_id);

CREATE INDEX mission_messages_open ON public.mission_messages USING btree (outbox_id) WHERE (ended_at IS NULL);

CREATE INDEX ops_agent_events_created_at ON public.ops_agent_events USING btree (created_at);

CREATE INDEX ops_agent_events_follow ON public.ops_agent_events USING btree (tx, id);

CREATE INDEX ops_agent_events_mission ON public.ops_agent_events USING btree (mission_id, id) WHERE (mission_id IS NOT NULL);

CREATE INDEX ops_alerts_created_at ON public.ops_alerts USING btree (created_at);

CREATE INDEX ops_alerts_fingerprint ON public.ops_alerts USING btree (fingerprint, id);

CREATE INDEX ops_alerts_held ON public.ops_alerts USING btree (id) WHERE (state = 'held'::text);

CREATE INDEX ops_approvals_created ON public.ops_approvals USING btree (created_at);

CREATE INDEX ops_approvals_due ON public.ops_approvals USING btree (expires_at) WHERE ((state = 'open'::text) AND (expires_at IS NOT NULL));

CREATE INDEX ops_approvals_mission ON public.ops_approvals USING btree (mission_id) WHERE (mission_id IS NOT NULL);

CREATE UNIQUE INDEX ops_approvals_one_open_a_proposal ON public.ops_approvals USING btree (proposal_id) WHERE ((state = 'open'::text) AND (proposal_id IS NOT NULL));

CREATE UNIQUE INDEX ops_approvals_one_open_a_step ON public.ops_approvals USING btree (step_id) WHERE ((state = 'open'::text) AND (step_id IS NOT NULL));

CREATE INDEX ops_approvals_open ON public.ops_approvals USING btree (id) WHERE (state = 'open'::text);

CREATE INDEX ops_backups_verified ON public.ops_backups USING btree (finished_at DESC) WHERE (archive = 'verified'::text);

CREATE INDEX ops_cron_runs_job ON public.ops_cron_runs USING btree (job_id) WHERE (job_id IS NOT NULL);

CREATE INDEX ops_cron_runs_planned_for ON public.ops_cron_runs USING btree (planned_for);

CREATE UNIQUE INDEX ops_devices_name ON public.ops_devices USING btree (kind, name) WHERE (revoked_at IS NULL);

CREATE UNIQUE INDEX ops_devices_subject ON public.ops_devices USING btree (kind, subject) WHERE (revoked_at IS NULL);

CREATE INDEX ops_health_runs_finished ON public.ops_health_runs USING btree (finished_at);

CREATE UNIQUE INDEX ops_incidents_one_open ON public.ops_incidents USING btree (kind, subject) WHERE (state = 'open'::text);

CREATE INDEX ops_incidents_opened ON public.ops_incidents USING btree (opened_at);

CREATE INDEX ops_interests_due ON public.ops_interests USING btree (next_run_at) WHERE enabled;

CREATE UNIQUE INDEX ops_learned_changes_open ON public.ops_learned_changes USING btree (kind, task) WHERE (state = ANY (ARRAY['proposed'::text, 'applied'::text]));

CREATE INDEX ops_memory_age ON public.ops_memory USING btree (agent, created_at);

CREATE UNIQUE INDEX ops_memory_content ON public.ops_memory USING btree (content_hash) WHERE (superseded_by IS NULL);

CREATE INDEX ops_memory_like ON public.ops_memory USING gin (text public.gin_trgm_ops) WHERE (superseded_by IS NULL);

CREATE INDEX ops_memory_search ON public.ops_memory USING gin (search) WHERE (superseded_by IS NULL);

CREATE INDEX ops_mission_proposals_dedupe ON public.ops_mission_proposals USING btree (dedupe_key) WHERE (dedupe_key IS NOT NULL);

CREATE INDEX ops_mission_proposals_mission ON public.ops_mission_proposals USING btree (mission_id);

CREATE INDEX ops_mission_proposals_open ON public.ops_mission_proposals USING btree (id) WHERE (state = 'proposed'::text);

CREATE INDEX ops_mission_steps_parent ON public.ops_mission_steps USING btree (parent_step_id) WHERE (parent_step_id IS NOT NULL);

CREATE INDEX ops_missions_created ON public.ops_missions USING btree (created_at);

CREATE INDEX ops_missions_open ON public.ops_missions USING btree (id) WHERE (state = ANY (ARRAY['approved'::text, 'running'::text, 'waiting'::text]));

CREATE UNIQUE INDEX ops_missions_parent_step ON public.ops_missions USING btree (parent_step_id) WHERE (parent_step_id IS NOT NULL);

CREATE INDEX ops_missions_wake ON public.ops_missions USING btree (wake_at) WHERE ((job_id IS NULL) AND (state = 'waiting'::text));

CREATE INDEX ops_outcome_rows_created_at ON public.ops_outcome_rows USING btree (created_at);

CREATE INDEX ops_outcome_rows_follow ON public.ops_outcome_rows USING btree (tx, id);

CREATE UNIQUE INDEX ops_outcome_rows_one_a_step ON public.ops_outcome_rows USING btree (step_id, attempt) WHERE (step_id IS NOT NULL);

CREATE INDEX ops_pairings_pending ON public.ops_pairings USING btree (id) WHERE (decided_at IS NULL);

CREATE INDEX ops_pairings_subject ON public.ops_pairings USING btree (kind, subject, created_at DESC);

CREATE INDEX ops_reaction_rules_start ON public.ops_reaction_rules USING btree (kind_start) WHERE (enabled AND (over IS NULL));

CREATE INDEX ops_reactions_created_at ON public.ops_reactions USING brin (created_at);

CREATE INDEX ops_reactions_mission ON public.ops_reactions USING btree (mission_id) WHERE (mission_id IS NOT NULL);

CREATE INDEX ops_reactions_rule ON public.ops_reactions USING btree (rule_id, id);

CREATE INDEX ops_research_signals_expires ON public.ops_research_signals USING btree (expires_at);

CREATE UNIQUE INDEX ops_research_signals_same ON public.ops_research_signals USING btree (md5(address), type, lower(asset));

CREATE INDEX ops_search_cache_expires ON public.ops_search_cache USING btree (expires_at);

CREATE UNIQUE INDEX ops_signals_key ON public.ops_signals USING btree (mission_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX ops_signals_mission ON public.ops_signals USING btree (mission_id);

CREATE INDEX ops_signals_untaken ON public.ops_signals USING btree (mission_id, id) WHERE (step_id IS NULL);

CREATE INDEX ops_spend_day ON public.ops_spend USING btree (day);

CREATE INDEX ops_spend_estimate ON public.ops_spend USING btree (mission_id) WHERE ((state = 'reserved'::text) AND (kind = 'estimate'::text));

CREATE INDEX ops_spend_mission ON public.ops_spend USING btree (mission_id) WHERE (mission_id IS NOT NULL);

CREATE INDEX ops_spend_open ON public.ops_spend USING btree (expires_at) WHERE (state = 'reserved'::text);

CREATE INDEX ops_spend_window ON public.ops_spend USING btree (provider, created_at);

CREATE INDEX ops_watch_acts_limits ON public.ops_watch_acts USING btree (act, subject, at);

CREATE UNIQUE INDEX ops_watch_states_now ON public.ops_watch_states USING btree (subject) WHERE (until IS NULL);

CREATE INDEX ops_watch_states_past ON public.ops_watch_states USING btree (subject, since);

CREATE INDEX outbox_answers ON public.outbox USING btree (answers) WHERE (answers IS NOT NULL);

CREATE INDEX outbox_created_at ON public.outbox USING btree (created_at);

CREATE INDEX outbox_edits ON public.outbox USING btree (edits) WHERE (edits IS NOT NULL);

CREATE INDEX outbox_in_flight ON public.outbox USING btree (id) WHERE (state = 'sending'::text);

CREATE INDEX outbox_message ON public.outbox USING btree (chat_id, message_id) WHERE (message_id IS NOT NULL);

CREATE INDEX outbox_waiting ON public.outbox USING btree (chat_id, COALESCE(part_of, id), part) WHERE (state = 'queued'::text);

CREATE INDEX workers_live ON public.workers USING btree (host) WHERE (state = 'live'::text);

CREATE UNIQUE INDEX workers_one_of_a_name ON public.workers USING btree (name) WHERE (state = 'live'::text);

CREATE RULE task_queue_insert AS
    ON INSERT TO public.task_queue DO INSTEAD  INSERT INTO public.job_requests (task, payload, run_at, max_attempts, priority, job_key, idempotency_key)
  VALUES (new.task, new.payload, new.run_at, new.max_attempts, new.priority, new.job_key, new.idempotency_key)
  RETURNING job_requests.id,
    job_requests.id,
    job_requests.task,
    COALESCE(job_requests.payload, '{}'::jsonb) AS "coalesce",
    'queued'::text AS text,
    COALESCE(job_requests.priority, (0)::smallint) AS "coalesce",
    COALESCE(job_requests.run_at, now()) AS "coalesce",
    (0)::smallint AS int2,
    COALESCE((job_requests.max_attempts)::smallint, ( SELECT t.max_attempts
           FROM public.ops_tasks t
          WHERE (t.identifier = job_requests.task))) AS "coalesce",
    job_requests.job_key,
    (job_requests.idempotency_key)::text AS idempotency_key,
    (job_requests.source)::text AS source,
    job_requests.actor,
    job_requests.mission_id,
    job_requests.trace_id,
    job_requests.created_at,
    NULL::timestamp with time zone AS timestamptz,
    NULL::timestamp with time zone AS timestamptz,
    NULL::text AS text,
    NULL::jsonb AS jsonb,
    NULL::text AS text,
    NULL::text AS text;

CREATE TRIGGER agent_events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.agent_events FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER job_history_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.job_history FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER job_requests_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.job_requests FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER job_requests_direct_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.job_requests_direct FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER job_requests_queue AFTER INSERT ON public.job_requests REFERENCING NEW TABLE AS asked FOR EACH STATEMENT WHEN (((current_setting('openclaw.enqueued'::text, true) IS DISTINCT FROM 'on'::text) OR (NOT has_table_privilege(('public.job_requests'::regclass)::oid, 'insert'::text)))) EXECUTE FUNCTION public.queue_requests();

CREATE TRIGGER ops_agent_events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ops_agent_events FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER ops_agent_events_react AFTER INSERT ON public.ops_agent_events REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION public.queue_reactions();

CREATE TRIGGER ops_alerts_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ops_alerts FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER ops_approvals_no_truncate BEFORE TRUNCATE ON public.ops_approvals FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER ops_approvals_state BEFORE DELETE OR UPDATE ON public.ops_approvals FOR EACH ROW EXECUTE FUNCTION public.check_approval_state();

CREATE TRIGGER ops_backups_states BEFORE UPDATE ON public.ops_backups FOR EACH ROW EXECUTE FUNCTION public.check_backup_change();

CREATE TRIGGER ops_breakers_release AFTER UPDATE OF state ON public.ops_breakers FOR EACH ROW WHEN (((old.state <> 'closed'::text) AND (new.state = 'closed'::text))) EXECUTE FUNCTION public.release_after_breaker();

CREATE TRIGGER ops_breakers_tell AFTER UPDATE OF state ON public.ops_breakers FOR EACH ROW WHEN ((old.state IS DISTINCT FROM new.state)) EXECUTE FUNCTION public.tell_breaker();

CREATE TRIGGER ops_breakers_tell_new AFTER INSERT ON public.ops_breakers FOR EACH ROW WHEN ((new.state <> 'closed'::text)) EXECUTE FUNCTION public.tell_breaker();

CREATE TRIGGER ops_health_runs_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ops_health_runs FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER ops_mission_proposals_no_delete BEFORE DELETE OR TRUNCATE ON public.ops_mission_proposals FOR EACH STATEMENT EXECUTE FUNCTION public.raise_no_delete();

CREATE TRIGGER ops_mission_proposals_state BEFORE UPDATE OF state ON public.ops_mission_proposals FOR EACH ROW WHEN ((old.state IS DISTINCT FROM new.state)) EXECUTE FUNCTION public.check_proposal_state();

CREATE TRIGGER ops_mission_steps_free_place AFTER UPDATE OF state ON public.ops_mission_steps FOR EACH ROW WHEN ((new.limited AND (new.finished_at IS NOT NULL) AND (old.finished_at IS NULL))) EXECUTE FUNCTION public.free_step_place();

CREATE TRIGGER ops_mission_steps_no_delete BEFORE DELETE OR TRUNCATE ON public.ops_mission_steps FOR EACH STATEMENT EXECUTE FUNCTION public.raise_no_delete();

CREATE TRIGGER ops_mission_steps_state BEFORE UPDATE OF state ON public.ops_mission_steps FOR EACH ROW WHEN (((old.state IS DISTINCT FROM new.state) AND (NOT (((old.state = 'queued'::text) AND ((new.state = 'running'::text) OR ((new.state = 'succeeded'::text) AND (new.attempt > old.attempt)))) OR ((old.state = 'running'::text) AND (new.state = 'succeeded'::text)))))) EXECUTE FUNCTION public.check_step_state();

CREATE TRIGGER ops_missions_breaker AFTER UPDATE OF state ON public.ops_missions FOR EACH ROW WHEN (((new.state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'cancelled'::text])) AND (old.state IS DISTINCT FROM new.state))) EXECUTE FUNCTION public.count_mission_end();

CREATE TRIGGER ops_missions_no_delete BEFORE DELETE OR TRUNCATE ON public.ops_missions FOR EACH STATEMENT EXECUTE FUNCTION public.raise_no_delete();

CREATE TRIGGER ops_missions_state BEFORE UPDATE OF state ON public.ops_missions FOR EACH ROW WHEN (((old.state IS DISTINCT FROM new.state) AND (NOT (((old.state = ANY (ARRAY['approved'::text, 'waiting'::text])) AND (new.state = 'running'::text)) OR ((old.state = 'running'::text) AND (new.state = ANY (ARRAY['succeeded'::text, 'waiting'::text]))))))) EXECUTE FUNCTION public.check_mission_state();

CREATE TRIGGER ops_missions_wake_invoker AFTER UPDATE OF state ON public.ops_missions FOR EACH ROW WHEN (((new.parent_step_id IS NOT NULL) AND (new.finished_at IS NOT NULL) AND (old.finished_at IS NULL))) EXECUTE FUNCTION public.wake_invoker();

CREATE TRIGGER ops_outcome_rows_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ops_outcome_rows FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER ops_policy_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ops_policy FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER ops_policy_check BEFORE INSERT ON public.ops_policy FOR EACH ROW EXECUTE FUNCTION public.check_policy();

CREATE TRIGGER ops_policy_release AFTER INSERT ON public.ops_policy FOR EACH ROW WHEN (((new.key = 'quota.tasks'::text) OR (new.key ~~ 'budget.%'::text) OR (new.key ~~ 'breaker.%'::text))) EXECUTE FUNCTION public.release_after_policy();

CREATE TRIGGER ops_policy_retries AFTER INSERT ON public.ops_policy FOR EACH ROW WHEN ((new.key = 'task.retries'::text)) EXECUTE FUNCTION public.spread_task_retries();

CREATE TRIGGER ops_policy_tell AFTER INSERT ON public.ops_policy FOR EACH ROW EXECUTE FUNCTION public.tell_policy();

CREATE TRIGGER ops_reaction_rules_check BEFORE INSERT OR UPDATE ON public.ops_reaction_rules FOR EACH ROW EXECUTE FUNCTION public.check_rule();

CREATE TRIGGER ops_reaction_rules_kept BEFORE DELETE ON public.ops_reaction_rules FOR EACH STATEMENT EXECUTE FUNCTION public.raise_rule_kept();

CREATE TRIGGER ops_reactions_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ops_reactions FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER ops_signals_change BEFORE DELETE OR UPDATE ON public.ops_signals FOR EACH ROW EXECUTE FUNCTION public.check_signal_change();

CREATE TRIGGER ops_signals_no_truncate BEFORE TRUNCATE ON public.ops_signals FOR EACH STATEMENT EXECUTE FUNCTION public.raise_append_only();

CREATE TRIGGER ops_tasks_changed AFTER INSERT OR DELETE ON public.ops_tasks FOR EACH ROW EXECUTE FUNCTION public.count_task_change();

CREATE TRIGGER ops_tasks_retries BEFORE INSERT OR UPDATE ON public.ops_tasks FOR EACH ROW EXECUTE FUNCTION public.apply_task_retries();

CREATE TRIGGER ops_tasks_updated AFTER UPDATE ON public.ops_tasks FOR EACH ROW WHEN ((to_jsonb(old.*) IS DISTINCT FROM to_jsonb(new.*))) EXECUTE FUNCTION public.count_task_change();

CREATE TRIGGER task_queue_no_change INSTEAD OF DELETE OR UPDATE ON public.task_queue FOR EACH ROW EXECUTE FUNCTION public.raise_task_queue_readonly();

ALTER TABLE ONLY public.agent_messages
    ADD CONSTRAINT agent_messages_recipient_fkey FOREIGN KEY (recipient) REFERENCES public.ops_agents(id);

ALTER TABLE ONLY public.message_buttons
    ADD CONSTRAINT message_buttons_outbox_id_fkey FOREIGN KEY (outbox_id) REFERENCES public.outbox(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.mission_messages
    ADD CONSTRAINT mission_messages_outbox_id_fkey FOREIGN KEY (outbox_id) REFERENCES public.outbox(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.ops_alert_digests
    ADD CONSTRAINT ops_alert_digests_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES public.ops_alerts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.ops_backup_drills
    ADD CONSTRAINT ops_backup_drills_backup_id_fkey FOREIGN KEY (backup_id) REFERENCES public.ops_backups(id);

ALTER TABLE ONLY public.ops_memory
    ADD CONSTRAINT ops_memory_superseded_by_fkey FOREIGN KEY (superseded_by) REFERENCES public.ops_memory(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.ops_mission_proposals
    ADD CONSTRAINT ops_mission_proposals_mission_id_fkey FOREIGN KEY (mission_id) REFERENCES public.ops_missions(id);

ALTER TABLE ONLY public.ops_mission_steps
    ADD CONSTRAINT ops_mission_steps_mission_id_fkey FOREIGN KEY (mission_id) REFERENCES public.ops_missions(id);

ALTER TABLE ONLY public.ops_mission_steps
    ADD CONSTRAINT ops_mission_steps_parent_step_id_fkey FOREIGN KEY (parent_step_id) REFERENCES public.ops_mission_steps(id);

ALTER TABLE ONLY public.ops_pairings
    ADD CONSTRAINT ops_pairings_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.ops_devices(id);

ALTER TABLE ONLY public.ops_reaction_days
    ADD CONSTRAINT ops_reaction_days_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES public.ops_reaction_rules(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.ops_reaction_rests
    ADD CONSTRAINT ops_reaction_rests_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES public.ops_reaction_rules(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.ops_signals
    ADD CONSTRAINT ops_signals_mission_id_fkey FOREIGN KEY (mission_id) REFERENCES public.ops_missions(id);

ALTER TABLE ONLY public.ops_watch_acts
    ADD CONSTRAINT ops_watch_acts_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.ops_incidents(id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_edits_fkey FOREIGN KEY (edits) REFERENCES public.outbox(id);

GRANT ALL ON SCHEMA public TO openclaw_owner;

REVOKE ALL ON FUNCTION public.add_buttons(message bigint, buttons jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.add_device(kind text, name text, subject text, role text, public_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.add_interest(query text, cadence interval, venue text, depth text, budget_usd numeric, asset text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.add_job(identifier text, payload jsonb, queue_name text, run_at timestamp with time zone, max_attempts integer, job_key text, priority integer, flags text[], job_key_mode text, idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.add_job(identifier text, payload jsonb, queue_name text, run_at timestamp with time zone, max_attempts integer, job_key text, priority integer, flags text[], job_key_mode text, idempotency_key text) TO binaryrogue;

REVOKE ALL ON FUNCTION public.add_jobs(jobs jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.add_jobs(jobs jsonb) TO binaryrogue;

REVOKE ALL ON FUNCTION public.add_limited_job(task text, payload jsonb, run_at timestamp with time zone, max_attempts integer, priority integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.add_mission(plan jsonb, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.add_mission(plan jsonb, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean) TO binaryrogue;

REVOKE ALL ON FUNCTION public.add_mission(task text, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.add_mission(task text, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean) TO binaryrogue;

REVOKE ALL ON FUNCTION public.add_research_signals(signals jsonb, origin jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.admit_device(kind text, subject text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.admit_limited() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.agent_alive_limit() FROM PUBLIC;
GRANT ALL ON FUNCTION public.agent_alive_limit() TO binaryrogue;
GRANT ALL ON FUNCTION public.agent_alive_limit() TO openclaw_tui;

REVOKE ALL ON FUNCTION public.alert_rank(severity text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.alert_text(severity text, kind text, title text, body text, runbook text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.answer_approval(id bigint, answer text, reason text, output jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.answer_approval(id bigint, answer text, reason text, output jsonb) TO binaryrogue;

GRANT SELECT ON TABLE public.ops_approvals TO binaryrogue;
GRANT SELECT ON TABLE public.ops_approvals TO openclaw_tui;

REVOKE ALL ON FUNCTION public.apply_approval(a public.ops_approvals) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.apply_change(change bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.apply_learned(a public.ops_approvals) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.apply_retention(at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.apply_task_retries() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.approval_fault(asked jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.approval_text(approval bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.approval_text(approval bigint) TO binaryrogue;
GRANT ALL ON FUNCTION public.approval_text(approval bigint) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.approve(id bigint, answer text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.approve(id bigint, answer text, reason text) TO binaryrogue;

REVOKE ALL ON FUNCTION public.approve_pairing(code text, role text, name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.ask_approval(kind text, question text, options text[], detail jsonb, who text, expires_in interval, on_expiry text, mission_id bigint, step_id bigint, proposal_id bigint, actor text, trace_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.ask_for_step(mission bigint, of_epoch integer, step bigint, kind text, question text, options text[], detail jsonb, who text, expires_in interval, on_expiry text) FROM PUBLIC;

GRANT SELECT ON TABLE public.ops_backups TO openclaw_tui;

REVOKE ALL ON FUNCTION public.begin_backup(suffix text, host text, trace uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.begin_limited_job(job bigint, pool text, given_key text, OUT verdict text, OUT wait_ms double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.begin_limited_step(step bigint, of_epoch integer, payload jsonb, given_key text, OUT verdict text, OUT wait_ms double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.begin_suspect(job bigint, pool text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.breaker_admit(breaker text, by text, keep_probe interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.breaker_report(breaker text, ok boolean, by text, error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.breaker_rule(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.budget_limit(key text, period text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.budget_limit(key text, period text) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.budget_turns_at(period text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.call_times(wanted_run text, wanted_call text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.cancel_job(job bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.cancel_job(job bigint) TO binaryrogue;

REVOKE ALL ON FUNCTION public.cancel_mission(mission bigint, hard boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.cancel_mission(mission bigint, hard boolean) TO binaryrogue;

REVOKE ALL ON FUNCTION public.cancel_waiting_job(job bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.change_matching(verb text, filter jsonb, apply boolean, at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.change_matching(verb text, filter jsonb, apply boolean, at_most integer) TO binaryrogue;

REVOKE ALL ON FUNCTION public.check_approval_state() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.check_backup_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.check_mission_state() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.check_policy() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.check_proposal_state() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.check_rule() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.check_signal_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.check_step_state() FROM PUBLIC;

GRANT SELECT ON TABLE public.agent_messages TO openclaw_tui;

REVOKE ALL ON FUNCTION public.claim_agent_message(agent text, in_hand bigint[]) FROM PUBLIC;

GRANT SELECT ON TABLE public.ops_interests TO openclaw_tui;

REVOKE ALL ON FUNCTION public.claim_due_interest() FROM PUBLIC;

GRANT SELECT ON TABLE public.inbox TO openclaw_tui;

REVOKE ALL ON FUNCTION public.claim_inbox(chats_in_hand bigint[]) FROM PUBLIC;

GRANT SELECT ON TABLE public.outbox TO openclaw_tui;

REVOKE ALL ON FUNCTION public.claim_outbox(resting bigint[], at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.close_function_steps(mission bigint, of_epoch integer, parents bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.control_target(scope text, target text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.count_mission_end() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.count_task_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.current_standing() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.decide_proposal(a public.ops_approvals) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.decide_reactions(event_ids bigint[], rule_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.demoted(providers jsonb, provider text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.duration_percentile(of_task text, of_provider text, of_model text, fraction double precision, since date) FROM PUBLIC;
GRANT ALL ON FUNCTION public.duration_percentile(of_task text, of_provider text, of_model text, fraction double precision, since date) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.edit_message(message bigint, text text, options jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.end_backup(backup bigint, outcome text, facts jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.end_failed_jobs(specs json, holder text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.end_interest_run(interest bigint, error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.end_spend(ids bigint[], new_state text, cost numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.end_succeeded_jobs(ids bigint[], results text[], starts double precision[], ends double precision[], holder text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.ensure_job(mission bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.event_causes(mission bigint) FROM PUBLIC;

GRANT SELECT ON TABLE public.ops_agent_events TO binaryrogue;
GRANT SELECT ON TABLE public.ops_agent_events TO openclaw_tui;

REVOKE ALL ON FUNCTION public.event_document(e public.ops_agent_events) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.expire_approvals(at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.expire_spend() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.explain_event(document jsonb, event bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.fill_template(template text, document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.finish_agent_message(message bigint, outcome text, result jsonb, error_class text, error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.finish_inbox(received bigint, route text, outcome text, error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.forget_memory(memory bigint) FROM PUBLIC;

GRANT SELECT ON TABLE public.ops_tasks TO binaryrogue;
GRANT SELECT ON TABLE public.ops_tasks TO openclaw_tui;

REVOKE ALL ON FUNCTION public.free_of_key(t public.ops_tasks, of_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.free_places(jobs bigint[], at_once boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.free_step_place() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.function_plan(task text, input jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.gate_caps(steps integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.gate_paused(agent text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.gate_stop(kind text, agent text, plan jsonb, cost_estimate_usd numeric, mission bigint, trace_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.give_back_unknown(pool text, known bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.guarded_tasks() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.in_quiet_hours(severity text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.incident_tried(incident bigint, act text, result text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.invoke_mission(mission bigint, of_epoch integer, parent bigint, step_name text, invoked text, given jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.is_paused(task text, agent text, mission bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.is_paused(task text, agent text, mission bigint) TO binaryrogue;
GRANT ALL ON FUNCTION public.is_paused(task text, agent text, mission bigint) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.is_schedule_paused(schedule text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.is_schedule_paused(schedule text) TO openclaw_tui;

GRANT SELECT ON TABLE public.job_history TO openclaw_tui;

REVOKE ALL ON FUNCTION public.json_schema_fault(schema jsonb, value jsonb, at text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.json_schema_fault(schema jsonb, value jsonb, at text) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.jsonpath_fault(path text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.kind_admits(kind text, mission bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.kind_starts(kind text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.last_verified_backup() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.learn(at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.let_in(of_task text, of_key text, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.limit_key(limits jsonb, payload jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.lock_limits(task text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.lose_outbox() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.mark_backup_pruned(backup bigint, place text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.matching(noun text, filter jsonb, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.may_act(wanted_act text, wanted_subject text, most integer, span interval, incident bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.mission_of_message(chat bigint, message bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.model_answered(answering_provider text, answering_model text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.model_failed(failed_provider text, failed_model text, fault text, message text, minutes double precision[], at_least interval, asked_ago interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.model_turn(wanted_provider text, wanted_model text, probe_for interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.mute_alerts(pattern text, span interval, reason text) FROM PUBLIC;

GRANT SELECT ON TABLE public.limit_waits TO openclaw_tui;

REVOKE ALL ON FUNCTION public.next_waiting(t public.ops_tasks, of_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.note_call(made_in text, made_call text, given text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.note_function_version(mission bigint, of_epoch integer, step bigint, hash text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.note_state(watched text, now_state text, at timestamp with time zone, blind_after interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.note_windows(of_service text, windows jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.nudge_mission(mission bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.open_incident(kind text, subject text, severity text, what text, why text, needed text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.pairing_hash(salt text, code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.park_broken(mission bigint, job bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.park_paused(mission bigint, job bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.pause(scope text, target text, hard boolean, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.pause(scope text, target text, hard boolean, reason text) TO binaryrogue;

GRANT SELECT ON TABLE public.ops_controls TO binaryrogue;
GRANT SELECT ON TABLE public.ops_controls TO openclaw_tui;

REVOKE ALL ON FUNCTION public.paused_by(task text, agent text, mission bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.paused_by(task text, agent text, mission bigint) TO binaryrogue;
GRANT ALL ON FUNCTION public.paused_by(task text, agent text, mission bigint) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.payload_fault(task public.ops_tasks, payload jsonb, OUT code text, OUT message text, OUT remedy text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.payload_paths(payload jsonb, at text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.plan_faults(plan jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.plan_faults(plan jsonb) TO binaryrogue;
GRANT ALL ON FUNCTION public.plan_faults(plan jsonb) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.plan_runs(specs jsonb, planned_for timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.policy_fault(key text, value jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.policy_fault(key text, value jsonb) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.policy_value(wanted text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.policy_value(wanted text) TO binaryrogue;
GRANT ALL ON FUNCTION public.policy_value(wanted text) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.propose_changes() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.propose_mission(plan jsonb, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean, agent text, cost_estimate_usd numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION public.propose_mission(plan jsonb, input jsonb, title text, priority integer, dedupe_key text, untrusted boolean, agent text, cost_estimate_usd numeric) TO binaryrogue;

REVOKE ALL ON FUNCTION public.prune_memory(cap integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.put_rule(rule jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.queue_message(recipient text, text text, options jsonb, dedupe_key text, severity text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.queue_reactions() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.queue_requests() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.queue_run(schedule text, planned_for timestamp with time zone, job jsonb, made_up boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.raise_alert(severity text, fingerprint text, title text, body text, runbook text, kind text, hold boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.raise_append_only() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.raise_for_request(wanted text, payload jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.raise_no_delete() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.raise_rule_kept() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.raise_unless_mine(owner_actor text, what text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.rate_message(message bigint, rating integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.rate_mission(mission bigint, rating integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.react(event_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.reaction_roll(event bigint, rule bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.reads_any(payload jsonb, names text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.reconcile_limits() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.reconcile_missions(at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.record_act(verb text, target text, before jsonb, after jsonb, payload jsonb, trace_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.record_call(call jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.record_drill(backup bigint, ok boolean, took_ms double precision, rows_restored bigint, problems text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.record_rating(of_task text, rating integer, mission bigint, agent text, trace_id uuid, verb text, target text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.record_removed_jobs() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.register_schedules(schedules jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.reject(id bigint, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.reject(id bigint, reason text) TO binaryrogue;

REVOKE ALL ON FUNCTION public.reject_pairing(code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.release_after_breaker() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.release_after_policy() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.release_holds(reasons text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.release_pool(dead_pool text, cause text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.release_spend(reservation bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.release_strays() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.remember(kind text, text text, agent text, tags text[], confidence double precision, provenance jsonb, untrusted boolean, supersedes bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.remove_interest(interest bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.renew_leases(pools jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.repeated_request(wanted text, key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.request_pairing(kind text, subject text, name text, code text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.reserve_spend(provider text, model text, amount_usd numeric, agent text, mission_id bigint, step_id bigint, job bigint, task text, holder text, keep interval, trace_id uuid, kind text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.reset_breaker(breaker text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.reset_model(wanted_provider text, wanted_model text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.resolve_incident(kind text, subject text, resolution text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.resolve_paths(payload jsonb, document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.resume(scope text, target text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.resume(scope text, target text) TO binaryrogue;

REVOKE ALL ON FUNCTION public.retention_limit(key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.retry_job(job bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION public.retry_job(job bigint) TO binaryrogue;

REVOKE ALL ON FUNCTION public.retry_mission(mission bigint, from_step text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.retry_mission(mission bigint, from_step text) TO binaryrogue;

REVOKE ALL ON FUNCTION public.revoke_device(device bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.rollback_policy(key text, to_version integer, reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.route_message(text text) FROM PUBLIC;

GRANT SELECT ON TABLE public.ops_reaction_rules TO binaryrogue;
GRANT SELECT ON TABLE public.ops_reaction_rules TO openclaw_tui;

REVOKE ALL ON FUNCTION public.rule_mismatch(r public.ops_reaction_rules, kind text, source text, tags text[], untrusted boolean, caused boolean, document jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.rule_rest(r public.ops_reaction_rules) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.search_memory(wanted text, of_agent text, at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.send_alert_digest() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.send_to_agent(recipient text, kind text, payload jsonb, dedupe_key text, reply_to text, untrusted boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.send_to_agent(recipient text, kind text, payload jsonb, dedupe_key text, reply_to text, untrusted boolean) TO binaryrogue;

REVOKE ALL ON FUNCTION public.set_agent_wanted(agent text, wanted text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.set_backup_offsite(backup bigint, outcome text, remote_id text, problem text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.set_policy(key text, value jsonb, reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.set_rule_enabled(rule text, wanted boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.settle_approval(approval bigint, new_state text, given text, by_actor text, why text, result jsonb, event text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.settle_runs(schedule text, planned timestamp with time zone[], job jsonb, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.settle_spend(reservation bigint, cost numeric, prompt_tokens integer, completion_tokens integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.show_mission(message bigint, text text, ended boolean, note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.signal(mission bigint, name text, payload jsonb, idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.signal(mission bigint, name text, payload jsonb, idempotency_key text) TO binaryrogue;

REVOKE ALL ON FUNCTION public.slowest_statements(at_most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.slowest_statements(at_most integer) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.sound_policy(wanted text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.sound_policy(wanted text) TO binaryrogue;
GRANT ALL ON FUNCTION public.sound_policy(wanted text) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.spend_keys(provider text, agent text, mission bigint, day date) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.spend_quota(task text, wanted integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.spread_task_retries() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.sql_may_answer(kind text, asked_by text) FROM PUBLIC;

GRANT SELECT ON TABLE public.ops_mission_proposals TO binaryrogue;
GRANT SELECT ON TABLE public.ops_mission_proposals TO openclaw_tui;

REVOKE ALL ON FUNCTION public.start_mission(p public.ops_mission_proposals, mission bigint, code text, by_actor text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.start_task(task text, wanted integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.step_payload(step bigint, uncommitted jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.steps_to_reopen(mission bigint, from_step text) FROM PUBLIC;

GRANT SELECT ON TABLE public.ops_missions TO binaryrogue;
GRANT SELECT ON TABLE public.ops_missions TO openclaw_tui;

REVOKE ALL ON FUNCTION public.store_steps(mission public.ops_missions, plan jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.submit_job_mission(job bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.sweep_pool(silent_pool text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.sync_allowed_users(ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.take_call_turn(wanted_service text, spacing interval, patience interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.take_place(of_holder text, of_task text, of_key text, of_attempt integer, OUT verdict text, OUT wait_ms double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.take_start(t public.ops_tasks, look_ahead interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.task_allowed(task public.ops_tasks) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.tell_breaker() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.tell_policy() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.tell_refusal(proposal bigint, kind text, title text, agent text, code text, reason text, trace_id uuid, untrusted boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.tell_trouble(kind text, severity text, title text, payload jsonb, tags text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.trip_breaker(breaker text, lasts interval, reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.unmute_alerts(pattern text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.untrusted_risk(plan jsonb, all_untrusted boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.untrusted_risk(plan jsonb, all_untrusted boolean) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.uptime(from_at timestamp with time zone, to_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.use_memories(ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.utc_day() FROM PUBLIC;
GRANT ALL ON FUNCTION public.utc_day() TO binaryrogue;
GRANT ALL ON FUNCTION public.utc_day() TO openclaw_tui;

REVOKE ALL ON FUNCTION public.wake_invoker() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.wake_missions(at_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.warn_budgets(keys text[], periods text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.watch_changes() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.watch_rules() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.wilson_high(successes double precision, outcomes double precision, z double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION public.wilson_high(successes double precision, outcomes double precision, z double precision) TO openclaw_tui;

REVOKE ALL ON FUNCTION public.wilson_low(successes double precision, outcomes double precision, z double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION public.wilson_low(successes double precision, outcomes double precision, z double precision) TO openclaw_tui;

GRANT SELECT ON TABLE public.agent_events TO openclaw_tui;
GRANT SELECT,INSERT,DELETE ON TABLE public.agent_events TO openclaw_owner;

GRANT SELECT ON TABLE public.agent_heartbeats TO openclaw_tui;
GRANT SELECT,INSERT,DELETE ON TABLE public.agent_heartbeats TO openclaw_owner;

GRANT SELECT ON TABLE public.ops_agents TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_outcome_rows TO openclaw_tui;

GRANT SELECT ON TABLE public.agent_status TO binaryrogue;
GRANT SELECT ON TABLE public.agent_status TO openclaw_tui;

GRANT SELECT ON TABLE public.chat_conversations TO openclaw_tui;

GRANT SELECT ON TABLE public.checkpoints TO openclaw_tui;

GRANT SELECT ON TABLE public.clock_override TO PUBLIC;
GRANT SELECT ON TABLE public.clock_override TO openclaw_tui;

GRANT SELECT ON TABLE public.gate_counters TO openclaw_tui;

GRANT SELECT ON TABLE public.job_cancels TO openclaw_tui;

GRANT SELECT ON TABLE public.job_crashes TO openclaw_tui;

GRANT SELECT ON TABLE public.job_holds TO openclaw_tui;

GRANT SELECT ON TABLE public.job_progress TO openclaw_tui;

GRANT SELECT ON TABLE public.job_requests TO openclaw_tui;

GRANT SELECT ON TABLE public.job_requests_direct TO openclaw_tui;

GRANT SELECT ON TABLE public.limit_pokes TO openclaw_tui;

GRANT SELECT ON TABLE public.limit_rates TO openclaw_tui;

GRANT SELECT ON TABLE public.limit_slots TO openclaw_tui;

GRANT SELECT ON TABLE public.message_buttons TO openclaw_tui;

GRANT SELECT ON TABLE public.mission_messages TO openclaw_tui;

GRANT SELECT ON TABLE public.mission_wakes TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_alert_digests TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_alert_mutes TO binaryrogue;
GRANT SELECT ON TABLE public.ops_alert_mutes TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_alerts TO binaryrogue;
GRANT SELECT ON TABLE public.ops_alerts TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_backup_drills TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_breakers TO binaryrogue;
GRANT SELECT ON TABLE public.ops_breakers TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_budget_use TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_cron_runs TO binaryrogue;
GRANT SELECT ON TABLE public.ops_cron_runs TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_cursors TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_devices TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_drifts TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_event_kinds TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_health TO binaryrogue;
GRANT SELECT ON TABLE public.ops_health TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_health_runs TO binaryrogue;
GRANT SELECT ON TABLE public.ops_health_runs TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_incidents TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_learned_changes TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_memory TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_mission_steps TO binaryrogue;
GRANT SELECT ON TABLE public.ops_mission_steps TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_model_cooldowns TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_outcome_attempts TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_outcome_days TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_outcome_durations TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_outcome_errors TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_outcomes TO binaryrogue;
GRANT SELECT ON TABLE public.ops_outcomes TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_pairings TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_policy TO binaryrogue;
GRANT SELECT ON TABLE public.ops_policy TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_policy_keys TO binaryrogue;
GRANT SELECT ON TABLE public.ops_policy_keys TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_quota_use TO binaryrogue;
GRANT SELECT ON TABLE public.ops_quota_use TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_reaction_days TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_reaction_rests TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_reactions TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_repeated_calls TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_research_signals TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_routes TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_schedules TO binaryrogue;
GRANT SELECT ON TABLE public.ops_schedules TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_search_cache TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_service_windows TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_signals TO binaryrogue;
GRANT SELECT ON TABLE public.ops_signals TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_spend TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_task_stats TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_tasks_generation TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_unknown_kinds TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_watch_acts TO openclaw_tui;

GRANT SELECT ON TABLE public.ops_watch_states TO openclaw_tui;

GRANT SELECT ON TABLE public.research_signals_now TO openclaw_tui;

GRANT SELECT ON TABLE public.schema_migrations TO openclaw_tui;

GRANT SELECT ON TABLE public.sound_plans TO openclaw_tui;

GRANT SELECT ON TABLE public.workers TO openclaw_tui;

GRANT SELECT,INSERT ON TABLE public.task_queue TO binaryrogue;
GRANT SELECT ON TABLE public.task_queue TO openclaw_tui;

GRANT SELECT ON TABLE public.telegram_chats TO openclaw_tui;

GRANT SELECT ON TABLE public.telegram_state TO openclaw_tui;

GRANT SELECT ON TABLE public.uploads TO openclaw_tui;

GRANT SELECT ON TABLE public.waits_for_place TO openclaw_tui;
