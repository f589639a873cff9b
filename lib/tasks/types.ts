import type { Config } from '../config/index.ts';
import type { PoolClient, Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import type { TaskLimits } from './limits.ts';

export const POOLS = ['missions', 'reactions', 'learning', 'upkeep'] as const;
export type PoolName = (typeof POOLS)[number];

/** What a run changes: nothing, this system, or the world outside (at least once; a machine that asks for it needs approval). */
export const EFFECTS = ['read', 'write', 'outside'] as const;
export type Effect = (typeof EFFECTS)[number];

export interface Backoff {
  initialMs: number;
  factor: number;
  maxMs: number;
}

/** The names and payloads of the tasks, filled by the generated types/tasks.d.ts (`openclaw types`). */
export type TaskName = keyof GraphileWorker.Tasks;
export type PayloadOf<Name> = Name extends TaskName ? GraphileWorker.Tasks[Name] : Record<string, unknown>;

export interface AddJobOptions {
  runAt?: Date;
  maxAttempts?: number;
  jobKey?: string;
  jobKeyMode?: 'replace' | 'preserve_run_at' | 'unsafe_dedupe';
  priority?: number;
  idempotencyKey?: string;
}

export type AddJob = <Name extends TaskName | (string & {})>(
  task: Name,
  payload: PayloadOf<Name>,
  options?: AddJobOptions,
) => Promise<string>;

export interface TaskContext {
  readonly job: {
    /** The job's id; of a mission's step, the id of the segment that runs it. */
    readonly id: string;
    readonly task: string;
    /** 1 for the first. */
    readonly attempt: number;
    readonly maxAttempts: number;
    /** Of a mission's step; a plain job's trace is in task_queue. */
    readonly traceId: string | null;
    readonly missionId: string | null;
    readonly stepName: string | null;
    /** The same for every attempt: give it to whatever must not happen twice. */
    readonly idempotencyKey: string;
  };
  readonly log: Logger;
  readonly config: Config;
  /** Aborts when the worker stops, the job or mission is cancelled, or the task's timeout is over. */
  readonly signal: AbortSignal;
  readonly query: Queryable['query'];
  /** As the read-only role, in a read-only transaction with a statement timeout. */
  readonly queryReadOnly: (
    text: string,
    values?: unknown[],
    options?: { timeoutMs?: number },
  ) => Promise<{ rows: Record<string, unknown>[]; fields: string[] }>;
  readonly transaction: <T>(work: (client: PoolClient) => Promise<T>) => Promise<T>;
  readonly addJob: AddJob;
  /** Says how far the job is (0 to 1) and what it does; stored at most once a second. */
  readonly progress: (fraction: number, note?: string) => void;
  /** Runs `work` once: a retried run gets the recorded output instead. A name may be used once in a run. */
  readonly step: <T>(name: string, work: () => Promise<T>) => Promise<T>;
}

export interface TaskDefinition {
  readonly title: string;
  readonly pool: PoolName;
  readonly effect: Effect;
  readonly idempotent: boolean;
  /** The output comes from outside and must not be believed. */
  readonly untrusted: boolean;
  readonly maxAttempts: number;
  readonly timeoutMs: number;
  readonly backoff: Backoff;
  readonly payloadSchema: Record<string, unknown>;
  /** @throws PermanentError naming every fault. */
  readonly parse: (payload: unknown) => unknown;
  readonly retryable: (error: unknown) => boolean;
  /** Its function is run by a mission: a job of it submits one. */
  readonly durable: boolean;
  /** How many at once by key, and how often. */
  readonly limits: TaskLimits | null;
  readonly run: (payload: never, context: TaskContext) => Promise<unknown>;
}

/** A task as it was found: its definition, its name, and where it stands. */
export interface LoadedTask extends TaskDefinition {
  readonly identifier: string;
  readonly file: string;
  readonly contentHash: string;
}
