import { toJson } from '../../log/index.ts';
import { delayAfter } from '../../queue/backoff.ts';
import { errorClassOf, rowMessage } from '../../queue/errorClass.ts';
import { JobAborted } from '../../queue/runJob.ts';
import { createContext } from '../../tasks/context.ts';
import { PermanentError } from '../../tasks/define.ts';
import type { Approval, DurableContext, DurableStepOptions, StepSettings, StepWork } from '../../tasks/durable.ts';
import { durationMs } from '../../tasks/duration.ts';
import type { LoadedTask } from '../../tasks/types.ts';
import { isPermanent, outputText, settleAfterAbort } from '../attempt.ts';
import { askQuestion, questionOfUnknown } from '../questions.ts';
import type { Asked } from '../types.ts';
import { StepFailedError } from './errors.ts';
import type { StepRecord } from './recorder.ts';
import type { DurableRun, RecordedStep } from './run.ts';

/** A step that lasts longer than this says that it has begun, for people to see. */
const SAY_START_AFTER_MS = 250;
const DEATHS_BEYOND_ATTEMPTS = 2;
const SIGNAL_NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/;

interface StepCall {
  name: string;
  kind: 'step' | 'invoke';
  task: string;
  payload: unknown;
  settings: StepSettings;
  work: (run: StepWork) => Promise<unknown>;
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
      const work = (step: StepWork) =>
        target.run(target.parse(payload) as never, contextOf(run, target, stepName, step));
      return runStep(run, { name: stepName, kind: 'invoke', task: name, payload, settings, work });
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
  if (row?.state === 'queued' && row.wait_ms !== null && row.wait_ms > 0)
    await run.until('backoff', row.wait_ms, () => false);
  for (;;) {
    attempt += 1;
    const result = await run.busy(() => tryOnce(run, call, base, attempt));
    if ('output' in result) return result.output;
    if (result === STOPPED) return run.never;
    await run.until('backoff', result.delayMs, () => false);
  }
}

/** How a recorded invocation and this one are compared: by task, since only names have to be the same each time. */
function invoked(kind: StepCall['kind'], task: string): [of?: (row: RecordedStep) => string, now?: string] {
  return kind === 'invoke' ? [(row) => `task ${row.task}`, `task ${task}`] : [];
}

type Base = Omit<StepRecord, 'parent' | 'position' | 'state' | 'attempt'>;

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
  // again, so that a step which kills its worker is known by its starts.
  const saysFirst = settings.effect === 'outside' || run.options.mission.epoch > 1;
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

async function answerTo(run: DurableRun, reason: string, full: string, asked: Asked): Promise<Asked> {
  run.answers.set(full, asked);
  const isReady = () => run.answers.get(full)!.state !== 'open';
  if (!isReady()) await run.until(reason, null, isReady);
  return run.answers.get(full)!;
}

/** What the steps that only wait have in common. */
function waitBase(
  run: DurableRun,
  full: string,
  kind: StepRecord['kind'],
  payload: unknown,
  task = run.options.task.identifier,
): Base & { attempt: number } {
  return { name: full, kind, task, payload, attempt: 1, max_attempts: 1, timeout_ms: 1, effect: 'read' };
}

async function sleep(
  run: DurableRun,
  time: Parameters<DurableContext['sleep']>[0],
  name: string | undefined,
): Promise<void> {
  const { full, row } = run.claim(name ?? run.numbered('sleep'), 'sleep');
  if (row && row.state !== 'waiting') return;
  const base = waitBase(run, full, 'sleep', { for: time });
  let waitMs = row?.wait_ms ?? 0;
  if (!row) {
    const wake = time instanceof Date ? { wake_at: time.toISOString() } : { wake_ms: durationMs(time) };
    const recorded = await run.busy(() => run.record({ ...base, state: 'waiting', ...wake }));
    waitMs = recorded.waitMs ?? 0;
  }
  if (waitMs > 0) await run.until('sleep', waitMs, () => false);
  await run.busy(() => run.record({ ...base, state: 'succeeded' }));
}

