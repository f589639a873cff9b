import { OpenClawError } from '../errors/index.ts';
import { Run } from '../queue/run.ts';
import { JobAborted } from '../queue/runJob.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { TaskContext } from '../tasks/types.ts';
import { isSuspended } from './dag.ts';
import { goByAnswers, hasWork, nextCheckpoint, PARALLEL_STEPS, recoverSteps } from './decide.ts';
import type { DurableRun, Recorder } from './durable/index.ts';
import { loadSteps } from './loadSteps.ts';
import { missionChange } from './missionChange.ts';
import { createNews } from './news.ts';
import { PendingCheckpoints } from './pending.ts';
import { askAbout, stepsToAsk } from './questions.ts';
import { followsFrom, runsAhead } from './runAhead.ts';
import { HELD_BY_LIMIT, runStep, type StepFinish } from './runStep.ts';
import { emptyEnd, openState, pauseOf, type SegmentState, soonestStartMs } from './state.ts';
import type { Checkpoint, CheckpointResult, MissionChange, StepRow } from './types.ts';
import type { CheckpointWriter } from './writer.ts';

/** Segments that run in this process, by mission id: where a cancel is delivered, the news of a signal or an answer, and a pause. */
export const activeSegments = new Map<string, Pick<Segment, 'cancel' | 'poke' | 'controlsChanged'>>();

interface Segment {
  run: () => Promise<SegmentResult>;
  cancel: () => void;
  poke: (signalSeq: number) => void;
  controlsChanged: () => void;
}

export interface SegmentOptions {
  runtime: TaskRuntime;
  writer: CheckpointWriter;
  recorder: Recorder;
  missionId: string;
  context: TaskContext;
  /** The pool that holds the job; a claim proves it. */
  poolId: string;
  random?: () => number;
}

export type SegmentResult =
  | { mission: string; state: string; steps: number }
  | { mission: string; state: 'not_claimed' };

/** Each further one needs a pause or breaker that came and went in between. */
const CLAIM_ATTEMPTS = 3;

/**
 * Runs a mission from its claim until it ends or parks: the steps whose needs are met run side by side, and each change is
 * committed under the claim's epoch before anything follows from it.
 *
 *   claim -> [ read answers -> collect what finished -> decide -> checkpoint -> start what may start -> ask -> wait ]* -> ended | parked | stopped
 *
 * @throws JobAborted when the worker stops: the job is then given back, and another claim goes on.
 */
export async function runSegment(options: SegmentOptions): Promise<SegmentResult> {
  const { runtime, missionId, context } = options;
  const claimed = await claimOrPark(options);
  if (!claimed) {
    context.log.debug('not claimed: the mission has ended, is paused, or belongs to another job');
    return { mission: missionId, state: 'not_claimed' };
  }
  const steps = claimed.steps ?? (await loadSteps(runtime.db, missionId));
  const begun = steps.filter((step) => claimed.begun.includes(step.id));
  const segment = createSegment(options, openState(claimed.mission, steps, runtime.controls), begun);
  activeSegments.set(missionId, segment);
  try {
    return await segment.run();
  } finally {
    // The next segment of it may run here already.
    if (activeSegments.get(missionId) === segment) activeSegments.delete(missionId);
  }
}

/**
 * A pause that came after the job's start, or the breaker of its kind, parks the mission, so that no job of it spins. When that
 * has just ended as well, nothing is left to park for and nobody else would come: the claim is asked for again.
 */
async function claimOrPark({ runtime, writer, missionId, context, poolId }: SegmentOptions) {
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
    const claimed = await writer.claim({ mission: missionId, job: context.job.id, pool: poolId });
    if (claimed) return claimed;
    const { rows } = await runtime.db.query<{ parked: boolean }>(
      'select park_paused($1, $2) or park_broken($1, $2) as parked',
      [missionId, context.job.id],
    );
    if (rows[0]!.parked) return undefined;
  }
  return undefined;
}

