import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { OpenClawError } from '../errors/index.ts';
import { isInside } from './addresses.ts';
import { ACCEPT_ENCODING, readBody } from './body.ts';
import { badUrl, blocked, timedOut, tooManyRedirects, unreachable } from './errors.ts';

export interface FetchOptions {
  signal?: AbortSignal;
  /** For all of it: names, redirects and the body. Default: 10 000 ms. */
  timeoutMs?: number;
  /** Of the decoded body. Default: 1 000 000 bytes. */
  maxBytes?: number;
  /** Default: 5. */
  maxRedirects?: number;
  /** `host:port` in URL's spelling that may be inside: Config.fetchAllow. Default: none. */
  allow?: readonly string[];
  userAgent?: string;
  /** How names are resolved; tests set it. Default: the system's resolver. */
  lookup?: (hostname: string) => Promise<LookupAddress[]>;
}

export interface Fetched {
  /** Where the answer came from, after redirects. */
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Lower case, without parameters; '' where the answer names none. */
  readonly contentType: string;
  /** Decoded. */
  readonly body: Buffer;
  /** The body was longer than `maxBytes`. */
  readonly truncated: boolean;
}

type Settings = Required<Omit<FetchOptions, 'signal'>> & { signal: AbortSignal };

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_HEADER_BYTES = 16_384;

/**
 * GET of an address that somebody else chose: a page found by a search, a link in a message. Only the public internet is
 * reached, by names too: the address that was judged is the one connected to, again at each redirect.
 * A status of 400 and above is an answer, not an error.
 *
 * @throws E_FETCH_BLOCKED, E_FETCH_URL, E_FETCH_TOO_MANY_REDIRECTS (permanent); E_FETCH_UNREACHABLE, E_FETCH_TIMEOUT
 *   (transient; see isPermanentFetchError); `signal.reason` when the caller's signal aborts.
 */
export async function guardedFetch(url: string, options: FetchOptions = {}): Promise<Fetched> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const deadline = AbortSignal.timeout(timeoutMs);
  const settings: Settings = {
    timeoutMs,
    maxBytes: options.maxBytes ?? 1_000_000,
    maxRedirects: options.maxRedirects ?? 5,
    allow: options.allow ?? [],
    userAgent: options.userAgent ?? 'openclaw',
    lookup: options.lookup ?? ((hostname) => systemLookup(hostname, { all: true })),
    signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
  };
  let current = checkedUrl(url);
  try {
    for (let redirects = 0; ; redirects++) {
      settings.signal.throwIfAborted();
      const response = await get(current, settings);
      const location = REDIRECTS.has(response.statusCode!) ? response.headers.location : undefined;
      if (location === undefined) return await answerOf(current, response, settings);
      response.destroy();
      if (redirects >= settings.maxRedirects) throw tooManyRedirects(current, settings.maxRedirects);
      current = checkedUrl(location, current);
    }
  } catch (error) {
    // The caller's wish first: after it, how the connection ended says nothing.
    if (options.signal?.aborted) throw options.signal.reason;
    if (error instanceof OpenClawError) throw error;
    if (deadline.aborted) throw timedOut(current, timeoutMs);
    throw unreachable(current, error);
  }
}

function checkedUrl(given: string, base?: URL): URL {
  const url = URL.parse(given, base?.href);
  if (!url) throw badUrl(given, 'a URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw badUrl(url.href, 'the scheme http or https');
  if (url.username || url.password) throw badUrl(url.href, 'no user or password in it');
  if (url.port === '0') throw badUrl(url.href, 'a port from 1 to 65535');
  url.hash = '';
  return url;
}

/** Resolves with the answer's head; the body is still to be read. */
async function get(url: URL, settings: Settings): Promise<IncomingMessage> {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const allowed = settings.allow.includes(`${url.hostname}:${port}`);
  const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
  // URL has brought every spelling (0x7f.1, 2130706433, 127.1) to one, and no name is looked up for it below.
  if (!allowed && isIP(literal) && isInside(literal)) throw blocked(url, url.hostname);
  const { get: send } = url.protocol === 'https:' ? https : http;
  return await new Promise((resolve, reject) => {
    const request = send(
      url,
      {
        // A connection kept from an earlier request would skip the lookup.
        agent: false,
        lookup: lookupFor(url, allowed, settings),
        signal: settings.signal,
        maxHeaderSize: MAX_HEADER_BYTES,
        headers: { 'user-agent': settings.userAgent, accept: '*/*', 'accept-encoding': ACCEPT_ENCODING },
      },
      resolve,
    );
    request.on('error', reject);
  });
}

/** One address inside is enough to refuse a name: a name that has both is how the check would be raced. */
function lookupFor(url: URL, allowed: boolean, settings: Settings): LookupFunction {
  return (hostname, options, callback) => {
    settings.lookup(hostname).then(
      (addresses) => {
        const inside = allowed ? undefined : addresses.find(({ address }) => isInside(address));
        const first = addresses[0];
        if (inside) callback(blocked(url, inside.address), '');
        else if (!first) callback(new Error(`no address for ${hostname}`), '');
        else if (options.all) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (error) => callback(error, ''),
    );
  };
}

async function answerOf(url: URL, response: IncomingMessage, settings: Settings): Promise<Fetched> {
  const { body, truncated } = await readBody(response, settings.maxBytes);
  return {
    url: url.href,
    status: response.statusCode!,
    headers: response.headers,
    contentType: (response.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase(),
    body,
    truncated,
  };
}
