import { said } from '../providers/faults.ts';
import { CallError, type SearchProvider } from '../providers/index.ts';
import { foundOf, plain } from './found.ts';
import { requestJson } from './request.ts';
import type { Found, SearchRequest, VenueAnswer } from './types.ts';

const ANSWER_LIMIT = 20_000;

/** Links by the Search API, a text with sources by the Agent API; the old Sonar chat is gone. */
export async function askPerplexity(provider: SearchProvider, request: SearchRequest): Promise<VenueAnswer> {
  return request.depth === 'links' ? links(provider, request) : answer(provider, request);
}

const authorization = (provider: SearchProvider) => ({ authorization: `Bearer ${provider.apiKey ?? ''}` });

async function links(
  provider: SearchProvider,
  { query, count = 10, freshness, signal }: SearchRequest,
): Promise<VenueAnswer> {
  const body = { query, max_results: Math.min(20, count), ...(freshness && { search_recency_filter: freshness }) };
  const { json } = await requestJson(
    provider,
    '/search',
    { method: 'POST', headers: authorization(provider), body },
    signal,
  );
  if (json.error) throw new CallError('server', 'an error inside a 200');
  if (!Array.isArray(json.results)) throw new CallError('bad_answer', 'the answer has no list of results');
  return { results: resultsOf(json.results), answer: null };
}

async function answer(
  provider: SearchProvider,
  { query, count = 10, freshness, signal }: SearchRequest,
): Promise<VenueAnswer> {
  const body = {
    // A preset alone may choose another company's model, at another price.
    model: provider.model ?? 'perplexity/sonar',
    input: query,
    instructions:
      'Answer in at most 300 words, with facts and dates, and cite the sources as [n]. Say so where the sources disagree or say nothing.',
    max_output_tokens: 1200,
    tools: [
      {
        type: 'web_search',
        max_results: Math.min(20, count),
        ...(freshness && { filters: { search_recency_filter: freshness } }),
      },
    ],
    stream: false,
    store: false,
  };
  const { json } = await requestJson(
    provider,
    '/v1/agent',
    { method: 'POST', headers: authorization(provider), body },
    signal,
  );
  return Array.isArray(json.output) ? readAgent(json) : readSonar(json);
}

/** A run that failed or was cancelled is a 200 too. */
function readAgent(json: Record<string, unknown>): VenueAnswer {
  if (json.status !== 'completed' || json.error) {
    const error = json.error as { message?: unknown } | null | undefined;
    throw new CallError(
      'server',
      `the run's status is ${said(json.status ?? 'unknown')}: ${said(error?.message ?? '')}`,
    );
  }
  const output = json.output as { type?: unknown; results?: unknown; content?: unknown }[];
  const results = output
    .filter(({ type }) => type === 'search_results')
    .flatMap(({ results }) => (Array.isArray(results) ? results : []));
  const text = output
    .filter(({ type }) => type === 'message')
    .flatMap(({ content }) => (Array.isArray(content) ? content : []))
    .map((part: { type?: unknown; text?: unknown }) =>
      part?.type === 'output_text' && typeof part.text === 'string' ? part.text : '',
    )
    .join('\n');
  if (text.trim() === '') throw new CallError('bad_answer', 'the answer is empty');
  const usage = (json.usage ?? {}) as {
    input_tokens?: unknown;
    output_tokens?: unknown;
    cost?: { total_cost?: unknown };
  };
  return {
    results: resultsOf(results),
    answer: prose(text),
    ...usageOf(usage.input_tokens, usage.output_tokens, usage.cost?.total_cost),
  };
}

/** The shape of before, which a proxy or an old deployment may still send. */
function readSonar(json: Record<string, unknown>): VenueAnswer {
  const choices = json.choices as { message?: { content?: unknown } }[] | undefined;
  const text = Array.isArray(choices) ? choices[0]?.message?.content : undefined;
  if (json.error || typeof text !== 'string' || text.trim() === '')
    throw new CallError('bad_answer', 'the answer has neither output nor choices');
  const cited = Array.isArray(json.search_results)
    ? json.search_results
    : ((json.citations ?? []) as unknown[]).map((url) => ({ url, title: url }));
  const usage = (json.usage ?? {}) as {
    prompt_tokens?: unknown;
    completion_tokens?: unknown;
    cost?: { total_cost?: unknown };
  };
  return {
    results: resultsOf(cited),
    answer: prose(text),
    ...usageOf(usage.prompt_tokens, usage.completion_tokens, usage.cost?.total_cost),
  };
}

const prose = (text: string) =>
  text
    .split('\n')
    .map((line) => plain(line, 4000))
    .join('\n')
    .trim()
    .slice(0, ANSWER_LIMIT);

function usageOf(prompt: unknown, completion: unknown, cost: unknown) {
  const number = (value: unknown) =>
    typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
  return { promptTokens: number(prompt), completionTokens: number(completion), costUsd: number(cost) };
}

function resultsOf(results: readonly unknown[]): Found[] {
  return results
    .map((raw) => {
      const result = (raw ?? {}) as Record<string, unknown>;
      return foundOf({
        url: result.url,
        title: result.title,
        snippet: result.snippet,
        date: result.date ?? result.last_updated,
      });
    })
    .filter((found): found is Found => found !== undefined);
}
