import { z } from 'zod';
import { OpenClawError } from '../lib/errors/index.ts';
import { guardedFetch, isPermanentFetchError } from '../lib/fetch/index.ts';
import { defineTask, PermanentError } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Fetch a public address (never a private one)',
    payload: z.object({
      url: z.string().min(1).max(2048),
      timeout_ms: z.number().int().min(100).max(60_000).default(10_000),
      max_bytes: z.number().int().min(1).max(500_000).default(100_000),
      /** Without a network the step says so instead of failing. */
      optional: z.boolean().default(false),
    }),
    effect: 'read',
    untrusted: true,
    timeout: '90 s',
    retryable: (error) => !(error instanceof OpenClawError && isPermanentFetchError(error.code)),
  },
  async ({ url, timeout_ms, max_bytes, optional }, { config, signal }) => {
    try {
      const response = await guardedFetch(url, {
        signal,
        timeoutMs: timeout_ms,
        maxBytes: max_bytes,
        allow: [...config.fetchAllow],
      });
      if (response.status >= 400 && response.status < 500 && response.status !== 408 && response.status !== 429) {
        throw new PermanentError('E_FETCH_STATUS', `${url} answered ${response.status}`, { value: response.status });
      }
      if (response.status >= 400)
        throw new OpenClawError('E_FETCH_STATUS', `${url} answered ${response.status}`, { value: response.status });
      return {
        url: response.url,
        status: response.status,
        content_type: response.contentType,
        bytes: response.body.length,
        truncated: response.truncated,
        text: isText(response.contentType) ? response.body.toString('utf8') : null,
        fetched_at: new Date().toISOString(),
      };
    } catch (error) {
      const unreachable =
        error instanceof OpenClawError && (error.code === 'E_FETCH_UNREACHABLE' || error.code === 'E_FETCH_TIMEOUT');
      if (optional && unreachable && !signal.aborted) return { skipped: true, reason: error.message, url };
      throw error;
    }
  },
);

function isText(contentType: string): boolean {
  return contentType === '' || /^(text\/|application\/(json|xml|[a-z.+-]*\+(json|xml)|javascript))/i.test(contentType);
}
