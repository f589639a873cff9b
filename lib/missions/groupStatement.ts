import { FRESH_STEP, heldBy, LOCK_MISSION } from './claimStatement.ts';

/** What a group has; each mix of them is a statement of its own, so that none pays for what it does not have. */
export interface GroupParts {
  claims: boolean;
  checkpoints: boolean;
  ends: boolean;
  requeues: boolean;
  starts: boolean;
  changes: boolean;
}

const PART_NAMES = ['claims', 'checkpoints', 'ends', 'requeues', 'starts', 'changes'] as const;

/**
 * A checkpoint is one row, or several of the same mission where it has more than one end, requeue or start: so nothing has to be
 * joined, which would be done in loops, each of a group with each. What a row does not have is left out and null.
 */
const COLUMNS: Partial<Record<keyof GroupParts, string>> = {
  checkpoints: 'mission bigint, epoch integer',
  ends: 'e_step bigint, e_state text, e_output jsonb, e_error_class text, e_error text, e_untrusted boolean, e_ms float8, e_bytes bigint, e_resolves boolean, e_attempt integer, e_ago float8, e_follows boolean',
  requeues: 'r_step bigint, r_state text, r_attempt integer, r_delay_ms float8, r_error_class text, r_error text',
  starts: 's_step bigint, s_attempt integer',
  changes:
    'c_state text, c_reason text, c_wake_ms float8, c_output jsonb, c_error_class text, c_error text, c_seen integer',
};

const statements = new Map<number, { name: string; text: string }>();

/** The statement of a mix, prepared once a connection under its name. */
export function groupStatement(parts: GroupParts): { name: string; text: string } {
  const mask = PART_NAMES.reduce((sum, name, at) => sum + (parts[name] ? 1 << at : 0), 0);
  let statement = statements.get(mask);
  if (!statement) {
    statement = { name: `openclaw_group_${mask}`, text: textOf(parts) };
    statements.set(mask, statement);
  }
  return statement;
}

/**
 * One statement claims missions and commits the checkpoints of others. Lock order: missions, then steps, outcomes, events. A
 * mission that another transaction holds is passed over and asked for again (`busy`, and claims that are missing), so that
 * nobody's open transaction stops the missions of a worker, and no two groups wait for each other.
 *
 * Only a mission whose epoch is still the member's is written (`m`); `mine` tells the others apart from those that this worker
 * has already ended, so that a statement that is sent again after a lost connection is accepted and writes nothing twice: ends
 * change only open steps (and unknown ones that a person has judged), starts only raise an attempt, and outcomes and events come
 * from the rows that really changed.
 *
 * A mission parks only while `signal_seq` is what its segment has seen: whatever wakes missions raises it under the row's lock,
 * and `mine` has the row as it is once that lock is ours.
 *
 * Functions of the clock and the actor are asked once, not for each row.
 */
