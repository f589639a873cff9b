import { setTimeout as sleep } from 'node:timers/promises';
import { withBreaker } from '../breakers/index.ts';
import type { Queryable } from '../db/index.ts';
import { OpenClawError } from '../errors/index.ts';
import { type Logger, scrub } from '../log/index.ts';
import {
  CallError,
  guardLoop,
  hashOf,
  isConfigured,
  noteCall,
  type SearchProvider,
  type SettingsReader,
  spending,
} from '../providers/index.ts';
import { askBrave } from './brave.ts';
import { askPerplexity } from './perplexity.ts';
import type { SearchAnswer, SearchRequest, Venue, VenueAnswer } from './types.ts';

export interface SearchDeps {
  readonly db: Queryable;
  readonly settings: SettingsReader;
  readonly log: Logger;
}

/** Ours to mend, not the service's: it does not count against it. */
const OUR_FAULTS: ReadonlySet<string> = new Set(['bad_request', 'refused', 'too_long']);

/**
 * Asks one service, or answers from the day's cache; where the venue is left open, the other one when the first cannot.
 * Everything in the answer comes from outside and must not be believed.
 *
 * @throws E_NO_SEARCH, E_LOOP, HeldError (budget, breaker), E_SEARCH_FAILED; `signal.reason`.
 */
export async function search(deps: SearchDeps, given: SearchRequest): Promise<SearchAnswer> {
  const request = { ...given, query: scrub(given.query.replace(/\s+/g, ' ').trim()).slice(0, 400) };
  const venues = venuesFor(deps, request);
  const call = hashOf([
    'search',
    request.query.toLowerCase(),
    request.depth,
    request.venue ?? '',
    request.count ?? 10,
    request.freshness ?? '',
  ]);
  await guardLoop(deps.db, request.origin.run, call, 'search');
  const faults: string[] = [];
  let held: unknown;
  for (const provider of venues) {
    try {
      const answer = await askVenue(deps, provider, request);
      await noteCall(
        deps.db,
        request.origin.run,
        call,
        answer.results.map(({ url }) => url),
      );
      return answer;
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      if (isHeld(error)) held ??= error;
      else if (!(error instanceof CallError)) throw error;
      const message = `${provider.name}: ${error instanceof CallError ? `${error.fault}: ` : ''}${(error as Error).message}`;
      faults.push(message);
      deps.log.warn({ message }, 'a search service gave no answer');
    }
  }
  if (held && faults.length === venues.length && venues.length === 1) throw held;
  throw new OpenClawError('E_SEARCH_FAILED', 'no search service answered', {
    faults,
    remedy: 'openclaw providers list; openclaw breakers list',
    exitCode: 75,
  });
}

function isHeld(error: unknown): boolean {
  return error instanceof OpenClawError && error.code.startsWith('E_HELD_');
}

function venuesFor({ settings }: SearchDeps, { venue, depth }: SearchRequest): SearchProvider[] {
  const { providers } = settings.read();
  // Breadth is Brave's, depth Perplexity's; either gives links.
  const order: Venue[] = venue ? [venue] : depth === 'answer' ? ['perplexity'] : ['brave', 'perplexity'];
  const able = order
    .map((name) => providers.get(name))
    .filter((provider): provider is SearchProvider => provider?.kind === 'search' && isConfigured(provider));
  if (able.length > 0) return able;
  throw new OpenClawError(
    'E_NO_SEARCH',
    venue || depth === 'answer' ? `${venue ?? 'Perplexity'} is not configured` : 'no search service is configured',
    {
      expected: depth === 'answer' ? 'PERPLEXITY_API_KEY' : 'BRAVE_API_KEY or PERPLEXITY_API_KEY',
      remedy: 'set the key in config/.env',
      exitCode: 78,
    },
  );
}

async function askVenue(deps: SearchDeps, provider: SearchProvider, request: SearchRequest): Promise<SearchAnswer> {
  const { db } = deps;
  const venue = provider.name as Venue;
  const depth = venue === 'brave' ? 'links' : request.depth;
  const key = hashOf([depth, request.query.toLowerCase(), request.count ?? 10, request.freshness ?? '']);
  const cached = await db.query<{ answer: SearchAnswer }>(
    'select answer from ops_search_cache where venue = $1 and query_key = $2 and expires_at > clock_now()',
    [venue, key],
  );
  if (cached.rows[0]) return { ...cached.rows[0].answer, cached: true, costUsd: 0 };

  await waitForTurn(deps, provider, request.signal);
  const mostUsd = provider.usd_per_call[depth === 'answer' ? 'answer' : 'search'];
  const planned = {
    task: 'search_call' as const,
    provider: venue,
    model: depth === 'answer' ? (provider.model ?? null) : null,
    origin: request.origin,
    inputBytes: Buffer.byteLength(request.query),
    mostUsd,
  };
  const got = await withBreaker(
    db,
    venue,
    () =>
      spending<VenueAnswer>(
        db,
        planned,
        async () => {
          const value =
            venue === 'brave'
              ? await askBrave(db, provider, request)
              : await askPerplexity(provider, { ...request, depth });
          return {
            value,
            ended: {
              costUsd: value.costUsd ?? mostUsd ?? 0,
              promptTokens: value.promptTokens,
              completionTokens: value.completionTokens,
            },
          };
        },
        // Only successes are billed.
        (error) => ({ costUsd: 0, fault: error instanceof CallError ? error.fault : 'aborted' }),
      ),
    {
      counts: (error) => error instanceof CallError && !OUR_FAULTS.has(error.fault),
      signal: request.signal,
      log: deps.log,
    },
  );
  const answer: SearchAnswer = {
    venue,
    query: request.query,
    results: got.results,
    answer: got.answer === null ? null : scrub(got.answer),
    cached: false,
    costUsd: got.costUsd ?? mostUsd ?? 0,
    searchedAt: new Date().toISOString(),
  };
  await db.query(
    `insert into ops_search_cache (venue, query_key, query, answer, created_at, expires_at) values ($1, $2, $3, $4::jsonb, clock_now(), clock_now() + interval '1 day')
     on conflict (venue, query_key) do update set answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at`,
    [venue, key, request.query, JSON.stringify(answer).replaceAll('\\u0000', '')],
  );
  return answer;
}

/** All processes take turns at a service; a window that is used up for longer than a moment is an error at once, and costs nothing. */
async function waitForTurn(
  { db }: SearchDeps,
  provider: SearchProvider,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { rows } = await db.query<{ wait: number | null }>(
    'select take_call_turn($1, make_interval(secs => $2::double precision)) as wait',
    [provider.name, 1 / provider.calls_per_second],
  );
  const wait = rows[0]!.wait;
  if (wait === null)
    throw new CallError('rate_limited', 'its window is used up, as the service itself said (openclaw providers list)');
  if (wait > 0) await sleep(wait, undefined, { signal });
}
