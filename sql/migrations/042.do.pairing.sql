-- Pairing: a stranger who writes to the bot gets a code, and nothing else. Whoever sits at this machine approves the code; it
-- is never approved in a chat, and it is stored hashed.

create table ops_pairings (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('telegram')),
  subject text not null,
  name text not null,
  salt text not null default gen_random_uuid()::text,
  code_hash bytea not null,
  created_at timestamptz not null default clock_now(),
  expires_at timestamptz not null,
  told_at timestamptz,
  decided_at timestamptz,
  decided_by text,
  outcome text check (outcome in ('approved', 'rejected')),
  device_id bigint references ops_devices (id),
  check ((decided_at is not null) = (outcome is not null)),
  check ((outcome = 'approved') = (device_id is not null))
);
comment on table ops_pairings is 'People who asked to be let in. Three may wait at once, each for an hour.';
create index ops_pairings_pending on ops_pairings (id) where decided_at is null;
create index ops_pairings_subject on ops_pairings (kind, subject, created_at desc);

create function pairing_hash(salt text, code text) returns bytea
language sql immutable
return sha256(convert_to(salt || ':' || upper(regexp_replace(code, '[^A-Za-z0-9]', '', 'g')), 'UTF8'));

-- False: say nothing. An hour is the least between two codes for one person, whatever became of the first.
create function request_pairing(kind text, subject text, name text, code text) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;

create function approve_pairing(code text, role text default null, name text default null) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;
comment on function approve_pairing(text, text, text) is 'Lets in whoever was given this code. The first is the owner unless said otherwise, later ones operators.';

create function reject_pairing(code text) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;

-- TELEGRAM_ALLOWED_USER_IDS as devices: the first is the owner. Whoever left the list is revoked; whom a person revoked stays so.
create function sync_allowed_users(ids bigint[]) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
comment on function sync_allowed_users(bigint[]) is 'Makes devices of the configured Telegram users; returns how many were added or revoked.';
