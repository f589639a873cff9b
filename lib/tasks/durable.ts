import type { Duration } from './duration.ts';
import type { Backoff, Effect, PayloadOf, TaskContext, TaskName } from './types.ts';

/** What the work of one step gets. */
export interface StepWork {
  /** Aborts at the step's timeout, at a cancel, and when the worker stops. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
  /** The same for every attempt of this step: give it to whatever must not happen twice. */
  readonly idempotencyKey: string;
}

/** Each defaults to what the task says. */
export interface DurableStepOptions {
  /** `outside`: after a crash nobody knows whether it happened, and a person is asked, unless it is idempotent. */
  effect?: Effect;
  idempotent?: boolean;
  /** Attempts after the first. */
  retries?: number;
  /** Of one attempt. */
  timeout?: Duration;
  backoff?: Partial<Record<'initial' | 'max', Duration>> & { factor?: number };
  retryable?: (error: unknown) => boolean;
}

export interface WaitOptions {
  /** Null is what it gives when this time is over. Default: no limit. */
  timeout?: Duration;
  /** The step's name, where the function waits for the same signal more than once. */
  name?: string;
}

export interface ApproveOptions {
  name?: string;
  /** Default approve and reject. */
  options?: string[];
  timeout?: Duration;
  /** The answer that is taken when nobody gave one in time; without it, the answer is null. */
  onTimeout?: string;
  who?: 'operator' | 'owner';
  /** For the reader: what each answer does, what it costs, and whatever helps. */
  effects?: Record<string, string>;
  costUsd?: number;
  detail?: Record<string, unknown>;
}

export interface Approval {
  /** True for the answer `approve`. */
  approved: boolean;
  /** Null when nobody answered in time. */
  answer: string | null;
  by: string | null;
  reason: string | null;
}

/**
 * What a durable function gets. Everything that it records has a name, and a name is used once in a mission: after a crash, a
 * sleep or a wait the function runs from its start again, and what has a recorded output gives that instead of happening
 * again. Nothing but the names has to be the same each time; what stands outside of steps may happen more than once.
 */
export interface DurableContext extends Omit<TaskContext, 'step'> {
  readonly step: {
    <T>(name: string, work: (run: StepWork) => Promise<T>): Promise<T>;
    <T>(name: string, options: DurableStepOptions, work: (run: StepWork) => Promise<T>): Promise<T>;
  };
  /** For a length of time, or until one. The mission holds no worker meanwhile. */
  readonly sleep: (time: Duration | Date, options?: { name?: string }) => Promise<void>;
  /** The payload of the next signal of this name (`openclaw missions signal`), one sent before too; null when the timeout is over. */
  readonly waitFor: <T = unknown>(signal: string, options?: WaitOptions) => Promise<T | null>;
  /** A person's answer. */
  readonly approve: (question: string, options?: ApproveOptions) => Promise<Approval>;
  /** Runs another task as a step, with that task's own retries and timeout; a durable one as a mission of its own. */
  readonly invoke: <Name extends TaskName | (string & {})>(
    task: Name,
    payload: PayloadOf<Name>,
    options?: { name?: string },
  ) => Promise<unknown>;
}

export interface StepSettings {
  effect: Effect;
  idempotent: boolean;
  maxAttempts: number;
  timeoutMs: number;
  backoff: Backoff;
  retryable: (error: unknown) => boolean;
}
