import { OpenClawError } from '../errors/index.ts';
import type { ContextLimits, ModelFacts } from './schemas.ts';
import type { ChatMessage } from './types.ts';

/** Roles, separators and the like, by message. */
const MESSAGE_OVERHEAD = 8;

/**
 * Tokens of a text, rather too many than too few: letters go about four to a token in English and fewer elsewhere, digits
 * and signs one or two, other scripts about one a character.
 */
export function estimateTokens(text: string): number {
  let letters = 0;
  let signs = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 32 || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)) letters++;
    else if (code < 128) signs++;
  }
  return Math.ceil(letters / 3.2 + signs / 1.4 + (text.length - letters - signs) * 1.2);
}

const tokensOf = (messages: readonly ChatMessage[]) =>
  messages.reduce((sum, message) => sum + estimateTokens(message.content) + MESSAGE_OVERHEAD, 0);

export interface Fitted {
  readonly messages: readonly ChatMessage[];
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly shortened: boolean;
}

/**
 * The messages as they fit the model's window, the same for the same input: instructions (system) stay whole, and so does the
 * newest message where it can; then the oldest go first, and what is still too long loses its middle.
 *
 * @throws E_CONTEXT_TOO_LARGE where the instructions alone leave no room.
 */
export function fitContext(
  messages: readonly ChatMessage[],
  {
    facts,
    limits,
    purpose,
    outputTokens,
    shrink = 1,
  }: { facts: ModelFacts; limits: ContextLimits; purpose: string; outputTokens?: number; shrink?: number },
): Fitted {
  const output = Math.min(
    outputTokens ?? limits.output_tokens,
    facts.max_output_tokens,
    Math.floor(facts.context_tokens / 2),
  );
  const room = Math.floor(
    Math.min(
      (facts.context_tokens * limits.safety - output) * shrink,
      limits.purposes[purpose] ?? Number.POSITIVE_INFINITY,
    ),
  );
  const instructions = tokensOf(messages.filter((message) => message.role === 'system'));
  const least = 64;
  if (room - instructions < least) {
    throw new OpenClawError('E_CONTEXT_TOO_LARGE', `the instructions need about ${instructions} tokens of ${room}`, {
      expected: `at most ${Math.max(0, room - least)} for this model and purpose`,
      remedy: 'shorten them, or choose a model with a larger window (config/failover.json)',
    });
  }
  let shortened = false;
  const bounded = messages.map((message) => {
    if (message.role === 'system' || estimateTokens(message.content) <= limits.message_tokens) return message;
    shortened = true;
    return { ...message, content: cutMiddle(message.content, limits.message_tokens) };
  });
  let left = room - instructions;
  const kept: ChatMessage[] = [];
  for (const message of bounded.toReversed()) {
    if (message.role === 'system') {
      kept.push(message);
      continue;
    }
    const tokens = tokensOf([message]);
    if (tokens <= left) {
      kept.push(message);
      left -= tokens;
      continue;
    }
    shortened = true;
    if (left > MESSAGE_OVERHEAD + least / 2)
      kept.push({ ...message, content: cutMiddle(message.content, left - MESSAGE_OVERHEAD) });
    left = 0;
  }
  const fitted = kept.reverse();
  return { messages: fitted, inputTokens: tokensOf(fitted), outputTokens: output, shortened };
}

/** The beginning and the end, with a line between them that says how much is missing. */
function cutMiddle(text: string, tokens: number): string {
  let low = 0;
  let high = text.length;
  const cut = (length: number) => {
    const head = text.slice(0, Math.ceil(length * 0.6)).replace(/[\uD800-\uDBFF]$/, '');
    const tail = length > 1 ? text.slice(text.length - Math.floor(length * 0.4)).replace(/^[\uDC00-\uDFFF]/, '') : '';
    return `${head}\n[... ${text.length - head.length - tail.length} characters left out ...]\n${tail}`;
  };
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (estimateTokens(cut(middle)) <= tokens) low = middle;
    else high = middle - 1;
  }
  return cut(low);
}
