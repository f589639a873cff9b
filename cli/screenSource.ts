import { type Config, loadConfig } from '../lib/config/index.ts';
import { DATABASE } from '../lib/db/prepare.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { type Whereabouts, whereabouts } from '../lib/servers/whereabouts.ts';

/** Where a screen of this home reads and acts. Found again when a server is somewhere else after a restart. */
export interface ScreenSource {
  config: Config;
  reader: (anew: boolean) => string;
  actUrl: () => string;
  redisUrl: () => string | undefined;
}

/**
 * Nothing is asked whether it answers: the screen itself shows that, and the first picture does not wait for it.
 * @throws E_NOT_RUNNING (75) where a private Postgres does not run.
 */
export function screenSource(): ScreenSource {
  const config = loadConfig();
  const look = () => whereabouts(config);
  let servers: Whereabouts = look();
  const postgres = () => {
    if (servers.postgres) return servers.postgres;
    throw new OpenClawError('E_NOT_RUNNING', `no Postgres runs for ${config.home}`, {
      remedy: 'openclaw up --detach',
      exitCode: EXIT.tempfail,
    });
  };
  postgres();
  return {
    config,
    reader: (anew) => {
      if (anew) servers = { ...servers, ...look() };
      return postgres().urlFor('openclaw_tui', DATABASE);
    },
    actUrl: () => postgres().urlFor('openclaw_worker', DATABASE),
    redisUrl: () => {
      if (!servers.redis) servers = { ...servers, ...look() };
      return servers.redis?.url;
    },
  };
}
