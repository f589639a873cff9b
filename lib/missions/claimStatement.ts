/** Of a mission `m`: whether it may be claimed now. */
export const LOCK_MISSION = `m.state in ('approved', 'running', 'waiting') and not m.paused
    and not exists (select from ops_controls c where c.scope = 'all' or c.scope = 'agent' and c.target = m.agent or c.scope = 'task' and c.target = 'mission')
    and (m.epoch > 0 or kind_admits(m.kind, m.id))`;

/** The pool holds the job, and was not declared dead: one that does not know it yet still fetches. A stock worker is in no registry. */
export const heldBy = (job: string, pool: string) =>
  `exists (select from graphile_worker._private_jobs j where j.id = ${job} and j.locked_by = ${pool})
    and not exists (select from workers w where w.pool_id = ${pool} and w.state <> 'live')`;

/** Of a step `s`: nothing has happened to it. */
export const FRESH_STEP = `s.state = 'queued' and s.attempt = 0 and s.approval_id is null and s.wake_at is null and s.parent_step_id is null`;

/**
 * mission, job, pool -> the mission, or no row when this job may not claim it. What a group passed over is claimed so, by itself:
 * it waits for whoever holds the mission's row.
 */
export const CLAIM = `
with claimed as (
  update ops_missions m set epoch = epoch + 1, state = 'running', worker = $3, started_at = coalesce(started_at, clock_now()), wait_reason = null, wake_at = null
  where m.id = $1 and m.job_id = $2 and ${LOCK_MISSION}
    and ${heldBy('$2', '$3')}
  returning *),
told as (
  insert into ops_agent_events (kind, mission_id, trace_id, payload, tags)
  select case when epoch = 1 then 'mission.started' else 'mission.resumed' end, id, trace_id, jsonb_build_object('kind', kind, 'epoch', epoch, 'worker', $3::text), array[kind] from claimed)
select id, kind, title, state, plan, input, epoch, signal_seq, agent, untrusted, trace_id, cancel_requested_by from claimed`;
