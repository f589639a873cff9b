import { createRequire } from 'node:module';
import type { IPolicy, IRetryBackoffContext } from 'cockatiel';
import type { Queryable } from '../db/index.ts';
import { messageOf, OpenClawError } from '../errors/index.ts';
import { learnedOrder } from '../learning/choice.ts';
import type { Logger } from '../log/index.ts';
import { askOnce, type OneAnswer, priceOf } from './askOnce.ts';
import { fitContext } from './context.ts';
import { guardLoop, hashOf, noteCall } from './loopGuard.ts';
import type { CallFault } from './schemas.ts';
import { type ModelChoice, modelsToAsk, type Settings, type SettingsReader } from './settings.ts';
import { spending } from './spend.ts';
import { readShape, shapeInstruction, shapeJson } from './structured.ts';
import { CallError, type ChatAnswer, type ChatMessage, type ChatRequest, type Usage } from './types.ts';

export interface ChatDeps {
  readonly db: Queryable;
  readonly settings: SettingsReader;
  readonly log: Pick<Logger, 'warn' | 'info'>;
}

/** A model is well, whatever it says of this one request. */
const NO_COOLDOWN: ReadonlySet<CallFault> = new Set(['refused', 'too_long', 'bad_request']);
/** Gone in a moment: the same model is asked once more before the next one. */
const BRIEF: ReadonlySet<CallFault> = new Set(['unreachable', 'server', 'overloaded', 'rate_limited']);
const BRIEF_WAIT_MS = 3000;

/**
 * Asks the models in order until one answers: each call with its reservation and its outcome row, no model while it cools
 * down, the first again as soon as its pause is over and one probe went well.
 *
 * @throws E_NO_MODEL, E_MODEL_UNKNOWN, E_CONTEXT_TOO_LARGE, E_LOOP, HeldError (a budget); E_MODELS_FAILED with
 *   what each model said; `signal.reason`.
 */
export async function chat<T = unknown>(deps: ChatDeps, request: ChatRequest<T>): Promise<ChatAnswer<T>> {
  const settings = deps.settings.read();
  const choices = modelsToAsk(settings, request.model, await providersFirst(deps.db, settings));
  const call = hashOf([request.model ?? '', request.purpose, request.messages, request.shape?.name ?? '']);
  await guardLoop(deps.db, request.origin.run, call, 'question to a model');
  const passedOver: { id: string; fault: string; message: string }[] = [];
  for (const [index, choice] of choices.entries()) {
    request.signal?.throwIfAborted();
    const { rows } = await deps.db.query<{ turn: 'go' | 'probe' | 'cooling' }>('select model_turn($1, $2) as turn', [
      choice.provider.name,
      choice.model,
    ]);
    if (rows[0]!.turn === 'cooling') {
      passedOver.push({
        id: choice.id,
        fault: 'cooling',
        message: 'cools down after a failure (openclaw providers list)',
      });
      continue;
    }
    const last = index === choices.length - 1;
    const startedAt = performance.now();
    try {
      const answer = await askShaped(deps, settings, choice, request, last);
      await deps.db.query('select model_answered($1, $2)', [choice.provider.name, choice.model]);
      await noteCall(deps.db, request.origin.run, call, null);
      return { ...answer, passedOver };
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      passedOver.push({ id: choice.id, fault: error.fault, message: error.message });
      deps.log.warn({ model: choice.id, fault: error.fault, message: error.message }, 'a model gave no answer');
      if (!NO_COOLDOWN.has(error.fault))
        await coolDown(deps.db, settings, choice, error, performance.now() - startedAt);
      if (!settings.failover.fail_over_on.includes(error.fault)) break;
    }
  }
  throw new OpenClawError('E_MODELS_FAILED', 'no model answered', {
    faults: passedOver.map((each) => `${each.id}: ${each.fault}: ${each.message}`),
    remedy: 'openclaw providers list shows who cools down until when; openclaw providers test asks each',
    exitCode: 75,
  });
}

/**
 * Whom to ask first. Policy `providers.order`: what a person, or the learner with a person's yes, put before the file's order. Where
 * `learning.auto` lists provider_order each call is a choice of its own, by what the calls of late came to.
 */
async function providersFirst(db: Queryable, { failover, providers }: Settings): Promise<readonly string[]> {
  const { rows } = await db.query<{ names: string[] | null; learned: boolean | null }>(
    "select sound_policy('providers.order') as names, sound_policy('learning.auto') ? 'provider_order' as learned",
  );
  const { names, learned } = rows[0]!;
  if (!learned) return names ?? [];
  const known = failover.order.map((id) => id.slice(0, id.indexOf('/'))).filter((name) => providers.has(name));
  return learnedOrder(db, 'model_call', [...new Set(known)]);
}

async function coolDown(
  db: Queryable,
  { failover }: Settings,
  choice: ModelChoice,
  error: CallError,
  askedMsAgo: number,
): Promise<void> {
  await db.query(
    `select model_failed($1, $2, $3, $4, $5::double precision[], make_interval(secs => $6::double precision / 1000), make_interval(secs => $7::double precision / 1000))`,
    [
      choice.provider.name,
      choice.model,
      error.fault,
      error.message,
      failover.cooldown_minutes,
      error.retryAfterMs ?? 0,
      askedMsAgo,
    ],
  );
}

