import { Api, GrammyError, HttpError } from 'grammy';
import type { Config } from '../config/index.ts';

export type TelegramApi = Api;

/** What the bot asks for; anything else is not even sent to it. */
export const UPDATES = ['message', 'edited_message', 'callback_query', 'message_reaction', 'my_chat_member'] as const;

const CALL_LIMIT_S = 15;

/** The Bot API, or undefined where no token is configured: Telegram is then skipped. A poll needs more time than a call. */
export function openApi(config: Config, timeoutSeconds = CALL_LIMIT_S): TelegramApi | undefined {
  const { token, baseUrl } = config.services.telegram;
  if (!token) return undefined;
  return new Api(token, { apiRoot: baseUrl, timeoutSeconds, sensitiveLogs: false, fetch: nativeFetch as never });
}

interface Call {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: { readonly aborted: boolean; addEventListener(type: 'abort', listener: () => void): void };
}

/** Node's own: grammY's node-fetch 2 waits for its time limit when a connection is cut inside an answer. */
function nativeFetch(url: string, { method, headers, body, signal }: Call): Promise<Response> {
  // grammY's signal is one of a package, which Node's fetch does not take.
  const own = new AbortController();
  if (signal?.aborted) own.abort();
  signal?.addEventListener('abort', () => own.abort());
  return fetch(url, { method, headers, body, signal: own.signal });
}

export type Trouble =
  /** Not before these ms have passed. */
  | { kind: 'wait'; ms: number; text: string }
  /** It certainly did not arrive; try again. */
  | { kind: 'again'; text: string }
  /** It may have arrived. */
  | { kind: 'unknown'; text: string }
  /** The HTML was not taken: once more as plain text. */
  | { kind: 'plain'; text: string }
  /** An edit that changes nothing. */
  | { kind: 'same'; text: string }
  /** The token is wrong, or somebody else polls. */
  | { kind: 'config'; code: number; text: string }
  | { kind: 'refused'; code: number; text: string };

/** Of connections that were never made: nothing can have arrived. */
const NEVER_SENT = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/;

/** What an error of the Bot API means for the call that met it. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof GrammyError) {
    const { error_code: code, description: text, parameters } = error;
    if (code === 429) return { kind: 'wait', ms: (parameters.retry_after ?? 1) * 1000, text };
    if (code >= 500) return { kind: 'again', text: `${code} ${text}` };
    if (code === 401 || code === 404 || code === 409) return { kind: 'config', code, text };
    if (code === 400 && /can't parse entities/i.test(text)) return { kind: 'plain', text };
    if (code === 400 && /message is not modified/i.test(text)) return { kind: 'same', text };
    return { kind: 'refused', code, text };
  }
  if (error instanceof HttpError) {
    const outer = error.error as { message?: string; cause?: { message?: string; code?: string } } | undefined;
    const inner = outer?.cause ?? (outer as { message?: string; code?: string } | undefined);
    // The message of the outer error names the method only; neither holds the token (sensitiveLogs is off).
    const text = `${inner?.code ?? ''} ${inner?.message ?? error.message}`
      .trim()
      .replace(/https?:\/\/\S+/g, 'the Bot API');
    return NEVER_SENT.test(text) ? { kind: 'again', text } : { kind: 'unknown', text };
  }
  return { kind: 'unknown', text: error instanceof Error ? error.message : String(error) };
}
