/** Rows as a segment reads them; columns are explained in the schema's comments. */
export interface MissionRow {
  id: string;
  kind: string;
  title: string;
  state: string;
  plan: { output?: unknown };
  input: Record<string, unknown>;
  epoch: number;
  untrusted: boolean;
  trace_id: string;
  cancel_requested_by: string | null;
}

export type StepState = 'queued' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped' | 'cancelled' | 'unknown';

export interface StepRow {
  id: string;
  name: string;
  position: number;
  task: string;
  payload: Record<string, unknown>;
  needs: string[];
  state: StepState;
  attempt: number;
  max_attempts: number;
  timeout_ms: number;
  effect: 'read' | 'write' | 'outside';
  idempotency_key: string;
  epoch: number;
  output: unknown;
  error_class: string | null;
  error: string | null;
  untrusted: boolean;
  /** ms from now, by the database's clock, until it may start; 0 or less: now. */
  wait_ms: number;
}

/** The end of a step: its one outcome. */
export interface StepEnd {
  step: string;
  state: 'succeeded' | 'failed' | 'skipped' | 'cancelled' | 'unknown';
  /** JSON text. */
  output: string | null;
  error_class: string | null;
  error: string | null;
  untrusted: boolean;
  duration_ms: number | null;
  input_bytes: number | null;
}

/** A step goes back to `queued`: after a failed attempt, or because its worker stops (the attempt is then refunded). */
export interface StepRequeue {
  step: string;
  attempt: number;
  delay_ms: number;
  error_class: string | null;
  error: string | null;
}

export interface StepStart {
  step: string;
  attempt: number;
}

export interface MissionChange {
  state: 'waiting' | 'succeeded' | 'failed' | 'cancelled';
  wait_reason: string | null;
  /** ms until a parked mission is woken; null: somebody else wakes it. */
  wake_ms: number | null;
  output: string | null;
  error_class: string | null;
  error: string | null;
}

/** Everything that one segment writes at once, under the fence of its epoch: all of it, or nothing. */
export interface Checkpoint {
  mission: string;
  epoch: number;
  ends: StepEnd[];
  requeues: StepRequeue[];
  starts: StepStart[];
  change: MissionChange | null;
}

export interface CheckpointResult {
  /** False: the mission belongs to another epoch; nothing was written. */
  accepted: boolean;
  cancelRequested: boolean;
  /** False: it is still this epoch's, but has ended or been parked by another hand (a cancel): nothing of it may start. */
  open: boolean;
}
