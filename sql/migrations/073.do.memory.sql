-- What the system and its operator have learned, as rows: searched by words and, where pg_trgm is there, by likeness; mirrored as
-- Markdown into the workspace (lib/memory/mirror.ts), where an operator's edit is read back.

do $$
begin
  create extension if not exists pg_trgm with schema public;
exception when others then
  raise notice 'pg_trgm cannot be had here (%): memory is searched by whole words only', sqlerrm;
end $$;

create table ops_memory (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('insight', 'pattern', 'strategy', 'preference', 'lesson')),
  agent text,
  text text not null check (length(text) between 1 and 8000),
  tags text[] not null default '{}',
  confidence real not null default 0.5 check (confidence between 0 and 1),
  provenance jsonb not null default '{}' check (jsonb_typeof(provenance) = 'object'),
  untrusted boolean not null default false,
  pinned boolean not null default false,
  actor text not null default current_actor(),
  superseded_by bigint references ops_memory (id) on delete set null,
  used_count integer not null default 0,
  last_used_at timestamptz,
  mirror_hash text,
  created_at timestamptz not null default clock_now(),
  updated_at timestamptz not null default clock_now(),
  content_hash text not null generated always as (md5(kind || ':' || coalesce(agent, '') || ':' || lower(regexp_replace(text, '\s+', ' ', 'g')))) stored,
  search tsvector not null generated always as (setweight(to_tsvector('simple', text), 'A') || setweight(array_to_tsvector(tags), 'B')) stored
);
comment on table ops_memory is 'Insights, patterns, strategies, preferences and lessons, with how sure they are and where they come from.';
comment on column ops_memory.agent is 'Whose it is; null is everybody''s.';
comment on column ops_memory.superseded_by is 'What took its place; such a row is kept for a while and found no more.';
comment on column ops_memory.pinned is 'Never pruned: an operator wrote it, or said so.';
comment on column ops_memory.mirror_hash is 'SHA-256 of the file as it was last written or read: another one in the workspace is an edit by hand.';
create unique index ops_memory_content on ops_memory (content_hash) where superseded_by is null;
create index ops_memory_search on ops_memory using gin (search) where superseded_by is null;
create index ops_memory_age on ops_memory (agent, created_at);
do $$
begin
  if exists (select from pg_extension where extname = 'pg_trgm') then
    create index ops_memory_like on ops_memory using gin (text gin_trgm_ops) where superseded_by is null;
  end if;
end $$;

-- The same text again makes it surer: confidences join as independent witnesses, 1 - (1 - a)(1 - b), at most 0.99.
create function remember(kind text, text text, agent text default null, tags text[] default '{}', confidence double precision default 0.5, provenance jsonb default '{}', untrusted boolean default false, supersedes bigint default null)
returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare m ops_memory; by_person boolean := current_actor() !~ '^(agent|rule):|^(system|cron)$';
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not write memory', session_user), 'what agents believe is the operator''s: openclaw memory add');
  end if;
  if kind is null or kind not in ('insight', 'pattern', 'strategy', 'preference', 'lesson') then
    perform refuse('OC009', format('there is no kind of memory "%s"', kind), 'insight, pattern, strategy, preference or lesson');
  end if;
  if coalesce(length(btrim(text)), 0) not between 1 and 8000 then
    perform refuse('OC009', format('the text has %s characters, expected 1 to 8000', coalesce(length(btrim(text)), 0)), 'one thought a row; long notes belong into the workspace');
  end if;
  if confidence not between 0 and 1 then
    perform refuse('OC009', format('confidence is %s, expected 0 to 1', confidence), '0.5 is a guess, 0.9 is well shown');
  end if;
  insert into ops_memory as o (kind, text, agent, tags, confidence, provenance, untrusted, pinned)
    values (kind, btrim(text), agent, coalesce(tags, '{}'), confidence, coalesce(provenance, '{}'), untrusted, by_person)
    on conflict (content_hash) where superseded_by is null do update set
      confidence = least(0.99, greatest(o.confidence, 1 - (1 - o.confidence) * (1 - excluded.confidence))), updated_at = clock_now(),
      tags = array(select distinct unnest(o.tags || excluded.tags) order by 1), pinned = o.pinned or excluded.pinned, untrusted = o.untrusted and excluded.untrusted
    returning * into m;
  if supersedes is not null and supersedes <> m.id then
    update ops_memory set superseded_by = m.id, updated_at = clock_now() where id = supersedes and superseded_by is null;
    if not found then
      perform refuse('OC011', format('there is no memory %s to supersede', supersedes), 'openclaw memory list');
    end if;
  end if;
  perform record_act('memory add', 'memory ' || m.id, null, jsonb_build_object('kind', m.kind, 'confidence', m.confidence), jsonb_strip_nulls(jsonb_build_object('supersedes', supersedes)));
  return m.id;
