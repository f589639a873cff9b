import { z } from 'zod';
import { mirrorMemory } from '../lib/memory/mirror.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Prune memory to its cap and mirror it into the workspace',
    payload: z.object({
      /** Rows of each owner (an agent, or everybody) that are kept. */
      cap: z.number().int().min(10).max(1_000_000).default(2000),
    }),
    pool: 'learning',
    effect: 'write',
    timeout: '10 m',
  },
  async ({ cap }, { query, config, signal }) => {
    const { rows } = await query<{ pruned: number }>('select prune_memory($1) as pruned', [cap]);
    const mirror = await mirrorMemory({ query }, config.layout.workspace, signal);
    return { pruned: rows[0]!.pruned, ...mirror };
  },
);
