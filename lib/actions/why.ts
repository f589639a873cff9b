import { EXIT, OpenClawError } from '../errors/index.ts';
import { errorText, timeText } from './table.ts';
import type { Action, ActionContext } from './types.ts';

/** Why something does not move, and the command that moves it. */
interface Reason {
  why: string;
  move: string | null;
}

type Db = ActionContext['db'];

export const whyActions: readonly Action[] = [
  {
    name: 'why',
    title: 'Why a job, mission or proposal does not move, and what moves it',
    args: [{ name: 'id', description: 'for example j12, m3 or p4' }],
    who: 'viewer',
    danger: 'none',
    example: 'openclaw why m3',
    run: async ({ db }, { args }) => {
      const [, letter, id] = /^([jmp])(\d{1,18})$/.exec(args[0] ?? '') ?? [];
      if (!letter || !id) {
        throw new OpenClawError('E_ID', `"${args[0] ?? ''}" is not the id of a job, mission or proposal`, {
          expected: 'j12, m3 or p4',
          exitCode: EXIT.usage,
        });
      }
      const look = { j: whyJob, m: whyMission, p: whyProposal }[letter as 'j' | 'm' | 'p'];
      const { state, reasons } = await look(db, id);
      const lines = reasons.map(({ why, move }) => `  - ${why}${move ? `\n      ${move}` : ''}`);
      return { json: { id: args[0], state, reasons }, text: [`${args[0]} is ${state}`, ...lines].join('\n') };
    },
  },
];

interface Explained {
  state: string;
  reasons: Reason[];
}

function notFound(what: string): OpenClawError {
  return new OpenClawError('E_NOT_FOUND', `there is no ${what}`, {
    remedy: 'openclaw jobs list, missions list, proposals list',
  });
}

async function whyMission(db: Db, id: string): Promise<Explained> {
  const { rows } = await db.query('select * from ops_missions where id = $1', [id]);
  const m = rows[0];
  if (!m) throw notFound(`mission m${id}`);
  const reasons: Reason[] = [];
  const add = (why: string, move: string | null = null) => void reasons.push({ why, move });
  if (m.finished_at) {
    add(
      `it ended at ${timeText(m.finished_at)}${m.error ? `: ${errorText(m.error_class, m.error)}` : ''}`,
      m.state === 'succeeded' ? null : `openclaw missions retry m${id}`,
    );
    return { state: m.state, reasons };
  }
  await addPause(db, add, { task: 'mission', agent: m.agent, mission: id });
  if (m.paused) add('it is paused', `openclaw resume mission m${id}`);
  await addBreaker(db, add, `kind:${m.kind}`);
  if (m.cancel_requested_by) add(`${m.cancel_requested_by} has cancelled it; a step that runs is being stopped`);
  const asked = await db.query(
    "select id, question, options, expires_at, on_expiry from ops_approvals where mission_id = $1 and state = 'open' order by id",
    [id],
  );
  for (const a of asked.rows) {
    add(
      `a${a.id} waits for an answer: ${a.question}${a.expires_at ? ` (${a.on_expiry ?? 'without an answer'} at ${timeText(a.expires_at)})` : ''}`,
      `openclaw approve a${a.id}${a.options.includes('approve') ? '' : ` ${a.options.join('|')}`}`,
    );
  }
  const steps = await db.query(
    `select s.*, c.id as child, t.timeout_ms as task_timeout from ops_mission_steps s left join ops_missions c on c.parent_step_id = s.id left join ops_tasks t on t.identifier = s.task
     where s.mission_id = $1 and s.state in ('queued', 'running', 'waiting', 'unknown') order by s.position`,
    [id],
  );
  const states = await db.query('select name, state from ops_mission_steps where mission_id = $1', [id]);
  const stateOf = new Map(states.rows.map((row) => [row.name, row.state]));
  for (const s of steps.rows) {
    const open = (s.needs as string[]).filter((need) => stateOf.get(need) !== 'succeeded');
    if (await addPlace(db, add, `s${s.id}`, `step ${s.name}`)) continue;
    if (s.kind === 'signal')
      add(
        `step ${s.name} waits for the signal ${s.payload.signal}${s.wake_at ? ` until ${timeText(s.wake_at)}` : ''}`,
        `openclaw missions signal m${id} ${s.payload.signal} '{}'`,
      );
    else if (s.kind === 'sleep') add(`step ${s.name} sleeps until ${timeText(s.wake_at)}; it goes on by itself`);
    else if (s.child) add(`step ${s.name} waits for mission m${s.child}`, `openclaw why m${s.child}`);
    else if (s.state === 'running')
      add(
        `step ${s.name} (${s.task}) runs since ${timeText(s.started_at)}, attempt ${s.attempt} of ${s.max_attempts}, at most ${Math.round(s.timeout_ms / 1000)} s an attempt`,
        `openclaw missions cancel m${id}`,
      );
    else if (s.wake_at && s.kind !== 'task' && s.state === 'queued')
      add(`step ${s.name} is tried again at ${timeText(s.wake_at)} after ${errorText(s.error_class, s.error)}`);
    else if (s.state === 'queued' && s.error)
      add(
        `step ${s.name} is tried again${s.wake_at ? ` at ${timeText(s.wake_at)}` : ''} after ${errorText(s.error_class, s.error)} (attempt ${s.attempt} of ${s.max_attempts})`,
      );
    else if (s.state === 'queued' && open.length > 0)
      add(`step ${s.name} needs ${open.map((need) => `${need} (${stateOf.get(need)})`).join(', ')}`);
    await addPause(db, add, { task: s.task, agent: null, mission: null }, 'task');
  }
  if (m.job_id) await addJob(db, add, m.job_id, 'its segment');
  else if (m.state !== 'waiting') add('its job has vanished; it gets a new one within a minute');
  else if (m.wake_at) add(`it is woken at ${timeText(m.wake_at)} (${m.wait_reason})`, CHANGES[m.wait_reason] ?? null);
  return { state: m.wait_reason ? `${m.state} (${m.wait_reason})` : m.state, reasons: dedupe(reasons) };
}

