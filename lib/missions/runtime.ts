import { contextOrigins } from '../tasks/context.ts';
import type { TaskRuntime } from '../tasks/runtime.ts';
import type { TaskContext } from '../tasks/types.ts';
import { createRecorder, type Recorder } from './durable/index.ts';
import { runSegment, type SegmentResult } from './segment.ts';
import { type CheckpointWriter, createWriter } from './writer.ts';

const writers = new WeakMap<TaskRuntime, { writer: CheckpointWriter; recorder: Recorder }>();

/** The worker gives its runtime writers with a connection of their own; without them, checkpoints go over the usual ones. */
export function useWriter(runtime: TaskRuntime, writer: CheckpointWriter, recorder: Recorder): void {
  writers.set(runtime, { writer, recorder });
}

/** What the task `mission` does: one segment of the mission, under the job's context. */
export async function missionOf(context: TaskContext, missionId: string): Promise<SegmentResult> {
  const { runtime, facts } = contextOrigins.get(context)!;
  if (!writers.has(runtime))
    useWriter(runtime, createWriter(runtime.db, runtime.log), createRecorder(runtime.db, runtime.log));
  return runSegment({
    runtime,
    ...writers.get(runtime)!,
    missionId,
    context,
    poolId: facts.fence.kind === 'job' ? facts.fence.poolId : '',
  });
}
