-- Who is alive. The last beat of each agent on the roster is one look at the index (agent, received_at desc).

create function agent_alive_limit() returns interval
language sql immutable
return interval '75 seconds';
comment on function agent_alive_limit() is 'Two and a half beats: an agent that was silent for longer is down.';

create view agent_status as
  select a.number, a.id, a.name, a.role, a.domains, a.wanted, a.identity_fault,
         case when b.beat_at is null then 'never'
              when b.status = 'ended' or clock_now() - b.received_at > agent_alive_limit() then 'down'
              when a.wanted = 'stopped' then 'stopped'
              when b.via = 'direct' then 'degraded'
              else 'alive' end as status,
         b.status as doing, b.via, b.host, b.pid, b.seq, b.current_job, b.rss_bytes, b.loop_lag_ms, b.beat_at, b.received_at,
         (select count(*) from agent_messages m where m.recipient = a.id and m.handled_at is null) as waiting,
         (select coalesce(sum(o.cost_usd), 0) from ops_outcome_rows o where o.agent = a.id and o.created_at >= date_trunc('day', clock_now() at time zone 'UTC') at time zone 'UTC') as cost_today_usd
  from ops_agents a
  left join lateral (select * from agent_heartbeats h where h.agent = a.id order by h.received_at desc limit 1) b on true;
comment on view agent_status is 'Each agent with its last beat: alive, degraded (its beats come without Redis), stopped (by a person), down, never.';

create function set_agent_wanted(agent text, wanted text) returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare was text;
begin
  select a.wanted into was from ops_agents a where a.id = $1 for no key update;
  if not found then
    perform refuse('OC011', format('there is no agent %L', $1), 'openclaw agents list');
  end if;
  if was <> $2 then
    update ops_agents a set wanted = $2 where a.id = $1;
    perform record_act(case $2 when 'running' then 'agents start' else 'agents stop' end, $1, jsonb_build_object('wanted', was), jsonb_build_object('wanted', $2));
    perform pg_notify('agent:message', $1);
  end if;
  return was;
end $$;
comment on function set_agent_wanted(text, text) is 'running or stopped; the agent''s process follows within a second and keeps what is sent to it meanwhile.';

-- A message is claimed before its handling starts: the start is counted, so that one which kills its agent is known.
create function claim_agent_message(agent text, in_hand bigint[] default '{}') returns setof agent_messages
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$
  update agent_messages m set attempts = m.attempts + 1, started_at = clock_now()
    where m.id = (select id from agent_messages where recipient = $1 and handled_at is null and not_before <= clock_now() and id <> all (in_hand) order by id limit 1 for update)
    returning m.*
$$;

-- The one end of a message: false where it has ended already, and the caller then writes nothing.
create function finish_agent_message(message bigint, outcome text, result jsonb default null, error_class text default null, error text default null) returns boolean
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare m agent_messages; took double precision;
begin
  update agent_messages a set state = $2, handled_at = clock_now(), result = $3, error_class = $4, error = $5
    where a.id = $1 and a.handled_at is null returning a.* into m;
  if not found then
    return false;
  end if;
  took := extract(epoch from clock_timestamp() - m.started_at) * 1000;
  insert into ops_agent_events (kind, agent, severity, tags, payload, trace_id)
    values (case $2 when 'handled' then 'agent.message_handled' else 'agent.message_failed' end, m.recipient, case $2 when 'handled' then 'info' else 'error' end, array[m.kind],
            jsonb_strip_nulls(jsonb_build_object('message', m.id, 'kind', m.kind, 'sender', m.sender, 'attempts', m.attempts, 'error_class', $4, 'error', $5)), m.trace_id);
  insert into ops_outcome_rows (agent, task, attempt, success, state, duration_ms, input_bytes, error_class, trace_id)
    values (m.recipient, 'agent:' || m.kind, m.attempts, $2 = 'handled', case $2 when 'handled' then 'succeeded' else 'failed' end, greatest(took, 0), octet_length(m.payload::text), $4, m.trace_id);
  return true;
end $$;
comment on function finish_agent_message(bigint, text, jsonb, text, text) is 'Marks a message as handled or failed, with its event and its outcome, once.';
