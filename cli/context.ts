import { setTimeout as sleep } from 'node:timers/promises';
import type { ActionContext } from '../lib/actions/index.ts';
import { type Config, loadConfig } from '../lib/config/index.ts';
import { commandLineActor, createPool, DATABASE, type Pool } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { createLogger } from '../lib/log/index.ts';
import { findRunningPostgres, type PostgresServer } from '../lib/servers/index.ts';
import { askAtTerminal } from './ask.ts';

const UNIT_WAIT_MS = 45_000;

/** The Postgres that runs for this home. @throws E_NOT_RUNNING (75). */
export async function runningPostgres(config: Config): Promise<PostgresServer> {
  // A unit waits a while: ended at once and started again in a circle, it would soon be given up.
  const deadline = performance.now() + (process.env.NOTIFY_SOCKET ? UNIT_WAIT_MS : 0);
  for (;;) {
    const postgres = await findRunningPostgres(config);
    if (postgres) return postgres;
    if (performance.now() >= deadline) break;
    await sleep(1000);
  }
  throw new OpenClawError('E_NOT_RUNNING', `no Postgres runs for ${config.home}`, {
    remedy: 'openclaw up --detach',
    exitCode: EXIT.tempfail,
  });
}

/** In the place of a pool while Postgres is away: whoever asks it is told so. */
function absentPool(reason: unknown): Pool {
  const refuse = () => Promise.reject(reason);
  return { query: refuse, connect: refuse, end: async () => undefined } as unknown as Pool;
}

/** Everything that an action needs, as the person at this terminal; interrupting it aborts what waits. */
export async function openActionContext(
  name: string,
  json: boolean,
  withoutDatabase = false,
): Promise<{ context: ActionContext; close: () => Promise<void> }> {
  const config = loadConfig();
  const log = createLogger({ name: 'cli', level: 'warn' });
  const db = await runningPostgres(config).then(
    (postgres) =>
      createPool(postgres.urlFor('openclaw_worker', DATABASE), {
        name: `cli:${name}`,
        max: 3,
        actor: commandLineActor(),
        source: 'cli',
        log,
      }),
    (error: unknown) => {
      if (withoutDatabase) return absentPool(error);
      throw error;
    },
  );
  const interrupted = new AbortController();
  const onInterrupt = () => interrupted.abort();
  process.once('SIGINT', onInterrupt);
  return {
    context: {
      db,
      config,
      log,
      say: (line) => void (json || process.stderr.write(`${line}\n`)),
      ask: askAtTerminal,
      print: (line) => void process.stdout.write(`${line}\n`),
      signal: interrupted.signal,
    },
    close: async () => {
      process.off('SIGINT', onInterrupt);
      await db.end();
    },
  };
}
