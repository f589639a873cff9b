import type { Config } from '../config/index.ts';
import { messageOf, OpenClawError } from '../errors/index.ts';
import { addSecrets } from '../log/index.ts';

export interface DriveAccount {
  readonly baseUrl: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly refreshToken: string;
  readonly folderId: string | undefined;
}

/** Null while Drive is not set up, which is no fault. */
export function driveAccount({ services: { drive } }: Config): DriveAccount | null {
  const { baseUrl, tokenUrl, clientId, clientSecret, refreshToken, folderId } = drive;
  if (!clientId || !clientSecret || !refreshToken) return null;
  return { baseUrl, tokenUrl, clientId, clientSecret, refreshToken, folderId };
}

/** Gives an access token; `again` when the last one was refused. */
export type AccessToken = (again?: boolean) => Promise<string>;

const MARGIN_MS = 60_000;
const ANSWER_LIMIT_MS = 20_000;

/** @throws E_DRIVE_REAUTH when the operator has to grant access anew, E_DRIVE for whatever may pass. */
export function accessTokens(account: DriveAccount): AccessToken {
  let current: { token: string; until: number } | undefined;
  return async (again = false) => {
    if (!again && current && Date.now() < current.until) return current.token;
    const answer = await postForm(account.tokenUrl, {
      grant_type: 'refresh_token',
      client_id: account.clientId,
      client_secret: account.clientSecret,
      refresh_token: account.refreshToken,
    });
    if (answer.status !== 200 || typeof answer.body.access_token !== 'string') throw refused(answer);
    addSecrets([answer.body.access_token]);
    current = {
      token: answer.body.access_token,
      until: Date.now() + Number(answer.body.expires_in ?? 0) * 1000 - MARGIN_MS,
    };
    return current.token;
  };
}

export interface TokenAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export async function postForm(url: string, form: Record<string, string>, signal?: AbortSignal): Promise<TokenAnswer> {
  const limit = AbortSignal.timeout(ANSWER_LIMIT_MS);
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams(form),
      redirect: 'error',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    const text = await response.text();
    return { status: response.status, body: asObject(text) };
  } catch (error) {
    signal?.throwIfAborted();
    throw new OpenClawError(
      'E_DRIVE',
      `Google's token service does not answer: ${messageOf((error as Error).cause ?? error)}`,
      { cause: error },
    );
  }
}

function asObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // A page of a proxy, say; the status tells enough.
    return {};
  }
}

function refused({ status, body }: TokenAnswer): OpenClawError {
  const error = String(body.error ?? status);
  if (error !== 'invalid_grant' && error !== 'invalid_client' && error !== 'unauthorized_client')
    return new OpenClawError('E_DRIVE', `Google's token service answers ${status} (${error})`);
  return new OpenClawError('E_DRIVE_REAUTH', `Google takes the refresh token no longer (${error})`, {
    remedy: 'openclaw drive auth',
  });
}
