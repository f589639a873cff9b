-- Messages: what comes in (inbox), what goes out (outbox), and what agents are told (agent_messages).
--
--   Telegram -> inbox --router--> a command, or agent_messages -> an agent -> outbox -> Telegram
--
-- Postgres is the truth; Redis and NOTIFY only say "look". A reader takes rows with handled_at null, so nothing is skipped
-- by ids that commit out of order, and the row that is marked as handled is written in one transaction with its effects.

create table ops_agents (
  id text primary key check (id ~ '^[a-z][a-z0-9_]{0,31}$'),
  number smallint not null check (number between 1 and 999),
  name text not null,
  role text not null,
  domains text[] not null default '{}',
  identity jsonb not null,
  identity_hash text not null,
  identity_fault text,
  wanted text not null default 'running' check (wanted in ('running', 'stopped')),
  registered_at timestamptz not null default now()
);
comment on table ops_agents is 'The roster: every agent that this installation has, with the identity that is in force.';
comment on column ops_agents.identity_fault is 'Why the newest edit of the identity file is not in force; null when it is.';
comment on column ops_agents.wanted is 'stopped: the agent''s process stays, takes no message and does nothing by itself.';

create table agent_messages (
  id bigint generated always as identity primary key,
  recipient text not null references ops_agents (id),
  kind text not null check (kind ~ '^[a-z][a-z0-9_.]{0,63}$'),
  payload jsonb not null default '{}' check (jsonb_typeof(payload) = 'object'),
  sender text not null default current_actor(),
  reply_to text,
  untrusted boolean not null default false,
  dedupe_key text unique,
  trace_id uuid not null default current_trace(),
  state text not null default 'waiting' check (state in ('waiting', 'handled', 'failed')),
  attempts smallint not null default 0,
  not_before timestamptz not null default '-infinity',
  created_at timestamptz not null default clock_now(),
  started_at timestamptz,
  handled_at timestamptz,
  result jsonb,
  error_class text,
  error text,
  check ((handled_at is not null) = (state <> 'waiting'))
);
comment on table agent_messages is 'What agents are told. Each is handled once: handled_at is written in one transaction with everything that handling it changed.';
comment on column agent_messages.reply_to is 'Where an answer goes: a recipient of queue_message, or null.';
comment on column agent_messages.attempts is 'Raised before handling starts, so that a message which kills its agent is given up after three starts.';
create index agent_messages_open on agent_messages (recipient, id) where handled_at is null;
create index agent_messages_created_at on agent_messages (created_at);

create function send_to_agent(recipient text, kind text, payload jsonb default '{}', dedupe_key text default null, reply_to text default null, untrusted boolean default false)
  returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;
comment on function send_to_agent(text, text, jsonb, text, text, boolean) is 'Tells an agent something, in the caller''s transaction. The same dedupe key is the same message.';

create table inbox (
  id bigint generated always as identity primary key,
  source text not null,
  update_id bigint not null,
  kind text not null,
  chat_id bigint,
  user_id bigint,
  payload jsonb not null,
  trace_id uuid not null default gen_random_uuid(),
  attempts smallint not null default 0,
  received_at timestamptz not null default clock_now(),
  handled_at timestamptz,
  route text,
  outcome text check (outcome in ('answered', 'routed', 'ignored', 'refused', 'failed')),
  error text,
  unique (source, update_id),
  check ((handled_at is not null) = (outcome is not null))
);
comment on table inbox is 'What came from outside, committed before it is acknowledged. The same update ten times is one row and one handling.';
comment on column inbox.source is 'telegram:<id of the bot>: another bot counts its updates anew.';
create index inbox_open on inbox (chat_id, id) where handled_at is null;
create index inbox_received_at on inbox (received_at);