function textOf(parts: GroupParts): string {
  const ctes: string[] = [
    't as materialized (select clock_now() as now, current_source() as source, current_actor() as actor)',
  ];
  const events: string[] = [];
  const results: string[] = [];
  if (parts.claims) {
    ctes.push(...claimCtes('$1::json'));
    events.push(
      `select case when epoch = 1 then 'mission.started' else 'mission.resumed' end, 'info', id, null::bigint, trace_id, false,
              jsonb_build_object('kind', kind, 'epoch', epoch, 'worker', worker), array[kind] from claimed`,
    );
    results.push(`(select json_agg(json_build_object('id', c.id::text, 'kind', c.kind, 'title', c.title, 'state', c.state, 'plan', c.plan, 'input', c.input, 'epoch', c.epoch,
        'signal_seq', c.signal_seq, 'agent', c.agent, 'untrusted', c.untrusted, 'trace_id', c.trace_id, 'cancel_requested_by', c.cancel_requested_by,
        'steps', case when c.epoch = 1 then (select case when bool_and(${FRESH_STEP}) then json_agg(json_build_array(s.id::text, s.name, s.position, s.task, s.payload, s.needs, s.max_attempts,
                   s.timeout_ms, s.effect, s.idempotency_key, s.untrusted, s.approval) order by s.position) end from ops_mission_steps s where s.mission_id = c.id) end,
        'begun', (select json_agg(f.id::text) from first f where f.mission_id = c.id))) from claimed c) as claimed`);
  }
  if (parts.checkpoints) {
    const columns = PART_NAMES.filter((name) => parts[name]).flatMap((name) => COLUMNS[name] ?? []);
    ctes.push(...memberCtes(parts.claims ? '$2::json' : '$1::json', columns.join(', ')));
    results.push(
      `(select json_agg(json_build_array(id, cancel_requested_by is not null, state = 'running', signal_seq)) from mine) as mine`,
      `case when (select count(*) from u) > (select count(*) from mine) then
         (select json_agg(distinct u.mission::text) from u join ops_missions mi on mi.id = u.mission and mi.epoch = u.epoch where not exists (select from mine where mine.id = u.mission)) end as busy`,
    );
  }
  if (parts.ends) {
    ctes.push(...END_CTES);
    events.push(
      `select 'step.' || state, case when state in ('failed', 'unknown') then 'error' else 'info' end, mission_id, id, trace_id, untrusted,
              jsonb_strip_nulls(jsonb_build_object('step', name, 'task', task, 'attempt', attempt, 'duration_ms', duration_ms, 'error_class', error_class, 'error', left(error, 500))), array[task]
       from ended`,
    );
  }
  if (parts.requeues) {
    ctes.push(REQUEUE_CTE);
    events.push(
      `select 'step.retrying', 'warning', mission_id, id, trace_id, false,
              jsonb_strip_nulls(jsonb_build_object('step', name, 'task', task, 'attempt', attempt, 'delay_ms', delay_ms, 'error_class', error_class, 'error', left(error, 500))), array[task]
       from requeued where state = 'queued'`,
    );
  }
  if (parts.starts) ctes.push(START_CTE);
  if (parts.changes) {
    ctes.push(CHANGE_CTE);
    events.push(
      `select 'mission.' || state, case state when 'failed' then 'error' else 'info' end, id, null::bigint, trace_id, false,
              jsonb_strip_nulls(jsonb_build_object('kind', kind, 'title', title, 'reason', wait_reason, 'error_class', error_class, 'error', left(error, 500))), array[kind]
       from changed`,
    );
    results.push(
      `(select pg_notify('mission:ended', string_agg(id::text, ',')) from changed where state <> 'waiting') as notified`,
    );
  }
  if (events.length > 0) {
    ctes.push(`told as (
      insert into ops_agent_events (source, actor, kind, severity, mission_id, step_id, trace_id, untrusted, payload, tags)
      select (select source from t), (select actor from t), e.* from (${events.join('\n union all ')}) e)`);
  }
  return `with ${ctes.join(',\n')}\nselect ${results.join(',\n')}`;
}

/** The mission's row must name this job, and the job be held by this pool: a worker that woke up after its job was given away would else fence the other out. */
function claimCtes(claims: string): string[] {
  return [
    `cu as (select * from json_to_recordset(${claims}) cu(mission bigint, job bigint, pool text))`,
    `claimed as (
      update ops_missions m set epoch = m.epoch + 1, state = 'running', worker = l.pool, started_at = coalesce(m.started_at, (select now from t)), wait_reason = null, wake_at = null
      from (select cu.* from cu cross join lateral (select from ops_missions x where x.id = cu.mission for no key update skip locked) l offset 0) l
      where m.id = l.mission and m.job_id = l.job and ${LOCK_MISSION}
        and ${heldBy('l.job', 'l.pool')}
      returning m.*)`,
    // The first steps of a new mission start with its claim; where there may be more than run side by side, the segment chooses. One
    // of effect outside is not among them: when the claim's answer is lost, it would be taken for begun.
    `first as (
      update ops_mission_steps s set state = 'running', attempt = s.attempt + 1, epoch = c.epoch, started_at = (select now from t)
      from claimed c
      where c.epoch = 1 and c.cancel_requested_by is null and coalesce(jsonb_array_length(c.plan -> 'steps'), 0) <= 8
        and s.mission_id = c.id and s.needs = '{}' and ${FRESH_STEP} and s.approval is null and s.effect <> 'outside'
        and not exists (select from ops_controls k where k.scope = 'task' and k.target = s.task)
      returning s.id, s.mission_id)`,
  ];
}

