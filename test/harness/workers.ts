import { mkdirSync } from 'node:fs';
import { loadConfig } from '../../lib/config/index.ts';
import { createLogger } from '../../lib/log/index.ts';
import type { PoolName } from '../../lib/tasks/types.ts';
import { startWorkers, type Workers } from '../../lib/workers/process.ts';
import type { TestDatabase } from './database.ts';
import { TEST_TASKS } from './template.ts';
import { temporaryHome } from './temporaryHome.ts';

/** The environment of a process of ours on a test's database, with the tests' tasks and a home of its own. */
export function testEnvironment(database: TestDatabase): Record<string, string> {
  const { layout } = temporaryHome();
  mkdirSync(layout.home, { recursive: true });
  return {
    PATH: process.env.PATH ?? '',
    OPENCLAW_HOME: layout.home,
    DATABASE_URL: database.urlFor('openclaw_worker'),
    OPENCLAW_TASK_DIRS: TEST_TASKS,
    OPENCLAW_LOG_LEVEL: 'silent',
  };
}

/** Workers in this process. Stop them before the database is dropped. */
export async function startTestWorkers(
  database: TestDatabase,
  options: {
    withCron?: boolean;
    env?: Record<string, string>;
    localQueueSize?: number;
    pools?: readonly PoolName[];
  } = {},
): Promise<Workers> {
  const config = loadConfig({ env: { ...testEnvironment(database), ...options.env } });
  return startWorkers({
    config,
    log: createLogger({ name: 'test', level: 'silent' }),
    workerUrl: database.urlFor('openclaw_worker'),
    readerUrl: database.urlFor('openclaw_tui'),
    pools: options.pools ?? ['missions', 'upkeep'],
    withCron: options.withCron ?? false,
    onFatal: (error) => {
      throw error;
    },
    ...(options.localQueueSize && { localQueueSize: options.localQueueSize }),
  });
}

const LOOK_MS = { first: 10, most: 100 };

/** Asks until `look` gives something, at most for `timeoutMs`; ever less often, because a look is work for what is waited for as well. */
export async function eventually<T>(
  look: () => Promise<T | undefined | null | false>,
  what: string,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = LOOK_MS.first; ; pauseMs = Math.min(pauseMs * 1.3, LOOK_MS.most)) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
