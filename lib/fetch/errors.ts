import { messageOf, OpenClawError } from '../errors/index.ts';

/** Asking again will not help: the address itself is the fault. */
const PERMANENT: ReadonlySet<string> = new Set(['E_FETCH_BLOCKED', 'E_FETCH_URL', 'E_FETCH_TOO_MANY_REDIRECTS']);

export function isPermanentFetchError(code: string): boolean {
  return PERMANENT.has(code);
}

/** For messages: a query is left out, as it may hold a key; a user and password are refused before. */
export function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

export function badUrl(given: string, expected: string, cause?: unknown): OpenClawError {
  const url = URL.parse(given);
  return new OpenClawError('E_FETCH_URL', 'this address cannot be fetched', {
    value: url ? shown(url) : given.replace(/[?#].*$/s, '').slice(0, 200),
    expected,
    remedy: 'give a public http or https address',
    cause,
  });
}

export function blocked(url: URL, address: string): OpenClawError {
  return new OpenClawError('E_FETCH_BLOCKED', `${url.host} is, or may be, inside of this host's networks`, {
    value: address === url.hostname ? shown(url) : `${shown(url)} at ${address}`,
    expected: 'an address of the public internet',
    remedy: 'if this is meant, add its host:port to OPENCLAW_FETCH_ALLOW',
  });
}

export function timedOut(url: URL, timeoutMs: number): OpenClawError {
  return new OpenClawError('E_FETCH_TIMEOUT', `no complete answer within ${timeoutMs} ms`, {
    value: shown(url),
    remedy: 'try again later',
  });
}

export function tooManyRedirects(url: URL, most: number): OpenClawError {
  return new OpenClawError('E_FETCH_TOO_MANY_REDIRECTS', `more than ${most} redirects`, {
    value: shown(url),
    expected: `at most ${most} redirects`,
    remedy: 'fetch the last address itself',
  });
}

/** No answer (name, route, refusal, TLS), or one that breaks off or is not HTTP. */
export function unreachable(url: URL, cause: unknown): OpenClawError {
  const { code } = cause as NodeJS.ErrnoException;
  return new OpenClawError('E_FETCH_UNREACHABLE', `no answer from ${url.host}: ${code ?? messageOf(cause)}`, {
    value: shown(url),
    remedy: 'try again later; check the name and the network',
    cause,
  });
}
