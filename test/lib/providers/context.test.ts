import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { estimateTokens, fitContext } from '../../../lib/providers/context.ts';
import type { ChatMessage } from '../../../lib/providers/index.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('providers: context', { timeoutMs: 60_000 });

const facts = { context_tokens: 2000, max_output_tokens: 400 };
const limits = { safety: 0.9, output_tokens: 300, message_tokens: 600, purposes: { plan: 900 } };
const fit = (messages: ChatMessage[], purpose = 'llm') => fitContext(messages, { facts, limits, purpose });
const user = (content: string): ChatMessage => ({ role: 'user', content });

test('what fits goes as it is', () => {
  const messages: ChatMessage[] = [
    { role: 'system', content: 'Be brief.' },
    user('Hello'),
    { role: 'assistant', content: 'Hi' },
    user('How are you?'),
  ];
  const fitted = fit(messages);
  assert.equal(fitted.messages, messages);
  assert.is(fitted.shortened, false);
});

test('the oldest go first, the newest and the instructions stay', () => {
  const old = Array.from({ length: 40 }, (_, index) => user(`message ${index} ${'word '.repeat(60)}`));
  const fitted = fit([{ role: 'system', content: 'Rules: answer in French.' }, ...old, user('the question')]);
  const contents = fitted.messages.map(({ content }) => content);
  assert.is(contents[0], 'Rules: answer in French.');
  assert.is(contents.at(-1), 'the question');
  assert.match(contents.at(-2)!, /^message 39 /);
  assert.not.ok(contents.some((content) => content.startsWith('message 0 ')));
  assert.is(fitted.shortened, true);
});

test('one message that is too long loses its middle, and says how much', () => {
  const fitted = fit([user(`BEGIN ${'lorem ipsum '.repeat(2000)} END`)]);
  const { content } = fitted.messages[0]!;
  assert.match(content, /^BEGIN [\s\S]*\n\[\.\.\. \d+ characters left out \.\.\.\]\n[\s\S]* END$/);
  assert.ok(estimateTokens(content) <= limits.message_tokens);
});

test('instructions that leave no room are refused, not cut', async () => {
  const { code } = await refusal(
    Promise.resolve().then(() => fit([{ role: 'system', content: 'rule '.repeat(3000) }, user('x')])),
  );
  assert.is(code, 'E_CONTEXT_TOO_LARGE');
});

test('whatever the messages: never above the window, deterministic, order kept', () => {
  const message = fc.record({
    role: fc.constantFrom('user' as const, 'assistant' as const),
    content: fc.oneof(fc.string({ maxLength: 3000, unit: 'binary' }), fc.lorem({ maxCount: 900 })),
  });
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 12 }),
      fc.constantFrom('llm', 'plan'),
      (messages, purpose) => {
        const all: ChatMessage[] = [{ role: 'system', content: 'the rules' }, ...messages];
        const fitted = fit(all, purpose);
        const most = purpose === 'plan' ? 900 : facts.context_tokens * limits.safety - fitted.outputTokens;
        assert.ok(fitted.inputTokens <= most, `${fitted.inputTokens} of ${most}`);
        assert.equal(fitted.messages[0], all[0]);
        assert.equal(fit(all, purpose).messages, fitted.messages);
        const roles = fitted.messages.slice(1).map(({ role }) => role);
        assert.equal(
          roles,
          all.slice(all.length - roles.length).map(({ role }) => role),
        );
      },
    ),
    { numRuns: 40, seed: 11 },
  );
});

test.run();
