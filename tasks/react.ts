import { z } from 'zod';
import type { Config } from '../lib/config/index.ts';
import { decideTogether } from '../lib/reactions/together.ts';
import { defineTask } from '../lib/tasks/index.ts';

/** One for each start of workers in this process; they have their configuration in common. */
const deciders = new WeakMap<Config, ReturnType<typeof decideTogether>>();

export default defineTask(
  {
    title: 'Decide events against the reaction rules',
    payload: z.object({ events: z.array(z.union([z.string(), z.number()])).max(1000) }),
    pool: 'reactions',
    effect: 'write',
    retries: 24,
    timeout: '2 m',
  },
  // Deciding twice decides once (one row a pair of event and rule), so a killed attempt is simply run again.
  async ({ events }, { query, config }) => {
    let decide = deciders.get(config);
    if (!decide) {
      decide = decideTogether(query);
      deciders.set(config, decide);
    }
    return decide(events);
  },
);
