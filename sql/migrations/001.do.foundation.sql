-- The ground that the other migrations stand on: the clock, safe JSON, who acts, coded errors.
--
-- SQLSTATEs of this system (class OC). Every one carries a HINT with the remedy.
--   OC001 unknown task            OC002 payload is not an object   OC003 payload is too large
--   OC004 required key is missing OC005 wrong JSON type            OC006 not allowed for this role
--   OC007 a plan has faults       OC008 illegal change of state    OC009 bad argument
--   OC010 append-only             OC011 no such row                OC012 a rule has a fault

create table clock_override (
  only_row boolean primary key default true check (only_row),
  at timestamptz not null
);
comment on table clock_override is 'Empty in production. A test writes one row here to set the time that clock_now() tells to every session.';

-- Small functions that are called all the time are plpgsql and not sql: the body of one in sql, unless it is inlined, is planned
-- anew by each statement that calls it (70 us against 15). Where every name is qualified they do without SET as well, which costs half of the rest.
create function clock_now() returns timestamptz
language plpgsql stable parallel restricted
as $$ begin return coalesce((select c.at from public.clock_override c), pg_catalog.now()); end $$;
comment on function clock_now() is 'The one clock: leases, wake-ups, quotas (UTC days) and retention use it.';

-- A payload is `json`, so graphile-worker accepts what `jsonb` refuses: \u0000, lone surrogates, a number like 1e400000, and
-- what is nested so deeply that the stack ends. A view that casts would then be unreadable because of one row, so views
-- and ledgers read through this function, which never raises.
-- Not parallel safe, and so no query over them is: a parallel worker may not begin the subtransaction of an exception block.
create function json_to_jsonb_lossy(value json) returns jsonb
language plpgsql immutable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
  return value::jsonb;
exception when others then
  begin
    return regexp_replace(regexp_replace(value::text, '\\u0000', '', 'g'), '\\u[dD][89abAB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?', '?', 'g')::jsonb;
  exception when others then
    return jsonb_build_object('unreadable', true, 'text', value::text);
  end;
end $$;

create function readable_json(value json) returns jsonb
language sql immutable parallel unsafe
return case when value is null then null
            when octet_length(value::text) > 8192 or value::text ~ '\\u(0000|[dD][89a-fA-F])|[0-9][eE][-+]?[0-9]{3}' then json_to_jsonb_lossy(value)
            else value::jsonb end;
comment on function readable_json(json) is 'jsonb of any json, for views: what jsonb cannot hold is dropped instead of raising.';

-- Who acts. The worker and the command line (members of the owner) say so in openclaw.actor and openclaw.source;
-- everybody else is who they logged in as, whatever they set.
-- No `set search_path` and no sub-select here, so that they are inlined: an SQL function that is not is planned anew at each
-- call, which doubles the cost of an add_job. Every name is qualified instead.
create function trusted_session() returns boolean
language sql stable parallel safe
as $$ select pg_catalog.has_table_privilege(session_user, 'public.clock_override', 'insert') $$;
comment on function trusted_session() is 'Whether the login belongs to the owner: a worker, the command line, an administrator.';

create function current_actor() returns text
language sql stable parallel safe
as $$
  select case when pg_catalog.length(pg_catalog.current_setting('openclaw.actor', true)) operator(pg_catalog.>) 0 and public.trusted_session()
              then pg_catalog.current_setting('openclaw.actor', true)
              else pg_catalog.concat('sql:', session_user) end
$$;
create function current_source() returns text
language sql stable parallel safe
as $$
  select case when pg_catalog.length(pg_catalog.current_setting('openclaw.source', true)) operator(pg_catalog.>) 0 and public.trusted_session()
              then pg_catalog.current_setting('openclaw.source', true)
              else 'sql' end
$$;
create function current_trace() returns uuid
language sql volatile parallel safe
as $$
  select case when pg_catalog.length(pg_catalog.current_setting('openclaw.trace', true)) operator(pg_catalog.=) 36
              then pg_catalog.current_setting('openclaw.trace', true)::pg_catalog.uuid
              -- Random bits in the form of a version 4 UUID. A trace is no secret, and gen_random_uuid(), which asks the system
              -- for strong ones, cost more than the rest of a request's row.
              else pg_catalog.overlay(pg_catalog.overlay(
                     pg_catalog.md5(pg_catalog.concat(pg_catalog.random(), pg_catalog.random())), '4', 13), '8', 17)::pg_catalog.uuid end
$$;
comment on function current_trace() is 'The trace that the caller goes on with (openclaw.trace), or a new one.';
comment on function current_actor() is 'cli:<user>, telegram:<id>, ssh:<name>, sql:<role>, agent:<id>, rule:<name>, cron or system.';

create function refuse(code text, message text, remedy text, detail text default null) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if detail is null then
    raise exception using errcode = code, message = message, hint = remedy;
  end if;
  raise exception using errcode = code, message = message, hint = remedy, detail = detail;
end $$;

-- Append-only tables: only apply_retention() deletes; it raises this flag for its own statements.
create function raise_append_only() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' and current_setting('openclaw.retention', true) = 'on' then
    return null;
  end if;
  raise exception using errcode = 'OC010', message = format('%s on %I is refused: the table is append-only', lower(tg_op), tg_table_name),
    hint = 'append a new row; old rows leave by retention only (policy retention.*)';
end $$;
