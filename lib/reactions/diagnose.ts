import type { Queryable } from '../db/index.ts';
import { PermanentError } from '../tasks/index.ts';

export interface Diagnosis {
  mission: string;
  kind: string;
  title: string;
  state: string;
  error: string | null;
  /** Steps that did not succeed, as they stand. */
  steps: {
    step: string;
    task: string;
    state: string;
    attempts: number;
    error_class: string | null;
    error: string | null;
  }[];
  /** Of the last 7 days: missions of this kind, and how many of them failed. */
  recent: { missions: number; failed: number };
  /** Steps of whatever mission that failed with the same text (numbers aside), in the last 7 days. */
  same_error: number;
  last_success: string | null;
  next: string;
}

/** What is known about a mission that failed: facts from its rows, and the command that goes on. @throws E_NOT_FOUND. */
export async function diagnose(db: Queryable, mission: string): Promise<Diagnosis> {
  const { rows } = await db.query<Omit<Diagnosis, 'next' | 'mission'>>(
    `select m.kind, m.title, m.state, m.error,
       coalesce((select jsonb_agg(jsonb_build_object('step', s.name, 'task', s.task, 'state', s.state, 'attempts', s.attempt, 'error_class', s.error_class, 'error', left(s.error, 1000)) order by s.position)
                 from ops_mission_steps s where s.mission_id = m.id and s.state in ('failed', 'unknown', 'skipped', 'cancelled')), '[]') as steps,
       (select jsonb_build_object('missions', count(*), 'failed', count(*) filter (where o.state = 'failed'))
        from ops_missions o where o.kind = m.kind and o.created_at > clock_now() - interval '7 days') as recent,
       (select count(*)::integer from ops_outcome_rows o
        where o.created_at > clock_now() - interval '7 days'
          and o.error_fingerprint in (select f.error_fingerprint from ops_outcome_rows f where f.mission_id = m.id and f.error_fingerprint is not null)) as same_error,
       (select max(o.finished_at)::text from ops_missions o where o.kind = m.kind and o.state = 'succeeded') as last_success
     from ops_missions m where m.id = $1`,
    [mission],
  );
  const found = rows[0];
  if (!found) {
    throw new PermanentError('E_NOT_FOUND', `there is no mission m${mission}`, { remedy: 'openclaw missions list' });
  }
  return { mission: `m${mission}`, ...found, next: `openclaw missions show m${mission}` };
}
