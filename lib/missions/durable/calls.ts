import { toJson } from '../../log/index.ts';
import { delayAfter } from '../../queue/backoff.ts';
import { errorClassOf, rowMessage } from '../../queue/errorClass.ts';
import { beginLimitedStep } from '../../queue/limited.ts';
import { JobAborted } from '../../queue/runJob.ts';
import { createContext } from '../../tasks/context.ts';
import { PermanentError } from '../../tasks/define.ts';
import type { DurableContext, DurableStepOptions, StepSettings, StepWork } from '../../tasks/durable.ts';
import { durationMs } from '../../tasks/duration.ts';
import type { TaskLimits } from '../../tasks/limits.ts';
import type { LoadedTask } from '../../tasks/types.ts';
import { isPermanent, outputText, settleAfterAbort } from '../attempt.ts';
import { askQuestion, questionOfUnknown } from '../questions.ts';
import { StepFailedError } from './errors.ts';
import type { DurableRun } from './run.ts';
import type { RecordedStep } from './types.ts';
import { answerTo, approve, type Base, invoked, invokeMission, sleep, waitFor } from './waits.ts';

/** A step that lasts longer than this says that it has begun, for people to see. */
const SAY_START_AFTER_MS = 250;
const DEATHS_BEYOND_ATTEMPTS = 2;

interface StepCall {
  name: string;
  kind: 'step' | 'invoke';
  task: string;
  payload: unknown;
  settings: StepSettings;
  work: (run: StepWork) => Promise<unknown>;
  /** Of an invoked task that has some. */
  limits?: TaskLimits | null;
}

/** The members of a durable function's context that record something. */
export function callsOf(run: DurableRun): Pick<DurableContext, 'step' | 'sleep' | 'waitFor' | 'approve' | 'invoke'> {
  const { task, runtime } = run.options;
  return {
    step: (async (name: string, second: unknown, third?: unknown) => {
      const [options, work] = third === undefined ? [{}, second] : [second as DurableStepOptions, third];
      if (typeof work !== 'function') throw new PermanentError('E_STEP_WORK', `step "${name}" has no function to run`);
      const settings = settingsOf(task, options as DurableStepOptions);
      return runStep(run, {
        name,
        kind: 'step',
        task: task.identifier,
        payload: {},
        settings,
        work: work as StepCall['work'],
      });
    }) as DurableContext['step'],
    sleep: (time, { name } = {}) => sleep(run, time, name),
    waitFor: ((signal: string, options = {}) => waitFor(run, signal, options)) as DurableContext['waitFor'],
    approve: (question, options = {}) => approve(run, question, options),
    invoke: async (name, payload, options = {}) => {
      const target = runtime.registry.tasks.get(name);
      if (!target)
        throw new PermanentError('E_UNKNOWN_TASK', `this worker has no task "${name}"`, {
          remedy: 'openclaw tasks list',
        });
      const stepName = options.name ?? name;
      if (target.durable) return invokeMission(run, stepName, target, payload);
      if (target.untrusted) run.untrusted = true;
      const settings = { ...target, retryable: target.retryable };
      const { limits } = target;
      const work = (step: StepWork) =>
        target.run(target.parse(payload) as never, contextOf(run, target, stepName, step));
      return runStep(run, { name: stepName, kind: 'invoke', task: name, payload, settings, work, limits });
    },
  };
}

function settingsOf(task: LoadedTask, options: DurableStepOptions): StepSettings {
  const { initial, max, factor } = options.backoff ?? {};
  return {
    effect: options.effect ?? task.effect,
    idempotent: options.idempotent ?? task.idempotent,
    maxAttempts: options.retries === undefined ? task.maxAttempts : options.retries + 1,
    timeoutMs: options.timeout === undefined ? task.timeoutMs : durationMs(options.timeout),
    backoff: {
      initialMs: initial === undefined ? task.backoff.initialMs : durationMs(initial),
      maxMs: max === undefined ? task.backoff.maxMs : durationMs(max),
      factor: factor ?? task.backoff.factor,
    },
    retryable: options.retryable ?? task.retryable,
  };
}