create table outbox (
  id bigint generated always as identity primary key,
  dedupe_key text unique,
  channel text not null default 'telegram' check (channel in ('telegram')),
  recipient text not null,
  chat_id bigint,
  part_of bigint,
  part smallint not null default 1,
  edits bigint references outbox (id),
  answers bigint,
  text text not null check (length(text) > 0),
  options jsonb not null default '{}' check (jsonb_typeof(options) = 'object'),
  severity text not null default 'info' check (severity in ('debug', 'info', 'warning', 'error', 'critical')),
  state text not null default 'queued' check (state in ('queued', 'sending', 'sent', 'failed', 'unknown', 'skipped')),
  revision integer not null default 1,
  attempts smallint not null default 0,
  not_before timestamptz not null default '-infinity',
  message_id bigint,
  error text,
  actor text not null default current_actor(),
  trace_id uuid not null default current_trace(),
  created_at timestamptz not null default clock_now(),
  started_at timestamptz,
  ended_at timestamptz,
  check (state <> 'sent' or message_id is not null)
);
comment on table outbox is 'What goes out, in order within a chat. Delivery is a fact of its own: message_id is the proof, unknown is a message that was in flight when its sender died, skipped one that nobody could be given.';
comment on column outbox.part_of is 'The first part of a text that was too long for one message.';
comment on column outbox.edits is 'The row whose message this one rewrites.';
comment on column outbox.answers is 'The approval that this message asks for: its buttons, and replies to it, answer that.';
comment on column outbox.revision is 'Raised when the text of a waiting edit is replaced, so that a sender notices what came meanwhile.';
create index outbox_waiting on outbox (chat_id, (coalesce(part_of, id)), part) where state = 'queued';
create index outbox_in_flight on outbox (id) where state = 'sending';
create index outbox_edits on outbox (edits) where edits is not null;
create index outbox_answers on outbox (answers) where answers is not null;
create index outbox_message on outbox (chat_id, message_id) where message_id is not null;
create index outbox_created_at on outbox (created_at);

-- What Telegram's buttons carry is a short token; what it does stands here, so that a button works after a restart, once.
create table message_buttons (
  token text primary key,
  outbox_id bigint not null references outbox (id) on delete cascade,
  line smallint not null,
  place smallint not null,
  label text not null,
  action text not null,
  args text[] not null default '{}',
  for_user bigint,
  created_at timestamptz not null default clock_now(),
  expires_at timestamptz,
  used_at timestamptz,
  used_by bigint
);
comment on table message_buttons is 'The buttons of sent messages. When one of a message is used, all of that message are.';
comment on column message_buttons.action is 'A command of the chat, without its slash.';
comment on column message_buttons.for_user is 'Only this person may press it (a confirmation); null: whoever''s role allows the command.';
comment on column message_buttons.used_by is 'The inbox row of the press that won.';
create index message_buttons_outbox on message_buttons (outbox_id);

create table telegram_chats (
  chat_id bigint primary key,
  kind text not null,
  title text,
  listed boolean not null default false,
  muted_until timestamptz,
  menu text,
  seen_at timestamptz not null default clock_now()
);
comment on table telegram_chats is 'Chats that the bot has met. A group is answered only when it is listed.';
comment on column telegram_chats.menu is 'The role whose command menu the chat was given.';

create table telegram_state (
  bot_id bigint primary key,
  username text,
  mode text not null check (mode in ('polling', 'webhook')),
  last_poll_at timestamptz,
  last_update_at timestamptz,
  last_error text,
  last_error_at timestamptz,
  updated_at timestamptz not null default clock_now()
);
comment on table telegram_state is 'How the connection to Telegram is: the age of the last finished poll is its health.';

-- One row a chat. Who 'owner', 'operators' and 'everyone' are is looked up when the message is queued.
create function queue_message(recipient text, text text, options jsonb default '{}', dedupe_key text default null, severity text default 'info') returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;
comment on function queue_message(text, text, jsonb, text, text) is
  'Queues a message in the caller''s transaction; returns the id of its first row. The same dedupe key is the same message. Recipient: telegram:<chat id>, owner, operators, everyone. Options: html (true: the text is Telegram''s HTML), buttons ([[{label, action, args, for_user, expires_in}]]), answers (an approval''s id, which a reply to the message answers), silent, alert (true: a muted chat is spared it unless it is critical).';

create function add_buttons(message bigint, buttons jsonb) returns void
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  insert into message_buttons (token, outbox_id, line, place, label, action, args, for_user, expires_at)
  select substr(replace(gen_random_uuid()::text, '-', ''), 1, 20), $1, l.n, b.n, b.value ->> 'label', b.value ->> 'action',
         coalesce((select array_agg(a.value order by a.n) from jsonb_array_elements_text(b.value -> 'args') with ordinality as a (value, n)), '{}'),
         (b.value ->> 'for_user')::bigint, clock_now() + (b.value ->> 'expires_in')::interval
  from jsonb_array_elements($2) with ordinality as l (value, n),
       jsonb_array_elements(case jsonb_typeof(l.value) when 'array' then l.value else jsonb_build_array(l.value) end) with ordinality as b (value, n)
$$;

-- Progress: one message that is rewritten. While the first is still waiting its text is replaced; afterwards one edit a
-- message waits at most, with the newest text.
create function edit_message(message bigint, text text, options jsonb default '{}') returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;
comment on function edit_message(bigint, text, jsonb) is 'Rewrites a message that queue_message() queued, as often as wanted; the sender sends the newest text, at most one edit a second a chat.';
