import type { TaskRuntime } from '../../tasks/runtime.ts';
import type { LoadedTask } from '../../tasks/types.ts';
import type { Asked, MissionRow, StepRow } from '../types.ts';
import type { Recorder, StepRecord } from './recorder.ts';

export interface DurableOptions {
  runtime: TaskRuntime;
  recorder: Recorder;
  mission: MissionRow;
  /** The step whose function it is. */
  body: StepRow;
  task: LoadedTask;
  jobId: string;
  signal: AbortSignal;
  /** Ids of signals that another function of this mission has taken in this segment. */
  taken: Set<string>;
  /** Told of what a record's answer says: the mission's signal_seq, and whether it is to be cancelled. */
  onNews: (signalSeq: number, cancelRequested: boolean) => void;
  /** The mission's signal_seq as the segment knows it. */
  seen: () => number;
  random?: () => number;
}

/** How a run of the function ended: with its value or error; waiting; aborted by its signal; or fenced. */
export type DurableFinish =
  | { kind: 'returned'; value: unknown }
  | { kind: 'threw'; error: unknown }
  | { kind: 'suspended'; wakeMs: number | null; reason: string }
  | { kind: 'aborted' }
  | { kind: 'lost' };

/** A step of the function as it is recorded. */
export interface RecordedStep {
  id: string;
  name: string;
  kind: StepRecord['kind'];
  task: string;
  payload: Record<string, unknown>;
  state: StepRecord['state'] | 'skipped';
  attempt: number;
  max_attempts: number;
  output: unknown;
  error_class: string | null;
  error: string | null;
  wait_ms: number | null;
  asked: Asked | null;
  /** Of an invoked mission that has ended. */
  child: { state: string; output: unknown; error: string | null } | null;
}

export interface Signal {
  id: string;
  name: string;
  payload: unknown;
}