function contextOf(run: DurableRun, target: LoadedTask, name: string, step: StepWork) {
  const { mission, runtime, jobId } = run.options;
  const scope = `m${mission.id}/${run.prefix}${name}`;
  const facts = {
    jobId,
    task: target.identifier,
    attempt: step.attempt,
    maxAttempts: target.maxAttempts,
    traceId: mission.trace_id,
    missionId: mission.id,
    stepName: run.prefix + name,
    idempotencyKey: scope,
    scope,
    fence: { kind: 'mission' as const, missionId: mission.id, epoch: mission.epoch },
  };
  return createContext(runtime, facts, step.signal);
}

/** The recorded output; else attempts until one succeeds or the last has failed. */
async function runStep(run: DurableRun, call: StepCall): Promise<unknown> {
  const { full, row } = run.claim(call.name, call.kind, ...invoked(call.kind, call.task));
  if (row?.state === 'succeeded') return row.output;
  if (row && ['failed', 'cancelled', 'skipped'].includes(row.state))
    throw new StepFailedError(call.name, row.error_class, row.error);
  const base = baseOf(call, full);
  let attempt = row?.attempt ?? 0;
  if (row?.state === 'running' && attempt >= call.settings.maxAttempts + DEATHS_BEYOND_ATTEMPTS) {
    const error = `its worker died while it ran, after ${attempt} starts`;
    await run.busy(() => run.record({ ...base, state: 'failed', attempt, error_class: 'poison', error }));
    throw new StepFailedError(call.name, 'poison', error);
  }
  const isUnsafe = call.settings.effect === 'outside' && !call.settings.idempotent;
  if (row && ((row.state === 'running' && isUnsafe) || row.state === 'unknown')) {
    const verdict = await resolveUnknown(run, call, row, base);
    if ('output' in verdict) return verdict.output;
  }
  if (call.limits) await takePlace(run, call, base, attempt);
  if (row?.state === 'queued' && row.wait_ms !== null && row.wait_ms > 0)
    await run.until('backoff', row.wait_ms, () => false);
  for (;;) {
    attempt += 1;
    const result = await run.busy(() => tryOnce(run, call, base, attempt));
    if ('output' in result) return result.output;
    if (result === STOPPED) return run.never;
    await run.until('backoff', result.delayMs, () => false);
    if (call.limits) await takePlace(run, call, base, attempt);
  }
}

/** An invoked task that is limited waits for its place; its mission is woken, or told, when there is one. */
async function takePlace(run: DurableRun, call: StepCall, base: Base, attempts: number): Promise<void> {
  const { mission, runtime } = run.options;
  for (;;) {
    const { looks } = run;
    const waitMs = await run.busy(async () => {
      const { id } = await run.record({ ...base, state: 'queued', attempt: attempts });
      return beginLimitedStep(call.limits!, call.payload, { id, epoch: mission.epoch }, runtime.db);
    });
    if (waitMs === null) return;
    const woken = waitMs === Number.POSITIVE_INFINITY;
    if (run.looks === looks) await run.until('limit', woken ? null : waitMs, () => woken);
  }
}

function baseOf({ kind, task, payload, settings }: StepCall, full: string): Base {
  return {
    name: full,
    kind,
    task,
    payload,
    max_attempts: settings.maxAttempts,
    timeout_ms: Math.round(settings.timeoutMs),
    effect: settings.effect,
  };
}

async function tryOnce(
  run: DurableRun,
  call: StepCall,
  base: Base,
  attempt: number,
): Promise<{ output: unknown } | Failed> {
  const { settings, work } = call;
  const begin = () => run.record({ ...base, state: 'running', attempt });
  // What must not happen twice says that it begins before it does; and so does everything of a mission that was taken up
  // again, so that a step which kills its worker is known by its starts. One that has waited, for its place or after a failed
  // attempt, is a queued row, which cannot end without having run.
  const hasWaited = call.limits != null || attempt > 1;
  const saysFirst = settings.effect === 'outside' || run.options.mission.epoch > 1 || hasWaited;
  if (saysFirst) await begin();
  let said: Promise<unknown> | undefined;
  const sayLater = saysFirst
    ? undefined
    : setTimeout(() => {
        // Only for people to see; the end's record does not depend on it.
        said = begin().catch(() => undefined);
      }, SAY_START_AFTER_MS);
  const timeout = new AbortController();
  const timer = setTimeout(
    () => timeout.abort(new JobAborted('timeout', `timed out after ${settings.timeoutMs} ms`)),
    Math.min(settings.timeoutMs, 2_147_483_647),
  );
  const signal = AbortSignal.any([run.signal, timeout.signal]);
  const started = performance.now();
  const stop = async () => {
    clearTimeout(timer);
    clearTimeout(sayLater);
    await said;
    return performance.now() - started;
  };
  const idempotencyKey = `m${run.options.mission.id}/${base.name}`;
  let text: string;
  try {
    text = outputText(
      await settleAfterAbort(
        Promise.resolve().then(() => work({ signal, attempt, idempotencyKey })),
        signal,
      ),
    );
  } catch (error) {
    return recordFailure(run, call, base, attempt, { error, signal, duration_ms: await stop() });
  }
  // Not within the try: that it could not be recorded does not make it a failure.
  await run.record({
    ...base,
    state: 'succeeded',
    attempt,
    output: text,
    duration_ms: await stop(),
    untrusted: run.untrusted,
  });
  return { output: JSON.parse(text) };
}

