import { readySteps } from './dag.ts';
import type { StepFinish } from './runStep.ts';
import type { MissionRow, StepEnd, StepRow } from './types.ts';

/** What a segment knows of its mission; `steps` is changed in place as things happen. */
export interface SegmentState {
  readonly mission: MissionRow;
  readonly steps: StepRow[];
  /** By step id: not before this time of performance.now(). */
  readonly notBefore: Map<string, number>;
  /** Ids of the steps that run now. */
  readonly inFlight: Set<string>;
  /** Ended attempts that no checkpoint has yet. */
  readonly finished: StepFinish[];
  cancelRequested: boolean;
}

export function openState(mission: MissionRow, steps: StepRow[]): SegmentState {
  const now = performance.now();
  return {
    mission,
    steps,
    notBefore: new Map(steps.map((step) => [step.id, now + step.wait_ms])),
    inFlight: new Set(),
    finished: [],
    cancelRequested: mission.cancel_requested_by !== null,
  };
}

/** ms until the next ready step may start; Infinity when none is ready. */
export function soonestStartMs({ steps, notBefore }: SegmentState): number {
  return Math.min(...readySteps(steps).map((step) => notBefore.get(step.id)! - performance.now()));
}

/** The end of a step that did not run. */
export function emptyEnd(step: StepRow, state: StepEnd['state'], errorClass: string, error: string): StepEnd {
  return {
    step: step.id,
    state,
    output: null,
    error_class: errorClass,
    error,
    untrusted: step.untrusted,
    duration_ms: null,
    input_bytes: null,
  };
}
