-- Who may reach this system from elsewhere: SSH keys for the screen, Telegram users for the bot. A device is added on this
-- side only, and a revoked one stays as a row, so that what it did keeps its name.

create table ops_devices (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('ssh', 'telegram')),
  name text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$'),
  subject text not null check (case kind when 'ssh' then subject ~ '^SHA256:[A-Za-z0-9+/]{43}$' else subject ~ '^[1-9][0-9]{0,14}$' end),
  public_key text check (kind <> 'ssh' or public_key is not null),
  role text not null check (role in ('viewer', 'operator', 'owner')),
  created_by text not null default current_actor(),
  created_at timestamptz not null default now(),
  last_seen_at timestamptz,
  revoked_at timestamptz
);
comment on table ops_devices is 'Paired devices: SSH keys that may open the screen, Telegram users that may talk to the bot.';
comment on column ops_devices.subject is 'What proves it: the fingerprint of its key (SHA256:...), or the Telegram user id.';
comment on column ops_devices.role is 'viewer looks, operator acts, owner also answers what is asked of the owner.';
comment on column ops_devices.last_seen_at is 'When it was last let in; at most once a minute.';
create unique index ops_devices_subject on ops_devices (kind, subject) where revoked_at is null;
create unique index ops_devices_name on ops_devices (kind, name) where revoked_at is null;

create function add_device(kind text, name text, subject text, role text, public_key text default null) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;
comment on function add_device is 'Pairs an SSH key (subject: its fingerprint) or a Telegram user (subject: its id); returns the id.';

create function revoke_device(device bigint) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function revoke_device(bigint) is 'The device is let in no more, and its next command is refused.';

-- Asked at each connection and before each command. The time is only written once a minute.
create function admit_device(kind text, subject text) returns table (id bigint, name text, role text)
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  update ops_devices d set last_seen_at = clock_now()
    where d.kind = admit_device.kind and d.subject = admit_device.subject and d.revoked_at is null
      and (d.last_seen_at is null or d.last_seen_at < clock_now() - interval '1 minute');
  return query select d.id, d.name, d.role from ops_devices d
    where d.kind = admit_device.kind and d.subject = admit_device.subject and d.revoked_at is null;
end $$;
comment on function admit_device(text, text) is 'The device of this subject with its role, or no row: unknown or revoked.';
