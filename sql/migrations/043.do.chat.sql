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

-- In order within a chat: the chats whose update is in hand are left out.
create function claim_inbox(chats_in_hand bigint[]) returns setof inbox
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  update inbox i set attempts = i.attempts + 1
    where i.id = (select id from inbox where handled_at is null and coalesce(chat_id, 0) <> all (chats_in_hand) order by id limit 1 for update skip locked)
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
