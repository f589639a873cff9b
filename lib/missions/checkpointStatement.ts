/**
 * One statement commits the checkpoints of many missions. Lock order: missions by id, then steps, outcomes, events. Only a
 * mission whose epoch is still the member's is written (`m`); `mine` tells the others apart from those that this worker has
 * already ended, so that a statement that is sent again after a lost connection is accepted and writes nothing twice: ends
 * change only open steps (and unknown ones that a person has judged), starts only raise an attempt, and outcomes and events come from the rows that really changed.
 *
 * A mission parks only while `signal_seq` is what its segment has seen: whatever wakes missions raises it under the row's lock,
 * and `mine` has the row as it is once that lock is ours.
 *
 * $1 members [{mission, epoch}]  $2 ends  $3 requeues  $4 starts  $5 changes, the last four with `mission`.
 */
export const CHECKPOINT = `
with u as (
  select * from json_to_recordset($1::json) u(mission bigint, epoch integer)),
mine as materialized (
  select mi.id, mi.epoch, mi.state, mi.kind, mi.trace_id, mi.cancel_requested_by, mi.agent, mi.signal_seq
  from u join ops_missions mi on mi.id = u.mission and mi.epoch = u.epoch
  order by mi.id for no key update of mi),
m as (
  select * from mine where state = 'running'),
ends as (
  select m.id as mission_id, m.epoch, m.trace_id, m.agent, e.*
  from json_to_recordset($2::json) e(mission bigint, step bigint, state text, output jsonb, error_class text, error text, untrusted boolean, duration_ms float8, input_bytes bigint, resolves boolean)
  join m on m.id = e.mission),
ended as (
  update ops_mission_steps s set state = e.state, output = e.output, error_class = e.error_class, error = e.error, untrusted = e.untrusted,
         epoch = e.epoch, finished_at = clock_now(), wake_at = null
  from ends e where s.id = e.step and (s.state in ('queued', 'running', 'waiting') or s.state = 'unknown' and e.resolves)
  returning s.id, s.mission_id, s.name, s.task, s.state, s.attempt, s.error_class, s.error, s.untrusted, e.trace_id, e.agent, e.duration_ms, e.input_bytes, e.resolves),
outcomes as (
  insert into ops_outcome_rows (mission_id, step_id, attempt, agent, task, success, state, duration_ms, input_bytes, error_class, error_fingerprint, trace_id)
  select mission_id, id, attempt, agent, task, state = 'succeeded', state, duration_ms, input_bytes, error_class,
         case when error is not null then md5(task || ':' || coalesce(error_class, '') || ':' || regexp_replace(error, '[0-9]+', '#', 'g')) end, trace_id
  from ended where resolves is not true
  on conflict (step_id, attempt) where step_id is not null do nothing),
requeued as (
  update ops_mission_steps s set state = r.state, attempt = r.attempt, epoch = m.epoch, error_class = r.error_class, error = r.error,
         wake_at = clock_now() + r.delay_ms * interval '1 millisecond'
  from json_to_recordset($3::json) r(mission bigint, step bigint, state text, attempt integer, delay_ms float8, error_class text, error text)
  join m on m.id = r.mission
  where s.id = r.step and s.state = 'running'
  returning s.id, s.mission_id, s.name, s.task, s.state, s.attempt, s.error_class, s.error, r.delay_ms, m.trace_id),
started as (
  update ops_mission_steps s set state = 'running', attempt = st.attempt, epoch = m.epoch, started_at = coalesce(s.started_at, clock_now()), wake_at = null, finished_at = null,
         approval_id = case when s.state <> 'unknown' then s.approval_id end
  from json_to_recordset($4::json) st(mission bigint, step bigint, attempt integer)
  join m on m.id = st.mission
  where s.id = st.step and s.attempt < st.attempt and s.state in ('queued', 'running', 'waiting', 'unknown')),
changed as (
  update ops_missions mi set state = c.state, wait_reason = c.wait_reason, wake_at = clock_now() + c.wake_ms * interval '1 millisecond', job_id = null,
         output = c.output, error_class = c.error_class, error = c.error, finished_at = case when c.state <> 'waiting' then clock_now() end
  from json_to_recordset($5::json) c(mission bigint, state text, wait_reason text, wake_ms float8, output jsonb, error_class text, error text, seen integer)
  join m on m.id = c.mission
  where mi.id = c.mission and (c.state <> 'waiting' or m.signal_seq = c.seen)
  returning mi.id, mi.kind, mi.state, mi.wait_reason, mi.error_class, mi.error, mi.trace_id, mi.title),
events as (
  insert into ops_agent_events (kind, severity, mission_id, step_id, trace_id, untrusted, payload, tags)
  select 'step.' || state, case state when 'failed' then 'error' when 'unknown' then 'error' else 'info' end, mission_id, id, trace_id, untrusted,
         jsonb_strip_nulls(jsonb_build_object('step', name, 'task', task, 'attempt', attempt, 'duration_ms', duration_ms, 'error_class', error_class, 'error', left(error, 500))), array[task]
  from ended
  union all
  select 'step.retrying', 'warning', mission_id, id, trace_id, false,
         jsonb_strip_nulls(jsonb_build_object('step', name, 'task', task, 'attempt', attempt, 'delay_ms', delay_ms, 'error_class', error_class, 'error', left(error, 500))), array[task]
  from requeued where state = 'queued'
  union all
  select 'mission.' || state, case state when 'failed' then 'error' else 'info' end, id, null, trace_id, false,
         jsonb_strip_nulls(jsonb_build_object('kind', kind, 'title', title, 'reason', wait_reason, 'error_class', error_class, 'error', left(error, 500))), array[kind]
  from changed)
select json_agg(json_build_array(id, cancel_requested_by is not null, state = 'running', signal_seq)) as mine,
       (select pg_notify('mission:ended', string_agg(id::text, ',')) from changed where state <> 'waiting') as notified
from mine`;

