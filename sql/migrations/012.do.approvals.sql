-- Approvals: durable questions to a person. Asked in the transaction that needs the answer, answered once, from any surface.
--
--   open --answer--> answered      --nobody in time--> answered (on_expiry) | expired      --its mission ended--> cancelled
--
-- Lock order: the mission, then the proposal, then the approval; ending a mission takes them in the same order.

create table ops_approvals (
  id bigint generated always as identity primary key,
  kind text not null check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
  question text not null check (length(question) between 1 and 4000),
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  options text[] not null default '{approve,reject}' check (cardinality(options) between 1 and 20 and array_position(options, null) is null),
  who text not null default 'operator' check (who in ('operator', 'owner')),
  state text not null default 'open' check (state in ('open', 'answered', 'expired', 'cancelled')),
  answer text,
  answered_by text,
  reason text,
  output jsonb,
  on_expiry text,
  expires_at timestamptz,
  mission_id bigint,
  step_id bigint,
  proposal_id bigint,
  actor text not null default current_actor(),
  trace_id uuid not null default current_trace(),
  created_at timestamptz not null default clock_now(),
  answered_at timestamptz,
  check ((state = 'open') = (answered_at is null)),
  check ((state = 'answered') = (answer is not null)),
  check (answer = any (options)),
  check (on_expiry = any (options)),
  check (on_expiry is null or expires_at is not null)
);
comment on table ops_approvals is 'Durable questions to a person. The first answer holds; what follows from it is done in its transaction (apply_approval).';
comment on column ops_approvals.kind is 'step (a plan''s step asks before it starts), code (ctx.approve), unknown (did this effect happen?), proposal, learning, ...: what apply_approval does with the answer.';
comment on column ops_approvals.detail is 'For the reader: effects {option: what it does}, cost_usd, unanswered (what happens when nobody answers, where it is not clear from on_expiry), and what else helps.';
comment on column ops_approvals.who is 'Who may answer: an operator, or the owner only.';
comment on column ops_approvals.output is 'What the answer brings beside its word: the output of a step that is known to be done, say.';
comment on column ops_approvals.on_expiry is 'The answer that is taken when nobody gave one by expires_at; without one the question expires.';
comment on column ops_approvals.actor is 'Who asked, or on whose behalf: a limited role does not answer what it asked for itself.';
create index ops_approvals_open on ops_approvals (id) where state = 'open';
create index ops_approvals_due on ops_approvals (expires_at) where state = 'open' and expires_at is not null;
create index ops_approvals_mission on ops_approvals (mission_id) where mission_id is not null;
create unique index ops_approvals_one_open_a_step on ops_approvals (step_id) where state = 'open' and step_id is not null;
create unique index ops_approvals_one_open_a_proposal on ops_approvals (proposal_id) where state = 'open' and proposal_id is not null;
create index ops_approvals_created on ops_approvals (created_at);

create function check_approval_state() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    if current_setting('openclaw.retention', true) = 'on' and old.state <> 'open' then return old; end if;
    raise exception using errcode = 'OC010', message = format('delete of approval a%s is refused: history is kept', old.id), hint = 'answer it; answered ones leave by retention';
  end if;
  if old.state <> 'open' then
    raise exception using errcode = 'OC008', message = format('approval a%s is %s and stays so', old.id, old.state), hint = 'the first answer holds';
  end if;
  return new;
end $$;
create trigger ops_approvals_state before update or delete on ops_approvals for each row execute function check_approval_state();
create trigger ops_approvals_no_truncate before truncate on ops_approvals for each statement execute function raise_append_only();

-- What a person's surface may do: openclaw.role (viewer, operator, owner) as the surface set it for a paired device. The
-- command line and administrators are the owner; a limited login is an operator at most.
create function current_standing() returns text
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  select case when not trusted_session() then 'operator'
              when current_setting('openclaw.role', true) in ('viewer', 'operator') then current_setting('openclaw.role', true)
              else 'owner' end
$$;
comment on function current_standing() is 'viewer, operator or owner: what the person behind this session may do. A surface says it by the setting openclaw.role; without one, a member of the owner is the owner.';

