import { OpenClawError } from '../errors/index.ts';
import { delayAfter } from '../queue/backoff.ts';
import { errorClassOf, rowMessage } from '../queue/errorClass.ts';
import { beginLimitedStep } from '../queue/limited.ts';
import { type Run, timeLimit } from '../queue/run.ts';
import { holdOf } from '../queue/startGate.ts';
import { createContext } from '../tasks/context.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { LoadedTask } from '../tasks/types.ts';
import { ABORT_GRACE_MS, isPermanent, outputText } from './attempt.ts';
import { type DurableRun, type Recorder, runFunction } from './durable/index.ts';
import type { MissionRow, StepEnd, StepRequeue, StepRow } from './types.ts';

export type StepFinish = { step: StepRow; end: StepEnd } | { step: StepRow; requeue: StepRequeue };

export interface StepRun {
  runtime: TaskRuntime;
  mission: MissionRow;
  step: StepRow;
  steps: readonly StepRow[];
  jobId: string;
  /** Its end by force: its timeout, a pause, a cancel, the worker's stop. */
  own: Run;
  random?: () => number;
  recorder: Recorder;
  /** Ids of signals that functions of this mission have taken in this segment. */
  taken: Set<string>;
  onNews: (signalSeq: number, cancelRequested: boolean) => void;
  /** The mission's signal_seq as the segment knows it. */
  seen: () => number;
  /** Ids of ended steps that are known here only. */
  uncommitted: ReadonlySet<string>;
  /** A durable function runs: what comes for the mission is to be told it. */
  onDurable: (run: DurableRun) => void;
}

/** Runs one attempt of a step to its finish; never throws. */
export async function runStep(run: StepRun): Promise<StepFinish> {
  const { runtime, mission, step, own } = run;
  const started = performance.now();
  const paths = pathsIn(step.payload);
  const untrusted = readsUntrusted(run, paths);
  let inputBytes: number | null = null;
  /** Before that nothing can have happened outside. */
  let hasBegun = false;
  const task = runtime.registry.tasks.get(step.task);
  // Of a durable function each step has one of its own, and it may take days.
  if (!task?.durable) limitOf(step.timeout_ms)(own);
  try {
    if (!task)
      throw new OpenClawError('E_UNKNOWN_TASK', `this worker has no task "${step.task}"`, {
        remedy: 'put its file into a tasks folder of this host',
      });
    await runtime.starts?.admit(step.task);
    const payload =
      paths.length === 0 ? step.payload : await own.untilAborted(resolvePayload(run, paths), ABORT_GRACE_MS);
    inputBytes = Buffer.byteLength(JSON.stringify(payload));
    // What came while its start was being committed.
    if (own.reason) throw own.reason;
    if (task.limits) {
      const lookedAt = run.seen();
      const waitMs = await beginLimitedStep(task.limits, payload, { id: step.id, epoch: mission.epoch }, runtime.db);
      if (waitMs !== null) return { step, requeue: waitingForPlace(step, waitMs, lookedAt) };
    }
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
      () => own.signal,
    );
    if (own.reason) throw own.reason;
    hasBegun = true;
    let isUntrusted = untrusted || task.untrusted;
    let value: unknown;
    if (task.durable) {
      const result = await runFunction(run, task, payload, context, own.signal);
      if ('waits' in result) return { step, requeue: result.waits };
      value = result.value;
      isUntrusted ||= result.untrusted;
    } else {
      value = await own.untilAborted(task.run(task.parse(payload) as never, context), ABORT_GRACE_MS);
    }
    const output = outputText(value);
    return {
      step,
      end: {
        step: step.id,
        state: 'succeeded',
        output,
        error_class: null,
        error: null,
        untrusted: isUntrusted,
        duration_ms: performance.now() - started,
        input_bytes: inputBytes,
        ended_at: performance.now(),
      },
    };
  } catch (error) {
    return finishOfError(run, task, error, hasBegun, {
      duration_ms: performance.now() - started,
      ended_at: performance.now(),
      input_bytes: inputBytes,
      untrusted,
    });
  } finally {
    own.end();
  }
}

