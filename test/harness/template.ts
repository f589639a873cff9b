import path from 'node:path';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { createPool, prepareDatabase } from '../../lib/db/index.ts';
import type { Servers } from '../../lib/servers/index.ts';
import { loadTasks, registerTasks } from '../../lib/tasks/index.ts';

export const TEMPLATE = 'openclaw_template';

/** A migrated database with the built-in tasks and those of test/harness/tasks, which each test file copies in a moment. */
export async function buildTemplate(servers: Servers): Promise<void> {
  const prepared = await prepareDatabase(servers.postgres, { database: TEMPLATE });
  const pool = createPool(prepared.workerUrl, { name: 'template', max: 1 });
  const { tasks } = await loadTasks([path.join(CODE_ROOT, 'tasks'), TEST_TASKS]);
  await registerTasks(pool, tasks.values(), 'template');
  await pool.end();
}

/** Tasks that tests run: no-ops, failures, sleeps. */
export const TEST_TASKS = path.join(CODE_ROOT, 'test/harness/tasks');
