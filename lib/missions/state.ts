import { startableSteps } from './dag.ts';
import type { StepFinish } from './runStep.ts';
import type { MissionRow, StepEnd, StepRow } from './types.ts';

/** What a segment knows of its mission; `steps` is changed in place as things happen. */
export interface SegmentState {
  readonly mission: MissionRow;
  readonly steps: StepRow[];
  /** By step id: not before this time of performance.now(). */
  readonly notBefore: Map<string, number>;
  /** Ids of steps whose answer has been gone by. */
  readonly answered: Set<string>;
  /** Ids of the steps that run now. */
  readonly inFlight: Set<string>;
  /** Ended attempts that no checkpoint has yet. */
  readonly finished: StepFinish[];
  cancelRequested: boolean;
  /** The mission's signal_seq as of what is known here: it parks only at this. */
  seen: number;
  /** Something came since: signals and answers are to be read again. */
  poked: boolean;
}

export function openState(mission: MissionRow, steps: StepRow[]): SegmentState {
  const now = performance.now();
  return {
    mission,
    steps,
    notBefore: new Map(steps.map((step) => [step.id, now + step.wait_ms])),
    answered: new Set(),
    inFlight: new Set(),
    finished: [],
    cancelRequested: mission.cancel_requested_by !== null,
    seen: mission.signal_seq,
    poked: false,
  };
}

/** ms until the next ready step may start; Infinity when none is ready. */
export function soonestStartMs({ steps, notBefore }: SegmentState): number {
  return Math.min(...startableSteps(steps).map((step) => notBefore.get(step.id)! - performance.now()));
}

/** The end of a step that did not run. */
export function emptyEnd(
  step: StepRow,
  state: StepEnd['state'],
  errorClass: string | null,
  error: string | null,
): StepEnd {
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
