import { layoutOf } from '../../lib/config/layout.ts';
import { ensureServers, findRunningServers, type Servers } from '../../lib/servers/index.ts';
import { temporaryHome } from './temporaryHome.ts';

/** Set by test/run.ts: the home whose servers all files of a run share. */
export const SERVERS_HOME = 'OPENCLAW_TEST_SERVERS_HOME';

let servers: Promise<Servers> | undefined;

/**
 * Postgres and Redis for a test file: those of the run, or, where the file is run by itself, its own, which are gone
 * when this process is.
 */
export function testServers(): Promise<Servers> {
  servers ??= process.env[SERVERS_HOME]
    ? sharedServers(process.env[SERVERS_HOME])
    : ensureServers({ layout: temporaryHome().layout, durable: false });
  return servers;
}

async function sharedServers(home: string): Promise<Servers> {
  const { postgres, redis } = await findRunningServers({ layout: layoutOf(home) });
  if (postgres && redis) return { postgres, redis };
  throw new Error(`${SERVERS_HOME} names ${home}, where ${postgres ? 'Redis' : 'Postgres'} does not answer`);
}
