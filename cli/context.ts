import type { ActionContext } from '../lib/actions/index.ts';
import { type Config, loadConfig } from '../lib/config/index.ts';
import { commandLineActor, createPool, DATABASE } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { createLogger } from '../lib/log/index.ts';
import { findRunningServers, type PostgresServer } from '../lib/servers/index.ts';

/** The Postgres that runs for this home. @throws E_NOT_RUNNING (75). */
export async function runningPostgres(config: Config): Promise<PostgresServer> {
  const { postgres } = await findRunningServers({
    layout: config.layout,
    databaseUrl: config.databaseUrl,
    redisUrl: config.redisUrl,
  });
  if (postgres) return postgres;
  throw new OpenClawError('E_NOT_RUNNING', `no Postgres runs for ${config.home}`, {
    remedy: 'openclaw up --detach',
    exitCode: EXIT.tempfail,
  });
}

/** Everything that an action needs, as the person at this terminal; interrupting it aborts what waits. */
export async function openActionContext(
  name: string,
  json: boolean,
): Promise<{ context: ActionContext; close: () => Promise<void> }> {
  const config = loadConfig();
  const log = createLogger({ name: 'cli', level: 'warn' });
  const postgres = await runningPostgres(config);
  const db = createPool(postgres.urlFor('openclaw_worker', DATABASE), {
    name: `cli:${name}`,
    max: 3,
    actor: commandLineActor(),
    source: 'cli',
    log,
  });
  const interrupted = new AbortController();
  const onInterrupt = () => interrupted.abort();
  process.once('SIGINT', onInterrupt);
  return {
    context: {
      db,
      config,
      log,
      say: (line) => void (json || process.stderr.write(`${line}\n`)),
      signal: interrupted.signal,
    },
    close: async () => {
      process.off('SIGINT', onInterrupt);
      await db.end();
    },
  };
}
