import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { type DurableContext, defineTask, PermanentError, RetryAfter } from '../../../lib/tasks/index.ts';

type Flow = (ctx: DurableContext, given: Record<string, unknown>) => Promise<unknown>;

/** Notes each time that something really happened, in a table of the test. */
const note = (ctx: DurableContext, what: string) =>
  ctx.query('insert into test_happened (mission, what) values ($1, $2)', [ctx.job.missionId, what]);

const FLOWS: Record<string, Flow> = {
  staged: async (ctx) => {
    await note(ctx, 'begins');
    await ctx.step('one', async () => note(ctx, 'one').then(() => 1));
    await pause(700);
    await ctx.step('two', async () => {
      await note(ctx, 'in');
      await pause(700);
    });
    await note(ctx, 'parks');
    await ctx.waitFor('go');
    return ctx.step('three', async () => 3);
  },
  steps: async (ctx) => {
    const first = await ctx.step('first', async () => {
      await note(ctx, 'first');
      return { n: 1 };
    });
    await note(ctx, 'between');
    const second = await ctx.step('second', async () => ({ n: first.n + 1 }));
    return [first, second];
  },
  sleep: async (ctx, { ms }) => {
    await ctx.step('before', async () => note(ctx, 'before').then(() => 1));
    await ctx.sleep(ms as number);
    return ctx.step('after', async () => note(ctx, 'after').then(() => 2));
  },
  signal: async (ctx, { timeout }) => {
    const a = await ctx.waitFor<{ n: number }>('go', timeout ? { timeout: timeout as string } : {});
    const b = await ctx.waitFor<{ n: number }>('go', { timeout: '1 ms' });
    return [a, b];
  },
  ask: async (ctx) => {
    const said = await ctx.approve('Pay 5?', {
      options: ['pay', 'later'],
      costUsd: 5,
      effects: { pay: 'the card is charged' },
    });
    return said.answer === 'pay' ? ctx.step('pay', async () => 'paid') : 'not paid';
  },
  unanswered: async (ctx) => ctx.approve('Anybody?', { timeout: '20 ms' }),
  parallel: async (ctx) =>
    Promise.all([
      ctx.step('a', async () => pause(30).then(() => 'a')),
      ctx.waitFor('b'),
      ctx.step('c', async () => pause(60).then(() => 'c')),
      ctx.sleep(10, { name: 'd' }),
    ]),
  twice: async (ctx) => {
    await ctx.step('same', async () => 1);
    await ctx.step('same', async () => 2);
  },
  caught: async (ctx) => {
    try {
      await ctx.step('fails', { retries: 1, backoff: { initial: '5 ms' } }, async () => {
        await note(ctx, 'fails');
        throw new Error('no luck');
      });
    } catch (error) {
      return { caught: (error as Error).message };
    }
  },
  again: async (ctx) =>
    ctx.step('again', { retries: 2, backoff: { initial: '5 ms' } }, async ({ attempt }) => {
      await note(ctx, 'again');
      if (attempt < 3) throw new Error('not yet');
      return attempt;
    }),
  uncaught: async (ctx) => {
    await ctx.step('fails', async () => {
      throw new PermanentError('E_NO', 'never');
    });
  },
  late: async (ctx, { ms }) =>
    ctx.step('late', { retries: 1 }, async ({ attempt }) => {
      if (attempt === 1) throw new RetryAfter(ms as number, 'the service says when');
      return attempt;
    }),
  invoke: async (ctx) => {
    const one = await ctx.invoke('echo', { n: 1, text: 'x' });
    const many = await ctx.invoke('function', { flow: 'steps' }, { name: 'inner' });
    return { one, many };
  },
  limited: async (ctx, { host, ms }) =>
    Promise.all(
      [1, 2, 3].map((n) => ctx.invoke('perHost', { host: host as string, ms: ms as number }, { name: `call_${n}` })),
    ),
  hostTime: async () => Date.now(),
  outside: async (ctx) =>
    ctx.step('charge', { effect: 'outside' }, async ({ idempotencyKey }) => {
      await note(ctx, idempotencyKey);
      await pause(300_000, undefined, { signal: ctx.signal });
    }),
  slow: async (ctx) => {
    for (let n = 0; n < 6; n++)
      await ctx.step(`s${n}`, async () =>
        note(ctx, `s${n}`)
          .then(() => pause(150))
          .then(() => n),
      );
    return 'done';
  },
};

export default defineTask(
  {
    title: 'Durable functions of the tests',
    payload: z.looseObject({ flow: z.string() }),
    effect: 'read',
    durable: true,
    retries: 2,
    backoff: { initial: '20 ms', factor: 1, max: '20 ms' },
    timeout: '20 s',
  },
  async ({ flow, ...given }, ctx) => FLOWS[flow]!(ctx, given),
);
