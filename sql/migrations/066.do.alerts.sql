-- Alerts: one function decides what becomes of each (sent, held for the digest, muted), in the caller's transaction, so that
-- an alert exists exactly if the state that it tells of does, and its limits survive every restart.

create table ops_alerts (
  id bigint generated always as identity primary key,
  severity text not null check (severity in ('info', 'warning', 'error', 'critical')),
  kind text not null check (kind in ('problem', 'reminder', 'resolved', 'digest', 'test')),
  fingerprint text not null check (length(fingerprint) between 1 and 200),
  title text not null check (length(title) between 1 and 500),
  body text not null default '' check (length(body) <= 8000),
  runbook text check (runbook ~ '^[a-z0-9-]+$'),
  state text not null check (state in ('sent', 'held', 'muted', 'direct')),
  reason text,
  message_id bigint,
  actor text not null default current_actor(),
  trace_id uuid not null default current_trace(),
  created_at timestamptz not null default clock_now(),
  recorded_at timestamptz not null default clock_now()
);
comment on table ops_alerts is 'Append-only: every alert and what became of it. state: sent (given to the outbox), held (counted in the next digest), muted, direct (sent by the second path while Postgres was away).';
comment on column ops_alerts.fingerprint is 'What it is about: one problem in a quarter of an hour, whoever raises it.';
comment on column ops_alerts.reason is 'Why it was not sent: repeated, bucket, quiet hours, flapping, mute, problem never sent.';
comment on column ops_alerts.message_id is 'The row of the outbox, where there is one: whether it was delivered is said there.';
create index ops_alerts_fingerprint on ops_alerts (fingerprint, id);
create index ops_alerts_created_at on ops_alerts (created_at);
create index ops_alerts_held on ops_alerts (id) where state = 'held';
create trigger ops_alerts_append_only before update or delete or truncate on ops_alerts for each statement execute function raise_append_only();

create table ops_alert_digests (
  alert_id bigint primary key references ops_alerts on delete cascade,
  through bigint not null
);
comment on table ops_alert_digests is 'Which held alerts a digest told of: all up to `through`. The alerts themselves are never changed.';

create table ops_alert_mutes (
  pattern text primary key check (length(pattern) between 1 and 200),
  until timestamptz not null,
  reason text,
  actor text not null default current_actor(),
  created_at timestamptz not null default clock_now()
);
comment on table ops_alert_mutes is 'Fingerprints (with * for any text) that are silent until then. A critical alert is muted only by a pattern without *.';

insert into ops_policy_keys (key, schema) values
  ('alerts.limits', '{"type":"object","properties":{"per_fingerprint":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"},"bucket":{"type":"integer","minimum":1,"maximum":1000},"digest":{"type":"string","pattern":"^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$"}},"required":["per_fingerprint","bucket","digest"],"additionalProperties":false}'),
  ('alerts.quiet', '{"type":"object","properties":{"from":{"type":"string","pattern":"^(([01][0-9]|2[0-3]):[0-5][0-9])?$"},"to":{"type":"string","pattern":"^(([01][0-9]|2[0-3]):[0-5][0-9])?$"},"zone":{"type":"string","pattern":"^[A-Za-z0-9_+/-]{1,64}$"},"below":{"type":"string","enum":["warning","error","critical"]}},"required":["from","to","zone","below"],"additionalProperties":false}');

insert into ops_policy (key, version, value, actor, reason) values
  ('alerts.quiet', 1, '{"from": "", "to": "", "zone": "UTC", "below": "error"}', 'system', 'quiet hours as "22:00" to "07:00" of that zone: what is below that severity waits for the digest; empty: none'),
  ('alerts.limits', 1, '{"per_fingerprint": "15 minutes", "bucket": 20, "digest": "15 minutes"}', 'system', 'one alert a fingerprint in that time, so many alerts an hour in all, one digest in that time');

create function alert_rank(severity text) returns integer
language sql immutable
return array_position(array['info', 'warning', 'error', 'critical'], severity);

create function in_quiet_hours(severity text) returns boolean
language plpgsql stable
set search_path = public, pg_catalog, pg_temp
as $$
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

create function raise_alert(severity text, fingerprint text, title text, body text default '', runbook text default null, kind text default 'problem', hold boolean default false)
returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function raise_alert is 'Raises an alert in the caller''s transaction: sent through the outbox, or held for the digest (repeated within a quarter of an hour, quiet hours, more than 20 an hour), or muted. Returns its id.';

create function alert_text(severity text, kind text, title text, body text, runbook text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select concat_ws(E'\n',
    case kind when 'resolved' then 'RESOLVED' when 'test' then 'TEST' when 'digest' then 'DIGEST' else upper(severity) end || ': ' || title,
    nullif(body, ''), 'Runbook: docs/runbooks/' || runbook || '.md')
$$;

-- One message for all that was held since the last digest; nothing when nothing was, or the last is too young.
create function send_alert_digest() returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function send_alert_digest() is 'Sends what was held since the last digest as one message, at most one in a quarter of an hour; returns its id, or null.';

create function mute_alerts(pattern text, span interval, reason text default null) returns timestamptz
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function mute_alerts is 'Silences the alerts of a fingerprint (* for any text) for a time; they are still recorded.';

create function unmute_alerts(pattern text) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare was ops_alert_mutes;
begin
  delete from ops_alert_mutes m where m.pattern = unmute_alerts.pattern returning * into was;
  if was.pattern is null then
    return false;
  end if;
  perform record_act('alerts unmute', unmute_alerts.pattern, jsonb_build_object('until', was.until), null);
  return true;
end $$;
comment on function unmute_alerts is 'Ends a mute; false when there was none of that pattern.';
