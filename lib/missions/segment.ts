import type { Queryable } from '../db/index.ts';
import { OpenClawError } from '../errors/index.ts';
import { JobAborted } from '../queue/runJob.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { TaskContext } from '../tasks/types.ts';
import { CLAIM, LOAD_STEPS } from './checkpointStatement.ts';
import { leafSteps, readySteps, strandedSteps, TERMINAL } from './dag.ts';
import { runStep, type StepFinish } from './runStep.ts';
import type { Checkpoint, MissionChange, MissionRow, StepEnd, StepRow } from './types.ts';
import type { CheckpointWriter } from './writer.ts';

/** Steps of one mission that run side by side in one worker. */
const PARALLEL_STEPS = 8;
/** A wait above this parks the mission, so that it holds no worker; below it, parking costs more than waiting. */
const PARK_ABOVE_MS = 5_000;

/** Segments that run in this process, by mission id: where a request to cancel is delivered. */
export const activeSegments = new Map<string, { cancel: () => void }>();

export interface SegmentOptions {
  runtime: TaskRuntime;
  writer: CheckpointWriter;
  missionId: string;
  context: TaskContext;
  /** The pool that holds the job; a claim proves it. */
  poolId: string;
  random?: () => number;
}

export type SegmentResult =
  | { mission: string; state: string; steps: number }
  | { mission: string; state: 'not_claimed' };

/**
 * Runs a mission from its claim until it ends or parks: the steps whose needs are met run side by side, and each change is
 * committed under the claim's epoch before anything follows from it.
 *
 *   claim -> [ collect what finished -> decide -> checkpoint -> start what may start -> wait ]* -> ended | parked | stopped
 *
 * @throws JobAborted when the worker stops: the job is then given back, and another claim goes on.
 */
export async function runSegment(options: SegmentOptions): Promise<SegmentResult> {
  const { runtime, missionId, context } = options;
  const claimed = await claim(runtime.db, missionId, context.job.id, options.poolId);
  if (!claimed) {
    context.log.debug('not claimed: the mission has ended, is paused, or belongs to another job');
    return { mission: missionId, state: 'not_claimed' };
  }
  const segment = createSegment(options, claimed);
  activeSegments.set(missionId, { cancel: segment.cancel });
  try {
    return await segment.run();
  } finally {
    activeSegments.delete(missionId);
  }
}

async function claim(db: Queryable, missionId: string, jobId: string, poolId: string) {
  const { rows } = await db.query<MissionRow>({
    name: 'openclaw_claim',
    text: CLAIM,
    values: [missionId, jobId, poolId],
  });
  if (!rows[0]) return undefined;
  const steps = await db.query<StepRow>({ name: 'openclaw_load_steps', text: LOAD_STEPS, values: [missionId] });
  return { mission: rows[0], steps: steps.rows };
}