function createSegment(
  { runtime, writer, recorder, context, random }: SegmentOptions,
  state: SegmentState,
  begunByClaim: StepRow[],
): Segment {
  const { mission, steps, inFlight, finished } = state;
  const news = createNews();
  const running = new Map<StepRow, Run>();
  let aborted: JobAborted | undefined;
  /** What runs now, and what would still start. */
  const abort = (reason: JobAborted) => {
    aborted ??= reason;
    for (const own of running.values()) own.abort(reason);
  };
  const taskOf = (task: string) => runtime.registry.tasks.get(task);
  const taken = new Set<string>();
  const functions = new Map<string, DurableRun>();
  const onStop = () => {
    const { reason } = context.signal;
    abort(reason instanceof JobAborted ? reason : new JobAborted('stopping', 'the worker is stopping'));
    news.tell();
  };
  if (context.signal.aborted) onStop();
  else context.signal.addEventListener('abort', onStop, { once: true });

  const cancel = () => {
    state.cancelRequested = true;
    abort(new JobAborted('cancelled', 'the mission was cancelled'));
    news.tell();
  };

  const poke = (signalSeq: number) => {
    if (signalSeq <= state.seen) return;
    // Set before anything is read: what comes while it is read raises it again.
    state.seen = signalSeq;
    state.poked = true;
    news.tell();
  };

  const controlsChanged = () => {
    for (const [step, own] of running) {
      const control = pauseOf(state, step);
      if (control?.hard) own.abort(new JobAborted('paused', `paused: ${control.scope} ${control.target}`));
    }
    news.tell();
  };

  let lost: OpenClawError | undefined;
  /** It has ended or been parked by another hand. */
  let closed = false;
  let answered: CheckpointResult | undefined;
  const pending = new PendingCheckpoints(writer, {
    answer: (result, { ends }) => {
      answered = result;
      for (const { step } of ends) state.uncommitted.delete(step);
      if (!result.accepted) lost ??= fenced();
      if (!result.open) closed = true;
      if (lost || closed) news.tell();
      if (result.cancelRequested && !state.cancelRequested) cancel();
      poke(result.signalSeq);
    },
    failure: news.tell,
  });

  const fenced = (): OpenClawError => {
    abort(new JobAborted('lease_lost', 'the mission was claimed by another worker'));
    context.log.warn({ epoch: mission.epoch }, 'a checkpoint was fenced: the mission belongs to a later epoch');
    return new OpenClawError(
      'E_FENCED',
      `mission m${mission.id} was claimed by another worker after epoch ${mission.epoch}`,
    );
  };

  /** What came since this segment looked: answers, and for durable functions also signals and ends. */
  const readNews = async () => {
    state.poked = false;
    await Promise.all([...functions.values()].map((run) => run.look()));
    const now = await loadSteps(runtime.db, mission.id);
    for (const { id, asked } of now) {
      const step = steps.find((own) => own.id === id);
      if (step?.state === 'queued' && step.error_class === HELD_BY_LIMIT)
        state.notBefore.set(step.id, performance.now());
      if (!step || !(step.state === 'waiting' || step.state === 'unknown')) continue;
      step.asked = asked;
      if (isSuspended(step)) state.notBefore.set(step.id, performance.now());
    }
  };

  const start = (step: StepRow) => {
    inFlight.add(step.id);
    const own = new Run(step.id, step.task);
    running.set(step, own);
    if (aborted) own.abort(aborted);
    const onNews = (signalSeq: number, cancelRequested: boolean) => {
      if (cancelRequested && !state.cancelRequested) cancel();
      poke(signalSeq);
    };
    const onDurable = (run: DurableRun) => void functions.set(step.id, run);
    const shared = {
      runtime,
      recorder,
      taken,
      onNews,
      onDurable,
      seen: () => state.seen,
      uncommitted: state.uncommitted,
      jobId: context.job.id,
      own,
      ...(random && { random }),
    };
    void runStep({ ...shared, mission, step, steps })
      .catch((error: unknown): StepFinish => {
        context.log.error({ step: step.name, err: error }, 'a step ended in a way that is not provided for');
        return { step, end: emptyEnd(step, 'failed', 'E_UNREADABLE', 'the error of the step could not be read') };
      })
      .then((finish) => {
        inFlight.delete(step.id);
        running.delete(step);
        functions.delete(step.id);
        finished.push(finish);
        news.tell();
      });
  };

  /** Everything that was written is committed. @returns whether the mission has so ended or parked. */
  const settled = async (change: MissionChange | null): Promise<boolean> => {
    await pending.settled();
    if (lost) throw lost;
    if (change === null || closed) return false;
    // What it would have waited for came before it parked: it did not.
    return change.state !== 'waiting' || answered?.signalSeq === change.seen;
  };

  /** With the database away nothing is known of pauses, and nothing starts before a commit comes through. */
  const isConfirmed = async (): Promise<boolean> => {
    try {
      await runtime.controls?.confirm();
      return true;
    } catch (error) {
      context.log.debug({ err: error }, 'what is paused could not be read');
      return false;
    }
  };

  const run = async (): Promise<SegmentResult> => {
    for (const step of begunByClaim) start(step);
    let ends = recoverSteps(state, taskOf);
    while (!(lost || closed || pending.hasFailed)) {
      const stopping = context.signal.aborted;
      const confirmed = await isConfirmed();
      if (state.poked) await readNews();
      ends.push(...goByAnswers(state));
      const { checkpoint, begun } = nextCheckpoint(state, ends, stopping);
      ends = [];
      for (const { step } of checkpoint.ends) state.uncommitted.add(step);
      const toAsk = stopping ? [] : stepsToAsk(state);
      const idle = inFlight.size === 0 && begun.length === 0 && checkpoint.requeues.length === 0 && toAsk.length === 0;
      if (idle && !stopping) checkpoint.change = await missionChange(state, runtime.paths);
      const ahead = new Set(begun.filter((step) => confirmed && runsAhead(mission, step, taskOf(step.task))));
      for (const step of ahead) start(step);
      const isWaitedFor = stopping || followsFrom(checkpoint, begun.length - ahead.size, toAsk) || pending.isFull;
      if (checkpoint.requeues.length > 0) await pending.settled();
      const endsFunction = await closeSteps(runtime, checkpoint, steps);
      if (hasWork(checkpoint)) pending.add(checkpoint);
      if ((isWaitedFor || endsFunction) && (await settled(checkpoint.change)))
        return { mission: mission.id, state: checkpoint.change!.state, steps: steps.length };
      if (lost || closed) continue;
      for (const step of begun) if (!ahead.has(step)) start(step);
      if (stopping && inFlight.size === 0 && finished.length === 0) throw context.signal.reason;
      for (const step of toAsk) if (!(await askAbout(runtime.db, state, step))) throw fenced();
      if (checkpoint.requeues.length > 0 || toAsk.length > 0 || state.poked) continue;
      const mayStart = !stopping && inFlight.size < PARALLEL_STEPS;
      await news.wait(mayStart ? soonestStartMs(state) : Number.POSITIVE_INFINITY);
    }
    await settled(null);
    return { mission: mission.id, state: 'ended_elsewhere', steps: steps.length };
  };

  /** However it ends, no step of it goes on beside the next claim's. */
  const runToEnd = async (): Promise<SegmentResult> => {
    try {
      return await run();
    } finally {
      if (inFlight.size > 0) {
        abort(new JobAborted('lease_lost', 'the segment has ended'));
        // Bounded: a step that ignores its signal is given up by runStep.
        while (inFlight.size > 0) await news.wait(Number.POSITIVE_INFINITY);
      }
    }
  };

  return { run: runToEnd, cancel, poke, controlsChanged };
}

/** What a durable function that ends has left open ends with it. @returns whether one ends. */
async function closeSteps(
  { db, registry }: TaskRuntime,
  { ends, mission, epoch }: Checkpoint,
  steps: readonly StepRow[],
): Promise<boolean> {
  const durable = (id: string) => registry.tasks.get(steps.find((step) => step.id === id)?.task ?? '')?.durable;
  const parents = ends.filter((end) => durable(end.step)).map((end) => end.step);
  if (parents.length > 0) await db.query('select close_function_steps($1, $2, $3)', [mission, epoch, parents]);
  return parents.length > 0;
}
