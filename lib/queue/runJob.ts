import type { JobHelpers, Task } from 'graphile-worker';
import { OpenClawError } from '../errors/index.ts';
import { scrubJson, toJson } from '../log/index.ts';
import { createContext } from '../tasks/context.ts';
import { PermanentError } from '../tasks/define.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { LoadedTask } from '../tasks/types.ts';
import { backoffMs } from './backoff.ts';
import type { Ending, Endings } from './endings.ts';
import { errorClassOf, rowMessage } from './errorClass.ts';

/** Why a job's signal aborts. A task may let it through; the ending is decided by it, not by what the task throws. */
export class JobAborted extends Error {
  readonly why: 'cancelled' | 'stopping' | 'timeout' | 'lease_lost';
  constructor(why: JobAborted['why'], message: string) {
    super(message);
    this.name = 'JobAborted';
    this.why = why;
  }
}

/** A result above this is not kept: history is for people, data belongs into tables and files. */
const RESULT_LIMIT_BYTES = 262_144;

export interface RunningJob {
  readonly id: string;
  readonly task: string;
  readonly startedAt: number;
  readonly abort: (reason: JobAborted) => void;
}

export interface JobRunnerOptions {
  runtime: TaskRuntime;
  endings: Endings;
  /** By job id: what runs in this pool now. */
  running: Map<string, RunningJob>;
  poolId: () => string;
  random?: () => number;
}

/** The function that graphile-worker calls for a task of ours: it validates, limits, runs, and notes the ending. */
export function jobRunner(task: LoadedTask, options: JobRunnerOptions): Task {
  return async (payload: unknown, helpers: JobHelpers) => {
    const { job } = helpers;
    const startedAt = Date.now();
    const controller = new AbortController();
    const timer = setTimeout(
      () => controller.abort(new JobAborted('timeout', `timed out after ${task.timeoutMs} ms`)),
      task.timeoutMs,
    );
    options.running.set(job.id, {
      id: job.id,
      task: task.identifier,
      startedAt,
      abort: (reason) => controller.abort(reason),
    });
    const facts = {
      jobId: job.id,
      task: task.identifier,
      attempt: job.attempts,
      maxAttempts: job.max_attempts,
      traceId: null,
      missionId: null,
      stepName: null,
      idempotencyKey: `j${job.id}`,
      scope: `j${job.id}`,
      fence: { kind: 'job', jobId: job.id, poolId: options.poolId() },
    } as const;
    let ending: Ending;
    try {
      const parsed = task.parse(payload);
      const context = createContext(options.runtime, facts, controller.signal);
      const result = await untilAborted(task.run(parsed as never, context), controller.signal);
      ending = { kind: 'done', startedAt, finishedAt: Date.now(), result: resultText(result) };
    } catch (error) {
      ending = endingOf(error, task, job, startedAt, controller.signal, options.random);
    } finally {
      clearTimeout(timer);
      options.running.delete(job.id);
    }
    options.endings.set(job.id, ending);
    // Graphile-worker is told only that it failed; the rest is in the note.
    if (ending.kind !== 'done') throw new Error(ending.kind === 'give_back' ? 'given back' : ending.message);
  };
}

/**
 * A task that ignores its signal must not hold the job for ever. What it does after that is fenced: its lease is given up
 * by the ending that follows.
 */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const GRACE_MS = 5_000;
  let graceTimer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    const onAbort = () => {
      graceTimer = setTimeout(() => reject(signal.reason), GRACE_MS);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(graceTimer);
    work.catch(() => {
      // Ended after its grace: its error has been recorded as the abort's reason.
    });
  }
}

function endingOf(
  error: unknown,
  task: LoadedTask,
  job: JobHelpers['job'],
  startedAt: number,
  signal: AbortSignal,
  random?: () => number,
): Ending {
  const aborted = signal.reason instanceof JobAborted ? signal.reason : undefined;
  if (aborted?.why === 'stopping' || aborted?.why === 'lease_lost') return { kind: 'give_back', startedAt };
  const finishedAt = Date.now();
  if (aborted?.why === 'cancelled')
    return {
      kind: 'final',
      startedAt,
      finishedAt,
      message: aborted.message,
      errorClass: 'cancelled',
      state: 'cancelled',
    };
  const cause = aborted ?? error;
  const message = rowMessage(cause);
  const errorClass = aborted ? 'timeout' : errorClassOf(cause);
  // A result that is no JSON will be none the next time.
  const permanent =
    cause instanceof PermanentError ||
    (cause instanceof OpenClawError && cause.code === 'E_NOT_JSON') ||
    !task.retryable(cause);
  if (permanent || job.attempts >= job.max_attempts) {
    return {
      kind: 'final',
      startedAt,
      finishedAt,
      message,
      errorClass: permanent || job.max_attempts === 1 ? errorClass : 'exhausted',
      state: 'failed',
    };
  }
  return { kind: 'retry', startedAt, message, delayMs: backoffMs(task.backoff, job.attempts, random) };
}

function resultText(result: unknown): string | null {
  if (result === undefined) return null;
  const text = toJson(scrubJson(result));
  if (Buffer.byteLength(text) <= RESULT_LIMIT_BYTES) return text;
  return JSON.stringify({ too_large: true, bytes: Buffer.byteLength(text), limit: RESULT_LIMIT_BYTES });
}