async function whyJob(db: Db, id: string): Promise<Explained> {
  const { rows } = await db.query('select * from task_queue where id = $1', [id]);
  const job = rows[0];
  if (!job) throw notFound(`job j${id}`);
  const reasons: Reason[] = [];
  const add = (why: string, move: string | null = null) => void reasons.push({ why, move });
  if (job.finished_at) {
    add(
      `it ended at ${timeText(job.finished_at)}${job.last_error ? `: ${errorText(job.error_class, job.last_error)}` : ''}`,
      job.state === 'succeeded' ? null : `openclaw jobs retry j${id}`,
    );
    return { state: job.state, reasons };
  }
  await addPause(db, add, { task: job.task, agent: null, mission: null });
  await addBreaker(db, add, `task:${job.task}`);
  if (await addPlace(db, add, `j${id}`, 'it')) return { state: job.state, reasons: dedupe(reasons) };
  if (job.mission_id) add(`it runs mission m${job.mission_id}`, `openclaw why m${job.mission_id}`);
  await addJob(db, add, id, 'it');
  return { state: job.state, reasons: dedupe(reasons) };
}

/** Who has the places of a limited task that it waits for. @returns whether it waits for one. */
async function addPlace(
  db: Db,
  add: (why: string, move?: string | null) => void,
  holder: string,
  subject: string,
): Promise<boolean> {
  const { rows } = await db.query(
    `select w.task, w.key, w.most, w.interval_ms, w.free_at, w.free_at > clock_now() as too_soon,
            (select count(*)::integer from limit_waits b where b.task = w.task and (b.key = w.key or w.most is null)
               and (b.priority, b.since, b.holder) < (w.priority, w.since, w.holder)) as ahead,
            (select array_agg(case left(s.holder, 1) when 'j' then s.holder
                     else (select format('step %s of m%s', st.name, st.mission_id) from ops_mission_steps st where st.id = substr(s.holder, 2)::bigint) end order by s.since)
               from limit_slots s where s.task = w.task and s.key = w.key) as holders
     from waits_for_place w where w.holder = $1`,
    [holder],
  );
  const wait = rows[0];
  if (!wait) return false;
  const holders = (wait.holders ?? []) as string[];
  const taken = wait.most !== null && holders.length >= wait.most;
  const ofKey = wait.key === '' ? '' : ` for "${wait.key}"`;
  if (taken)
    add(
      `${subject} waits for a place: task ${wait.task} runs at most ${wait.most} at once${ofKey}, which ${holders.slice(0, 5).join(', ')} ${holders.length === 1 ? 'has' : 'have'}`,
      `openclaw why ${/^j\d+$/.test(holders[0]!) ? holders[0] : holders[0]!.replace(/.* /, '')}`,
    );
  else if (wait.too_soon)
    add(
      `${subject} waits for its time: task ${wait.task} starts one each ${Math.round(wait.interval_ms)} ms, the next at ${timeText(wait.free_at)}`,
    );
  else add(`${subject} is let in by a worker within a second`);
  if (wait.ahead > 0) add(`${wait.ahead} wait before ${subject}`);
  return true;
}

/** What lets a held job or mission go on, by the reason's code. */
const CHANGES: Readonly<Record<string, string>> = {
  quota: 'openclaw policy show quota.tasks',
  budget: 'openclaw cost',
  calls: 'openclaw quota',
  breaker: 'openclaw breakers list',
};

