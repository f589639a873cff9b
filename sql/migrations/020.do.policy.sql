-- Policy: what each key may hold, and how it changes. lib/policy/keys.ts has the same schemas in zod, with what they mean;
-- test/lib/policy/keys.test.ts compares the two.

create table ops_policy_keys (
  key text primary key,
  schema jsonb not null check (jsonb_typeof(schema) = 'object')
);
comment on table ops_policy_keys is 'Each key of policy with the JSON Schema of its value: what does not fit is refused, whoever inserts it.';

-- The first fault of a value, or null when it fits. Knows the part of JSON Schema that zod writes for policy: type, enum, const, bounds, lengths,
-- pattern, items, properties, required, additionalProperties, propertyNames, anyOf. A keyword that it does not know is a fault: silence would be a yes.
create function json_schema_fault(schema jsonb, value jsonb, at text default 'value') returns text
language plpgsql immutable
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;
comment on function json_schema_fault is 'The first fault of a value by the part of JSON Schema that policy uses; null when it fits.';

create function policy_fault(key text, value jsonb) returns text
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  select case when k.key is null then format('there is no policy key "%s"', policy_fault.key) else json_schema_fault(k.schema, policy_fault.value, policy_fault.key) end
  from (select 1) one left join ops_policy_keys k on k.key = policy_fault.key
$$;
comment on function policy_fault is 'What is wrong with a value for a key of policy, or null.';

-- The value in force, when it fits its schema; otherwise null, which everywhere means no.
create function sound_policy(wanted text) returns jsonb
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
begin
  return (select p.value from (select o.value from ops_policy o where o.key = wanted order by version desc limit 1) p
          join ops_policy_keys k on k.key = wanted where json_schema_fault(k.schema, p.value) is null);
end $$;
comment on function sound_policy is 'The value in force, or null when it is missing or does not fit its schema: null means no.';

-- Every new version passes here, also one that is inserted by hand.
create function check_policy() returns trigger
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
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
create trigger ops_policy_check before insert on ops_policy for each row execute function check_policy();


-- Written by zod from lib/policy/keys.ts; a part that adds a key adds its row here and its entry there.
insert into ops_policy_keys (key, schema) values
  ('approvals.sql', '{"type":"object","properties":{"kinds":{"type":"array","items":{"type":"string","enum":["step","unknown","code","proposal","learning"]}},"own":{"type":"boolean"}},"required":["kinds","own"],"additionalProperties":false}'),
  ('breaker.missions', '{"type":"object","properties":{"failures":{"type":"integer","minimum":1,"maximum":1000},"open":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"},"max":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"},"probe":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}},"required":["failures","open","max","probe"],"additionalProperties":false}'),
  ('breaker.services', '{"type":"object","properties":{"failures":{"type":"integer","minimum":1,"maximum":1000},"open":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"},"max":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"},"probe":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}},"required":["failures","open","max","probe"],"additionalProperties":false}'),
  ('budget.agents', '{"type":"object","propertyNames":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"},"additionalProperties":{"type":"object","properties":{"day":{"type":"number","minimum":0,"maximum":1000000},"month":{"type":"number","minimum":0,"maximum":1000000}},"additionalProperties":false}}'),
  ('budget.calls', '{"maxItems":100,"type":"array","items":{"type":"object","properties":{"provider":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"},"calls":{"type":"integer","minimum":1,"maximum":1000000},"window":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}},"required":["provider","calls","window"],"additionalProperties":false}}'),
  ('budget.providers', '{"type":"object","propertyNames":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"},"additionalProperties":{"type":"object","properties":{"day":{"type":"number","minimum":0,"maximum":1000000},"month":{"type":"number","minimum":0,"maximum":1000000}},"additionalProperties":false}}'),
  ('budget.usd', '{"type":"object","properties":{"day":{"type":"number","minimum":0,"maximum":1000000},"month":{"type":"number","minimum":0,"maximum":1000000},"mission":{"type":"number","minimum":0,"maximum":1000000}},"required":["day","month","mission"],"additionalProperties":false}'),
  ('gate.approval', '{"type":"object","properties":{"person":{"type":"object","properties":{"read":{"type":"string","enum":["auto","ask","refuse"]},"write":{"type":"string","enum":["auto","ask","refuse"]},"outside":{"type":"string","enum":["auto","ask","refuse"]}},"required":["read","write","outside"],"additionalProperties":false},"cron":{"type":"object","properties":{"read":{"type":"string","enum":["auto","ask","refuse"]},"write":{"type":"string","enum":["auto","ask","refuse"]},"outside":{"type":"string","enum":["auto","ask","refuse"]}},"required":["read","write","outside"],"additionalProperties":false},"machine":{"type":"object","properties":{"read":{"type":"string","enum":["auto","ask","refuse"]},"write":{"type":"string","enum":["auto","ask","refuse"]},"outside":{"type":"string","enum":["auto","ask","refuse"]}},"required":["read","write","outside"],"additionalProperties":false},"untrusted":{"type":"object","properties":{"read":{"type":"string","enum":["auto","ask","refuse"]},"write":{"type":"string","enum":["auto","ask","refuse"]},"outside":{"type":"string","enum":["auto","ask","refuse"]}},"required":["read","write","outside"],"additionalProperties":false}},"required":["person","cron","machine","untrusted"],"additionalProperties":false}'),
  ('gate.auto_approve', '{"maxItems":500,"type":"array","items":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"}}'),
  ('gate.caps', '{"type":"object","properties":{"active_missions":{"type":"integer","minimum":0,"maximum":1000000000},"steps_per_day":{"type":"integer","minimum":0,"maximum":1000000000}},"required":["active_missions","steps_per_day"],"additionalProperties":false}'),
  ('gate.proposals', '{"type":"object","properties":{"expire":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}},"required":["expire"],"additionalProperties":false}'),
  ('learning.auto', '{"maxItems":5,"type":"array","items":{"type":"string","enum":["timeout","retries","provider_order","stop","breaker"]}}'),
  ('providers.order', '{"maxItems":50,"type":"array","items":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"}}'),
  ('quota.tasks', '{"type":"object","propertyNames":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"},"additionalProperties":{"type":"integer","minimum":0,"maximum":1000000000}}'),
  ('retention.events', '{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}'),
  ('retention.heartbeats', '{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}'),
  ('retention.jobs_failed', '{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}'),
  ('retention.jobs_ok', '{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}'),
  ('retention.logs', '{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}'),
  ('retention.messages', '{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}'),
  ('retention.missions', '{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}'),
  ('retention.workers', '{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}'),
  ('sql.allow', '{"type":"object","properties":{"effects":{"type":"array","items":{"type":"string","enum":["read","write","outside"]}},"tasks":{"type":"array","items":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"}},"except":{"type":"array","items":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"}}},"required":["effects","tasks","except"],"additionalProperties":false}'),
  ('task.timeouts', '{"type":"object","propertyNames":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"},"additionalProperties":{"type":"integer","minimum":1,"maximum":604800000}}'),
  ('task.retries', '{"type":"object","propertyNames":{"type":"string","pattern":"^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$"},"additionalProperties":{"type":"integer","minimum":0,"maximum":99}}');

