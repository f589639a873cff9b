import { setTimeout as sleep } from 'node:timers/promises';
import { type Outage, throughOutage } from './outage.ts';

const JUMP_MS = 6000;

export const CLOCKS: Record<string, Outage> = {
  "the database's clock jumps by an hour, there and back": {
    promised: { median: 5, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const { tookS, facts } = await throughOutage(world, 'clock', async () => {
        const from = performance.now();
        while (performance.now() - from < JUMP_MS) {
          await world.query(
            `insert into clock_override (at) values (clock_timestamp() + interval '1 hour') on conflict (only_row) do update set at = excluded.at`,
          );
          await sleep(50);
        }
        await world.query('delete from clock_override');
      });
      await world.assertNobodyDied();
      return { tookS: [tookS], facts: `nobody was taken for dead; ${facts}` };
    },
  },
};