/**
 * mission, job, pool -> the mission, or no row when this job may not claim it. The job must still be held by the pool: a
 * worker that woke up after its job was given to another would else fence that one out.
 */
export const CLAIM = `
with claimed as (
  update ops_missions set epoch = epoch + 1, state = 'running', worker = $3, started_at = coalesce(started_at, clock_now()), wait_reason = null, wake_at = null
  where id = $1 and job_id = $2 and state in ('approved', 'running', 'waiting') and not paused
    and not exists (select from ops_controls c where c.scope = 'all' or c.scope = 'agent' and c.target = agent or c.scope = 'task' and c.target = 'mission')
    and (epoch > 0 or kind_admits(kind, id))
    and exists (select from graphile_worker._private_jobs j where j.id = $2 and j.locked_by = $3)
  returning *),
told as (
  insert into ops_agent_events (kind, mission_id, trace_id, payload, tags)
  select case when epoch = 1 then 'mission.started' else 'mission.resumed' end, id, trace_id, jsonb_build_object('kind', kind, 'epoch', epoch, 'worker', $3::text), array[kind] from claimed)
select id, kind, title, state, plan, input, epoch, signal_seq, agent, untrusted, trace_id, cancel_requested_by from claimed`;

/** Loaded by a statement of its own, after the claim: in the claim's statement they would be as old as its snapshot. */
export const LOAD_STEPS = `
select s.id, s.name, s.position, s.task, s.payload, s.needs, s.state, s.attempt, s.max_attempts, s.timeout_ms, s.effect, s.idempotency_key, s.epoch, s.output,
       s.error_class, s.error, s.untrusted, coalesce(extract(epoch from s.wake_at - clock_now()) * 1000, 0)::float8 as wait_ms, s.approval,
       case when s.approval_id is not null then (select to_jsonb(a) from ops_approvals a where a.id = s.approval_id) end as asked, s.version,
       s.state = 'running' and s.version is not null
         and exists (select from ops_mission_steps c where c.parent_step_id = s.id and c.epoch = s.epoch and c.finished_at is not null) as progressed
from ops_mission_steps s where s.mission_id = $1 and s.parent_step_id is null order by s.position`;