insert into ops_policy (key, version, value, actor, reason) values
  ('approvals.sql', 1, '{"kinds": ["step", "unknown", "code", "proposal"], "own": false}', 'system', 'another role than the one that asked may answer in SQL'),
  ('breaker.missions', 1, '{"failures": 5, "open": "300 s", "max": "60 min", "probe": "60 min"}', 'system', 'five failures in a row are no accident'),
  ('breaker.services', 1, '{"failures": 3, "open": "15 min", "max": "60 min", "probe": "5 min"}', 'system', 'a service that fails three times needs a rest'),
  ('budget.agents', 1, '{}', 'system', 'no agent has a limit of its own'),
  ('budget.calls', 1, '[{"provider": "minimax", "calls": 300, "window": "5 h"}]', 'system', 'the provider''s own window'),
  ('budget.providers', 1, '{}', 'system', 'no provider has a limit of its own'),
  ('budget.usd', 1, '{"day": 2, "month": 20, "mission": 2}', 'system', 'small until the operator says otherwise'),
  ('gate.approval', 1, '{"person": {"read": "auto", "write": "auto", "outside": "auto"}, "cron": {"read": "auto", "write": "auto", "outside": "auto"}, "machine": {"read": "auto", "write": "auto", "outside": "ask"}, "untrusted": {"read": "auto", "write": "auto", "outside": "ask"}}', 'system', 'a person''s own submission is its own approval; effects outside from machines or from untrusted data ask'),
  ('gate.auto_approve', 1, '["health_check", "memory_prune", "backup", "git_commit", "status_report"]', 'system', 'upkeep'),
  ('gate.caps', 1, '{"active_missions": 10000, "steps_per_day": 100000}', 'system', 'a loop that submits missions meets an end'),
  ('gate.proposals', 1, '{"expire": "3 days"}', 'system', 'what nobody wanted for a weekend is not wanted'),
  ('learning.auto', 1, '[]', 'system', 'a person approves what the learner proposes'),
  ('providers.order', 1, '[]', 'system', 'config/providers/failover.json says the order'),
  ('quota.tasks', 1, '{"web_search": 50, "api_call": 200, "git_commit": 20}', 'system', 'starts a day'),
  ('retention.heartbeats', 1, '"7 days"', 'system', 'beats of the agents'),
  ('retention.logs', 1, '"14 days"', 'system', 'log files'),
  ('retention.messages', 1, '"30 days"', 'system', 'messages that came in, went out, and that agents were told'),
  ('task.timeouts', 1, '{}', 'system', 'as each task says'),
  ('task.retries', 1, '{"deploy": 1, "backup": 5}', 'system', 'others as the task says, 3 by default');

create function tell_policy() returns trigger
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
create trigger ops_policy_tell after insert on ops_policy for each row execute function tell_policy();

create function set_policy(key text, value jsonb, reason text default null) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function set_policy is 'A new version of a key, in force when the transaction commits; the same value again changes nothing. Returns the version in force.';

create function rollback_policy(key text, to_version integer default null, reason text default null) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare now_version integer := (select max(p.version) from ops_policy p where p.key = rollback_policy.key); earlier ops_policy;
begin
  select * into earlier from ops_policy p where p.key = rollback_policy.key and p.version = coalesce(to_version, now_version - 1);
  if not found then
    perform refuse('OC011', format('policy %s has no version %s', rollback_policy.key, coalesce(to_version, now_version - 1)), format('openclaw policy diff %s', rollback_policy.key));
  end if;
  return set_policy(rollback_policy.key, earlier.value, coalesce(rollback_policy.reason, format('back to version %s', earlier.version)));
end $$;
comment on function rollback_policy is 'Makes an earlier value (by default the one before) the newest version: history only grows.';
