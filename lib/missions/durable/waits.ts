import { toJson } from '../../log/index.ts';
import { PermanentError } from '../../tasks/define.ts';
import type { Approval, DurableContext } from '../../tasks/durable.ts';
import { durationMs } from '../../tasks/duration.ts';
import type { LoadedTask } from '../../tasks/types.ts';
import { askQuestion } from '../questions.ts';
import type { Asked } from '../types.ts';
import { StepFailedError } from './errors.ts';
import type { StepRecord } from './recorder.ts';
import type { DurableRun } from './run.ts';
import type { RecordedStep } from './types.ts';

const SIGNAL_NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/;

export type Base = Omit<StepRecord, 'parent' | 'position' | 'state' | 'attempt'>;

/** How a recorded invocation and this one are compared: by task, since only names have to be the same each time. */
export function invoked(kind: StepRecord['kind'], task: string): [of?: (row: RecordedStep) => string, now?: string] {
  return kind === 'invoke' ? [(row) => `task ${row.task}`, `task ${task}`] : [];
}

export async function answerTo(run: DurableRun, reason: string, full: string, asked: Asked): Promise<Asked> {
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

export async function sleep(
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

export async function waitFor(
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

export async function approve(
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
export async function invokeMission(
  run: DurableRun,
  name: string,
  target: LoadedTask,
  payload: unknown,
): Promise<unknown> {
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
