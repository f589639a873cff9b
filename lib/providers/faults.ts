import { messageOf } from '../errors/index.ts';
import { scrub } from '../log/index.ts';
import type { CallFault } from './schemas.ts';
import { CallError } from './types.ts';

const MESSAGE_LIMIT = 300;

/** What a service said, short, without keys, and without what a terminal would obey. */
export function said(text: unknown): string {
  const plain = typeof text === 'string' ? text : JSON.stringify(text ?? '');
  return scrub(plain)
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, MESSAGE_LIMIT);
}

const CREDIT = /insufficient|balance|credits?\b|spending limit|monthly limit|quota exceeded|payment/i;
const KEY = /api key|unauthori[sz]ed|invalid.{0,20}(key|token)|authentication|not authorized/i;
const TOO_LONG =
  /context.{0,20}(length|window|limit)|maximum.{0,20}(context|tokens)|too many tokens|token limit|prompt is too long/i;

/** A status and what came with it as the fault that failover knows. xAI calls a wrong key 400, and spent credit 429. */
export function faultOfStatus(status: number, message: string): CallFault {
  if (TOO_LONG.test(message) && status < 500) return 'too_long';
  if (status === 402 || ((status === 429 || status === 403) && CREDIT.test(message))) return 'no_credit';
  if (status === 401 || ((status === 400 || status === 403) && KEY.test(message))) return 'unauthorized';
  if (status === 403) return 'refused';
  if (status === 404) return 'unknown_model';
  if (status === 408 || status === 504 || status === 524) return 'timeout';
  if (status === 429) return 'rate_limited';
  if (status === 503 || status === 529) return 'overloaded';
  if (status >= 500) return 'server';
  return status === 413 ? 'too_long' : 'bad_request';
}

/** MiniMax's own codes inside a 200. */
export function faultOfBaseResp(code: number): CallFault {
  if ([1004, 2049].includes(code)) return 'unauthorized';
  if (code === 1008) return 'no_credit';
  if ([1002, 2045, 2056].includes(code)) return 'rate_limited';
  if (code === 1001) return 'timeout';
  if ([1026, 1027].includes(code)) return 'refused';
  if (code === 1039) return 'too_long';
  if (code === 2013) return 'bad_request';
  return 'server';
}

/** `Retry-After` in seconds or as a date, `X-RateLimit-Reset` in ms of the epoch, or "resets at <time>" in the text. */
export function retryAfterMs(headers: Headers | undefined, message: string, now = Date.now()): number | undefined {
  const header = headers?.get('retry-after');
  if (header) {
    const seconds = Number(header);
    const at = Number.isFinite(seconds) ? now + seconds * 1000 : Date.parse(header);
    if (Number.isFinite(at)) return bounded(at - now);
  }
  const stated = /resets at (\d{4}-\d\d-\d\dT[\d:.]+Z)/.exec(message)?.[1];
  if (stated) return bounded(Date.parse(stated) - now);
  const reset = Number(headers?.get('x-ratelimit-reset') ?? Number.NaN);
  if (reset > 1e12) return bounded(reset - now);
  return undefined;
}

const WEEK_MS = 604_800_000;
const bounded = (ms: number) => Math.min(WEEK_MS, Math.max(0, ms));

/** Whatever the client threw, as a CallError. An abort of the caller's own signal is passed on as it is. */
export function callErrorOf(error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof CallError) return error;
  if (signal?.aborted) return signal.reason;
  const { status, headers, name } = error as { status?: number; headers?: Headers; name?: string };
  const text = said((error as { error?: unknown }).error ?? messageOf(error));
  if (typeof status === 'number') {
    const message = `${status}: ${text}`;
    return new CallError(faultOfStatus(status, text), message, { retryAfterMs: retryAfterMs(headers, text) });
  }
  if (/timeout|timed out/i.test(`${name} ${(error as Error)?.constructor?.name} ${messageOf(error)}`))
    return new CallError('timeout', 'no answer in time');
  if (error instanceof SyntaxError) return new CallError('bad_answer', 'the answer is cut off, or no JSON');
  const cause = (error as { cause?: unknown }).cause;
  const code =
    (cause as { code?: string } | undefined)?.code ?? (cause as { cause?: { code?: string } } | undefined)?.cause?.code;
  return new CallError('unreachable', `no connection${code ? ` (${code})` : `: ${said(messageOf(cause ?? error))}`}`);
}
