import { z } from 'zod';
import { callsOfTask, isRetryableCall } from '../lib/providers/index.ts';
import { FRESHNESS, search, VENUES } from '../lib/search/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Search the web: links by Brave or Perplexity, or an answer with its sources by Perplexity',
    payload: z.object({
      query: z.string().min(1).max(400),
      depth: z.enum(['links', 'answer']).default('links'),
      venue: z.enum(VENUES).optional(),
      count: z.number().int().min(1).max(20).default(10),
      freshness: z.enum(FRESHNESS).optional(),
    }),
    effect: 'read',
    untrusted: true,
    timeout: '2 m',
    retries: 3,
    backoff: { initial: '10 s', factor: 4, max: '10 m' },
    retryable: isRetryableCall,
  },
  async (payload, context) => {
    const { deps, origin, signal } = callsOfTask(context);
    const found = await search(deps, { ...payload, origin, signal });
    return {
      venue: found.venue,
      query: found.query,
      answer: found.answer,
      results: found.results,
      urls: found.results.map(({ url }) => url),
      cached: found.cached,
      searched_at: found.searchedAt,
      cost_usd: found.costUsd,
    };
  },
);
