import type { LoadedTask } from '../tasks/types.ts';
import { isSuspended, strandedSteps } from './dag.ts';
import { HELD_BY_LIMIT } from './runStep.ts';
import { allowedSteps, emptyEnd, type SegmentState } from './state.ts';
import type { Asked, Checkpoint, StepEnd, StepRow } from './types.ts';

/** Steps of one mission that run side by side in one worker. */
export const PARALLEL_STEPS = 8;

/** A death of the worker is no failure of the step, but what kills its worker would do so for ever: two starts more than it has attempts. */
const DEATHS_BEYOND_ATTEMPTS = 2;

/**
 * What a dead worker had begun: `running` at the time of the claim. A repeatable effect runs again; of the others nobody
 * knows whether it happened, and only a person can say.
 */
export function recoverSteps(
  state: SegmentState,
  taskOf: (task: string) => Pick<LoadedTask, 'idempotent' | 'durable'> | undefined,
): StepEnd[] {
  const ends: StepEnd[] = [];
  for (const step of state.steps.filter(({ id, state: was }) => was === 'running' && !state.inFlight.has(id))) {
    const task = taskOf(step.task);
    // Of a durable function the steps count for themselves; one that came to a further step does not kill its worker by itself.
    if (task?.durable && step.progressed) step.attempt -= 1;
    if (step.attempt >= step.max_attempts + DEATHS_BEYOND_ATTEMPTS) {
      const end = emptyEnd(step, 'failed', 'poison', `its worker died while it ran, after ${step.attempt} starts`);
      ends.push(end);
      Object.assign(step, { state: 'failed', error_class: end.error_class, error: end.error });
    } else if (step.effect !== 'outside' || task?.idempotent || task?.durable) {
      step.state = 'queued';
    } else {
      step.state = 'unknown';
      ends.push(
        emptyEnd(
          step,
          'unknown',
          'worker_died',
          'its worker died while it ran; whether its effect happened is unknown',
        ),
      );
    }
  }
  return ends;
}

/** What stands in the database now: answers, and what may look again. */
export function takeAnswers(state: SegmentState, now: readonly StepRow[]): void {
  const ready = (step: StepRow) => void state.notBefore.set(step.id, performance.now());
  for (const { id, asked } of now) {
    const step = state.steps.find((own) => own.id === id);
    if (step?.state === 'queued' && step.error_class === HELD_BY_LIMIT) ready(step);
    if (!step || !(step.state === 'waiting' || step.state === 'unknown')) continue;
    step.asked = asked;
    if (isSuspended(step)) ready(step);
  }
}

/**
 * What people said of steps that wait for them: `approve` lets a step start, anything else fails it; of a step whose effect is
 * unknown they say done, retry or fail.
 */
export function goByAnswers(state: SegmentState): StepEnd[] {
  const ends: StepEnd[] = [];
  for (const step of state.steps) {
    const { asked } = step;
    const waitsFor = step.state === 'waiting' ? 'step' : step.state === 'unknown' ? 'unknown' : null;
    if (!asked || asked.state === 'open' || asked.kind !== waitsFor || state.answered.has(step.id)) continue;
    state.answered.add(step.id);
    const end = endOfAnswer(step, asked);
    if (end === null) {
      step.state = 'queued';
      // Should it become unknown again, that is another question.
      if (waitsFor === 'unknown') step.asked = null;
      continue;
    }
    Object.assign(step, { state: end.state, output: asked.output, error_class: end.error_class, error: end.error });
    ends.push(end);
  }
  return ends;
}

/** Null: the step may start. */
function endOfAnswer(step: StepRow, asked: Asked): StepEnd | null {
  if (asked.answer === 'approve' || asked.answer === 'retry') return null;
  const by = `${asked.answered_by ?? 'nobody'}${asked.reason ? `: ${asked.reason}` : ''}`;
  if (asked.kind === 'unknown') {
    return asked.answer === 'done'
      ? { ...emptyEnd(step, 'succeeded', null, null), output: JSON.stringify(asked.output), resolves: true }
      : {
          ...emptyEnd(step, 'failed', 'unknown_failed', `its effect was unknown; taken as failed by ${by}`),
          resolves: true,
        };
  }
  return asked.answer === 'reject'
    ? emptyEnd(step, 'failed', 'rejected', `rejected by ${by}`)
    : emptyEnd(step, 'failed', 'approval_expired', 'nobody approved it in time');
}

/** The next checkpoint, without the mission's own change: what ended, what goes back, what is left out, what starts. */
export function nextCheckpoint(
  state: SegmentState,
  ends: StepEnd[],
  stopping: boolean,
): { checkpoint: Checkpoint; begun: StepRow[] } {
  const checkpoint: Checkpoint = {
    mission: state.mission.id,
    epoch: state.mission.epoch,
    ends,
    requeues: [],
    starts: [],
    change: null,
  };
  collectFinished(state, checkpoint);
  // One statement may not change a step twice: what is requeued here is ended or started by the next.
  const isRequeued = ({ id }: StepRow) => checkpoint.requeues.some((requeue) => requeue.step === id);
  if (state.cancelRequested) {
    for (const step of state.steps.filter(
      (each) => (each.state === 'queued' || each.state === 'waiting') && !isRequeued(each),
    )) {
      step.state = 'cancelled';
      checkpoint.ends.push(emptyEnd(step, 'cancelled', 'cancelled', 'the mission was cancelled'));
    }
  }
  for (const { step, because } of strandedSteps(state.steps)) {
    step.state = 'skipped';
    checkpoint.ends.push(emptyEnd(step, 'skipped', 'need_failed', `its need "${because}" did not succeed`));
  }
  const now = performance.now();
  const may = stopping || state.cancelRequested ? [] : allowedSteps(state);
  const begun = may
    .filter((step) => state.notBefore.get(step.id)! <= now && !isRequeued(step))
    .slice(0, PARALLEL_STEPS - state.inFlight.size);
  for (const step of begun) {
    step.state = 'running';
    step.attempt += 1;
    checkpoint.starts.push({ step: step.id, attempt: step.attempt });
  }
  return { checkpoint, begun };
}

function collectFinished(state: SegmentState, checkpoint: Checkpoint): void {
  for (const finish of state.finished.splice(0)) {
    if ('end' in finish) {
      const { end, step } = finish;
      checkpoint.ends.push(end);
      const output = end.output === null ? null : JSON.parse(end.output);
      Object.assign(step, {
        state: end.state,
        output,
        error_class: end.error_class,
        error: end.error,
        untrusted: end.untrusted,
      });
    } else {
      const { requeue, step } = finish;
      checkpoint.requeues.push(requeue);
      Object.assign(step, {
        state: requeue.state,
        attempt: requeue.attempt,
        error_class: requeue.error_class,
        error: requeue.error,
      });
      const missed = requeue.looked_at !== undefined && requeue.looked_at < state.seen;
      const delayMs = missed ? 0 : (requeue.delay_ms ?? Number.POSITIVE_INFINITY);
      state.notBefore.set(step.id, performance.now() + delayMs);
    }
  }
}

export function hasWork({ ends, requeues, starts, change }: Checkpoint): boolean {
  return ends.length + requeues.length + starts.length > 0 || change !== null;
}
