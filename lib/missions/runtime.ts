import { contextOrigins } from '../tasks/context.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { TaskContext } from '../tasks/types.ts';
import { runSegment, type SegmentResult } from './segment.ts';
import { type CheckpointWriter, createWriter } from './writer.ts';

const writers = new WeakMap<TaskRuntime, CheckpointWriter>();

/** The worker gives its runtime a writer with a connection of its own; without one, checkpoints go over the usual ones. */
export function useWriter(runtime: TaskRuntime, writer: CheckpointWriter): void {
  writers.set(runtime, writer);
}

/** What the task `mission` does: one segment of the mission, under the job's context. */
export async function missionOf(context: TaskContext, missionId: string): Promise<SegmentResult> {
  const { runtime, facts } = contextOrigins.get(context)!;
  let writer = writers.get(runtime);
  if (!writer) {
    writer = createWriter(runtime.db, runtime.log);
    writers.set(runtime, writer);
  }
  return runSegment({
    runtime,
    writer,
    missionId,
    context,
    poolId: facts.fence.kind === 'job' ? facts.fence.poolId : '',
  });
}
