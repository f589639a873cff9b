import type { Queryable } from '../db/index.ts';
import type { StepRow } from './types.ts';

/** Loaded by a statement of its own, after the claim: in the claim's statement they would be as old as its snapshot. */
const LOAD_STEPS = `
select s.mission_id::text as mission, s.id, s.name, s.position, s.task, s.payload, s.needs, s.state, s.attempt, s.max_attempts, s.timeout_ms, s.effect, s.idempotency_key, s.epoch, s.output,
       s.error_class, s.error, s.untrusted, coalesce(extract(epoch from s.wake_at - clock_now()) * 1000, 0)::float8 as wait_ms, s.approval,
       case when s.approval_id is not null then (select to_jsonb(a) from ops_approvals a where a.id = s.approval_id) end as asked, s.version,
       s.state = 'running' and s.version is not null
         and exists (select from ops_mission_steps c where c.parent_step_id = s.id and c.epoch = s.epoch and c.finished_at is not null) as progressed
from ops_mission_steps s where s.mission_id = any ($1::bigint[]) and s.parent_step_id is null order by s.mission_id, s.position`;

interface Asked {
  mission: string;
  resolve: (steps: StepRow[]) => void;
  reject: (error: unknown) => void;
}

/** By connection pool: who waits. There while one asks. */
const waiting = new WeakMap<Queryable, Asked[]>();
/** Of missions asked for together. */
const TOGETHER = 100;

/**
 * The steps of a mission that was claimed before, as they are after the call. A worker that starts again takes up all that it ran
 * at once: those that ask while others are being loaded are loaded together, so that they do not open a connection each.
 */
export function loadSteps(db: Queryable, mission: string): Promise<StepRow[]> {
  return new Promise((resolve, reject) => {
    const asked = { mission, resolve, reject };
    const others = waiting.get(db);
    if (others) others.push(asked);
    else {
      const queue = [asked];
      waiting.set(db, queue);
      // What else is asked for in this turn of the loop comes along.
      setImmediate(() => void loadInTurn(db, queue));
    }
  });
}

async function loadInTurn(db: Queryable, queue: Asked[]): Promise<void> {
  while (queue.length > 0) {
    const group = new Map<string, Asked>();
    const left: Asked[] = [];
    // One a mission: each who asks gets rows of its own, which it will change.
    for (const asked of queue) {
      if (group.size >= TOGETHER || group.has(asked.mission)) left.push(asked);
      else group.set(asked.mission, asked);
    }
    queue.splice(0, queue.length, ...left);
    try {
      const { rows } = await db.query<StepRow & { mission: string }>({
        name: 'openclaw_load_steps',
        text: LOAD_STEPS,
        values: [[...group.keys()]],
      });
      const steps = Map.groupBy(rows, ({ mission }) => mission);
      for (const { mission, resolve } of group.values()) resolve(steps.get(mission) ?? []);
    } catch (error) {
      for (const { reject } of group.values()) reject(error);
    }
  }
  waiting.delete(db);
}