/** A further attempt after a while; or none here, because the worker stops or the mission is cancelled. */
type Failed = { delayMs: number };
const STOPPED: Failed = { delayMs: 0 };

async function recordFailure(
  run: DurableRun,
  { name, settings }: StepCall,
  base: Base,
  attempt: number,
  { error, signal, duration_ms }: { error: unknown; signal: AbortSignal; duration_ms: number },
): Promise<Failed> {
  const aborted = signal.reason instanceof JobAborted ? signal.reason : undefined;
  if (aborted?.why === 'paused' && settings.effect === 'outside' && !settings.idempotent) {
    // Cut off: whether it happened is unknown.
    await run.record({
      ...base,
      state: 'unknown',
      attempt,
      error_class: 'paused',
      error: rowMessage(aborted),
      duration_ms,
    });
    return STOPPED;
  }
  if (aborted?.why === 'stopping' || aborted?.why === 'lease_lost' || aborted?.why === 'paused') {
    // The attempt did not count; the function does not go on here.
    await run.record({ ...base, state: 'queued', attempt: attempt - 1 });
    return STOPPED;
  }
  const cause = aborted ?? error;
  const message = rowMessage(cause);
  if (aborted?.why === 'cancelled') {
    await run.record({ ...base, state: 'cancelled', attempt, error_class: 'cancelled', error: message, duration_ms });
    return STOPPED;
  }
  const errorClass = aborted ? 'timeout' : errorClassOf(cause);
  if (isPermanent(cause, settings.retryable) || attempt >= settings.maxAttempts) {
    await run.record({ ...base, state: 'failed', attempt, error_class: errorClass, error: message, duration_ms });
    throw new StepFailedError(name, errorClass, message);
  }
  const delayMs = delayAfter(cause, settings.backoff, attempt, run.options.random);
  await run.record({ ...base, state: 'queued', attempt, error_class: errorClass, error: message, wake_ms: delayMs });
  return { delayMs };
}

/** Nobody knows whether it happened: a person says done (its output is taken), retry, or fail. */
async function resolveUnknown(
  run: DurableRun,
  call: StepCall,
  row: RecordedStep,
  base: Base,
): Promise<{ output: unknown } | { retry: true }> {
  const { attempt } = row;
  let { asked } = row;
  if (row.state === 'running') {
    asked = null;
    const error = 'its worker died while it ran; whether its effect happened is unknown';
    await run.busy(() => run.record({ ...base, state: 'unknown', attempt, error_class: 'worker_died', error }));
  }
  const { runtime, mission, body } = run.options;
  const question = questionOfUnknown(
    { name: base.name, task: base.task, idempotency_key: `m${mission.id}/${base.name}`, payload: call.payload },
    [body.name],
  );
  asked ??= await run.busy(async () => (await askQuestion(runtime.db, mission, row.id, question)) ?? run.lost());
  const answer = await answerTo(run, 'step_unknown', base.name, asked);
  if (answer.answer === 'retry') return { retry: true };
  if (answer.answer === 'done') {
    await run.busy(() =>
      run.record({ ...base, state: 'succeeded', attempt, output: toJson(answer.output ?? null), resolves: true }),
    );
    return { output: answer.output ?? null };
  }
  const error = `its effect was unknown; taken as failed by ${answer.answered_by ?? 'nobody'}${answer.reason ? `: ${answer.reason}` : ''}`;
  await run.busy(() =>
    run.record({ ...base, state: 'failed', attempt, error_class: 'unknown_failed', error, resolves: true }),
  );
  throw new StepFailedError(call.name, 'unknown_failed', error);
}
