import type { DurableContext } from '../../tasks/durable.ts';
import type { LoadedTask, TaskContext } from '../../tasks/types.ts';
import type { StepRun } from '../runStep.ts';
import type { StepRequeue } from '../types.ts';
import { callsOf } from './calls.ts';
import { DurableRun } from './run.ts';

export { createRecorder, type Recorder } from './recorder.ts';
export { DurableRun } from './run.ts';

/**
 * Runs the durable function of a step until it returns or stands still.
 *
 * @throws what the function threw, or the signal's reason.
 */
export async function runFunction(
  run: StepRun,
  task: LoadedTask,
  payload: unknown,
  context: TaskContext,
  signal: AbortSignal,
): Promise<{ value: unknown; untrusted: boolean } | { waits: StepRequeue }> {
  const { step } = run;
  const durable = new DurableRun({ ...run, body: step, task, signal });
  run.onDurable(durable);
  await noteVersion(run, task);
  await durable.load();
  const finish = await durable.start(() =>
    task.run(task.parse(payload) as never, durableContext(context, durable) as never),
  );
  if (finish.kind === 'threw') throw finish.error;
  if (finish.kind === 'aborted') throw signal.reason;
  if (finish.kind === 'returned') {
    await tellUnused(run, durable);
    return { value: finish.value, untrusted: durable.untrusted };
  }
  step.waitsFor = finish.kind === 'suspended' ? finish.reason : 'another worker';
  // That it started again is no further attempt.
  return {
    waits: {
      step: step.id,
      state: 'waiting',
      attempt: step.attempt - 1,
      delay_ms: finish.kind === 'suspended' ? finish.wakeMs : null,
      error_class: null,
      error: null,
      looked_at: durable.lookedAt,
    },
  };
}

/** The usual context with what only a durable function has; its queries count as something that it does. */
function durableContext(context: TaskContext, durable: DurableRun): DurableContext {
  const busy = <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) => ({
    value: (...args: Args) => durable.busy(() => call(...args)),
  });
  const calls = Object.entries(callsOf(durable)).map(([name, call]) => [name, { value: call }]);
  return Object.defineProperties(context, {
    ...Object.fromEntries(calls),
    query: busy(context.query as (...args: unknown[]) => Promise<unknown>),
    queryReadOnly: busy(context.queryReadOnly),
    transaction: busy(context.transaction),
    addJob: busy(context.addJob),
  }) as unknown as DurableContext;
}

/** A function that has changed while its mission waited goes on by names; that it has is said once. */
async function noteVersion({ runtime, mission, step }: StepRun, task: LoadedTask): Promise<void> {
  if (step.version === task.contentHash) return;
  await runtime.db.query('select note_function_version($1, $2, $3, $4)', [
    mission.id,
    mission.epoch,
    step.id,
    task.contentHash,
  ]);
}

/** A changed version may leave out what an earlier one did; nobody would see it. */
async function tellUnused({ runtime, mission, step }: StepRun, durable: DurableRun): Promise<void> {
  const names = durable.unused();
  if (names.length === 0) return;
  const payload = {
    task: step.task,
    steps: names.slice(0, 50),
    remedy:
      'the function ended without coming to these recorded steps again: it has changed, or its names do not follow its inputs',
  };
  await runtime.db.query(
    `insert into ops_agent_events (kind, severity, mission_id, step_id, trace_id, payload, tags)
     values ('mission.steps_unused', 'warning', $1, $2, $3, $4, array[$5::text])`,
    [mission.id, step.id, mission.trace_id, JSON.stringify(payload), step.task],
  );
}