create function ask_approval(
  kind text,
  question text,
  options text[] default '{approve,reject}',
  detail jsonb default '{}',
  who text default 'operator',
  expires_in interval default null,
  on_expiry text default null,
  mission_id bigint default null,
  step_id bigint default null,
  proposal_id bigint default null,
  actor text default null,
  trace_id uuid default null
) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare asked ops_approvals;
begin
  if not coalesce(on_expiry = any (options), true) then
    perform refuse('OC009', format('on_expiry is "%s", which is none of the options (%s)', on_expiry, array_to_string(options, ', ')), 'name one of the options, or leave it out');
  end if;
  if on_expiry is not null and expires_in is null then
    perform refuse('OC009', 'on_expiry is given without expires_in', 'say when, for example expires_in => ''8 hours''');
  end if;
  if coalesce(length(question), 0) not between 1 and 4000 then
    perform refuse('OC009', format('the question has %s characters, expected 1 to 4000', coalesce(length(question), 0)), 'put what is long into detail');
  end if;
  -- The same question again, after a crash of whoever asked, is the same row.
  select * into asked from ops_approvals a
    where a.state = 'open' and (a.step_id = ask_approval.step_id or a.proposal_id = ask_approval.proposal_id) limit 1;
  if found then
    return asked.id;
  end if;
  insert into ops_approvals (kind, question, options, detail, who, expires_at, on_expiry, mission_id, step_id, proposal_id, actor, trace_id)
    values (ask_approval.kind, ask_approval.question, ask_approval.options, coalesce(ask_approval.detail, '{}'), ask_approval.who, clock_now() + ask_approval.expires_in,
            ask_approval.on_expiry, ask_approval.mission_id, ask_approval.step_id, ask_approval.proposal_id, coalesce(ask_approval.actor, current_actor()),
            coalesce(ask_approval.trace_id, current_trace()))
    returning * into asked;
  insert into ops_agent_events (kind, severity, mission_id, step_id, trace_id, payload, tags)
    values ('approval.asked', 'warning', asked.mission_id, asked.step_id, asked.trace_id,
            jsonb_strip_nulls(jsonb_build_object('approval', asked.id, 'kind', asked.kind, 'question', left(asked.question, 500), 'options', asked.options, 'who', asked.who,
                               'expires_at', asked.expires_at, 'on_expiry', asked.on_expiry, 'proposal', asked.proposal_id)), array[asked.kind]);
  perform pg_notify('approval:changed', asked.id::text);
  return asked.id;
end $$;
comment on function ask_approval is 'Asks a person, in the caller''s transaction; returns the approval''s id. Asked again for the same step or proposal while it is open, it is the same question. detail: effects {option: what it does}, cost_usd, unanswered.';

-- What follows from an answer (or, with the answer null, from none), by kind and in the transaction that records it; its
-- mission and proposal are locked already. Each part of the system adds its branch.
create function apply_approval(a ops_approvals) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  if a.kind = 'proposal' then
    perform decide_proposal(a);
    return;
  end if;
  -- step, code, unknown: the mission's next segment reads the answer and goes on by it.
  if a.mission_id is not null then
    perform nudge_mission(a.mission_id);
  end if;
  if a.kind in ('learning', 'pause') then
    perform apply_learned(a);
  end if;
end $$;

-- A step's question, asked by the segment that runs its mission: only at its epoch, in one transaction with the step's wait.
create function ask_for_step(
  mission bigint, of_epoch integer, step bigint, kind text, question text, options text[], detail jsonb, who text, expires_in interval, on_expiry text
) returns jsonb
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions; asked bigint;
begin
  select * into m from ops_missions where id = mission and epoch = of_epoch and state = 'running' for no key update;
  if not found then
    return null;
  end if;
  asked := ask_approval(kind, question, options, detail, who, expires_in, on_expiry, mission_id => mission, step_id => step, actor => m.actor, trace_id => m.trace_id);
  update ops_mission_steps set approval_id = asked, state = case state when 'queued' then 'waiting' else state end where id = step and mission_id = mission;
  -- Read here: the statement that calls this does not see what it wrote.
  return (select to_jsonb(a) from ops_approvals a where a.id = asked);