/** What a live job waits for: its time, policy, a worker, its end. */
async function addJob(
  db: Db,
  add: (why: string, move?: string | null) => void,
  id: string,
  subject: string,
): Promise<void> {
  const { rows } = await db.query(
    `select j.id, j.run_at, j.run_at > now() as later, j.attempts, j.max_attempts, j.last_error, j.locked_at, j.locked_by, w.name, w.host, w.pid, w.state as worker_state,
            extract(epoch from now() - w.seen_at)::integer as silent_s, t.identifier, o.pool, c.actor as cancelled_by,
            h.reason as held, h.reason_code as held_code, h.until as held_until,
            (select count(*)::integer from workers l where l.state = 'live' and l.pool = o.pool and l.seen_at > now() - interval '15 seconds') as live,
            (select count(*)::integer from graphile_worker._private_jobs b where b.locked_at is null and b.run_at <= now() and (b.priority, b.run_at, b.id) < (j.priority, j.run_at, j.id)) as ahead
     from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id left join workers w on w.pool_id = j.locked_by
     left join ops_tasks o on o.identifier = t.identifier left join job_cancels c on c.job_id = j.id left join job_holds h on h.job_id = j.id where j.id = $1`,
    [id],
  );
  const job = rows[0];
  if (!job) return add(`${subject} has no job any more`);
  if (job.cancelled_by) add(`${job.cancelled_by} has cancelled it; its worker is stopping it`);
  if (job.locked_by) {
    const where = job.name
      ? `${job.name} (pid ${job.pid} on ${job.host})`
      : `${job.locked_by}, which is no worker of ours`;
    add(`${subject} is held by ${where} since ${timeText(job.locked_at)}`);
    if (job.worker_state === 'live' && job.silent_s > 12)
      add(
        `that worker has not renewed its lease for ${job.silent_s} s; what it holds is given back when its death is proven`,
        'openclaw status',
      );
    if (!job.name) add("a stock worker's locks last 4 hours when it dies");
    return;
  }
  if (job.held)
    add(
      `${subject} is held by policy: ${job.held}${job.held_until ? `; it is asked again at ${timeText(job.held_until)}` : ''}`,
      CHANGES[job.held_code] ?? 'openclaw policy list',
    );
  else if (job.later)
    add(
      `${subject} is due at ${timeText(job.run_at)}${job.last_error ? `, after attempt ${job.attempts} of ${job.max_attempts} failed: ${job.last_error}` : ''}`,
      `openclaw jobs retry j${id}`,
    );
  if (!job.later && job.attempts >= job.max_attempts)
    add(
      `${subject} has no attempts left (${job.attempts} of ${job.max_attempts}): ${job.last_error ?? ''}`,
      `openclaw jobs retry j${id}`,
    );
  if (job.pool === null) add(`no worker knows the task ${job.identifier}`, 'openclaw tasks list');
  else if (job.live === 0) add(`no worker lives for the pool ${job.pool}`, 'openclaw up');
  else if (!job.later && job.attempts < job.max_attempts)
    add(
      `${subject} waits for a free place: ${job.ahead} due jobs are before it, ${job.live} pool${job.live === 1 ? '' : 's'} of ${job.pool} live`,
    );
}

async function whyProposal(db: Db, id: string): Promise<Explained> {
  const { rows } = await db.query('select * from ops_mission_proposals where id = $1', [id]);
  const p = rows[0];
  if (!p) throw notFound(`proposal p${id}`);
  const reasons: Reason[] = [];
  if (p.reason_code || p.reason)
    reasons.push({ why: [p.reason_code, p.reason].filter(Boolean).join(': '), move: null });
  if (p.mission_id) reasons.push({ why: `it became mission m${p.mission_id}`, move: `openclaw why m${p.mission_id}` });
  const asked = await db.query("select id, question from ops_approvals where proposal_id = $1 and state = 'open'", [
    id,
  ]);
  for (const a of asked.rows)
    reasons.push({ why: `a${a.id} waits for an answer: ${a.question}`, move: `openclaw approve a${a.id}` });
  if (p.decided_by) reasons.push({ why: `decided by ${p.decided_by} at ${timeText(p.decided_at)}`, move: null });
  return { state: p.state, reasons };
}

async function addPause(
  db: Db,
  add: (why: string, move?: string | null) => void,
  of: { task: string | null; agent: string | null; mission: string | null },
  only?: string,
): Promise<void> {
  const { rows } = await db.query('select * from paused_by($1, $2, $3)', [of.task, of.agent, of.mission]);
  const control = rows[0];
  if (!control || (only && control.scope !== only)) return;
  const target = control.scope === 'all' ? 'all' : `${control.scope} ${control.target}`;
  add(
    `${target === 'all' ? 'everything' : target} is paused by ${control.actor} since ${timeText(control.since)}${control.reason ? `: ${control.reason}` : ''}`,
    `openclaw resume ${target}`,
  );
}

async function addBreaker(db: Db, add: (why: string, move?: string | null) => void, name: string): Promise<void> {
  const { rows } = await db.query("select * from ops_breakers where name = $1 and state <> 'closed'", [name]);
  const breaker = rows[0];
  if (!breaker) return;
  const until = breaker.open_until ? ` until ${timeText(breaker.open_until)}` : '';
  add(
    `breaker ${name} is ${breaker.state}${until}: ${breaker.reason ?? breaker.last_error ?? ''}`,
    `openclaw breakers reset ${name}`,
  );
}

function dedupe(reasons: Reason[]): Reason[] {
  const seen = new Set<string>();
  return reasons.filter(({ why }) => !seen.has(why) && seen.add(why));
}
