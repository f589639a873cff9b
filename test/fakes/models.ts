import { type FakeServer, fakeServer, type Received, type Scripted } from './fakeServer.ts';

export type Flavour = 'minimax' | 'openrouter' | 'xai' | 'local';

interface ChatBody {
  model: string;
  messages: { role: string; content: string }[];
}

/** The shape of each service's own answer: what they add to OpenAI's, and what they leave out. */
export function completion(
  flavour: Flavour,
  text: string,
  model = 'a-model',
  tokens = { prompt: 120, completion: 30 },
): Scripted {
  const usage = {
    prompt_tokens: tokens.prompt,
    completion_tokens: tokens.completion,
    total_tokens: tokens.prompt + tokens.completion,
  };
  const choice = { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: text } };
  const common = { id: 'c1', object: 'chat.completion', created: 1_780_000_000, model, choices: [choice], usage };
  if (flavour === 'minimax') {
    return {
      body: {
        ...common,
        choices: [
          {
            ...choice,
            message: {
              ...choice.message,
              name: 'MiniMax AI',
              audio_content: '',
              reasoning_details: [{ type: 'reasoning.text', text: 'thinking' }],
            },
          },
        ],
        usage: { ...usage, total_characters: 0 },
        input_sensitive: false,
        output_sensitive: false,
        base_resp: { status_code: 0, status_msg: '' },
      },
    };
  }
  if (flavour === 'openrouter') {
    return {
      body: {
        ...common,
        provider: 'Upstream',
        choices: [{ ...choice, native_finish_reason: 'stop' }],
        usage: { ...usage, cost: 0.00042, cost_details: { upstream_inference_cost: null } },
      },
    };
  }
  if (flavour === 'xai')
    return { body: { ...common, usage: { ...usage, num_sources_used: 0, cost_in_usd_ticks: 4_200_000 } } };
  return { body: { ...common, usage } };
}

/** What each service answers when it is asked badly or cannot: the documented shapes, by what they mean. */
export const MODEL_ERRORS: Record<string, Scripted> = {
  minimaxBalance: { body: { choices: null, base_resp: { status_code: 1008, status_msg: 'insufficient balance' } } },
  minimaxWindow: {
    status: 429,
    body: {
      type: 'error',
      error: {
        type: 'rate_limit_error',
        message: 'usage limit exceeded, 5-hour usage limit reached … resets at 2030-05-15T15:00:00Z (2056)',
      },
      request_id: 'r1',
    },
  },
  openrouterUpstream: {
    body: {
      id: 'g1',
      error: { code: 502, message: 'Provider returned error', metadata: { provider_name: 'Upstream' } },
    },
  },
  openrouterCredits: {
    status: 402,
    body: { error: { code: 402, message: 'Insufficient credits', metadata: { limit_source: 'openrouter_credits' } } },
  },
  xaiCredits: {
    status: 429,
    body: {
      code: 'Some resource has been exhausted',
      error: 'Your team has used all available credits or reached its monthly spending limit.',
    },
  },
  rateLimited: {
    status: 429,
    headers: { 'retry-after': '7' },
    body: { error: { code: 429, message: 'Rate limit exceeded' } },
  },
  rateLimitedBare: { status: 429, body: { error: { code: 429, message: 'Rate limit exceeded' } } },
  html: { headers: { 'content-type': 'text/html' }, body: '<html><body>Just a moment...</body></html>' },
  truncated: { headers: { 'content-type': 'application/json' }, body: '{"id":"c1","choices":[{"mess' },
  choicesNull: { body: { id: 'c1', object: 'chat.completion', choices: null } },
  statusFailed: { body: { id: 'r1', object: 'response', status: 'failed', error: null } },
  halfClosed: {
    body: { id: 'c1', choices: [{ message: { role: 'assistant', content: 'never whole' } }] },
    cutAfterBytes: 20,
  },
  hang: { hang: true },
};

export interface FakeModel extends FakeServer {
  /** Speaks for the model from now on. */
  say(reply: (messages: ChatBody['messages'], received: Received) => string): void;
}

/** A model's service: checks key, path and body as the real one does, and answers with what `say` makes of the messages. */
export async function fakeModel(flavour: Flavour, key?: string): Promise<FakeModel> {
  let reply: Parameters<FakeModel['say']>[0] = () => 'an answer';
  const server = await fakeServer((received) => {
    if (received.method !== 'POST' || !received.path.endsWith('/chat/completions'))
      return { status: 404, body: { error: { message: 'not found' } } };
    if (key !== undefined && received.headers.authorization !== `Bearer ${key}`)
      return wrongKey(flavour, received.headers.authorization ?? '');
    const body = received.json as ChatBody | undefined;
    if (!body?.model || !Array.isArray(body.messages))
      return { status: 400, body: { error: { message: 'bad request' } } };
    return completion(flavour, reply(body.messages, received), body.model);
  });
  return Object.assign(server, {
    say: (next: typeof reply) => {
      reply = next;
    },
  });
}

/** xAI answers 400 and shows the key's ends, as it really does; some proxies echo it whole. */
function wrongKey(flavour: Flavour, given: string): Scripted {
  if (flavour === 'xai')
    return {
      status: 400,
      body: {
        code: 'Client specified an invalid argument',
        error: `Incorrect API key provided: ${given.replace('Bearer ', '')}. You can obtain an API key from https://console.x.ai.`,
      },
    };
  if (flavour === 'minimax')
    return { body: { choices: null, base_resp: { status_code: 1004, status_msg: 'login fail' } } };
  return { status: 401, body: { error: { code: 401, message: 'No auth credentials found' } } };
}
