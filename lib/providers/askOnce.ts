import type OpenAI from 'openai';
import { scrub } from '../log/index.ts';
import { callErrorOf, faultOfBaseResp, faultOfStatus, retryAfterMs, said } from './faults.ts';
import type { ModelChoice } from './settings.ts';
import { CallError, type ChatMessage, type Usage } from './types.ts';

export interface AskOnce {
  readonly messages: readonly ChatMessage[];
  readonly outputTokens: number;
  readonly temperature?: number;
  readonly shape?: { readonly name: string; readonly json: Record<string, unknown> };
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface OneAnswer {
  readonly text: string;
  readonly usage: Usage | undefined;
  readonly cutShort: boolean;
  /** The model that really answered, where the service says so. */
  readonly model: string;
}

const clients = new Map<string, OpenAI>();

async function clientOf({ provider }: ModelChoice): Promise<OpenAI> {
  const key = `${provider.name} ${provider.baseUrl} ${provider.apiKey ?? ''}`;
  let client = clients.get(key);
  if (!client) {
    // 80 MB of memory and a third of a second: only who asks a model pays for it.
    const { default: Client } = await import('openai');
    client = new Client({
      baseURL: provider.baseUrl,
      // A local server wants none, and the client wants one.
      apiKey: provider.apiKey ?? 'none',
      // Each failure must be seen by failover and the breaker, so nothing is repeated inside.
      maxRetries: 0,
      // Whatever OPENAI_* the environment has is nobody's wish here.
      organization: null,
      project: null,
      defaultHeaders: provider.service === 'openrouter' ? { 'X-Title': 'OpenClaw' } : {},
      logLevel: 'off',
    });
    clients.set(key, client);
  }
  return client;
}

/** One request to one model. @throws CallError; `signal.reason` when the caller's signal aborts. */
export async function askOnce(choice: ModelChoice, ask: AskOnce): Promise<OneAnswer> {
  const { provider, model } = choice;
  const deadline = AbortSignal.timeout(ask.timeoutMs);
  // The client's own timeout ends with the headers; a body that never ends needs this one.
  const signal = ask.signal ? AbortSignal.any([ask.signal, deadline]) : deadline;
  let answer: unknown;
  let headers: Headers | undefined;
  try {
    const client = await clientOf(choice);
    const body = {
      model,
      messages: ask.messages.map(({ role, content }) => ({ role, content: scrub(content) })),
      [provider.output_limit_key]: ask.outputTokens,
      ...(ask.temperature !== undefined && { temperature: ask.temperature }),
      ...(ask.shape && responseFormat(provider.structured, ask.shape)),
      ...provider.extra,
      stream: false as const,
    };
    const got = await client.chat.completions
      .create(body as OpenAI.ChatCompletionCreateParamsNonStreaming, { signal, timeout: ask.timeoutMs })
      .withResponse();
    answer = got.data;
    headers = got.response.headers;
  } catch (error) {
    if (deadline.aborted && !ask.signal?.aborted)
      throw new CallError('timeout', `no answer within ${ask.timeoutMs} ms`);
    throw callErrorOf(error, ask.signal);
  }
  return readAnswer(answer, headers, choice);
}

function responseFormat(
  how: 'json_schema' | 'json_object' | 'prompt',
  shape: { name: string; json: Record<string, unknown> },
) {
  if (how === 'prompt') return {};
  if (how === 'json_object') return { response_format: { type: 'json_object' } };
  return {
    response_format: { type: 'json_schema', json_schema: { name: shape.name, schema: shape.json, strict: false } },
  };
}

interface Completion {
  error?: { message?: unknown; code?: unknown } | string | null;
  code?: unknown;
  status?: unknown;
  base_resp?: { status_code?: unknown; status_msg?: unknown } | null;
  choices?: { finish_reason?: string | null; message?: { content?: unknown; refusal?: unknown } | null }[] | null;
  usage?: Record<string, unknown> | null;
  model?: unknown;
}

/** An error inside a 200 is an error: every way in which the services are known to send one. */
function readAnswer(answer: unknown, headers: Headers | undefined, choice: ModelChoice): OneAnswer {
  if (typeof answer !== 'object' || answer === null)
    throw new CallError(
      'bad_answer',
      `the answer is no JSON object (content type ${said(headers?.get('content-type') ?? 'none')})`,
    );
  const completion = answer as Completion;
  const { error, base_resp: base, choices } = completion;
  if (error) {
    const message = said(typeof error === 'string' ? error : (error.message ?? error));
    const code = Number(typeof error === 'string' ? completion.code : error.code);
    const status = code >= 400 && code < 600 ? code : 502;
    throw new CallError(faultOfStatus(status, message), `an error inside a 200: ${message}`, {
      retryAfterMs: retryAfterMs(headers, message),
    });
  }
  if (base && base.status_code !== undefined && base.status_code !== 0) {
    const message = said(base.status_msg);
    throw new CallError(
      faultOfBaseResp(Number(base.status_code)),
      `an error inside a 200 (${said(String(base.status_code))}): ${message}`,
      {
        retryAfterMs: retryAfterMs(headers, message),
      },
    );
  }
  if (completion.status === 'failed' || completion.status === 'cancelled')
    throw new CallError('server', `the answer's status is ${completion.status}`);
  const first = Array.isArray(choices) ? choices[0] : undefined;
  if (!first) throw new CallError('bad_answer', 'the answer has no choices');
  if (first.finish_reason === 'error') throw new CallError('server', 'the model broke off with an error');
  if (first.finish_reason === 'content_filter') throw new CallError('refused', 'the service withheld the answer');
  const text = withoutThinking(typeof first.message?.content === 'string' ? first.message.content : '');
  if (first.message?.refusal) throw new CallError('refused', `the model refused: ${said(first.message.refusal)}`);
  if (text === '')
    throw new CallError(
      'bad_answer',
      first.finish_reason === 'length' ? 'the model used up its output without an answer' : 'the answer is empty',
    );
  return {
    text,
    usage: usageOf(completion.usage, choice),
    cutShort: first.finish_reason === 'length',
    model:
      typeof completion.model === 'string' && completion.model !== ''
        ? said(completion.model).slice(0, 100)
        : choice.model,
  };
}

/** MiniMax and local models put their trace into the answer unless told otherwise. */
function withoutThinking(text: string): string {
  return text.replace(/<think>[\s\S]*?(<\/think>|$)/g, '').trim();
}

function usageOf(usage: Record<string, unknown> | null | undefined, { facts }: ModelChoice): Usage | undefined {
  const number = (value: unknown) =>
    typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
  const promptTokens = number(usage?.prompt_tokens);
  const completionTokens = number(usage?.completion_tokens);
  if (promptTokens === undefined || completionTokens === undefined) return undefined;
  const stated = number(usage?.cost);
  const cached = Math.min(
    promptTokens,
    number((usage?.prompt_tokens_details as { cached_tokens?: unknown } | undefined)?.cached_tokens) ?? 0,
  );
  return {
    promptTokens,
    completionTokens,
    costUsd: stated ?? priceOf(facts, promptTokens, completionTokens, cached) ?? 0,
  };
}

/** In USD; undefined where the price is not known. */
export function priceOf(
  facts: ModelChoice['facts'],
  promptTokens: number,
  completionTokens: number,
  cachedTokens = 0,
): number | undefined {
  const price = facts.usd_per_million;
  if (!price) return undefined;
  const cached = price.cached_input ?? price.input;
  return ((promptTokens - cachedTokens) * price.input + cachedTokens * cached + completionTokens * price.output) / 1e6;
}
