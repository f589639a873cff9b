-- Plans: validated whole at this one door, whoever submits them. All faults at once, nothing stored.

-- A length of time as a plan writes it: a number of ms, or "500 ms", "30 s", "5m", "2 h", "1 day". Null when it is none.
create function duration_ms(value jsonb) returns bigint
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare parts text[];
begin
  if jsonb_typeof(value) = 'number' then
    return case when (value #>> '{}')::numeric between 1 and 604800000 then (value #>> '{}')::numeric::bigint end;
  end if;
  parts := regexp_match(value #>> '{}', '^[ \t\r\n]*([0-9]{1,9}(?:\.[0-9]{1,3})?)[ \t\r\n]*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)[ \t\r\n]*$');
  if parts is null then return null; end if;
  return (parts[1]::numeric * case when parts[2] = 'ms' then 1 when parts[2] like 's%' then 1000 when parts[2] like 'm%' then 60000 when parts[2] like 'h%' then 3600000 else 86400000 end)::bigint;
end $$;

-- Every {"$path": ...} of a payload: where it stands, the path, and whether it has a default.
create function payload_paths(payload jsonb, at text default '') returns table (place text, path text, well_formed boolean)
language plpgsql immutable
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;

-- The payload with every {"$path": p, "default"?: d} replaced by what p finds in the document. A path that finds nothing
-- and has no default raises OC009: a step must not run on a hole.
create function resolve_paths(payload jsonb, document jsonb) returns jsonb
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;

-- `uncommitted`: ends that only the worker knows yet, {name: {state, output, error}}.
create function step_payload(step bigint, uncommitted jsonb default '{}') returns jsonb
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
begin
  return (select resolve_paths(s.payload, jsonb_build_object(
      'input', m.input,
      'mission', jsonb_build_object('id', m.id, 'kind', m.kind, 'title', m.title, 'created_at', m.created_at),
      'steps', (select coalesce(jsonb_object_agg(o.name, jsonb_build_object('state', o.state, 'output', o.output, 'error', o.error)), '{}')
                from ops_mission_steps o where o.mission_id = m.id and o.state in ('succeeded', 'failed', 'skipped', 'unknown')) || uncommitted))
    from ops_mission_steps s join ops_missions m on m.id = s.mission_id where s.id = step);
end $$;
comment on function step_payload(bigint, jsonb) is 'The payload of a step with every $path taken from the outputs of earlier steps.';

-- The question before a step: a text, or {question, expires, on_expiry, who}.
create function approval_fault(asked jsonb) returns text
language plpgsql immutable
set search_path = public, pg_catalog, pg_temp
as $$
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

create function plan_faults(plan jsonb) returns table (at text, message text)
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;
comment on function plan_faults(jsonb) is 'Everything that is wrong with a plan, at once; no rows for a sound one.';

create function jsonpath_fault(path text) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if path ~ '\*\*.*\*\*' then
    return format('"%s" has ** more than once, which can take for ever', path);
  end if;
  perform path::jsonpath;
  return null;
exception when others then
  return format('"%s" is not an SQL/JSON path: %s', path, sqlerrm);
end $$;

-- The steps of a mission as its plan has them.
create function store_steps(mission ops_missions, plan jsonb) returns integer
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
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
