import { type Outage, throughOutage } from './outage.ts';

export const SERVERS: Record<string, Outage> = {
  'Postgres restarted': {
    promised: { median: 10, most: 20 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const { tookS, facts } = await throughOutage(world, 'restart', async () => {
        await world.stopServers();
        await world.startServers();
      });
      return { tookS: [tookS], facts };
    },
  },
  'every backend terminated': {
    promised: { median: 5, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const { tookS, facts } = await throughOutage(world, 'terminate', async () => {
        await world.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid()',
        );
      });
      return { tookS: [tookS], facts };
    },
  },
  'Redis gone': {
    promised: { median: 5, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const { tookS, facts } = await throughOutage(world, 'redis', async () => {
        process.kill(world.redisPid, 'SIGKILL');
      });
      return { tookS: [tookS], facts };
    },
  },
};