/** One model's answer, of the shape that is asked for: what does not fit is sent back once with its faults. */
async function askShaped<T>(
  deps: ChatDeps,
  settings: Settings,
  choice: ModelChoice,
  request: ChatRequest<T>,
  last: boolean,
): Promise<Omit<ChatAnswer<T>, 'passedOver'>> {
  const { shape } = request;
  const json = shape && shapeJson(shape.schema);
  const messages: ChatMessage[] =
    shape && json ? [shapeInstruction(shape.name, json), ...request.messages] : [...request.messages];
  const first = await ask(deps, settings, choice, request, messages, json, last);
  if (!shape)
    return {
      ...first.answer,
      data: undefined as T,
      usage: first.usage,
      shortened: first.shortened,
      provider: choice.provider.name,
    };
  let read = readShape(first.answer.text, shape.schema);
  let { answer, usage } = first;
  if (read.data === undefined) {
    const repair: ChatMessage[] = [
      ...messages,
      { role: 'assistant', content: first.answer.text.slice(0, 20_000) },
      {
        role: 'user',
        content: `That does not fit:\n${read.faults.map((fault) => `- ${fault}`).join('\n')}\nAnswer again with the whole corrected JSON object alone.`,
      },
    ];
    const second = await ask(deps, settings, choice, request, repair, json, last);
    read = readShape(second.answer.text, shape.schema);
    answer = second.answer;
    usage = sum(usage, second.usage);
  }
  if (read.data === undefined)
    throw new CallError(
      'refused',
      `the answer does not fit ${shape.name}, also after a repair: ${read.faults.slice(0, 5).join('; ')}`,
    );
  return { ...answer, data: read.data, usage, shortened: first.shortened, provider: choice.provider.name };
}

const sum = (a: Usage, b: Usage): Usage => ({
  promptTokens: a.promptTokens + b.promptTokens,
  completionTokens: a.completionTokens + b.completionTokens,
  costUsd: a.costUsd + b.costUsd,
});

/** Loaded at the first call: whoever only looks at what is configured needs no policies. */
const require = createRequire(import.meta.url);

const lanes = new Map<string, IPolicy>();

/** At most eight calls at once to a provider from this process; what is brief is tried once more after a moment. */
function policyOf(provider: string): IPolicy {
  let policy = lanes.get(provider);
  if (!policy) {
    const { bulkhead, handleWhen, retry, wrap } = require('cockatiel') as typeof import('cockatiel');
    const again = handleWhen(
      (error) => error instanceof CallError && BRIEF.has(error.fault) && (error.retryAfterMs ?? 0) <= BRIEF_WAIT_MS,
    );
    policy = wrap(retry(again, { maxAttempts: 1, backoff: { next: backoff } }), bulkhead(8, 1000));
    lanes.set(provider, policy);
  }
  return policy;
}

function backoff(context: IRetryBackoffContext<unknown>) {
  const error = 'error' in context.result ? context.result.error : undefined;
  const wait = error instanceof CallError ? (error.retryAfterMs ?? 300) : 300;
  return { duration: wait, next: backoff };
}

interface Asked {
  answer: OneAnswer;
  usage: Usage;
  shortened: boolean;
}

async function ask<T>(
  deps: ChatDeps,
  settings: Settings,
  choice: ModelChoice,
  request: ChatRequest<T>,
  messages: readonly ChatMessage[],
  json: Record<string, unknown> | undefined,
  last: boolean,
  shrink = 1,
): Promise<Asked> {
  const { provider, facts } = choice;
  const fitted = fitContext(messages, {
    facts,
    limits: settings.limits,
    purpose: request.purpose,
    outputTokens: request.outputTokens,
    shrink,
  });
  // While another model is left, a silent one is not waited for to the end.
  const timeoutMs = last ? provider.timeout_ms : Math.min(provider.timeout_ms, settings.failover.patience_ms);
  const planned = {
    task: 'model_call' as const,
    provider: provider.name,
    model: choice.model,
    origin: request.origin,
    inputBytes: fitted.messages.reduce((bytes, message) => bytes + Buffer.byteLength(message.content), 0),
    mostUsd: priceOf(facts, fitted.inputTokens, fitted.outputTokens),
  };
  const once = () =>
    spending<Asked>(
      deps.db,
      planned,
      async () => {
        const answer = await askOnce(choice, {
          messages: fitted.messages,
          outputTokens: fitted.outputTokens,
          temperature: request.temperature,
          ...(request.shape && json && { shape: { name: request.shape.name, json } }),
          timeoutMs,
          signal: request.signal,
        });
        // Who counts nothing is charged by our own count.
        const usage = answer.usage ?? estimated(choice, fitted.inputTokens, answer.text);
        return { value: { answer, usage, shortened: fitted.shortened }, ended: usage };
      },
      (error) => ({
        fault: error instanceof CallError ? error.fault : 'aborted',
        // A request that was given up may have been answered, and billed, all the same; one that was refused was not.
        costUsd:
          error instanceof CallError && error.fault !== 'timeout' ? 0 : (priceOf(facts, fitted.inputTokens, 0) ?? 0),
      }),
    );
  try {
    return await policyOf(provider.name).execute(once, request.signal);
  } catch (error) {
    if (error instanceof CallError && error.fault === 'too_long' && shrink === 1)
      return ask(deps, settings, choice, request, messages, json, last, 0.5);
    if (request.signal?.aborted) throw request.signal.reason;
    if (error instanceof CallError || error instanceof OpenClawError) throw error;
    if ((error as Error).name === 'BulkheadRejectedError')
      throw new CallError('overloaded', `too many calls wait for ${provider.name}: ${messageOf(error)}`);
    throw error;
  }
}

function estimated(choice: ModelChoice, promptTokens: number, text: string): Usage {
  const completionTokens = Math.ceil(text.length / 3);
  return { promptTokens, completionTokens, costUsd: priceOf(choice.facts, promptTokens, completionTokens) ?? 0 };
}
