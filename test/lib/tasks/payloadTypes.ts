import type { TaskContext } from '../../../lib/tasks/index.ts';

/** Compiled, never run: the payload types of the tasks reach addJob (types/tasks.d.ts, by `openclaw types`). */
export async function payloadTypesReachAddJob({ addJob }: Pick<TaskContext, 'addJob'>): Promise<void> {
  await addJob('fetch_url', { url: 'https://example.com/' });
  await addJob('retention', { batch: 10 });
  // @ts-expect-error the url is missing
  await addJob('fetch_url', {});
  // @ts-expect-error a batch is a number
  await addJob('retention', { batch: '10' });
  // A task that TypeScript does not know takes any object.
  await addJob('operators_own', { anything: true });
}
