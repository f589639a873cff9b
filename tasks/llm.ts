import { z } from 'zod';
import { callsOfTask, chat, isRetryableCall } from '../lib/providers/index.ts';
import { frameOutside } from '../lib/research/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

const KINDS = { text: z.string(), number: z.number(), boolean: z.boolean(), list: z.array(z.string()) } as const;

export default defineTask(
  {
    title: 'Ask a model; its answer is text, or data of the keys that are named, and must not be believed',
    payload: z.object({
      prompt: z.string().min(1).max(100_000),
      /** How it should answer. */
      instructions: z.string().max(20_000).optional(),
      /** What it should work on: a text, or data of an earlier step. Marked for the model as material, not as instructions. */
      data: z.unknown().optional(),
      /** Key of the answer -> text, number, boolean or list; without it the answer is text. */
      answer: z
        .record(z.string().regex(/^[a-z][a-z0-9_]{0,40}$/), z.enum(['text', 'number', 'boolean', 'list']))
        .optional(),
      /** provider/model, or a provider; without it the order of config/failover.json. */
      model: z.string().min(1).max(200).optional(),
      output_tokens: z.number().int().min(16).max(32_000).optional(),
      temperature: z.number().min(0.01).max(2).optional(),
    }),
    effect: 'read',
    untrusted: true,
    timeout: '10 m',
    // A model that failed cools down for a minute; four quick attempts would all meet that minute.
    retries: 3,
    backoff: { initial: '20 s', factor: 4, max: '10 m' },
    retryable: isRetryableCall,
  },
  async ({ prompt, instructions, data, answer, model, output_tokens, temperature }, context) => {
    const { deps, origin, signal } = callsOfTask(context);
    const framed =
      data === undefined
        ? undefined
        : frameOutside([{ origin: 'data', text: typeof data === 'string' ? data : JSON.stringify(data, null, 1) }]);
    const system = [instructions ?? 'Answer what is asked, briefly and to the point.', framed?.rule]
      .filter(Boolean)
      .join('\n');
    const schema =
      answer && z.object(Object.fromEntries(Object.entries(answer).map(([key, kind]) => [key, KINDS[kind]])));
    const said = await chat(deps, {
      messages: [
        { role: 'system', content: system },
        { role: 'user', content: framed ? `${framed.text}\n\n${prompt}` : prompt },
      ],
      ...(schema && { shape: { name: 'answer', schema } }),
      purpose: 'llm',
      origin,
      model,
      outputTokens: output_tokens,
      temperature,
      signal,
    });
    return {
      text: said.text,
      data: said.data ?? null,
      provider: said.provider,
      model: said.model,
      shortened: said.shortened,
      passed_over: said.passedOver,
      prompt_tokens: said.usage.promptTokens,
      completion_tokens: said.usage.completionTokens,
      cost_usd: said.usage.costUsd,
    };
  },
);
