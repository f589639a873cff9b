import type { LoadedTask } from '../tasks/types.ts';
import type { Checkpoint, MissionRow, StepRow } from './types.ts';

/**
 * What only reads leaves nothing that would have to be known after a crash: it begins at once, before the end of what it
 * follows and its own start are committed; they are in the order of their happening. What changes anything begins only when
 * all of that is on record. After a death or a release (the epoch has risen) every start is on record first, so that a step which kills its worker is
 * counted and named.
 */
export function runsAhead(
  { epoch }: Pick<MissionRow, 'epoch'>,
  step: Pick<StepRow, 'effect' | 'attempt' | 'approval'>,
  task: Pick<LoadedTask, 'effect' | 'durable' | 'limits'> | undefined,
): boolean {
  return (
    epoch === 1 &&
    step.effect === 'read' &&
    step.attempt === 1 &&
    step.approval === null &&
    task !== undefined &&
    task.effect === 'read' &&
    !task.durable &&
    !task.limits
  );
}

/** Whether anything waits for the commit of a checkpoint. `begun`: how many steps begin once it is there. */
export function followsFrom({ change, requeues }: Checkpoint, begun: number, toAsk: readonly StepRow[]): boolean {
  return change !== null || requeues.length > 0 || begun > 0 || toAsk.length > 0;
}
