import { OpenClawError } from '../errors/index.ts';
import { scrubJson, toJson } from '../log/index.ts';
import { backoffMs } from '../queue/backoff.ts';
import { errorClassOf, rowMessage } from '../queue/errorClass.ts';
import { JobAborted } from '../queue/runJob.ts';
import { createContext } from '../tasks/context.ts';
import { PermanentError } from '../tasks/define.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { LoadedTask } from '../tasks/types.ts';
import type { MissionRow, StepEnd, StepRequeue, StepRow } from './types.ts';

const OUTPUT_LIMIT_BYTES = 1_048_576;
/** A step that ignores its signal is given up after this long. */
const ABORT_GRACE_MS = 4_000;

export type StepFinish = { step: StepRow; end: StepEnd } | { step: StepRow; requeue: StepRequeue };

export interface StepRun {
  runtime: TaskRuntime;
  mission: MissionRow;
  step: StepRow;
  steps: readonly StepRow[];
  jobId: string;
  signal: AbortSignal;
  /** Ends this step alone: its timeout, and a hard pause of its task. */
  own: AbortController;
  random?: () => number;
}

/** Runs one attempt of a step to its finish; never throws. */
export async function runStep(run: StepRun): Promise<StepFinish> {
  const { runtime, mission, step } = run;
  const started = performance.now();
  const untrusted = readsUntrusted(run);
  let inputBytes: number | null = null;
  const task = runtime.registry.tasks.get(step.task);
  const timer = setTimeout(
    () => run.own.abort(new JobAborted('timeout', `timed out after ${step.timeout_ms} ms`)),
    step.timeout_ms,
  );
  const signal = AbortSignal.any([run.signal, run.own.signal]);
  try {
    if (!task)
      throw new OpenClawError('E_UNKNOWN_TASK', `this worker has no task "${step.task}"`, {
        remedy: 'put its file into a tasks folder of this host',
      });
    const payload = await settleAfterAbort(resolvePayload(run), signal);
    inputBytes = Buffer.byteLength(JSON.stringify(payload));
    const context = createContext(
      runtime,
      {
        jobId: run.jobId,
        task: step.task,
        attempt: step.attempt,
        maxAttempts: step.max_attempts,
        traceId: mission.trace_id,
        missionId: mission.id,
        stepName: step.name,
        idempotencyKey: step.idempotency_key,
        scope: `m${mission.id}/${step.name}`,
        fence: { kind: 'mission', missionId: mission.id, epoch: mission.epoch },
      },
      signal,
    );
    const output = outputText(await settleAfterAbort(task.run(task.parse(payload) as never, context), signal));
    return {
      step,
      end: {
        step: step.id,
        state: 'succeeded',
        output,
        error_class: null,
        error: null,
        untrusted: untrusted || task.untrusted,
        duration_ms: performance.now() - started,
        input_bytes: inputBytes,
      },
    };
  } catch (error) {
    return finishOfError(run, task, error, signal, {
      duration_ms: performance.now() - started,
      input_bytes: inputBytes,
      untrusted,
    });
  } finally {
    clearTimeout(timer);
  }
}