end $$;
comment on function ask_for_step is 'Asks about a step and gives the approval''s row; null when the mission belongs to another epoch. Asked again while it is open, it is the same question.';

create function settle_approval(approval bigint, new_state text, given text, by_actor text, why text, result jsonb, event text) returns ops_approvals
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare a ops_approvals;
begin
  update ops_approvals set state = new_state, answer = given, answered_by = by_actor, reason = why, output = result, answered_at = clock_now() where id = approval returning * into a;
  insert into ops_agent_events (kind, mission_id, step_id, trace_id, payload, tags)
    values (event, a.mission_id, a.step_id, a.trace_id,
            jsonb_strip_nulls(jsonb_build_object('approval', a.id, 'kind', a.kind, 'question', left(a.question, 500), 'answer', a.answer, 'by', a.answered_by, 'reason', left(a.reason, 500),
                              'proposal', a.proposal_id)), array[a.kind]);
  if new_state <> 'cancelled' then
    perform apply_approval(a);
  end if;
  perform pg_notify('approval:changed', a.id::text);
  return a;
end $$;

create function answer_approval(id bigint, answer text, reason text default null, output jsonb default null) returns text
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare a ops_approvals; mission ops_missions;
begin
  select * into a from ops_approvals where ops_approvals.id = answer_approval.id;
  if not found then
    perform refuse('OC011', format('there is no approval a%s', answer_approval.id), 'openclaw approvals list');
  end if;
  select * into mission from ops_missions m where m.id = a.mission_id for no key update;
  perform from ops_mission_proposals p where p.id = a.proposal_id for no key update;
  select * into a from ops_approvals where ops_approvals.id = a.id for update;
  if a.who = 'owner' and current_standing() <> 'owner' or current_standing() = 'viewer' then
    perform refuse('OC006', format('approval a%s is answered by the %s; you are %s (%s)', a.id, a.who, current_actor(), current_standing()), 'ask them: openclaw approvals show a' || a.id);
  end if;
  if not trusted_session() and not sql_may_answer(a.kind, a.actor) then
    perform refuse('OC006', format('approval a%s (%s, asked for by %s) may not be answered by %s', a.id, a.kind, a.actor, current_actor()), 'policy approvals.sql says what a limited role may answer; somebody else has to');
  end if;
  if not coalesce(answer_approval.answer = any (a.options), false) then
    perform refuse('OC009', format('"%s" is no answer to a%s (%s)', answer_approval.answer, a.id, a.question), format('answer %s', array_to_string(a.options, ', ')));
  end if;
  if a.state <> 'open' then
    -- A button pressed twice is pressed once.
    if a.answer = answer_approval.answer then
      return a.answer;
    end if;
    perform refuse('OC008', format('approval a%s is %s', a.id, case a.state when 'answered' then format('answered: %s, by %s', a.answer, a.answered_by) else a.state end), 'the first answer holds');
  end if;
  if mission.state in ('succeeded', 'failed', 'cancelled') then
    perform refuse('OC008', format('mission m%s has ended (%s); the question is void', mission.id, mission.state), 'nothing is to be done');
  end if;
  if a.expires_at <= clock_now() then
    perform refuse('OC008', format('approval a%s has expired at %s', a.id, a.expires_at), 'its answer on expiry holds');
  end if;
  perform record_act(case answer_approval.answer when 'reject' then 'reject' else 'approve' end, 'a' || a.id, jsonb_build_object('state', 'open'),
    jsonb_strip_nulls(jsonb_build_object('state', 'answered', 'answer', answer_approval.answer, 'reason', answer_approval.reason)), '{}', a.trace_id);
  perform settle_approval(a.id, 'answered', answer_approval.answer, current_actor(), answer_approval.reason, answer_approval.output, 'approval.answered');
  return answer_approval.answer;
end $$;
comment on function answer_approval is 'Answers an open question with one of its options; returns the answer that holds. The first answer wins: another one afterwards is refused (OC008), the same one again is not.';

create function approve(id bigint, answer text default 'approve', reason text default null) returns text
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$ select answer_approval(id, answer, reason) $$;
comment on function approve is 'Answers approval id, with approve unless said otherwise.';

