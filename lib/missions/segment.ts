import { setImmediate } from 'node:timers/promises';
import { OpenClawError } from '../errors/index.ts';
import { JobAborted } from '../queue/runJob.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { TaskContext } from '../tasks/types.ts';
import { claimOrPark } from './claimOrPark.ts';
import { goByAnswers, hasWork, nextCheckpoint, PARALLEL_STEPS, recoverSteps, takeAnswers } from './decide.ts';
import type { Recorder } from './durable/index.ts';
import { loadSteps } from './loadSteps.ts';
import { missionChange } from './missionChange.ts';
import { createNews } from './news.ts';
import { PendingCheckpoints } from './pending.ts';
import { askAbout, stepsToAsk } from './questions.ts';
import { runsAhead } from './runAhead.ts';
import { RunningSteps } from './runningSteps.ts';
import { openState, pauseOf, type SegmentState, soonestStartMs } from './state.ts';
import type { Checkpoint, CheckpointResult, MissionChange, StepEnd, StepRow } from './types.ts';
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

/** Turns of a segment between looks at timers, sockets and notifications. */
const TURNS_AT_ONCE = 16;

/**
 * Runs a mission from its claim until it ends or parks: the steps whose needs are met run side by side, and each change is
 * committed under the claim's epoch, before anything follows from it that changes something.
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

function createSegment(
  { runtime, writer, recorder, context, random }: SegmentOptions,
  state: SegmentState,
  begunByClaim: StepRow[],
): Segment {
  const { mission, steps, inFlight, finished } = state;
  const news = createNews();
  const taskOf = (task: string) => runtime.registry.tasks.get(task);
  const running = new RunningSteps(
    state,
    {
      runtime,
      recorder,
      taken: new Set<string>(),
      mission,
      steps,
      onNews: (signalSeq, cancelRequested) => {
        if (cancelRequested && !state.cancelRequested) cancel();
        poke(signalSeq);
      },
      seen: () => state.seen,
      uncommitted: state.uncommitted,
      jobId: context.job.id,
      ...(random && { random }),
    },
    context.log,
    news.tell,
  );
  const start = (step: StepRow) => running.start(step);

  const onStop = () => {
    const { reason } = context.signal;
    running.abort(reason instanceof JobAborted ? reason : new JobAborted('stopping', 'the worker is stopping'));
    news.tell();
  };
  if (context.signal.aborted) onStop();
  else context.signal.addEventListener('abort', onStop, { once: true });

  const cancel = () => {
    state.cancelRequested = true;
    running.abort(new JobAborted('cancelled', 'the mission was cancelled'));
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
    running.abortPaused();
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
    running.abort(new JobAborted('lease_lost', 'the mission was claimed by another worker'));
    context.log.warn({ epoch: mission.epoch }, 'a checkpoint was fenced: the mission belongs to a later epoch');
    return new OpenClawError(
      'E_FENCED',
      `mission m${mission.id} was claimed by another worker after epoch ${mission.epoch}`,
    );
  };

  /** What came since this segment looked: answers, and for durable functions also signals and ends. */
  const readNews = async () => {
    state.poked = false;
    await running.lookAgain();
    takeAnswers(state, await loadSteps(runtime.db, mission.id));
  };

  const isOfFunction = ({ step: id }: StepEnd) => {
    const step = steps.find((own) => own.id === id);
    return step !== undefined && taskOf(step.task)?.durable === true;
  };

  /** What a durable function that ends has left open ends with it. */
  const closeFunctions = (ends: StepEnd[]) =>
    runtime.db.query('select close_function_steps($1, $2, $3)', [
      mission.id,
      mission.epoch,
      ends.map(({ step }) => step),
    ]);

  /** Everything that was written is committed. @returns whether the mission has so ended or parked. */
  const settled = async (change: MissionChange | null): Promise<boolean> => {
    await pending.settled();
    if (lost) throw lost;
    if (change === null || closed) return false;
    // What it would have waited for came before it parked: it did not.
    return change.state !== 'waiting' || answered?.signalSeq === change.seen;
  };

  /** With the database away nothing is known of pauses, and nothing starts before a commit comes through. */
  const notConfirmed = (error: unknown) => {
    context.log.debug({ err: error }, 'what is paused could not be read');
    return false;
  };

  /** By step id: how many steps it followed. */
  const ranAhead = new Map<string, number>();
  const isOver = () => lost !== undefined || closed || pending.hasFailed;

  /** What a step did that changes something does not depend on whether a later output can be stored. */
  const write = (checkpoint: Checkpoint) => {
    pending.add(checkpoint);
    const changes = ({ step: id }: StepEnd) => steps.some((step) => step.id === id && step.effect !== 'read');
    if (checkpoint.ends.some(changes)) pending.seal();
  };

  /** The mission ends in the transaction of its last step; where that cannot be told, the step's end is not lost. */
  const changeAfter = (checkpoint: Checkpoint) =>
    missionChange(state, runtime.paths).catch((error: unknown) => {
      if (hasWork(checkpoint)) write(checkpoint);
      throw error;
    });

  /** A pause may have come while its start was being committed: the attempt did not count. */
  const startUnlessPaused = (step: StepRow) => {
    if (pauseOf(state, step) === undefined) return start(step);
    const { error_class, error } = step;
    const attempt = step.attempt - 1;
    finished.push({ step, requeue: { step: step.id, state: 'queued', attempt, delay_ms: 0, error_class, error } });
    news.tell();
  };

  const run = async (): Promise<SegmentResult> => {
    for (const step of begunByClaim) start(step);
    let ends = recoverSteps(state, taskOf);
    for (let turn = 1; !isOver(); turn++) {
      // Steps that do nothing would take turn after turn without a look at anything else.
      if (turn % TURNS_AT_ONCE === 0) await setImmediate();
      const stopping = context.signal.aborted;
      const asking = runtime.controls?.confirm();
      const confirmed = asking === undefined || (await asking.then(() => true, notConfirmed));
      if (state.poked) await readNews();
      if (isOver()) break;
      ends.push(...goByAnswers(state));
      const { checkpoint, begun } = nextCheckpoint(state, ends, stopping);
      ends = [];
      for (const end of checkpoint.ends) {
        state.uncommitted.add(end.step);
        const behind = ranAhead.get(end.step);
        if (behind !== undefined) end.follows = behind;
      }
      const toAsk = stopping ? [] : stepsToAsk(state);
      const ahead = begun.filter((step) => confirmed && runsAhead(mission, step, taskOf(step.task)));
      for (const step of ahead) {
        ranAhead.set(step.id, step.needs.length);
        start(step);
      }
      const { requeues } = checkpoint;
      const ending = checkpoint.ends.filter(isOfFunction);
      if (requeues.length > 0) await pending.settled();
      if (ending.length > 0) await closeFunctions(ending);
      const idle = inFlight.size + begun.length + requeues.length + toAsk.length === 0;
      if (idle && !stopping) checkpoint.change = await changeAfter(checkpoint);
      // What came meanwhile may be what it would wait for.
      if (checkpoint.change?.state === 'waiting' && state.poked) checkpoint.change = null;
      const { change } = checkpoint;
      if (hasWork(checkpoint)) write(checkpoint);
      const follows =
        stopping ||
        change ||
        ending.length > 0 ||
        requeues.length > 0 ||
        begun.length > ahead.length ||
        toAsk.length > 0;
      if ((follows || pending.isFull) && (await settled(change)))
        return { mission: mission.id, state: change!.state, steps: steps.length };
      if (isOver()) break;
      for (const step of begun) if (!ahead.includes(step)) startUnlessPaused(step);
      if (stopping && inFlight.size === 0 && finished.length === 0) throw context.signal.reason;
      for (const step of toAsk) if (!(await askAbout(runtime.db, state, step))) throw fenced();
      if (requeues.length > 0 || toAsk.length > 0 || state.poked) continue;
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
        running.abort(new JobAborted('lease_lost', 'the segment has ended'));
        // Bounded: a step that ignores its signal is given up by runStep.
        while (inFlight.size > 0) await news.wait(Number.POSITIVE_INFINITY);
      }
      // Not beside the next claim, which would take what is on its way for something that never ended. Bounded by the writer's retries.
      await pending
        .settled()
        .catch((error: unknown) => context.log.warn({ err: error }, 'a checkpoint was not stored'));
    }
  };

  return { run: runToEnd, cancel, poke, controlsChanged };
}
