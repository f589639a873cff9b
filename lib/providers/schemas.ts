import { z } from 'zod';

/** What went wrong with a call, as failover and breakers tell it apart. */
export const CALL_FAULTS = [
  'unreachable',
  'timeout',
  'rate_limited',
  'overloaded',
  'server',
  'bad_answer',
  'no_credit',
  'unauthorized',
  'unknown_model',
  'refused',
  'too_long',
  'bad_request',
] as const;
export type CallFault = (typeof CALL_FAULTS)[number];

export const SERVICES = ['minimax', 'openrouter', 'xai', 'local', 'brave', 'perplexity'] as const;

const url = z.string().regex(/^https?:\/\/[^\s@?#]+$/, 'expected an http or https URL without user, query or fragment');
const usd = z.number().min(0).max(10_000);

const model = z.strictObject({
  context_tokens: z.number().int().min(256).max(10_000_000),
  max_output_tokens: z.number().int().min(16).max(1_000_000),
  /** Without it the price is unknown, and a budget lets no call of an unknown price through. */
  usd_per_million: z.strictObject({ input: usd, cached_input: usd.optional(), output: usd }).optional(),
});

const shared = {
  title: z.string().min(1).max(100),
  /** Whose address and key of the environment are used. */
  service: z.enum(SERVICES),
  base_url: url.optional(),
  timeout_ms: z.number().int().min(100).max(600_000),
  enabled: z.boolean().default(true),
};

const chatProvider = z.strictObject({
  ...shared,
  kind: z.literal('chat'),
  /** How an answer of a given shape is asked for; the answer is checked either way. */
  structured: z.enum(['json_schema', 'json_object', 'prompt']).default('prompt'),
  output_limit_key: z.enum(['max_tokens', 'max_completion_tokens']).default('max_tokens'),
  /** Further fields of each request, as the service wants them. */
  extra: z.record(z.string(), z.unknown()).default({}),
  models: z
    .record(z.string().min(1).max(200), model)
    .refine((models) => Object.keys(models).length > 0, 'expected at least one model'),
});

const searchProvider = z.strictObject({
  ...shared,
  kind: z.literal('search'),
  calls_per_second: z.number().positive().max(1000).default(1),
  usd_per_call: z.strictObject({ search: usd.optional(), answer: usd.optional() }),
  model: z.string().optional(),
});

export const PROVIDER_FILE = z.discriminatedUnion('kind', [chatProvider, searchProvider]);
export type ChatProviderFile = z.output<typeof chatProvider>;
export type SearchProviderFile = z.output<typeof searchProvider>;
export type ModelFacts = z.output<typeof model>;

export const FAILOVER_FILE = z.strictObject({
  /** `provider/model`, the first first. What is not in here is used only when it is asked for by name. */
  order: z.array(z.string().regex(/^[^/\s]+\/\S+$/, 'expected provider/model')).min(1),
  fail_over_on: z.array(z.enum(CALL_FAULTS)),
  /** After the first failure, the second, ...; the last for all further ones. */
  cooldown_minutes: z.array(z.number().positive().max(10_080)).min(1),
  /** How long an answer is waited for while another model is left to ask; the last one gets its whole timeout. */
  patience_ms: z.number().int().min(500).max(600_000),
});
export type Failover = z.output<typeof FAILOVER_FILE>;

export const CONTEXT_FILE = z.strictObject({
  /** The part of a window that is used: the count before sending is an estimate. */
  safety: z.number().min(0.1).max(1),
  /** Room for the answer where the caller does not say. */
  output_tokens: z.number().int().min(16).max(1_000_000),
  /** No single message is longer; its middle is left out. */
  message_tokens: z.number().int().min(64).max(10_000_000),
  /** Most input by purpose (plan, research, llm, ...), below the model's own window. */
  purposes: z.record(z.string(), z.number().int().min(256)).default({}),
});
export type ContextLimits = z.output<typeof CONTEXT_FILE>;
