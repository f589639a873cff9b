import type { Control, ControlState } from '../controls/index.ts';
import { startableSteps } from './dag.ts';
import type { StepFinish } from './runStep.ts';
import type { MissionRow, StepEnd, StepRow } from './types.ts';

/** What a segment knows of its mission; `steps` is changed in place as things happen. */
export interface SegmentState {
  readonly mission: MissionRow;
  readonly steps: StepRow[];
  /** None in a stock worker. */
  readonly controls: ControlState | undefined;
  /** By step id: not before this time of performance.now(). A function that stands still looks once at each claim. */
  readonly notBefore: Map<string, number>;
  /** Ids of steps whose answer has been gone by. */
  readonly answered: Set<string>;
  /** Ids of the steps that run now. */
  readonly inFlight: Set<string>;
  /** Ended attempts that no checkpoint has yet. */
  readonly finished: StepFinish[];
  /** Ids of ended steps whose end is not known to be committed. */
  readonly uncommitted: Set<string>;
  cancelRequested: boolean;
  /** The mission's signal_seq as of what is known here: it parks only at this. */
  seen: number;
  /** Something came since: signals and answers are to be read again. */
  poked: boolean;
}

export function openState(mission: MissionRow, steps: StepRow[], controls?: ControlState): SegmentState {
  const now = performance.now();
  return {
    mission,
    steps,
    controls,
    notBefore: new Map(steps.map((step) => [step.id, step.state === 'waiting' ? now : now + step.wait_ms])),
    answered: new Set(),
    inFlight: new Set(),
    finished: [],
    uncommitted: new Set(),
    cancelRequested: mission.cancel_requested_by !== null,
    seen: mission.signal_seq,
    poked: false,
  };
}

/** ms until the next ready step may start; Infinity when none is ready. */
export function soonestStartMs(state: SegmentState): number {
  let soonest = Number.POSITIVE_INFINITY;
  for (const step of allowedSteps(state)) soonest = Math.min(soonest, state.notBefore.get(step.id)!);
  return soonest - performance.now();
}

/** The startable steps that no pause holds up. */
export function allowedSteps(state: SegmentState): StepRow[] {
  const steps = startableSteps(state.steps);
  return state.controls?.pausesAnything ? steps.filter((step) => pauseOf(state, step) === undefined) : steps;
}

/** What stops the step from starting; a hard one also from going on. */
export function pauseOf({ controls, mission }: SegmentState, step: StepRow): Control | undefined {
  const subject = { agent: mission.agent, mission: mission.id };
  const found = controls?.pausedBy({ ...subject, task: step.task });
  return found?.hard ? found : (controls?.pausedBy({ ...subject, task: 'mission' }) ?? found);
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
