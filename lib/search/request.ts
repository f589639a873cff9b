import { faultOfStatus, retryAfterMs, said } from '../providers/faults.ts';
import type { SearchProvider } from '../providers/index.ts';
import { CallError } from '../providers/index.ts';

const BODY_LIMIT_BYTES = 2_000_000;

export interface JsonAnswer {
  readonly json: Record<string, unknown>;
  readonly headers: Headers;
  readonly status: number;
}

/**
 * One request of a search service. What is no JSON (a challenge page, a proxy's error) is named by its type only: its text is
 * never passed on. A redirect is an error, since the key would go along.
 *
 * @throws CallError; `signal.reason`.
 */
export async function requestJson(
  provider: SearchProvider,
  path: string,
  init: { method: 'GET' | 'POST'; headers: Record<string, string>; body?: unknown },
  signal: AbortSignal | undefined,
  onHeaders: (headers: Headers) => Promise<void> = async () => undefined,
): Promise<JsonAnswer> {
  const deadline = AbortSignal.timeout(provider.timeout_ms);
  const both = signal ? AbortSignal.any([signal, deadline]) : deadline;
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${provider.baseUrl}${path}`, {
      method: init.method,
      headers: {
        accept: 'application/json',
        ...(init.body !== undefined && { 'content-type': 'application/json' }),
        ...init.headers,
      },
      ...(init.body !== undefined && { body: JSON.stringify(init.body) }),
      redirect: 'error',
      signal: both,
    });
    text = await bodyOf(response);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof CallError) throw error;
    if (deadline.aborted) throw new CallError('timeout', `no answer within ${provider.timeout_ms} ms`);
    const code = (error as { cause?: { code?: string } }).cause?.code;
    throw new CallError('unreachable', `no whole answer${code ? ` (${code})` : ''}`);
  }
  await onHeaders(response.headers);
  const type = response.headers.get('content-type') ?? '';
  if (!/\bjson\b/i.test(type)) {
    const fault = response.status >= 400 ? faultOfStatus(response.status, '') : 'bad_answer';
    throw new CallError(fault, `${response.status} with content type ${said(type || 'none')}, expected JSON`, {
      retryAfterMs: retryAfterMs(response.headers, ''),
    });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new CallError('bad_answer', `${response.status} with JSON that is cut off or broken`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new CallError('bad_answer', 'the answer is no JSON object');
  if (response.status >= 400) {
    const message = errorText(json as Record<string, unknown>);
    // Brave calls a wrong token 422.
    const fault = /SUBSCRIPTION_TOKEN_INVALID/.test(message) ? 'unauthorized' : faultOfStatus(response.status, message);
    throw new CallError(fault, `${response.status}: ${message}`, {
      retryAfterMs: retryAfterMs(response.headers, message),
    });
  }
  return { json: json as Record<string, unknown>, headers: response.headers, status: response.status };
}

async function bodyOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > BODY_LIMIT_BYTES)
      throw new CallError('bad_answer', `the answer has more than ${BODY_LIMIT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function errorText(json: Record<string, unknown>): string {
  const error = json.error as Record<string, unknown> | string | undefined;
  if (typeof error === 'object' && error !== null)
    return said([error.code, error.detail ?? error.message ?? error.type].filter(Boolean).join(': '));
  return said(error ?? json.message ?? 'an error without a text');
}
