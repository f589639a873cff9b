import type { JobHelpers, Task } from 'graphile-worker';
import { OpenClawError } from '../errors/index.ts';
import { scrubJson, toJson } from '../log/index.ts';
import { createContext } from '../tasks/context.ts';
import { PermanentError } from '../tasks/define.ts';
import type { RunFacts, TaskRuntime } from '../tasks/runtime.ts';
import type { LoadedTask } from '../tasks/types.ts';
import { backoffMs } from './backoff.ts';
import type { Ending, Endings } from './endings.ts';
import { errorClassOf, rowMessage } from './errorClass.ts';
import { Run, type RunningJob, timeLimit } from './run.ts';

export { JobAborted, type RunningJob } from './run.ts';

/** A result above this is not kept: history is for people, data belongs into tables and files. */
const RESULT_LIMIT_BYTES = 262_144;

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
  const limitSoon = timeLimit(task.timeoutMs);
  return async (payload: unknown, helpers: JobHelpers) => {
    const { job } = helpers;
    const run = new Run(job.id, task.identifier);
    const { startedAt } = run;
    limitSoon(run);
    options.running.set(job.id, run);
    const facts: RunFacts = {
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
    };
    let ending: Ending;
    try {
      const parsed = task.parse(payload);
      const context = createContext(options.runtime, facts, () => run.signal);
      const result = await run.untilAborted(task.run(parsed as never, context));
      ending = { kind: 'done', startedAt, finishedAt: Date.now(), result: resultText(result) };
    } catch (error) {
      ending = endingOf(error, task, job, run, options.random);
    } finally {
      run.end();
      options.running.delete(job.id);
    }
    options.endings.set(job.id, ending);
    // Graphile-worker is told only that it failed; the rest is in the note.
    if (ending.kind !== 'done') throw new Error(ending.kind === 'give_back' ? 'given back' : ending.message);
  };
}

function endingOf(
  error: unknown,
  task: LoadedTask,
  job: JobHelpers['job'],
  { startedAt, reason: aborted }: Run,
  random?: () => number,
): Ending {
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
