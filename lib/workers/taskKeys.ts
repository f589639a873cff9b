import type { Task } from 'graphile-worker';
import type { ControlState } from '../controls/index.ts';

/** graphile-worker refuses a list without a task. Nothing queues this one, which no worker registers in ops_tasks. */
const NOTHING = 'openclaw_paused';

/**
 * The list of tasks that graphile-worker is given. It reads the object's own keys at each fetch and looks a fetched job's task up
 * by name, so a task whose own key is taken away is not fetched any more, while the prototype still runs what was fetched
 * before. Its own way (forbidden flags) would end the batching of all fetches for as long as a pause lasts.
 */
export function pausableTasks(tasks: Record<string, Task>, controls: ControlState): Record<string, Task> {
  const list: Record<string, Task> = Object.create(tasks);
  const apply = () => {
    for (const [identifier, task] of Object.entries(tasks)) {
      if (controls.pausedBy({ task: identifier })) delete list[identifier];
      else list[identifier] = task;
    }
    if (Object.keys(list).some((identifier) => identifier !== NOTHING)) delete list[NOTHING];
    else list[NOTHING] = () => undefined;
  };
  apply();
  controls.onChange(apply);
  return list;
}