end $$;
comment on function remember is 'Writes a memory, or makes the same one surer. Returns its id.';

create function forget_memory(memory bigint) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare gone ops_memory;
begin
  if not trusted_session() then
    perform refuse('OC006', format('role %s may not change memory', session_user), 'openclaw memory remove');
  end if;
  delete from ops_memory where id = memory returning * into gone;
  if not found then
    perform refuse('OC011', format('there is no memory %s', memory), 'openclaw memory list');
  end if;
  perform record_act('memory remove', 'memory ' || memory, jsonb_build_object('kind', gone.kind, 'text', left(gone.text, 500)), null);
  return true;
end $$;

-- Candidates by words first, by likeness only where words find too few; ranked by match, then by how sure and how used.
create function search_memory(wanted text, of_agent text default null, at_most integer default 10)
returns table (id bigint, kind text, agent text, text text, tags text[], confidence real, untrusted boolean, rank real, created_at timestamptz)
language plpgsql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare words tsquery := websearch_to_tsquery('simple', wanted); found integer := 0; seen bigint[] := '{}';
begin
  -- Of very many rows with the word the newest thousand are ranked: ranking all of them is what takes the time.
  return query
    select m.id, m.kind, m.agent, m.text, m.tags, m.confidence, m.untrusted, (ts_rank(m.search, words) * (0.5 + m.confidence) * (1 + ln(1 + m.used_count) / 10))::real, m.created_at
    from (select c.* from ops_memory c where c.search @@ words and c.superseded_by is null and (of_agent is null or c.agent is null or c.agent = of_agent) order by c.id desc limit 1000) m
    order by 8 desc, m.id desc limit at_most;
  get diagnostics found = row_count;
  if found >= at_most or length(wanted) < 3 or not exists (select from pg_extension where extname = 'pg_trgm') then
    return;
  end if;
  return query execute
    'select m.id, m.kind, m.agent, m.text, m.tags, m.confidence, m.untrusted, (word_similarity($1, m.text) / 10 * (0.5 + m.confidence))::real, m.created_at
     from (select c.* from ops_memory c where $1 <% c.text and not c.search @@ $4 and c.superseded_by is null and ($2 is null or c.agent is null or c.agent = $2) limit 300) m
     order by 8 desc, m.id desc limit $3'
    using wanted, of_agent, at_most - found, words;
end $$;
comment on function search_memory is 'Memories that fit some words, best first; misspelt words too where pg_trgm is there.';

create function use_memories(ids bigint[]) returns void
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$ update ops_memory set used_count = used_count + 1, last_used_at = clock_now() where id in (select id from ops_memory where id = any (ids) order by id for update) $$;

-- What goes: superseded for 30 days, and beyond the cap of each owner the least worth (how sure, halved each 90 days unused).
create function prune_memory(cap integer) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare gone integer;
begin
  delete from ops_memory m where (m.superseded_by is not null and m.updated_at < clock_now() - interval '30 days')
    or m.id in (
      select r.id from (
        select o.id, row_number() over (partition by o.agent order by o.pinned desc,
                 o.confidence * power(0.5, extract(epoch from clock_now() - coalesce(o.last_used_at, o.created_at)) / (90 * 86400)) desc, o.id desc) as place, o.pinned
        from ops_memory o where o.superseded_by is null) r
      where r.place > cap and not r.pinned);
  get diagnostics gone = row_count;
  return gone;
end $$;
