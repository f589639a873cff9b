import { z } from 'zod';
import { defineTask } from '../lib/tasks/index.ts';

/** Rows a transaction: small enough to stop between two, large enough that the statement does not matter. */
const BATCH = 20_000;

export default defineTask(
  {
    title: 'Take outcomes into the statistics, propose changes, watch applied ones',
    payload: z.object({}),
    pool: 'learning',
    effect: 'write',
    timeout: '30 m',
  },
  async (_payload, { query, signal, progress }) => {
    let learned = 0;
    for (;;) {
      signal.throwIfAborted();
      const { rows } = await query<{ learned: number }>('select learn($1) as learned', [BATCH]);
      learned += rows[0]!.learned;
      if (rows[0]!.learned < BATCH) break;
      progress(0, `${learned} outcomes`);
    }
    const { rows } = await query<{ proposed: number; settled: number }>(
      'select propose_changes() as proposed, watch_changes() as settled',
    );
    return { learned, ...rows[0]! };
  },
);
