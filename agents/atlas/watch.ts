import type { AgentContext } from '../../lib/agents/index.ts';
import { findRunningServers } from '../../lib/servers/index.ts';
import {
  hostWatch,
  serviceWatch,
  watchAgents,
  watchOpportunities,
  watchProviders,
  watchQueue,
} from '../../lib/watch/index.ts';

async function redisAnswers({ layout, databaseUrl, redisUrl }: AgentContext['config']): Promise<void> {
  const { redis } = await findRunningServers({ layout, databaseUrl, redisUrl });
  if (!redis) throw new Error('no answer');
}

let host: ReturnType<typeof hostWatch> | undefined;
let services: ReturnType<typeof serviceWatch> | undefined;

/** What Atlas looks at, and how often is in agent.ts. Each look is by itself: one that fails leaves the others. */
export const watch = {
  agents: async ({ db, agent }: AgentContext): Promise<void> =>
    watchAgents(db, { watcher: agent, mayRestart: true, upS: process.uptime() }),
  services: async ({ db, config }: AgentContext): Promise<void> => {
    services ??= serviceWatch([
      {
        subject: 'service:postgres',
        title: 'Postgres',
        needed: 'systemctl status postgresql, or openclaw up',
        ask: () => db.query('select 1'),
      },
      {
        subject: 'service:redis',
        title: 'Redis',
        needed: 'systemctl status redis-server, or openclaw up',
        ask: () => redisAnswers(config),
      },
    ]);
    await services(db);
    await watchProviders(db);
    await watchQueue(db);
  },
  opportunities: async ({ db }: AgentContext): Promise<void> => {
    await watchOpportunities(db);
  },
  host: async ({ db, config }: AgentContext): Promise<void> => {
    host ??= hostWatch([...new Set(['/', config.home])]);
    await host(db);
  },
};