create function reject(id bigint, reason text default null) returns text
language sql security definer
set search_path = public, pg_catalog, pg_temp
as $$ select answer_approval(id, 'reject', reason) $$;
comment on function reject is 'Answers approval id with reject.';

-- Once a second: what nobody answered in time, and questions of missions that have ended.
create function expire_approvals(at_most integer default 500) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare due ops_approvals; settled integer := 0; mission ops_missions;
begin
  for due in select a.* from ops_approvals a left join ops_missions m on m.id = a.mission_id
             where a.state = 'open' and (a.expires_at <= clock_now() or m.finished_at is not null) order by a.id limit at_most loop
    -- In the order of answer_approval; what another session holds is left to the next second.
    if due.mission_id is not null then
      select * into mission from ops_missions where id = due.mission_id for no key update skip locked;
      continue when not found;
    end if;
    if due.proposal_id is not null then
      perform from ops_mission_proposals where id = due.proposal_id for no key update skip locked;
      continue when not found;
    end if;
    perform from ops_approvals where id = due.id and state = 'open' for update skip locked;
    continue when not found;
    if due.mission_id is not null and mission.finished_at is not null then
      perform settle_approval(due.id, 'cancelled', null, 'system', format('mission m%s has ended', due.mission_id), null, 'approval.cancelled');
    elsif due.on_expiry is not null then
      perform settle_approval(due.id, 'answered', due.on_expiry, 'system', 'nobody answered in time', null, 'approval.expired');
    else
      perform settle_approval(due.id, 'expired', null, 'system', 'nobody answered in time', null, 'approval.expired');
    end if;
    settled := settled + 1;
  end loop;
  return settled;
end $$;
comment on function expire_approvals(integer) is 'Takes the answer on expiry where nobody answered in time, and closes the questions of missions that have ended; returns how many.';

-- The question as somebody reads it at 3 a.m.: what each answer does, what it costs, what happens without one, and how to answer.
create function approval_text(approval bigint) returns text
language sql stable security definer
set search_path = public, pg_catalog, pg_temp
as $$
  select concat_ws(E'\n',
    format('a%s  %s', a.id, a.question),
    format('asked    %s UTC by %s%s%s', to_char(a.created_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'), a.actor,
           case when a.mission_id is not null then format(', for mission m%s%s', a.mission_id, coalesce(format(' "%s"', m.title), '')) end,
           case when s.name is not null then format(', step %s (task %s, effect %s)', s.name, s.task, s.effect) end),
    (select string_agg(format('%s %s', rpad(o, 8), coalesce(a.detail -> 'effects' ->> o,
       case o when 'approve' then 'it goes on' when 'reject' then 'it does not happen' else 'the answer is given to the function' end)), E'\n' order by n) from unnest(a.options) with ordinality u(o, n)),
    format('cost     %s', case when a.detail ? 'cost_usd' then '$' || (a.detail ->> 'cost_usd') else 'none that is known' end),
    case a.state
      when 'open' then 'no answer  ' || coalesce(a.detail ->> 'unanswered', case
        when a.on_expiry is not null then format('%s is taken at %s UTC', a.on_expiry, to_char(a.expires_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'))
        when a.expires_at is not null then format('it expires at %s UTC and does not happen', to_char(a.expires_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS'))
        else 'it waits, as long as it takes; nothing is lost' end)
      else format('%s %s', rpad(a.state, 8), concat_ws(', ', a.answer, 'by ' || a.answered_by, a.reason, to_char(a.answered_at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') || ' UTC')) end,
    case when a.state = 'open' then format('answer   %s%s', case when 'approve' = any (a.options) then format('openclaw approve a%s', a.id)
           else (select string_agg(format('openclaw approve a%s %s', a.id, o), '  or  ') from unnest(a.options) o where o <> 'reject') end,
           case when 'reject' = any (a.options) then format('  or  openclaw reject a%s --reason "..."', a.id) end
           || case when a.who = 'owner' then '  (the owner only)' else '' end) end)
  from ops_approvals a left join ops_missions m on m.id = a.mission_id left join ops_mission_steps s on s.id = a.step_id where a.id = approval_text.approval
$$;
comment on function approval_text(bigint) is 'A question as a person reads it: what each answer does, the cost, what happens without an answer, and the command that answers.';
