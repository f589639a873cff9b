/**
 * One statement commits what the durable functions of many missions have reached: their steps, waits and taken signals, with
 * outcomes and events. Locks as the checkpoint does (missions by id, then steps), and as that one it may be sent again: an
 * ended step is not written twice.
 *
 * $1 members [{mission, epoch}]  $2 steps with `mission`.
 */
export const RECORD = `
with u as (
  select * from json_to_recordset($1::json) u(mission bigint, epoch integer)),
m as materialized (
  select mi.id, mi.epoch, mi.trace_id, mi.agent, mi.cancel_requested_by, mi.signal_seq
  from u join ops_missions mi on mi.id = u.mission and mi.epoch = u.epoch
  where mi.state = 'running' order by mi.id for no key update of mi),
r as (
  select m.id as mission_id, m.epoch, m.trace_id, m.agent, r.*
  from json_to_recordset($2::json) r(mission bigint, of_epoch integer, parent bigint, name text, kind text, position integer, task text, payload jsonb, state text, attempt integer,
    max_attempts integer, timeout_ms integer, effect text, output jsonb, error_class text, error text, untrusted boolean, wake_ms float8, wake_at timestamptz,
    duration_ms float8, input_bytes bigint, resolves boolean, takes bigint)
  join m on m.id = r.mission and m.epoch = r.of_epoch),
saved as (
  insert into ops_mission_steps as t (mission_id, parent_step_id, name, kind, position, task, payload, state, attempt, max_attempts, timeout_ms, effect, idempotency_key,
    epoch, output, error_class, error, untrusted, wake_at, started_at, finished_at)
  select mission_id, parent, name, kind, position, task, coalesce(payload, '{}'), state, attempt, max_attempts, timeout_ms, effect, format('m%s/%s', mission_id, name),
    epoch, output, error_class, error, coalesce(untrusted, false), coalesce(wake_at, clock_now() + wake_ms * interval '1 millisecond'),
    case when state <> 'queued' then clock_now() - coalesce(duration_ms, 0) * interval '1 millisecond' end,
    case when state in ('succeeded', 'failed', 'cancelled', 'unknown') then clock_now() end
  from r
  on conflict (mission_id, name) do update set state = excluded.state, attempt = excluded.attempt, epoch = excluded.epoch, output = excluded.output,
    error_class = excluded.error_class, error = excluded.error, untrusted = t.untrusted or excluded.untrusted, wake_at = excluded.wake_at,
    started_at = coalesce(t.started_at, excluded.started_at), finished_at = excluded.finished_at,
    approval_id = case when t.state = 'unknown' and excluded.state = 'running' then null else t.approval_id end
  where t.parent_step_id = excluded.parent_step_id
    and (t.state in ('queued', 'running', 'waiting') or t.state = 'unknown' and excluded.state <> 'unknown')
  returning t.id, t.mission_id, t.name, t.kind, t.task, t.state, t.attempt, t.error_class, t.error, t.untrusted, t.wake_at, t.finished_at, t.payload, (xmax = 0) as fresh),
taken as (
  update ops_signals s set step_id = saved.id, taken_at = clock_now()
  from saved join r on r.mission_id = saved.mission_id and r.name = saved.name
  where s.id = r.takes and s.step_id is null),
outcomes as (
  insert into ops_outcome_rows (mission_id, step_id, attempt, agent, task, success, state, duration_ms, input_bytes, error_class, error_fingerprint, trace_id)
  select saved.mission_id, saved.id, saved.attempt, r.agent, case saved.kind when 'invoke' then saved.task else saved.task || '#' || saved.name end,
         saved.state = 'succeeded', saved.state, r.duration_ms, r.input_bytes, saved.error_class,
         case when saved.error is not null then md5(saved.task || ':' || coalesce(saved.error_class, '') || ':' || regexp_replace(saved.error, '[0-9]+', '#', 'g')) end, r.trace_id
  from saved join r on r.mission_id = saved.mission_id and r.name = saved.name
  where saved.finished_at is not null and r.resolves is not true
  on conflict (step_id, attempt) where step_id is not null do nothing),
events as (
  insert into ops_agent_events (kind, severity, mission_id, step_id, trace_id, untrusted, payload, tags)
  select case when saved.state = 'queued' then 'step.retrying' else 'step.' || saved.state end,
         case saved.state when 'failed' then 'error' when 'unknown' then 'error' when 'queued' then 'warning' else 'info' end, saved.mission_id, saved.id, r.trace_id, saved.untrusted,
         jsonb_strip_nulls(jsonb_build_object('step', saved.name, 'task', saved.task, 'kind', saved.kind, 'attempt', saved.attempt, 'duration_ms', r.duration_ms,
           'waits_until', saved.wake_at, 'signal', saved.payload ->> 'signal', 'error_class', saved.error_class, 'error', left(saved.error, 500))), array[saved.task]
  from saved join r on r.mission_id = saved.mission_id and r.name = saved.name
  where saved.finished_at is not null or saved.state = 'waiting' and saved.fresh or saved.state = 'queued' and saved.error is not null)
select (select json_agg(json_build_array(id, epoch, cancel_requested_by is not null, signal_seq)) from m) as mine,
       (select json_agg(json_build_object('mission', mission_id::text, 'name', name, 'id', id::text, 'wait_ms', extract(epoch from wake_at - clock_now()) * 1000)) from saved) as saved`;

/** Of an invoked mission that has ended. */
const CHILD = `case when s.kind = 'invoke' and s.state = 'waiting' then
  (select jsonb_build_object('state', c.state, 'output', c.output, 'error', c.error) from ops_missions c where c.parent_step_id = s.id and c.finished_at is not null) end`;

/** body's step -> what its function has recorded, with the answers to its questions. */
export const LOAD_RECORDED = `
select s.id, s.name, s.kind, s.task, s.payload, s.state, s.attempt, s.max_attempts, s.output, s.error_class, s.error, s.untrusted,
       (extract(epoch from s.wake_at - clock_now()) * 1000)::float8 as wait_ms,
       case when s.approval_id is not null then (select to_jsonb(a) from ops_approvals a where a.id = s.approval_id) end as asked, ${CHILD} as child
from ops_mission_steps s where s.parent_step_id = $1 order by s.position`;

export const LOAD_SIGNALS = `select id, name, payload from ops_signals where mission_id = $1 and step_id is null order by id`;

/** body's step -> answers to what its open steps wait for. */
export const LOAD_ANSWERS = `
select s.name, (select to_jsonb(a) from ops_approvals a where a.id = s.approval_id) as asked, ${CHILD} as child
from ops_mission_steps s where s.parent_step_id = $1 and s.state in ('waiting', 'unknown')`;
