import { type FakeServer, fakeServer, type Scripted } from './fakeServer.ts';

export interface FakeResult {
  url: string;
  title?: string;
  snippet?: string;
  date?: string;
}

export interface FakeSearch extends FakeServer {
  /** What is found from now on. */
  find(results: (query: string) => FakeResult[]): void;
}

const WINDOWS = {
  'x-ratelimit-limit': '50, 15000',
  'x-ratelimit-policy': '50;w=1, 15000;w=2592000',
  'x-ratelimit-remaining': '49, 1000',
  'x-ratelimit-reset': '1, 1419704',
};

/** Brave's web search, with its windows in the headers of every answer and its own way to call a wrong token 422. */
export async function fakeBrave(key: string): Promise<FakeSearch> {
  let find: (query: string) => FakeResult[] = () => [{ url: 'https://example.org/a', title: 'A' }];
  const server = await fakeServer(({ path, query, headers }) => {
    if (path !== '/res/v1/web/search')
      return { status: 404, body: { type: 'ErrorResponse', error: { status: 404, code: 'NOT_FOUND', detail: 'no' } } };
    if (headers['x-subscription-token'] !== key) {
      return {
        status: 422,
        body: {
          type: 'ErrorResponse',
          error: {
            id: 'e1',
            status: 422,
            code: 'SUBSCRIPTION_TOKEN_INVALID',
            detail: 'The provided subscription token is invalid.',
          },
          time: 1,
        },
      };
    }
    const q = query.get('q') ?? '';
    const results = find(q).slice(0, Number(query.get('count') ?? 20));
    return {
      headers: WINDOWS,
      body: {
        type: 'search',
        query: { original: q, more_results_available: false },
        mixed: {},
        web: {
          type: 'search',
          results: results.map(({ url, title, snippet, date }) => ({
            url,
            title: title ?? url,
            description: snippet ?? '',
            page_age: date,
            family_friendly: true,
          })),
        },
      },
    };
  });
  return Object.assign(server, {
    find: (next: typeof find) => {
      find = next;
    },
  });
}

export const BRAVE_RATE_LIMITED: Scripted = {
  status: 429,
  headers: { ...WINDOWS, 'x-ratelimit-remaining': '0, 0', 'x-ratelimit-reset': '1, 86400' },
  body: {
    type: 'ErrorResponse',
    error: {
      id: 'e2',
      status: 429,
      code: 'RATE_LIMITED',
      detail: 'Request rate limit exceeded for plan.',
      meta: { plan: 'Search', quota_limit: 15000, quota_current: 15000, component: 'rate_limiter' },
    },
    time: 1,
  },
};

/** Perplexity's Search API and Agent API. */
export async function fakePerplexity(key: string): Promise<FakeSearch> {
  let find: (query: string) => FakeResult[] = () => [
    { url: 'https://example.org/p', title: 'P', snippet: 'From Perplexity.' },
  ];
  const server = await fakeServer(({ path, json, headers }) => {
    if (headers.authorization !== `Bearer ${key}`)
      return {
        status: 401,
        body: { error: { message: 'Invalid API key provided.', type: 'invalid_api_key', code: 401 } },
      };
    const body = (json ?? {}) as { query?: string; input?: string; model?: string; tools?: { type: string }[] };
    if (path === '/search')
      return {
        body: {
          id: 's1',
          results: find(body.query ?? '').map((result) => ({
            title: '',
            snippet: '',
            ...result,
            last_updated: result.date,
          })),
        },
      };
    if (path !== '/v1/agent')
      return { status: 404, body: { error: { message: 'not found', type: 'not_found', code: 404 } } };
    const results = find(body.input ?? '').map((result, index) => ({
      id: index + 1,
      source: 'web',
      title: '',
      snippet: '',
      ...result,
    }));
    return {
      body: {
        id: 'resp_1',
        object: 'response',
        created_at: 1_780_000_000,
        completed_at: 1_780_000_002,
        status: 'completed',
        model: body.model,
        // Without the tool there is no search.
        output: [
          ...(body.tools?.some(({ type }) => type === 'web_search')
            ? [{ type: 'search_results', queries: [body.input], results }]
            : []),
          {
            type: 'message',
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: 'It is so [1].', annotations: [] }],
          },
        ],
        usage: {
          input_tokens: 900,
          output_tokens: 200,
          total_tokens: 1100,
          tool_calls_details: { search_web: { invocation: 1 } },
          cost: { currency: 'USD', input_cost: 0.001, output_cost: 0.002, tool_calls_cost: 0.005, total_cost: 0.008 },
        },
        error: null,
        incomplete_details: null,
      },
    };
  });
  return Object.assign(server, {
    find: (next: typeof find) => {
      find = next;
    },
  });
}

export const PERPLEXITY_FAILED: Scripted = {
  body: {
    id: 'resp_2',
    object: 'response',
    status: 'failed',
    model: 'perplexity/sonar',
    output: [],
    usage: null,
    error: { message: 'the model failed', code: 'server_error' },
    incomplete_details: null,
  },
};
