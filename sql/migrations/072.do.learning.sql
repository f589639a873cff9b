-- Learning: outcomes become statistics, statistics become proposals, a person decides, and what was changed is watched.
--
--   ops_outcomes (rows, and the history of jobs) --learn(), below the oldest running transaction--> days, durations, attempts, errors, drift
--   statistics --propose_changes()--> ops_learned_changes (proposed) + an approval of kind `learning`
--   answered --apply_learned()--> policy, new version (applied) --watch_changes()--> kept | undone | superseded
--
-- Sums by day and durations in logarithmic buckets: a batch of any size is one upsert a key, and days can be added up.
-- Buckets grow by a fifth, so a percentile is right within a tenth (the middle of its bucket).

create table ops_cursors (
  name text primary key,
  tx xid8 not null default '0',
  id bigint not null default 0,
  updated_at timestamptz not null default now()
);
comment on table ops_cursors is 'How far a follower of an append-only table has read: (transaction, id), because ids commit out of order. A restored database begins at 0.';

create table ops_outcome_days (
  task text not null, provider text not null, model text not null, day date not null,
  outcomes integer not null, successes integer not null, duration_ms double precision not null, cost_usd numeric(14, 6) not null, tokens bigint not null,
  primary key (task, provider, model, day)
);
comment on table ops_outcome_days is 'Outcomes by task, provider, model ('''' for none) and UTC day.';
create table ops_outcome_durations (
  task text not null, provider text not null, model text not null, day date not null, bucket smallint not null, outcomes integer not null,
  primary key (task, provider, model, day, bucket)
);
comment on table ops_outcome_durations is 'How long what succeeded took: bucket n holds 1.2^n to 1.2^(n+1) ms.';
create table ops_outcome_attempts (
  task text not null, attempt smallint not null, day date not null, outcomes integer not null, successes integer not null,
  primary key (task, attempt, day)
);
comment on table ops_outcome_attempts is 'With which attempt it ended: the curve of success after retry.';
create table ops_outcome_errors (
  task text not null, provider text not null, model text not null, error_class text not null, fingerprint text not null, outcomes integer not null, last_at timestamptz not null,
  primary key (task, provider, model, error_class, fingerprint)
);
comment on table ops_outcome_errors is 'How often which error ended it.';

create table ops_drifts (
  task text not null, provider text not null, model text not null,
  outcomes integer not null default 0, successes integer not null default 0,
  expected double precision, evidence double precision not null default 0, drifted_at timestamptz, drifts integer not null default 0,
  recent_outcomes double precision not null default 0, recent_successes double precision not null default 0, recent_ms double precision not null default 0, recent_cost double precision not null default 0,
  primary key (task, provider, model)
);
comment on table ops_drifts is 'Whether a success rate has fallen: a Bernoulli CUSUM (Page 1954) of the rate that the first outcomes showed against three fifths of it.';
comment on column ops_drifts.expected is 'The lower bound (Wilson 1927, z = 1) of the rate that was seen before; null until 50 outcomes.';
comment on column ops_drifts.evidence is 'Log-likelihood ratio of fallen against not, never below 0; over 12 it is told.';

comment on column ops_drifts.recent_outcomes is 'Outcomes, each weighing 0.97 of the next: about the last thirty. Choosing a provider looks at these.';

-- Wilson's interval of a rate (1927): honest for few outcomes, where the plain rate is not.
create function wilson_low(successes double precision, outcomes double precision, z double precision default 1.96) returns double precision
language sql immutable
as $$ select case when outcomes > 0 then greatest(0, (successes / outcomes + z * z / (2 * outcomes) - z * sqrt(successes / outcomes * (1 - successes / outcomes) / outcomes + z * z / (4 * outcomes * outcomes))) / (1 + z * z / outcomes)) else 0 end $$;
create function wilson_high(successes double precision, outcomes double precision, z double precision default 1.96) returns double precision
language sql immutable
as $$ select 1 - wilson_low(outcomes - successes, outcomes, z) $$;

-- Follows without a gap: only what lies below the oldest running transaction is read, in order of (transaction, id). Two sources, each with
-- its cursor: their ids are not of one sequence.
create function learn(at_most integer default 20000) returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare c ops_cursors; j ops_cursors; last_tx xid8; last_id bigint; last_job_tx xid8; last_job bigint; rows_found integer; jobs_found integer; horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
begin
  insert into ops_cursors (name) values ('learn'), ('learn_jobs') on conflict do nothing;
  -- One learner at a time; another waits here and then finds the cursor moved.
  select * into c from ops_cursors where name = 'learn' for update;
  select * into j from ops_cursors where name = 'learn_jobs' for update;
  select count(*)::integer, (array_agg(b.tx order by b.tx desc, b.id desc))[1], (array_agg(b.id order by b.tx desc, b.id desc))[1] into rows_found, last_tx, last_id
  from (select o.tx, o.id from ops_outcome_rows o where (o.tx, o.id) > (c.tx, c.id) and o.tx < horizon order by o.tx, o.id limit at_most) b;
  select count(*)::integer, (array_agg(b.tx order by b.tx desc, b.job_id desc))[1], (array_agg(b.job_id order by b.tx desc, b.job_id desc))[1] into jobs_found, last_job_tx, last_job
  from (select h.tx, h.job_id from job_history h where (h.tx, h.job_id) > (j.tx, j.id) and h.tx < horizon order by h.tx, h.job_id limit at_most) b;
  if rows_found + jobs_found = 0 then
    return 0;
  end if;
  with ended as (
    select o.tx, o.id, o.task, coalesce(o.provider, '') as provider, coalesce(o.model, '') as model, o.success, o.attempt, coalesce(o.duration_ms, 0) as duration_ms, o.cost_usd,
           coalesce(o.prompt_tokens, 0) + coalesce(o.completion_tokens, 0) as tokens, o.error_class, o.error_fingerprint, o.created_at
    -- What was skipped or cancelled says nothing about its task.
    from ops_outcome_rows o where (o.tx, o.id) > (c.tx, c.id) and (o.tx, o.id) <= (last_tx, last_id) and o.state not in ('skipped', 'cancelled')
    union all
    select h.tx, h.job_id, h.task, '', '', h.state = 'succeeded', greatest(h.attempts, 1::smallint), coalesce(job_duration(h), 0), 0, 0, h.error_class, job_fingerprint(h), h.finished_at
    from job_history h where (h.tx, h.job_id) > (j.tx, j.id) and (h.tx, h.job_id) <= (last_job_tx, last_job) and h.state <> 'cancelled' and h.task <> 'mission'),
  batch as materialized (
    select o.*, (o.created_at at time zone 'utc')::date as day, row_number() over (partition by o.task, o.provider, o.model order by o.tx, o.id) as n,
           power(0.97, least(row_number() over (partition by o.task, o.provider, o.model order by o.tx desc, o.id desc) - 1, 1000)) as weight
    from ended o),
  days as (
    insert into ops_outcome_days as t (task, provider, model, day, outcomes, successes, duration_ms, cost_usd, tokens)
    select task, provider, model, day, count(*), count(*) filter (where success), sum(duration_ms), sum(cost_usd), sum(tokens) from batch group by 1, 2, 3, 4
    on conflict (task, provider, model, day) do update set outcomes = t.outcomes + excluded.outcomes, successes = t.successes + excluded.successes,
      duration_ms = t.duration_ms + excluded.duration_ms, cost_usd = t.cost_usd + excluded.cost_usd, tokens = t.tokens + excluded.tokens),
  durations as (
    insert into ops_outcome_durations as t (task, provider, model, day, bucket, outcomes)
    select task, provider, model, day, floor(ln(greatest(duration_ms, 1)) / ln(1.2))::smallint, count(*) from batch where success group by 1, 2, 3, 4, 5
    on conflict (task, provider, model, day, bucket) do update set outcomes = t.outcomes + excluded.outcomes),
  attempts as (
    insert into ops_outcome_attempts as t (task, attempt, day, outcomes, successes)
    select task, attempt, day, count(*), count(*) filter (where success) from batch group by 1, 2, 3
    on conflict (task, attempt, day) do update set outcomes = t.outcomes + excluded.outcomes, successes = t.successes + excluded.successes),
  errors as (
    insert into ops_outcome_errors as t (task, provider, model, error_class, fingerprint, outcomes, last_at)
    select task, provider, model, coalesce(error_class, 'error'), coalesce(error_fingerprint, ''), count(*), max(created_at) from batch where not success group by 1, 2, 3, 4, 5
    on conflict (task, provider, model, error_class, fingerprint) do update set outcomes = t.outcomes + excluded.outcomes, last_at = greatest(t.last_at, excluded.last_at)),
  -- What was applied is watched over what comes after it.
  watched as (
    update ops_learned_changes l set outcomes = l.outcomes + b.n, successes = l.successes + b.ok
    from (select a.id, count(*)::integer as n, count(*) filter (where b.success)::integer as ok from ops_learned_changes a join batch b on (b.task = a.task or a.task = 'service:' || b.provider) and b.created_at > a.applied_at
          where a.state = 'applied' group by a.id) b where l.id = b.id),
  -- S(n) = max(0, S(n-1) + x) without a loop: the running sum less its running minimum.
  weighed as (
    select b.task, b.provider, b.model, b.n, b.success, b.weight, b.duration_ms, b.cost_usd, d.evidence,
           sum(case when d.expected is null then 0 when b.success then ln(0.6) else ln((1 - 0.6 * d.expected) / (1 - d.expected)) end)
             over (partition by b.task, b.provider, b.model order by b.n) as run
    from batch b left join ops_drifts d on d.task = b.task and d.provider = b.provider and d.model = b.model),
  walked as (
    select w.*, w.run - least(-coalesce(w.evidence, 0), min(w.run) over (partition by w.task, w.provider, w.model order by w.n)) as s from weighed w),
  summed as (
    select task, provider, model, count(*)::integer as outcomes, count(*) filter (where success)::integer as successes, max(s) as highest, (array_agg(s order by n desc))[1] as s,
           sum(weight) as w, coalesce(sum(weight) filter (where success), 0) as w_ok, sum(weight * duration_ms) as w_ms, sum(weight * cost_usd::double precision) as w_cost from walked group by 1, 2, 3)
  insert into ops_drifts as t (task, provider, model, outcomes, successes, evidence, recent_outcomes, recent_successes, recent_ms, recent_cost, drifted_at, drifts)
  -- The rows of before come along in the same statement: what a conflict keeps, it keeps from here.
  select s.task, s.provider, s.model, s.outcomes + coalesce(d.outcomes, 0), s.successes + coalesce(d.successes, 0), case when s.highest >= 12 then 0 else s.s end,
         s.w + k.keeps * coalesce(d.recent_outcomes, 0), s.w_ok + k.keeps * coalesce(d.recent_successes, 0), s.w_ms + k.keeps * coalesce(d.recent_ms, 0), s.w_cost + k.keeps * coalesce(d.recent_cost, 0),
         case when s.highest >= 12 then clock_now() else d.drifted_at end, coalesce(d.drifts, 0) + (s.highest >= 12)::integer
  from summed s left join ops_drifts d using (task, provider, model) cross join lateral (select power(0.97, least(s.outcomes, 1000)) as keeps) k
  on conflict (task, provider, model) do update set outcomes = excluded.outcomes, successes = excluded.successes, evidence = excluded.evidence, drifted_at = excluded.drifted_at, drifts = excluded.drifts,
    recent_outcomes = excluded.recent_outcomes, recent_successes = excluded.recent_successes, recent_ms = excluded.recent_ms, recent_cost = excluded.recent_cost;
  -- What is expected comes from the first fifty outcomes, and anew from the next fifty after a drift.
  update ops_drifts set expected = greatest(0.05, least(0.97, wilson_low(successes, outcomes, 1))) where expected is null and outcomes >= 50;
  with told as (
    update ops_drifts d set expected = null, outcomes = 0, successes = 0 where d.drifted_at = clock_now() and d.expected is not null returning d.task, d.provider, d.model, d.expected, d.drifts)
  insert into ops_agent_events (kind, severity, source, actor, payload, tags)
    select 'policy.drift', 'warning', 'agent', 'system', jsonb_build_object('task', t.task, 'provider', t.provider, 'model', t.model, 'method', 'Bernoulli CUSUM, Page 1954'), array[t.task] from told t;
  update ops_cursors set tx = coalesce(last_tx, tx), id = coalesce(last_id, id), updated_at = clock_now() where name = 'learn';
  update ops_cursors set tx = coalesce(last_job_tx, tx), id = coalesce(last_job, id), updated_at = clock_now() where name = 'learn_jobs';
  return rows_found + jobs_found;
end $$;
comment on function learn(integer) is 'Takes the next outcomes into the statistics, in one transaction with the cursor; returns how many. 0: caught up.';

create function duration_percentile(of_task text, of_provider text, of_model text, fraction double precision, since date) returns double precision
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$
  select round(power(1.2, bucket + 0.5)::numeric, 1)::double precision
  from (select bucket, sum(sum(outcomes)) over (order by bucket) as upto, sum(sum(outcomes)) over () as total
        from ops_outcome_durations d
        where d.task = of_task and (of_provider is null or d.provider = of_provider) and (of_model is null or d.model = of_model) and d.day >= since group by bucket) b
  where upto >= fraction * total order by bucket limit 1
$$;

create view ops_task_stats as
  select s.task, s.provider, s.model, s.outcomes, s.successes,
         round((s.successes::numeric / s.outcomes), 4) as success_rate, round(wilson_low(s.successes, s.outcomes)::numeric, 4) as rate_low, round(wilson_high(s.successes, s.outcomes)::numeric, 4) as rate_high,
         duration_percentile(s.task, s.provider, s.model, 0.5, s.since) as p50_ms, duration_percentile(s.task, s.provider, s.model, 0.95, s.since) as p95_ms,
         s.cost_usd, s.tokens, e.error_class as top_error, e.outcomes as top_error_outcomes, d.evidence as drift_evidence, d.drifted_at
  from (select task, provider, model, sum(outcomes)::integer as outcomes, sum(successes)::integer as successes, sum(cost_usd) as cost_usd, sum(tokens)::bigint as tokens, (clock_now() at time zone 'utc')::date - 6 as since
        from ops_outcome_days where day >= (clock_now() at time zone 'utc')::date - 6 group by 1, 2, 3) s
  left join lateral (select x.error_class, sum(x.outcomes)::integer as outcomes from ops_outcome_errors x where x.task = s.task and x.provider = s.provider and x.model = s.model and x.last_at > clock_now() - interval '7 days' group by 1 order by 2 desc limit 1) e on true
  left join ops_drifts d on d.task = s.task and d.provider = s.provider and d.model = s.model;
comment on view ops_task_stats is 'Seven UTC days of outcomes by task, provider and model: rate with its Wilson interval, percentiles, cost, top error.';

create table ops_learned_changes (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('timeout', 'retries', 'provider_order', 'stop', 'breaker')),
  task text not null,
  policy_key text not null,
  before jsonb,
  after jsonb not null,
  evidence jsonb not null,
  state text not null default 'proposed' check (state in ('proposed', 'rejected', 'applied', 'kept', 'undone', 'superseded')),
  approval_id bigint,
  policy_version integer,
  base_outcomes integer not null,
  base_successes integer not null,
  outcomes integer not null default 0,
  successes integer not null default 0,
  verdict text,
  created_at timestamptz not null default clock_now(),
  applied_at timestamptz,
  settled_at timestamptz
);
comment on table ops_learned_changes is 'Changes of policy that the statistics propose, with their evidence, and what became of them.';
comment on column ops_learned_changes.task is 'The task whose outcomes speak for it, or service:<provider>.';
comment on column ops_learned_changes.outcomes is 'Of its task since it was applied, counted as the learner comes to them.';
create unique index ops_learned_changes_open on ops_learned_changes (kind, task) where state in ('proposed', 'applied');

-- The provider that a drift speaks against goes to the end; nobody else moves.
create function demoted(providers jsonb, provider text) returns jsonb
language sql immutable
as $$ select (select coalesce(jsonb_agg(p order by n), '[]') from jsonb_array_elements_text(providers) with ordinality e(p, n) where p <> provider) || to_jsonb(provider) $$;

create function propose_changes() returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare since date := (clock_now() at time zone 'utc')::date - 6; w record; made integer := 0; new_change ops_learned_changes; automatic jsonb := coalesce(sound_policy('learning.auto'), '[]');
begin
  for w in
    with recent as (
      select d.task, sum(d.outcomes)::integer as outcomes, sum(d.successes)::integer as successes from ops_outcome_days d where d.day >= since group by d.task having sum(d.outcomes) >= 20),
    tasks as (
      select r.*, t.timeout_ms, t.max_attempts, coalesce((sound_policy('task.timeouts') ->> r.task)::integer, t.timeout_ms) as timeout_now,
             coalesce((sound_policy('task.retries') ->> r.task)::integer + 1, t.max_attempts) as attempts_now,
             duration_percentile(r.task, null, null, 0.95, since) as p95,
             coalesce((select sum(e.outcomes) from ops_outcome_errors e where e.task = r.task and e.error_class = 'timeout' and e.last_at >= since), 0)::integer as timeouts
      from recent r join ops_tasks t on t.identifier = r.task and t.retired_at is null),
    curve as (
      select a.task, a.attempt, sum(a.outcomes) as ended, sum(a.successes) as succeeded, sum(sum(a.outcomes)) over (partition by a.task order by a.attempt desc) as reached
      from ops_outcome_attempts a where a.day >= since group by a.task, a.attempt)
    -- Timeouts of a task whose successes come close to the limit: it is the limit that is wrong.
    select 'timeout' as kind, task, 'task.timeouts' as key, outcomes, successes, to_jsonb(least(604800000, (2 * timeout_now)::bigint)) as value,
           jsonb_build_object('why', 'it often ran out of time, and what succeeds takes nearly as long as it may', 'timeouts', timeouts, 'outcomes', outcomes, 'p95_ms', p95, 'timeout_ms', timeout_now) as evidence
    from tasks where timeouts >= greatest(5, 0.1 * outcomes) and p95 > 0.5 * timeout_now
    union all
    -- Attempts that never helped, or a last one that still does.
    select 'retries', t.task, 'task.retries', t.outcomes, t.successes, to_jsonb(t.attempts_now - 2),
           jsonb_build_object('why', 'the last attempt has almost never helped', 'attempt', c.attempt, 'reached', c.reached, 'succeeded', c.succeeded)
    from tasks t join curve c on c.task = t.task and c.attempt = t.attempts_now where t.attempts_now > 2 and c.reached >= 30 and wilson_high(c.succeeded, c.reached) < 0.15
    union all
    select 'retries', t.task, 'task.retries', t.outcomes, t.successes, to_jsonb(t.attempts_now),
           jsonb_build_object('why', 'the last attempt still succeeds often, so one more is worth it', 'attempt', c.attempt, 'reached', c.reached, 'succeeded', c.succeeded)
    from tasks t join curve c on c.task = t.task and c.attempt = t.attempts_now where t.attempts_now between 1 and 9 and c.reached >= 20 and c.reached >= 0.05 * t.outcomes and c.reached > c.succeeded and wilson_low(c.succeeded, c.reached) > 0.3
    union all
    -- A provider whose success fell, where another one is there to be asked first.
    select 'provider_order', d.task, 'providers.order', r.outcomes, r.successes, demoted(sound_policy('providers.order'), d.provider),
           jsonb_build_object('why', 'its success rate fell', 'provider', d.provider, 'model', d.model, 'seen_at', d.drifted_at, 'method', 'Bernoulli CUSUM, Page 1954')
    from ops_drifts d join recent r on r.task = d.task
    where d.provider <> '' and d.drifted_at > clock_now() - interval '1 hour' and sound_policy('providers.order') ? d.provider
      and demoted(sound_policy('providers.order'), d.provider) <> sound_policy('providers.order')
    union all
    -- What has never succeeded in a week only costs.
    select 'stop', t.task, 'quota.tasks', t.outcomes, 0, to_jsonb(0),
           jsonb_build_object('why', 'it has only failed in seven days', 'outcomes', t.outcomes,
             'top_error', (select e.error_class from ops_outcome_errors e where e.task = t.task and e.last_at >= since order by e.outcomes desc, e.error_class limit 1))
    from tasks t where t.successes = 0 and sound_policy('quota.tasks') -> t.task is distinct from '0'
    union all
    -- A breaker that opens often on a service that nearly always answers is too quick; one that lets most calls of a week fail, too slow.
    select 'breaker', 'service:' || s.provider, 'breaker.services', s.outcomes, s.successes,
           to_jsonb(case when s.well then (s.rule ->> 'failures')::integer + 2 else greatest(2, (s.rule ->> 'failures')::integer - 1) end),
           jsonb_build_object('why', case when s.well then 'it opens often on a service that nearly always answers' else 'most calls fail before it opens' end,
             'service', s.provider, 'opened', s.opened, 'outcomes', s.outcomes, 'successes', s.successes, 'failures', s.rule -> 'failures')
    from (select p.*, sound_policy('breaker.services') as rule, wilson_low(p.successes, p.outcomes) > 0.9 as well, wilson_high(p.successes, p.outcomes) < 0.5 as badly,
                 (select count(*)::integer from ops_agent_events e where e.kind = 'breaker.opened' and e.tags @> array['service:' || p.provider] and e.created_at >= since) as opened
          from (select d.provider, sum(d.outcomes)::integer as outcomes, sum(d.successes)::integer as successes from ops_outcome_days d
                where d.day >= since and d.provider <> '' group by d.provider having sum(d.outcomes) >= 50) p) s
    where s.well and s.opened >= 5 and (s.rule ->> 'failures')::integer <= 10 or s.badly and s.opened >= 1 and (s.rule ->> 'failures')::integer > 2
  loop
    -- Once a week for one change of one task is enough for a person.
    if exists (select from ops_learned_changes c where c.kind = w.kind and c.task = w.task and (c.state in ('proposed', 'applied') or c.created_at > clock_now() - interval '7 days')) then
      continue;
    end if;
    insert into ops_learned_changes (kind, task, policy_key, before, after, evidence, base_outcomes, base_successes)
      values (w.kind, w.task, w.key, sound_policy(w.key), case w.kind when 'provider_order' then w.value else coalesce(sound_policy(w.key), '{}') || jsonb_build_object(case w.kind when 'breaker' then 'failures' else w.task end, w.value) end, w.evidence, w.outcomes, w.successes)
      on conflict do nothing returning * into new_change;
    if new_change.id is null then
      continue;
    end if;
    made := made + 1;
    insert into ops_agent_events (kind, source, actor, payload, tags)
      values ('policy.proposed', 'agent', 'system', jsonb_build_object('change', new_change.id, 'kind', w.kind, 'task', w.task, 'key', w.key, 'evidence', w.evidence), array[w.task]);
    if automatic ? w.kind then
      perform apply_change(new_change.id);
    else
      update ops_learned_changes set approval_id = ask_approval('learning', format('%s of %s: %s. Change policy %s?', w.kind, w.task, w.evidence ->> 'why', w.key),
          detail => jsonb_build_object('change', new_change.id, 'evidence', w.evidence, 'before', new_change.before, 'after', new_change.after,
            'effects', jsonb_build_object('approve', 'the new value is in force at once; it is watched and undone when it does worse', 'reject', 'nothing changes'), 'unanswered', 'nothing changes'),
          expires_in => interval '7 days')
        where id = new_change.id;
    end if;
  end loop;
  return made;
end $$;
comment on function propose_changes() is 'Looks at seven days of statistics and proposes changes of policy, with evidence; a person answers, except for what policy learning.auto lists.';

create function apply_change(change bigint) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare c ops_learned_changes; version_now integer;
begin
  select * into c from ops_learned_changes where id = change and state = 'proposed' for update;
  if not found then
    return;
  end if;
  if sound_policy(c.policy_key) is distinct from c.before then
    update ops_learned_changes set state = 'superseded', settled_at = clock_now(), verdict = 'policy was changed meanwhile' where id = c.id;
    return;
  end if;
  version_now := set_policy(c.policy_key, c.after, format('learned: %s', c.evidence ->> 'why'));
  update ops_learned_changes set state = 'applied', applied_at = clock_now(), policy_version = version_now where id = c.id;
end $$;

-- What follows from the answers to the learner's and the rules' questions.
create function apply_learned(a ops_approvals) returns void
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
begin
  if a.kind = 'pause' then
    if a.answer = 'approve' then
      perform trip_breaker('kind:' || (a.detail ->> 'mission_kind'), interval '6 hours', format('approved by %s: it kept failing', a.answered_by));
    end if;
    return;
  end if;
  if a.answer = 'approve' then
    perform apply_change((a.detail ->> 'change')::bigint);
  else
    update ops_learned_changes set state = 'rejected', settled_at = clock_now() where id = (a.detail ->> 'change')::bigint and state = 'proposed';
  end if;
end $$;

-- An applied change is held against what came before: worse beyond chance (two proportions, z < -2.33, one in a hundred) undoes
-- it; after a hundred outcomes that are not worse it is kept.
create function watch_changes() returns integer
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare c record; pooled double precision; z double precision; settled integer := 0;
begin
  for c in
    select l.* from ops_learned_changes l where l.state = 'applied' and l.outcomes >= 30 order by l.id for update of l
  loop
    pooled := (c.base_successes + c.successes)::double precision / (c.base_outcomes + c.outcomes);
    z := case when pooled in (0, 1) then 0 else (c.successes::double precision / c.outcomes - c.base_successes::double precision / c.base_outcomes) / sqrt(pooled * (1 - pooled) * (1.0 / c.outcomes + 1.0 / c.base_outcomes)) end;
    if z < -2.33 then
      if (select max(version) from ops_policy where key = c.policy_key) = c.policy_version then
        perform set_policy(c.policy_key, c.before, format('undone: %s of %s succeeded, %s of %s before', c.successes, c.outcomes, c.base_successes, c.base_outcomes));
      end if;
      update ops_learned_changes set state = 'undone', settled_at = clock_now(), verdict = format('worse: %s of %s, before %s of %s (z = %s)', c.successes, c.outcomes, c.base_successes, c.base_outcomes, round(z::numeric, 2)) where id = c.id;
      insert into ops_agent_events (kind, severity, source, actor, payload, tags)
        values ('policy.undone', 'warning', 'agent', 'system', jsonb_build_object('change', c.id, 'kind', c.kind, 'task', c.task, 'key', c.policy_key, 'successes', c.successes, 'outcomes', c.outcomes, 'z', round(z::numeric, 2)), array[c.task]);
      settled := settled + 1;
    elsif c.outcomes >= 100 then
      update ops_learned_changes set state = 'kept', settled_at = clock_now(), verdict = format('not worse: %s of %s, before %s of %s (z = %s)', c.successes, c.outcomes, c.base_successes, c.base_outcomes, round(z::numeric, 2)) where id = c.id;
      settled := settled + 1;
    end if;
  end loop;
  return settled;
end $$;
comment on function watch_changes() is 'Undoes what did worse than before beyond chance, keeps what did not; returns how many were settled.';

-- A person's thumb is an outcome of the mission as a whole, under its kind, or of a message; each counts as one more. The same person again
-- changes their mind: only what is new is written, so that a thumb pressed five times is one.
create function record_rating(of_task text, rating integer, mission bigint, agent text, trace_id uuid, verb text, target text) returns bigint
language plpgsql
set search_path = public, pg_catalog, pg_temp
as $$
declare new_id bigint; before smallint;
begin
  if rating is null or rating not in (-1, 1) then
    perform refuse('OC009', format('the rating is %s', rating), '1 (good) or -1 (not)');
  end if;
  -- Two thumbs of one person at once take turns.
  perform pg_advisory_xact_lock(hashtextextended('rating:' || target, 0));
  select (e.after ->> 'rating')::smallint into before from agent_events e where e.target = record_rating.target and e.verb = record_rating.verb and e.actor = current_actor() order by e.id desc limit 1;
  if before = rating then
    return null;
  end if;
  insert into ops_outcome_rows (mission_id, agent, task, success, state, rating, error_class, trace_id)
    values (mission, record_rating.agent, of_task, rating > 0, 'rated', rating, case when rating < 0 then 'disliked' end, record_rating.trace_id) returning id into new_id;
  perform record_act(verb, target, case when before is not null then jsonb_build_object('rating', before) end, jsonb_build_object('rating', rating), '{}', record_rating.trace_id);
  return new_id;
end $$;

create function rate_mission(mission bigint, rating integer) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare m ops_missions;
begin
  select * into m from ops_missions where id = rate_mission.mission;
  if not found then
    perform refuse('OC011', format('there is no mission m%s', rate_mission.mission), 'openclaw missions list');
  end if;
  return record_rating('rated:' || m.kind, rate_mission.rating, m.id, m.agent, m.trace_id, 'missions rate', 'm' || m.id);
end $$;
comment on function rate_mission(bigint, integer) is 'A person''s thumb for a mission, 1 or -1. Returns the outcome''s id, null where this person has said so before.';

-- `message` is the row of the outbox. What its mission made is the mission's; else the answer of the agent that wrote it.
create function rate_message(message bigint, rating integer) returns bigint
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare o outbox; m ops_missions; by_agent text;
begin
  select * into o from outbox where id = (select coalesce(p.edits, p.part_of, p.id) from outbox p where p.id = rate_message.message);
  if not found then
    perform refuse('OC011', format('there is no message %s in the outbox', rate_message.message), 'a thumb belongs to a message that was sent');
  end if;
  select * into m from ops_missions where trace_id = o.trace_id and created_at between o.created_at - interval '7 days' and o.created_at order by id limit 1;
  by_agent := case when o.actor like 'agent:%' then substr(o.actor, 7) else m.agent end;
  return record_rating(case when m.id is not null then 'rated:' || m.kind else 'rated:message' end, rate_message.rating, m.id, by_agent, o.trace_id, 'messages rate', 'message ' || o.id);
end $$;
comment on function rate_message(bigint, integer) is 'A person''s thumb for a message that was sent (its row of the outbox), 1 or -1: an outcome of the mission that it belongs to by its trace, else of its agent. Null where this person has said so before.';
