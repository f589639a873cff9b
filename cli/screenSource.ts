import { type Config, loadConfig } from '../lib/config/index.ts';
import { createPool, DATABASE } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { findRunningServers, type Servers } from '../lib/servers/index.ts';
import type { Reader } from '../tui/feed/connection.ts';

/** Where a screen of this home reads and acts. Found again when a server is somewhere else after a restart. */
export interface ScreenSource {
  config: Config;
  reader: (anew: boolean) => Promise<Reader>;
  actUrl: () => Promise<string>;
  redisUrl: () => Promise<string | undefined>;
}

/** @throws E_NOT_RUNNING (75). */
export async function screenSource(): Promise<ScreenSource> {
  const config = loadConfig();
  let servers: Partial<Servers> = await find(config);
  let role: string | undefined;
  const postgres = () => {
    if (servers.postgres) return servers.postgres;
    throw new OpenClawError('E_NOT_RUNNING', `no Postgres runs for ${config.home}`, {
      remedy: 'openclaw up --detach',
      exitCode: EXIT.tempfail,
    });
  };
  if (postgres().origin === 'configured') role = await readingRole(postgres().adminUrl);
  return {
    config,
    reader: async (anew) => {
      if (anew) servers = { ...servers, ...(await find(config)) };
      return { url: postgres().urlFor('openclaw_tui', DATABASE), ...(role && { role }) };
    },
    actUrl: async () => postgres().urlFor('openclaw_worker', DATABASE),
    redisUrl: async () => {
      if (!servers.redis) servers = { ...servers, ...(await find(config)) };
      return servers.redis?.url;
    },
  };
}

const find = (config: Config) =>
  findRunningServers({ layout: config.layout, databaseUrl: config.databaseUrl, redisUrl: config.redisUrl });

/** On a configured server: the reading role, where the configured user may take it on. */
async function readingRole(url: string): Promise<string | undefined> {
  const db = createPool(url, { name: 'screen:role', max: 1 });
  try {
    const { rowCount } = await db.query(
      "select from pg_roles where rolname = 'openclaw_tui' and pg_has_role(current_user, oid, 'member')",
    );
    return rowCount ? 'openclaw_tui' : undefined;
  } finally {
    await db.end();
  }
}
