import { type Callback, type Context, suite as uvuSuite } from 'uvu';

/** uvu has no timeout of its own: a test that hangs would hang the run. Each test here fails after `timeoutMs`. */
export function suite<T = Context>(name: string, { timeoutMs = 30_000 } = {}) {
  const inner = uvuSuite<T>(name);
  const limited = (title: string, body: Callback<T>) =>
    inner(title, async (context) => {
      let timer: NodeJS.Timeout | undefined;
      const expired = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`timed out after ${timeoutMs} ms: ${title}`)), timeoutMs);
      });
      try {
        await Promise.race([body(context as never), expired]);
      } finally {
        clearTimeout(timer);
      }
    });
  return Object.assign(limited, {
    before: inner.before,
    after: inner.after,
    only: inner.only,
    skip: inner.skip,
    run: inner.run,
  });
}
