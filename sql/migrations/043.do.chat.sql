-- The gateway: routes as rows, conversations, and the inbox's claim and end.

create table ops_routes (
  id bigint generated always as identity primary key,
  position integer not null unique,
  name text not null unique check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  pattern text not null,
  target text not null check (target ~ '^(command|agent:[a-z][a-z0-9_]{0,31})$'),
  enabled boolean not null default true,
  description text not null
);
comment on table ops_routes is 'Where a text goes: the first enabled row, by position, whose pattern (a regular expression, without regard to case) matches.';

insert into ops_routes (position, name, pattern, target, description) values
  (10, 'command', '^/[a-z_]+', 'command', 'answered at once: no queue, no model'),
  (20, 'to_scout', '^@?scout\M', 'agent:scout', 'Scout is named'),
  (21, 'to_atlas', '^@?atlas\M', 'agent:atlas', 'Atlas is named'),
  (30, 'research', '^(research|look up|find out|what is new|search)\M', 'agent:scout', 'research is Scout''s'),
  (40, 'trouble', '\m(is down|broken|crash(ed|es)?|restart|unhealthy|out of (disk|memory))\M', 'agent:atlas', 'trouble is Atlas''s'),
  (1000, 'other', '', 'agent:milkbot', 'everything else is a goal for MilkBot''s planner');

create function route_message(text text) returns table (name text, target text, pattern text)
language sql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$ select r.name, r.target, r.pattern from ops_routes r where r.enabled and btrim($1) ~* r.pattern order by r.position limit 1 $$;
comment on function route_message(text) is 'The one row that decides: the gateway routes by it and `route explain` shows it.';

create table chat_conversations (
  chat_id bigint not null,
  user_id bigint not null,
  topic text not null,
  state jsonb not null default '{}',
  expires_at timestamptz not null,
  primary key (chat_id, user_id)
);
comment on table chat_conversations is 'What the bot has asked a person and waits to hear; forgotten after ten minutes.';

create table uploads (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  name text not null,
  mime text not null,
  bytes bigint not null,
  file text not null,
  actor text not null default current_actor(),
  created_at timestamptz not null default clock_now()
);
comment on table uploads is 'Files that people sent, by hash, below uploads/ of the home. Data only: nothing executes them.';

-- In order within a chat: the chats whose update is in hand are left out. Paired people first, so that strangers who write and
-- write keep nobody waiting.
create index inbox_people on inbox (user_id, id) where handled_at is null;
create function claim_inbox(chats_in_hand bigint[]) returns setof inbox
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  update inbox i set attempts = i.attempts + 1
    where i.id = coalesce(
      (select p.id from inbox p join ops_devices d on d.kind = 'telegram' and d.revoked_at is null and d.subject = p.user_id::text
       where p.handled_at is null and coalesce(p.chat_id, 0) <> all (chats_in_hand) order by p.id limit 1),
      (select o.id from inbox o where o.handled_at is null and coalesce(o.chat_id, 0) <> all (chats_in_hand) order by o.id limit 1))
    and i.handled_at is null
    returning i.*
$$;

create function finish_inbox(received bigint, route text, outcome text, error text default null) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  update inbox i set handled_at = clock_now(), route = $2, outcome = $3, error = $4 where i.id = $1 and i.handled_at is null;
  return found;
end $$;
comment on function finish_inbox(bigint, text, text, text) is 'The one end of an update, in the transaction of all that it caused; false where it has ended already.';

-- The next messages to send: the first of each chat, so that order holds; those of chats that rest are left out. A row that
-- is claimed is committed as sending before anything goes out.
create function claim_outbox(resting bigint[], at_most integer) returns setof outbox
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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

-- A sender that starts is the only one: what is still in flight was so when its predecessor died.
create function lose_outbox() returns integer
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  with lost as (
    update outbox set state = 'unknown', ended_at = clock_now(), error = 'its sender died while it was on its way' where state = 'sending' returning id, trace_id),
  told as (
    insert into ops_agent_events (kind, agent, severity, payload, trace_id)
      select 'message.unknown', 'milkbot', 'warning', jsonb_build_object('outbox', id), trace_id from lost returning 1)
  select count(*)::integer from told
$$;

-- Progress: the message that follows a mission is rewritten until it ends; then it asks how that was.
create table mission_messages (
  outbox_id bigint primary key references outbox (id) on delete cascade,
  mission_id bigint not null,
  shown text not null default '',
  since timestamptz not null default clock_now(),
  ended_at timestamptz
);
comment on table mission_messages is 'Messages that show how a mission goes. Each is one message that is rewritten, until ended_at.';
create index mission_messages_open on mission_messages (outbox_id) where ended_at is null;
create index mission_messages_mission on mission_messages (mission_id);

create function show_mission(message bigint, text text, ended boolean, note text default null) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
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
end $$;
comment on function show_mission(bigint, text, boolean, text) is 'Rewrites the message that follows a mission. At the end it gets its thumbs, and `note` goes out as a message of its own, because a rewritten one rings no phone.';

-- A message of ours -> the mission that it is about: the one that it follows, or the newest of its trace.
create function mission_of_message(chat bigint, message bigint) returns bigint
language sql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$
  select coalesce((select m.mission_id from mission_messages m where m.outbox_id = coalesce(o.edits, o.id)),
                  (select m.id from ops_missions m where m.trace_id = o.trace_id order by m.id desc limit 1))
  from outbox o where o.chat_id = $1 and o.message_id = $2 order by o.id limit 1
$$;
comment on function mission_of_message(bigint, bigint) is 'The mission that a message of a chat is about, for a thumb on it; null where it is about none.';
