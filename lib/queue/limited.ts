import { keyBy, type TaskLimits } from '../tasks/limits.ts';
import { JobAborted } from './run.ts';
import type { JobRunnerOptions } from './runJob.ts';

/** The job is not this pool's any more: it waits for a place of its task, or was given to another. */
export class JobGone extends Error {}

type Verdict = 'run' | 'later' | 'wait' | 'gone';

/**
 * Before a job of a limited task starts. Most have their place already, since they were fetched for it; what came by another
 * way (a key, a schedule, a time, plain graphile-worker) gets one here, or waits outside of graphile-worker's table.
 *
 * @throws JobGone, and JobAborted where its time by the rate has not come.
 */
export async function beginLimitedJob(
  limits: TaskLimits,
  payload: unknown,
  jobId: string,
  { runtime, poolId }: JobRunnerOptions,
): Promise<void> {
  const { rows } = await runtime.db.query<{ verdict: Verdict; wait_ms: number | null }>(
    'select * from begin_limited_job($1, $2, $3)',
    [jobId, poolId(), keyBy(limits, payload)],
  );
  const { verdict, wait_ms } = rows[0]!;
  if (verdict === 'gone') throw new JobGone('it waits for a place of its task');
  if (verdict === 'later') throw new JobAborted('paused', "not yet, by the task's rate", Math.ceil(wait_ms!));
}

/** The same for a step. Null: it may start; else after how many ms it may ask again, Infinity when its mission is woken for it. */
export async function beginLimitedStep(
  limits: TaskLimits,
  payload: unknown,
  step: { id: string; epoch: number },
  db: JobRunnerOptions['runtime']['db'],
): Promise<number | null> {
  const { rows } = await db.query<{ verdict: Verdict; wait_ms: number | null }>(
    'select * from begin_limited_step($1, $2, $3::jsonb, $4)',
    [step.id, step.epoch, JSON.stringify(payload), keyBy(limits, payload)],
  );
  const { verdict, wait_ms } = rows[0]!;
  if (verdict === 'wait') return Number.POSITIVE_INFINITY;
  return verdict === 'later' ? Math.ceil(wait_ms!) : null;
}
