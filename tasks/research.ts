import { z } from 'zod';
import { callsOfTask, isRetryableCall } from '../lib/providers/index.ts';
import { research } from '../lib/research/index.ts';
import { FRESHNESS, VENUES } from '../lib/search/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Research a question: search, read the best pages, store what matters as signals that expire',
    payload: z.object({
      query: z.string().min(3).max(400),
      depth: z.enum(['quick', 'deep']).default('quick'),
      venue: z.enum(VENUES).optional(),
      freshness: z.enum(FRESHNESS).optional(),
      asset: z.string().min(1).max(100).optional(),
      budget_usd: z.number().positive().max(100).default(0.1),
    }),
    effect: 'write',
    untrusted: true,
    timeout: '10 m',
    retries: 2,
    backoff: { initial: '30 s', factor: 4, max: '10 m' },
    retryable: isRetryableCall,
  },
  async ({ budget_usd, ...payload }, context) => {
    const { deps, origin, signal } = callsOfTask(context);
    return research(deps, { ...payload, budgetUsd: budget_usd, origin: { ...origin, agent: 'scout' }, signal });
  },
);
