/**
 * The statements that end jobs in place of graphile-worker's own. Each is fenced: only rows that this pool still holds are
 * touched, so that a worker which lost its lease changes nothing. The fence is a lateral lock by primary key, because the
 * planner believes that nothing is locked (`locked_by = $n` in a join becomes a sequential scan).
 */

/** ids, results (json text), start and end (epoch ms), pool -> the ids that were ours. One history row each. */
export const COMPLETE = `
with u as (
  select * from unnest($1::bigint[], $2::text[], $3::float8[], $4::float8[]) u(id, result, started, finished)),
l as (
  select u.id from u cross join lateral (
    select from graphile_worker._private_jobs j where j.id = u.id and j.locked_by = $5 for update) held),
d as (
  delete from graphile_worker._private_jobs where id = any (array(select id from l))
  returning id, task_id, payload, priority, run_at, attempts, max_attempts, key, created_at, locked_by, job_queue_id),
q as (
  update graphile_worker._private_job_queues set locked_by = null, locked_at = null
  where id in (select job_queue_id from d where job_queue_id is not null) and locked_by = $5),
h as (
  insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, finished_at, worker, result)
  select d.id, t.identifier, d.payload, 'succeeded', d.priority, d.run_at, d.attempts, d.max_attempts, d.key, d.created_at,
         to_timestamp(u.started / 1000), to_timestamp(u.finished / 1000), d.locked_by, u.result::json
  from d join u on u.id = d.id join graphile_worker._private_tasks t on t.id = d.task_id)
select pg_notify('job:ended', string_agg(id::text, ',')), count(*)::integer as ended from d`;

/**
 * A json array of {id, kind: retry | final | give_back, message, delay_ms, error_class, state, started, finished}, pool ->
 * the number that were ours. The database's clock decides when a retry is due.
 */
export const FAIL = `
with u as (
  select * from json_to_recordset($1::json) u(id bigint, kind text, message text, delay_ms float8, error_class text, state text, started float8, finished float8)),
l as (
  select u.id from u cross join lateral (
    select from graphile_worker._private_jobs j where j.id = u.id and j.locked_by = $2 for update) held),
r as (
  update graphile_worker._private_jobs j set
    last_error = coalesce(u.message, j.last_error),
    run_at = case u.kind when 'retry' then now() + u.delay_ms * interval '1 millisecond' else j.run_at end,
    attempts = case u.kind when 'give_back' then greatest(j.attempts - 1, 0) else j.attempts end,
    locked_by = null, locked_at = null, updated_at = now()
  from u where j.id = u.id and j.id = any (array(select id from l)) and u.kind <> 'final'
  returning j.id, j.job_queue_id, u.kind),
d as (
  delete from graphile_worker._private_jobs where id = any (array(select l.id from l join u on u.id = l.id where u.kind = 'final'))
  returning id, task_id, payload, priority, run_at, attempts, max_attempts, key, created_at, locked_by, job_queue_id),
q as (
  update graphile_worker._private_job_queues set locked_by = null, locked_at = null
  where id in (select job_queue_id from r union select job_queue_id from d) and locked_by = $2),
h as (
  insert into job_history (job_id, task, payload, state, priority, run_at, attempts, max_attempts, job_key, created_at, started_at, finished_at, worker, error_class, last_error)
  select d.id, t.identifier, d.payload, u.state, d.priority, d.run_at, d.attempts, d.max_attempts, d.key, d.created_at,
         to_timestamp(u.started / 1000), to_timestamp(u.finished / 1000), d.locked_by, u.error_class, u.message
  from d join u on u.id = d.id join graphile_worker._private_tasks t on t.id = d.task_id
  returning job_id, task, state, error_class, last_error, attempts),
e as (
  insert into ops_agent_events (kind, severity, job, trace_id, mission_id, payload, tags)
  select 'job.' || h.state, case h.state when 'failed' then 'error' else 'info' end, h.job_id, r.trace_id, r.mission_id,
         jsonb_build_object('task', h.task, 'error_class', h.error_class, 'error', left(h.last_error, 500), 'attempts', h.attempts), array[h.task]
  from h left join job_requests r on r.id = h.job_id),
c as (delete from job_cancels where job_id in (select id from d))
select pg_notify('job:ended', (select string_agg(id::text, ',') from d)),
       case when exists (select from r where kind = 'give_back') then pg_notify('jobs:insert', '{"count":1,"r":' || random() || '}') end,
       (select count(*) from l)::integer as ended`;