async function waitFor(
  run: DurableRun,
  signal: string,
  { timeout, name }: { timeout?: number | string; name?: string },
): Promise<unknown> {
  if (typeof signal !== 'string' || !SIGNAL_NAME.test(signal)) {
    throw new PermanentError('E_SIGNAL_NAME', `${JSON.stringify(signal)} is no name of a signal`, {
      expected: '1 to 100 letters, digits and ._:-',
    });
  }
  const { full, row } = run.claim(
    name ?? run.numbered(`wait_${signal}`),
    'signal',
    (was) => `signal ${String(was.payload.signal)}`,
    `signal ${signal}`,
  );
  if (row?.state === 'succeeded') return row.output;
  const base = waitBase(run, full, 'signal', { signal });
  let waitMs = row?.wait_ms ?? null;
  const next = () => run.nextSignal(signal);
  let found = next();
  if (!found && !row) {
    const wake = timeout === undefined ? {} : { wake_ms: durationMs(timeout) };
    waitMs = (await run.busy(() => run.record({ ...base, state: 'waiting', ...wake }))).waitMs;
    found = next();
  }
  const dueAt = waitMs === null ? null : performance.now() + waitMs;
  while (!found) {
    const how = await run.until(
      `signal:${signal}`,
      dueAt === null ? null : Math.max(0, dueAt - performance.now()),
      () => next() !== undefined,
    );
    // One that came at the last moment counts: what is committed first holds.
    if (how === 'due') await run.busy(() => run.look());
    found = next();
    if (how === 'due') break;
  }
  if (found) run.options.taken.add(found.id);
  // Anybody with the right to signal may say anything.
  const payload = found?.payload ?? null;
  await run.busy(() =>
    run.record({ ...base, state: 'succeeded', output: toJson(payload), ...(found && { takes: found.id }) }),
  );
  return payload;
}

async function approve(
  run: DurableRun,
  question: string,
  options: Parameters<DurableContext['approve']>[1] & object,
): Promise<Approval> {
  const { full, row } = run.claim(options.name ?? 'approve', 'approval');
  if (row?.state === 'succeeded') return row.output as Approval;
  const choices = options.options ?? ['approve', 'reject'];
  const base = waitBase(run, full, 'approval', { question, options: choices });
  const id = row?.id ?? (await run.busy(() => run.record({ ...base, state: 'waiting' }))).id;
  const { runtime, mission, task } = run.options;
  const asked =
    row?.asked ??
    (await run.busy(async () => {
      const put = await askQuestion(runtime.db, mission, id, {
        kind: 'code',
        question,
        options: choices,
        detail: {
          ...options.detail,
          task: task.identifier,
          ...(options.effects && { effects: options.effects }),
          ...(options.costUsd !== undefined && { cost_usd: options.costUsd }),
          ...(options.timeout !== undefined &&
            options.onTimeout === undefined && {
              unanswered: `after ${options.timeout} the function goes on without an answer`,
            }),
        },
        who: options.who ?? 'operator',
        expiresMs: options.timeout === undefined ? null : durationMs(options.timeout),
        onExpiry: options.onTimeout ?? null,
      });
      return put ?? run.lost();
    }));
  const { answer, answered_by: by, reason } = await answerTo(run, 'approval', full, asked);
  const output: Approval =
    answer === null
      ? { approved: false, answer, by: null, reason: null }
      : { approved: answer === 'approve', answer, by, reason };
  await run.busy(() => run.record({ ...base, state: 'succeeded', output: toJson(output) }));
  return output;
}

/** A durable task is a mission of its own: started once, and waited for without a worker. */
async function invokeMission(run: DurableRun, name: string, target: LoadedTask, payload: unknown): Promise<unknown> {
  const { full, row } = run.claim(name, 'invoke', ...invoked('invoke', target.identifier));
  if (row?.state === 'succeeded') return row.output;
  if (row && row.state !== 'waiting' && row.state !== 'queued')
    throw new StepFailedError(name, row.error_class, row.error);
  const { runtime, mission, body } = run.options;
  const base = waitBase(run, full, 'invoke', payload ?? {}, target.identifier);
  if (!row || row.state === 'queued') {
    await run.busy(async () => {
      const { rows } = await runtime.db.query<{ step: string | null }>(
        'select invoke_mission($1, $2, $3, $4, $5, $6::jsonb) as step',
        [mission.id, mission.epoch, body.id, full, target.identifier, toJson(payload ?? {})],
      );
      return rows[0]!.step ?? run.lost();
    });
  } else if (row.child) run.children.set(full, row.child);
  if (!run.children.has(full)) await run.until(`mission ${target.identifier}`, null, () => run.children.has(full));
  const child = run.children.get(full)!;
  if (child.state !== 'succeeded') {
    const error = child.error ?? `the mission ended as ${child.state}`;
    await run.busy(() => run.record({ ...base, state: 'failed', error_class: `mission_${child.state}`, error }));
    throw new StepFailedError(name, `mission_${child.state}`, error);
  }
  await run.busy(() => run.record({ ...base, state: 'succeeded', output: toJson(child.output ?? null) }));
  return child.output;
}
