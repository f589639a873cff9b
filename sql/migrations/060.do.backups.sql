-- Backups: one row a run, with two facts that are never mixed: how the archive came out, and where else it is.

create table ops_backups (
  id bigint generated always as identity primary key,
  name text not null unique check (name ~ '^openclaw_backup_[0-9]{8}_[0-9]{6}\.(tar\.gz|tar\.zst\.age)$'),
  archive text check (archive in ('verified', 'partial', 'failed')),
  offsite text check (offsite in ('uploaded', 'local_only', 'failed')),
  host text not null,
  bytes bigint check (bytes >= 0),
  sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
  snapshot_at timestamptz,
  row_count bigint,
  duration_ms double precision,
  faults text[] not null default '{}',
  detail jsonb not null default '{}',
  offsite_id text,
  offsite_error text,
  offsite_at timestamptz,
  local_deleted_at timestamptz,
  offsite_deleted_at timestamptz,
  actor text not null default current_actor(),
  trace_id uuid not null default current_trace(),
  started_at timestamptz not null default clock_now(),
  finished_at timestamptz
);
comment on table ops_backups is 'One row a backup. archive null: it is being made, or whoever made it was killed, which the next run settles.';
comment on column ops_backups.archive is 'verified: read back whole, each checksum, the dump decoded. partial: so too, but something could not be read, and faults names it. failed: there is no archive.';
comment on column ops_backups.offsite is 'uploaded: Drive has it with the same checksum. local_only: no Drive is set up, so it is no backup against the loss of this machine. failed: the upload did not end; the next run goes on with it. null: not tried yet.';
comment on column ops_backups.faults is 'What is missing from a partial archive, or why there is none; no secrets.';
comment on column ops_backups.detail is 'Versions, row counts by table, what was left out, times of the stages.';
create index ops_backups_verified on ops_backups (finished_at desc) where archive = 'verified';

create table ops_backup_drills (
  id bigint generated always as identity primary key,
  backup_id bigint not null references ops_backups (id),
  passed boolean not null,
  duration_ms double precision not null,
  row_count bigint,
  faults text[] not null default '{}',
  actor text not null default current_actor(),
  created_at timestamptz not null default clock_now()
);
comment on table ops_backup_drills is 'One row a restore drill: the archive was restored into a scratch database and each table counted against the manifest.';

create function check_backup_change() returns trigger
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
begin
  if old.archive is not null and new.archive is distinct from old.archive then
    perform refuse('OC008', format('backup %s is %s and cannot become %s', old.name, old.archive, new.archive), 'make a new backup');
  end if;
  if old.offsite = 'uploaded' and new.offsite is distinct from 'uploaded' then
    perform refuse('OC008', format('backup %s is uploaded and cannot become %s', old.name, new.offsite), 'nothing: it is there');
  end if;
  return new;
end $$;
create trigger ops_backups_states before update on ops_backups for each row execute function check_backup_change();

-- The name is the second (UTC) that is free: two runs within one second get different names.
create function begin_backup(suffix text, host text, trace uuid default null) returns ops_backups
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function begin_backup(text, text, uuid) is 'A new backup with the next free name; suffix is .tar.gz or .tar.zst.age.';

create function end_backup(backup bigint, outcome text, facts jsonb) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function end_backup(bigint, text, jsonb) is 'Records once how the archive came out (verified, partial, failed), with an event.';

create function set_backup_offsite(backup bigint, outcome text, remote_id text default null, problem text default null) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function set_backup_offsite(bigint, text, text, text) is 'Records where else the archive is (uploaded, local_only, failed), with an event.';

create function record_drill(backup bigint, ok boolean, took_ms double precision, rows_restored bigint, problems text[]) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function record_drill(bigint, boolean, double precision, bigint, text[]) is 'Records a restore drill, with an event.';

-- What goes wrong beside an archive: an event and an alert of the same fact.
create function tell_trouble(kind text, severity text, title text, payload jsonb, tags text[]) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  insert into ops_agent_events (kind, severity, payload, tags) values (tell_trouble.kind, tell_trouble.severity, tell_trouble.payload, tell_trouble.tags);
  perform raise_alert(tell_trouble.severity, tell_trouble.kind, title, left(coalesce(tell_trouble.payload ->> 'error', tell_trouble.payload ->> 'where', ''), 2000));
end $$;
comment on function tell_trouble(text, text, text, jsonb, text[]) is 'An event, and an alert with its kind as fingerprint.';

create function mark_backup_pruned(backup bigint, place text) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare made ops_backups;
begin
  update ops_backups set local_deleted_at = case when place = 'local' then clock_now() else local_deleted_at end,
      offsite_deleted_at = case when place = 'offsite' then clock_now() else offsite_deleted_at end
    where id = backup returning * into made;
  if found then
    perform record_act('backup prune', made.name, null, jsonb_build_object('deleted', place));
  end if;
end $$;
comment on function mark_backup_pruned(bigint, text) is 'Notes that the archive was deleted here (local) or there (offsite).';

create function last_verified_backup() returns table (id bigint, name text, offsite text, finished_at timestamptz, age_seconds double precision)
language sql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$
  select b.id, b.name, b.offsite, b.finished_at, extract(epoch from clock_now() - b.finished_at)::float8
  from ops_backups b where b.archive = 'verified' and (b.local_deleted_at is null or b.offsite = 'uploaded' and b.offsite_deleted_at is null)
  order by b.finished_at desc limit 1
$$;
comment on function last_verified_backup() is 'The newest verified backup that still is somewhere, with its age; no row when there is none.';

insert into ops_policy_keys (key, schema) values
  ('backup.keep_local', '{"type":"integer","minimum":1,"maximum":10000}'),
  ('backup.keep_remote', '{"type":"object","properties":{"newest":{"type":"integer","minimum":1,"maximum":10000},"weekly":{"type":"integer","minimum":0,"maximum":520},"monthly":{"type":"integer","minimum":0,"maximum":240}},"required":["newest","weekly","monthly"],"additionalProperties":false}'),
  ('backup.uploads_limit_mb', '{"type":"integer","minimum":0,"maximum":1000000}');
insert into ops_policy (key, version, value, actor, reason) values
  ('backup.keep_local', 1, '30', 'system', 'verified archives that stay on this machine'),
  ('backup.keep_remote', 1, '{"newest": 30, "weekly": 8, "monthly": 12}', 'system', 'archives that stay on Drive: the newest, and one a week and a month before them'),
  ('backup.uploads_limit_mb', 1, '1024', 'system', 'uploads go into an archive newest first, up to this many MiB; the rest is named in the manifest');