function createSegment(
  { runtime, writer, context, random }: SegmentOptions,
  { mission, steps }: { mission: MissionRow; steps: StepRow[] },
) {
  const loadedAt = performance.now();
  const abort = new AbortController();
  const signal = AbortSignal.any([context.signal, abort.signal]);
  const finished: StepFinish[] = [];
  const inFlight = new Set<string>();
  const notBefore = new Map(steps.map((step) => [step.id, loadedAt + step.wait_ms]));
  let cancelRequested = mission.cancel_requested_by !== null;
  let wake: () => void = () => undefined;

  const cancel = () => {
    cancelRequested = true;
    abort.abort(new JobAborted('cancelled', 'the mission was cancelled'));
    wake();
  };
  context.signal.addEventListener('abort', () => wake(), { once: true });

  const start = (step: StepRow) => {
    inFlight.add(step.id);
    void runStep({ runtime, mission, step, steps, jobId: context.job.id, signal, ...(random && { random }) }).then(
      (finish) => {
        inFlight.delete(step.id);
        finished.push(finish);
        wake();
      },
    );
  };

  /** What a dead worker had begun. A repeatable effect runs again; of the others nobody knows whether it happened. */
  const recover = (): StepEnd[] =>
    steps
      .filter((step) => step.state === 'running')
      .flatMap((step) => {
        const task = runtime.registry.tasks.get(step.task);
        if (step.effect !== 'outside' || task?.idempotent) {
          step.state = 'queued';
          return [];
        }
        step.state = 'unknown';
        return [
          {
            ...emptyEnd(step, 'unknown'),
            error_class: 'worker_died',
            error: 'its worker died while it ran; whether its effect happened is unknown',
          },
        ];
      });

  const decide = async (extraEnds: StepEnd[]): Promise<{ checkpoint: Checkpoint; toStart: StepRow[] }> => {
    const checkpoint: Checkpoint = {
      mission: mission.id,
      epoch: mission.epoch,
      ends: extraEnds,
      requeues: [],
      starts: [],
      change: null,
    };
    for (const finish of finished.splice(0)) {
      if ('end' in finish) {
        checkpoint.ends.push(finish.end);
        applyEnd(finish.step, finish.end);
      } else {
        checkpoint.requeues.push(finish.requeue);
        Object.assign(finish.step, {
          state: 'queued',
          attempt: finish.requeue.attempt,
          error_class: finish.requeue.error_class,
          error: finish.requeue.error,
        });
        notBefore.set(finish.step.id, performance.now() + finish.requeue.delay_ms);
      }
    }
    const stopping = context.signal.aborted;
    if (cancelRequested) {
      for (const step of steps.filter((candidate) => candidate.state === 'queued' || candidate.state === 'waiting')) {
        // A step that is requeued in this same statement is ended by the next one.
        if (checkpoint.requeues.some((requeue) => requeue.step === step.id)) continue;
        step.state = 'cancelled';
        checkpoint.ends.push({
          ...emptyEnd(step, 'cancelled'),
          error_class: 'cancelled',
          error: 'the mission was cancelled',
        });
      }
    }
    for (const { step, because } of strandedSteps(steps)) {
      step.state = 'skipped';
      checkpoint.ends.push({
        ...emptyEnd(step, 'skipped'),
        error_class: 'need_failed',
        error: `its need "${because}" did not succeed`,
      });
    }
    const now = performance.now();
    const toStart =
      stopping || cancelRequested
        ? []
        : readySteps(steps).filter(
            (step) =>
              notBefore.get(step.id)! <= now && !checkpoint.requeues.some((requeue) => requeue.step === step.id),
          );
    const begun = toStart.slice(0, PARALLEL_STEPS - inFlight.size);
    for (const step of begun) {
      step.state = 'running';
      step.attempt += 1;
      checkpoint.starts.push({ step: step.id, attempt: step.attempt });
    }
    if (inFlight.size === 0 && begun.length === 0 && checkpoint.requeues.length === 0 && !stopping)
      checkpoint.change = await changeOf();
    return { checkpoint, toStart: begun };
  };

  /** The mission's end, once every step has one; a park, when nothing can go on for a while; else null. */
  const changeOf = async (): Promise<MissionChange | null> => {
    const unknown = steps.filter((step) => step.state === 'unknown');
    if (steps.every((step) => TERMINAL.has(step.state))) {
      if (cancelRequested)
        return missionEnd('cancelled', null, 'cancelled', `cancelled by ${mission.cancel_requested_by ?? 'request'}`);
      if (unknown.length > 0) return park('step_unknown', null);
      const failed = steps.find((step) => step.state === 'failed');
      if (failed) return missionEnd('failed', null, failed.error_class, `step ${failed.name}: ${failed.error}`);
      return succeed();
    }
    const soonest = Math.min(...readySteps(steps).map((step) => notBefore.get(step.id)! - performance.now()));
    if (soonest === Number.POSITIVE_INFINITY) return park(unknown.length > 0 ? 'step_unknown' : 'needs', null);
    return soonest > PARK_ABOVE_MS ? park('backoff', soonest) : null;
  };

  const succeed = async (): Promise<MissionChange> => {
    const outputs = Object.fromEntries(
      steps.map((step) => [step.name, { state: step.state, output: step.output, error: step.error }]),
    );
    if (mission.plan.output === undefined) {
      return missionEnd(
        'succeeded',
        JSON.stringify(Object.fromEntries(leafSteps(steps).map((step) => [step.name, step.output]))),
        null,
        null,
      );
    }
    try {
      const { rows } = await runtime.db.query<{ output: unknown }>(
        'select resolve_paths($1::jsonb, $2::jsonb) as output',
        [
          JSON.stringify(mission.plan.output),
          JSON.stringify({
            input: mission.input,
            mission: { id: mission.id, kind: mission.kind, title: mission.title },
            steps: outputs,
          }),
        ],
      );
      return missionEnd('succeeded', JSON.stringify(rows[0]?.output ?? null), null, null);
    } catch (error) {
      if ((error as { code?: string }).code !== 'OC009') throw error;
      return missionEnd(
        'failed',
        null,
        'E_OUTPUT',
        `every step succeeded, but the plan's output did not resolve: ${(error as Error).message}`,
      );
    }
  };

  const waitForNews = async (): Promise<void> => {
    const soonest = Math.min(...readySteps(steps).map((step) => notBefore.get(step.id)! - performance.now()));
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (finished.length > 0) return wake();
      if (Number.isFinite(soonest) && inFlight.size < PARALLEL_STEPS)
        timer = setTimeout(wake, Math.max(1, Math.ceil(soonest)));
    });
    wake = () => undefined;
  };

  const run = async (): Promise<SegmentResult> => {
    let extraEnds = recover();
    for (;;) {
      const { checkpoint, toStart } = await decide(extraEnds);
      extraEnds = [];
      if (hasWork(checkpoint)) {
        const result = await writer.submit(checkpoint);
        if (!result.accepted) {
          abort.abort(new JobAborted('lease_lost', 'the mission was claimed by another worker'));
          context.log.warn({ epoch: mission.epoch }, 'a checkpoint was fenced: the mission belongs to a later epoch');
          throw new OpenClawError(
            'E_FENCED',
            `mission m${mission.id} was claimed by another worker after epoch ${mission.epoch}`,
          );
        }
        if (checkpoint.change) return { mission: mission.id, state: checkpoint.change.state, steps: steps.length };
        for (const step of toStart) start(step);
        if (result.cancelRequested && !cancelRequested) cancel();
      }
      if (context.signal.aborted && inFlight.size === 0 && finished.length === 0) throw context.signal.reason;
      if (finished.length > 0 || checkpoint.requeues.length > 0) continue;
      if (inFlight.size > 0 || !context.signal.aborted) await waitForNews();
    }
  };

  return { run, cancel };
}

function hasWork({ ends, requeues, starts, change }: Checkpoint): boolean {
  return ends.length + requeues.length + starts.length > 0 || change !== null;
}

function applyEnd(step: StepRow, end: StepEnd): void {
  Object.assign(step, {
    state: end.state,
    output: end.output === null ? null : JSON.parse(end.output),
    error_class: end.error_class,
    error: end.error,
    untrusted: end.untrusted,
  });
}

function emptyEnd(step: StepRow, state: StepEnd['state']): StepEnd {
  return {
    step: step.id,
    state,
    output: null,
    error_class: null,
    error: null,
    untrusted: step.untrusted,
    duration_ms: null,
    input_bytes: null,
  };
}

function park(reason: string, wakeMs: number | null): MissionChange {
  return { state: 'waiting', wait_reason: reason, wake_ms: wakeMs, output: null, error_class: null, error: null };
}

function missionEnd(
  state: 'succeeded' | 'failed' | 'cancelled',
  output: string | null,
  errorClass: string | null,
  error: string | null,
): MissionChange {
  return { state, wait_reason: null, wake_ms: null, output, error_class: errorClass, error };
}