function memberCtes(members: string, columns: string): string[] {
  return [
    `u as (select * from json_to_recordset(${members}) u(${columns}))`,
    `mine as materialized (
      select u.*, l.* from u cross join lateral (
        select mi.id, mi.state, mi.trace_id, mi.cancel_requested_by, mi.agent, mi.signal_seq
        from ops_missions mi where mi.id = u.mission and mi.epoch = u.epoch for no key update skip locked) l)`,
    `m as (select * from mine where state = 'running')`,
  ];
}

/**
 * A start may be committed later than it happened, and even than the end did: by its duration the end knows better. How long ago that was
 * is told when the statement is made; what lies between that and the database's clock differs by milliseconds, and must not
 * put a step before the end of what it followed, where that came by an earlier statement.
 */
const NEEDS_ENDED = `case when m.e_follows then (select max(n.finished_at) from ops_mission_steps n where n.mission_id = s.mission_id and n.name = any (s.needs)) end`;

const END_CTES = [
  `ended as (
    update ops_mission_steps s set state = m.e_state, output = m.e_output, error_class = m.e_error_class, error = m.e_error, untrusted = m.e_untrusted,
           epoch = m.epoch, attempt = coalesce(m.e_attempt, s.attempt), wake_at = null,
           started_at = case when m.e_attempt is not null or s.started_at is not null then greatest(${NEEDS_ENDED}, least(s.started_at, (select now from t) - (coalesce(m.e_ago, 0) + coalesce(m.e_ms, 0)) * interval '1 millisecond')) end,
           finished_at = greatest(${NEEDS_ENDED}, (select now from t) - coalesce(m.e_ago, 0) * interval '1 millisecond')
    from m where s.id = m.e_step and (s.state in ('queued', 'running', 'waiting') or s.state = 'unknown' and m.e_resolves)
    returning s.id, s.mission_id, s.name, s.task, s.state, s.attempt, s.error_class, s.error, s.untrusted, m.trace_id, m.agent, m.e_ms as duration_ms, m.e_bytes as input_bytes, m.e_resolves as resolves)`,
  `outcomes as (
    insert into ops_outcome_rows (mission_id, step_id, attempt, agent, task, success, state, duration_ms, input_bytes, error_class, error_fingerprint, trace_id)
    select mission_id, id, attempt, agent, task, state = 'succeeded', state, duration_ms, input_bytes, error_class,
           case when error is not null then md5(task || ':' || coalesce(error_class, '') || ':' || regexp_replace(error, '[0-9]+', '#', 'g')) end, trace_id
    from ended where resolves is not true
    on conflict (step_id, attempt) where step_id is not null do nothing)`,
];

const REQUEUE_CTE = `requeued as (
  update ops_mission_steps s set state = m.r_state, attempt = m.r_attempt, epoch = m.epoch, error_class = m.r_error_class, error = m.r_error,
         wake_at = (select now from t) + m.r_delay_ms * interval '1 millisecond'
  from m where s.id = m.r_step and s.state = 'running'
  returning s.id, s.mission_id, s.name, s.task, s.state, s.attempt, s.error_class, s.error, m.r_delay_ms as delay_ms, m.trace_id)`;

const START_CTE = `started as (
  update ops_mission_steps s set state = 'running', attempt = m.s_attempt, epoch = m.epoch, started_at = coalesce(s.started_at, (select now from t)), wake_at = null, finished_at = null,
         approval_id = case when s.state <> 'unknown' then s.approval_id end
  from m where s.id = m.s_step and s.attempt < m.s_attempt and s.state in ('queued', 'running', 'waiting', 'unknown'))`;

const CHANGE_CTE = `changed as (
  update ops_missions mi set state = m.c_state, wait_reason = m.c_reason, wake_at = (select now from t) + m.c_wake_ms * interval '1 millisecond', job_id = null,
         output = m.c_output, error_class = m.c_error_class, error = m.c_error, finished_at = case when m.c_state <> 'waiting' then (select now from t) end
  from m where mi.id = m.mission and m.c_state is not null and (m.c_state <> 'waiting' or m.signal_seq = m.c_seen)
  returning mi.id, mi.kind, mi.state, mi.wait_reason, mi.error_class, mi.error, mi.trace_id, mi.title)`;