function finishOfError(
  { step, random }: StepRun,
  task: LoadedTask | undefined,
  error: unknown,
  signal: AbortSignal,
  measured: Pick<StepEnd, 'duration_ms' | 'input_bytes' | 'untrusted'>,
): StepFinish {
  const aborted = signal.reason instanceof JobAborted ? signal.reason : undefined;
  // Whether an effect outside that was cut off has happened is unknown; a worker that stops lets it end in time instead.
  if (aborted?.why === 'paused' && step.effect === 'outside' && !task?.idempotent)
    return {
      step,
      end: {
        step: step.id,
        state: 'unknown',
        output: null,
        error_class: 'paused',
        error: aborted.message,
        ...measured,
      },
    };
  // The worker stops, or a pause aborted it: the attempt did not count.
  if (aborted?.why === 'stopping' || aborted?.why === 'lease_lost' || aborted?.why === 'paused') {
    return {
      step,
      requeue: {
        step: step.id,
        state: 'queued',
        attempt: step.attempt - 1,
        delay_ms: 0,
        error_class: step.error_class,
        error: step.error,
      },
    };
  }
  const cause = aborted ?? error;
  const message = rowMessage(cause);
  if (aborted?.why === 'cancelled')
    return {
      step,
      end: { step: step.id, state: 'cancelled', output: null, error_class: 'cancelled', error: message, ...measured },
    };
  const errorClass = aborted ? 'timeout' : errorClassOf(cause);
  const permanent = isPermanent(cause, task);
  if (permanent || step.attempt >= step.max_attempts) {
    return {
      step,
      end: { step: step.id, state: 'failed', output: null, error_class: errorClass, error: message, ...measured },
    };
  }
  const backoff = task?.backoff ?? { initialMs: 10_000, factor: 2, maxMs: 300_000 };
  return {
    step,
    requeue: {
      step: step.id,
      state: 'queued',
      attempt: step.attempt,
      delay_ms: backoffMs(backoff, step.attempt, random),
      error_class: errorClass,
      error: message,
    },
  };
}

/**
 * OC009: a path finds nothing; class 22: it cannot be evaluated on these outputs; 57014: it takes too long. What the earlier
 * steps gave does not change any more.
 */
const PERMANENT_CODES = /^(E_NOT_JSON|E_OUTPUT_TOO_LARGE|OC009|57014|22\w{3})$/;

function isPermanent(cause: unknown, task: LoadedTask | undefined): boolean {
  if (cause instanceof PermanentError) return true;
  const code = (cause as { code?: unknown } | null)?.code;
  return (typeof code === 'string' && PERMANENT_CODES.test(code)) || (task !== undefined && !task.retryable(cause));
}

async function resolvePayload({ runtime, step }: StepRun): Promise<unknown> {
  if (pathsIn(step.payload).length === 0) return step.payload;
  const { rows } = await runtime.paths.query<{ payload: unknown }>('select step_payload($1) as payload', [step.id]);
  return rows[0]?.payload;
}

/** Untrusted data marks every step that reads it, and so every step that reads that one. */
function readsUntrusted({ mission, step, steps }: StepRun): boolean {
  return pathsIn(step.payload).some((path) => {
    const names = [...path.matchAll(/\$\.steps\."?([A-Za-z0-9_]+)/g)].map((match) => match[1]);
    if (names.length > 0) return steps.some((other) => other.untrusted && names.includes(other.name));
    if (/^\$\.input\b/.test(path)) return mission.untrusted;
    // `$.steps.*` and the like may reach anything.
    return !/^\$\.mission\b/.test(path) && (mission.untrusted || steps.some((other) => other.untrusted));
  });
}

function pathsIn(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  if ('$path' in value && typeof value.$path === 'string') return [value.$path];
  return Object.values(value).flatMap(pathsIn);
}

function outputText(output: unknown): string {
  const text = toJson(scrubJson(output ?? null));
  const bytes = Buffer.byteLength(text);
  if (bytes > OUTPUT_LIMIT_BYTES) {
    throw new OpenClawError(
      'E_OUTPUT_TOO_LARGE',
      `the output has ${bytes} bytes, at most ${OUTPUT_LIMIT_BYTES} are kept`,
      { remedy: 'write large data into a file or a table and return its name' },
    );
  }
  return text;
}

async function settleAfterAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let grace: NodeJS.Timeout | undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    const onAbort = () => {
      grace = setTimeout(() => reject(signal.reason), ABORT_GRACE_MS);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, givenUp]);
  } finally {
    clearTimeout(grace);
    work.catch(() => {
      // Given up: the abort's reason is what was recorded.
    });
  }
}