const limits = new Map<number, (run: Run) => void>();

/** Steps of one timeout share what arms their timers. */
function limitOf(timeoutMs: number): (run: Run) => void {
  const known = limits.get(timeoutMs);
  if (known) return known;
  const limit = timeLimit(timeoutMs);
  limits.set(timeoutMs, limit);
  return limit;
}

function finishOfError(
  { step, random, own }: StepRun,
  task: LoadedTask | undefined,
  error: unknown,
  hasBegun: boolean,
  measured: Pick<StepEnd, 'duration_ms' | 'input_bytes' | 'untrusted' | 'ended_at'>,
): StepFinish {
  const aborted = own.reason;
  // Whether an effect outside that was cut off has happened is unknown; a worker that stops lets it end in time instead.
  if (aborted?.why === 'paused' && hasBegun && step.effect === 'outside' && !task?.idempotent && !task?.durable)
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
  const held = aborted ? undefined : holdOf(error);
  if (held) {
    const waits = { delay_ms: held.delayMs, error_class: errorClassOf(error), error: rowMessage(error) };
    return { step, requeue: { step: step.id, state: 'queued', attempt: step.attempt - 1, ...waits } };
  }
  const cause = aborted ?? error;
  const message = rowMessage(cause);
  if (aborted?.why === 'cancelled')
    return {
      step,
      end: { step: step.id, state: 'cancelled', output: null, error_class: 'cancelled', error: message, ...measured },
    };
  const errorClass = aborted ? 'timeout' : errorClassOf(cause);
  const permanent = isPermanent(cause, task?.retryable);
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
      delay_ms: delayAfter(cause, backoff, step.attempt, random),
      error_class: errorClass,
      error: message,
    },
  };
}

/** The error's class of a step that waits for a place of its limited task. */
export const HELD_BY_LIMIT = 'E_HELD_LIMIT';

function waitingForPlace(step: StepRow, waitMs: number, lookedAt: number): StepRequeue {
  const woken = waitMs === Number.POSITIVE_INFINITY;
  return {
    step: step.id,
    state: 'queued',
    attempt: step.attempt - 1,
    delay_ms: woken ? null : waitMs,
    ...(woken && { looked_at: lookedAt }),
    error_class: HELD_BY_LIMIT,
    error: woken ? `waits for a place of task ${step.task}` : `waits for its time by the rate of task ${step.task}`,
  };
}

async function resolvePayload(
  { runtime, step, steps, uncommitted }: StepRun,
  paths: readonly string[],
): Promise<unknown> {
  const names = paths.map(stepsNamed);
  const mayRead = ({ name }: StepRow) => names.some((named) => named.length === 0 || named.includes(name));
  const ended = steps.filter((other) => uncommitted.has(other.id) && mayRead(other));
  const known = ended.map(({ name, state, output, error }) => [name, { state, output, error }]);
  const { rows } = await runtime.paths.query<{ payload: unknown }>('select step_payload($1, $2) as payload', [
    step.id,
    JSON.stringify(Object.fromEntries(known)),
  ]);
  return rows[0]?.payload;
}

/** Untrusted data marks every step that reads it, and so every step that reads that one. */
function readsUntrusted({ mission, steps }: StepRun, paths: readonly string[]): boolean {
  return paths.some((path) => {
    const names = stepsNamed(path);
    if (names.length > 0) return steps.some((other) => other.untrusted && names.includes(other.name));
    if (/^\$\.input\b/.test(path)) return mission.untrusted;
    // `$.steps.*` and the like may reach anything.
    return !/^\$\.mission\b/.test(path) && (mission.untrusted || steps.some((other) => other.untrusted));
  });
}

/** None: it may reach anything. */
function stepsNamed(path: string): string[] {
  return [...path.matchAll(/\$\.steps\."?([A-Za-z0-9_]+)/g)].map((match) => match[1]!);
}

function pathsIn(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  if ('$path' in value && typeof value.$path === 'string') return [value.$path];
  return Object.values(value).flatMap(pathsIn);
}
