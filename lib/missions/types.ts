import type { Duration } from '../tasks/duration.ts';

/** Rows as a segment reads them; columns are explained in the schema's comments. */
export interface MissionRow {
  id: string;
  kind: string;
  title: string;
  state: string;
  plan: { output?: unknown; function?: string };
  input: Record<string, unknown>;
  epoch: number;
  signal_seq: number;
  agent: string | null;
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
  /** What the plan wants to be asked before it starts. */
  approval: PlannedQuestion | null;
  /** The question that it waits for, or whose answer it goes by. */
  asked: Asked | null;
  /** The content hash of its durable function as it last ran. */
  version: string | null;
  /** Of a durable function that was running when its worker died: it had come to a further step since it was started. */
  progressed: boolean;
  /** Why its durable function stands still. */
  waitsFor?: string;
}

export interface PlannedQuestion {
  question: string;
  expires?: Duration;
  on_expiry?: 'approve' | 'reject';
  who?: 'operator' | 'owner';
}

/** A row of ops_approvals. */
export interface Asked {
  id: number;
  kind: string;
  state: 'open' | 'answered' | 'expired' | 'cancelled';
  answer: string | null;
  answered_by: string | null;
  reason: string | null;
  output: unknown;
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
  /** When it ended, by performance.now(), where it ran: it may be recorded later. */
  ended_at?: number;
  /** The attempt that it ends, where no checkpoint has recorded its start. */
  attempt?: number;
  /** How many steps it began right behind, before their ends were on record. */
  follows?: number;
  /** A person's word on a step that was unknown; its one outcome is written already. */
  resolves?: true;
}

/**
 * A step goes back: to `queued` after a failed attempt, or because its worker stops (the attempt is then refunded); to
 * `waiting` when its durable function waits.
 */
export interface StepRequeue {
  step: string;
  state: 'queued' | 'waiting';
  attempt: number;
  /** Null: it is woken, not due. */
  delay_ms: number | null;
  /** Of a durable function: the signal_seq that it has looked at; above it, there is something to look at. */
  looked_at?: number;
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
  /** A park holds only while the mission's signal_seq is this. */
  seen: number;
}

export interface Claim {
  mission: string;
  job: string;
  /** The pool that holds the job; the claim proves it. */
  pool: string;
}

export interface Claimed {
  mission: MissionRow;
  /** Null: they are to be loaded, as something has happened to them. */
  steps: StepRow[] | null;
  /** Ids of the steps that the claim has started. */
  begun: string[];
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
  /** Above what the segment has seen: something came that it may wait for. */
  signalSeq: number;
}
