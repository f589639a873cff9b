import type { Queryable } from '../db/index.ts';
import { CallError, type SearchProvider } from '../providers/index.ts';
import { foundOf } from './found.ts';
import { requestJson } from './request.ts';
import type { Found, SearchRequest, VenueAnswer } from './types.ts';

const FRESHNESS = { day: 'pd', week: 'pw', month: 'pm', year: 'py' } as const;

export async function askBrave(
  db: Queryable,
  provider: SearchProvider,
  { query, count = 10, freshness, signal }: SearchRequest,
): Promise<VenueAnswer> {
  const parameters = new URLSearchParams({ q: query, count: String(Math.min(20, count)), safesearch: 'moderate' });
  if (freshness) parameters.set('freshness', FRESHNESS[freshness]);
  const { json } = await requestJson(
    provider,
    `/res/v1/web/search?${parameters}`,
    { method: 'GET', headers: { 'x-subscription-token': provider.apiKey ?? '', 'accept-encoding': 'gzip' } },
    signal,
    (headers) => noteWindows(db, provider.name, headers),
  );
  if (json.type === 'ErrorResponse' || json.error) throw new CallError('server', 'an error inside a 200');
  const web = json.web as { results?: unknown } | undefined;
  // No web part means that nothing was found; a web part without a list is no answer of Brave's.
  if (web !== undefined && !Array.isArray(web.results))
    throw new CallError('bad_answer', 'the answer has no list of results');
  const results = ((web?.results ?? []) as Record<string, unknown>[])
    .map((result) =>
      foundOf({ url: result?.url, title: result?.title, snippet: result?.description, date: result?.page_age }),
    )
    .filter((found): found is Found => found !== undefined);
  return { results, answer: null };
}

/** `X-RateLimit-Policy: 1;w=1, 15000;w=2592000` beside `-Remaining: 1, 1000` and `-Reset: 1, 1419704` (seconds). */
async function noteWindows(db: Queryable, service: string, headers: Headers): Promise<void> {
  const list = (name: string) => (headers.get(name) ?? '').split(',').map((part) => part.trim());
  const remaining = list('x-ratelimit-remaining');
  const reset = list('x-ratelimit-reset');
  const windows = list('x-ratelimit-policy').flatMap((policy, index) => {
    const [, most, seconds] = /^(\d+);w=(\d+)$/.exec(policy) ?? [];
    const left = Number.parseInt(remaining[index] ?? '', 10);
    const resets = Number.parseInt(reset[index] ?? '', 10);
    if (!seconds || Number.isNaN(left) || Number.isNaN(resets)) return [];
    // A plan without a monthly limit says 0 of 0.
    return Number(most) === 0
      ? []
      : [{ seconds: Number(seconds), most: Number(most), remaining: left, resets_in: resets }];
  });
  if (windows.length > 0) await db.query('select note_windows($1, $2::jsonb)', [service, JSON.stringify(windows)]);
}
