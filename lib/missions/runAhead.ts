import type { LoadedTask } from '../tasks/types.ts';
import type { MissionRow, StepRow } from './types.ts';

/**
 * What only reads leaves nothing that would have to be known after a crash: it begins at once, before the end of what it
 * follows and its own start are committed; they are in the order of their happening. What changes anything begins only when
 * all of that is on record. After a death or a release (the epoch has risen) every start is on record first, so that a step which kills its worker is
 * counted and named. A cancel that comes in the milliseconds before such a start is on record ends the mission at once: the step is then
 * recorded as cancelled, whatever it read.
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
