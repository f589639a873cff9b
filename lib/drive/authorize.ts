import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { addSecrets } from '../log/index.ts';
import { postForm } from './access.ts';

/** Only what this program itself has put there. */
const SCOPE = 'https://www.googleapis.com/auth/drive.file';

/**
 * The device flow: a person opens a page anywhere, types a code and grants access; nothing has to reach this machine.
 *
 * @returns the refresh token. @throws E_DRIVE_CLIENT, E_DRIVE_AUTH.
 */
export async function authorizeDrive(
  { services: { drive } }: Config,
  { say, signal, secondMs = 1000 }: { say: (line: string) => void; signal: AbortSignal; secondMs?: number },
): Promise<string> {
  const { clientId, clientSecret, deviceUrl, tokenUrl } = drive;
  if (!clientId || !clientSecret) {
    throw new OpenClawError('E_DRIVE_CLIENT', 'the OAuth client is not set', {
      expected: 'GOOGLE_DRIVE_CLIENT_ID and GOOGLE_DRIVE_CLIENT_SECRET',
      remedy:
        'make an OAuth client of the type "TVs and Limited Input devices" in the Google Cloud console, then: openclaw credentials set GOOGLE_DRIVE_CLIENT_SECRET',
      exitCode: EXIT.config,
    });
  }
  const asked = await postForm(deviceUrl, { client_id: clientId, scope: SCOPE }, signal);
  const { device_code, user_code, verification_url, expires_in, interval } = asked.body;
  if (asked.status !== 200 || typeof device_code !== 'string')
    throw denied(`Google gives no code: ${String(asked.body.error ?? asked.status)}`);
  addSecrets([device_code]);
  say(`Open ${String(verification_url)} and type the code ${String(user_code)}`);
  const deadline = Date.now() + Number(expires_in) * 1000;
  let pause = Number(interval ?? 5);
  while (Date.now() < deadline) {
    await sleep(pause * secondMs, undefined, { signal });
    const { status, body } = await postForm(
      tokenUrl,
      {
        client_id: clientId,
        client_secret: clientSecret,
        device_code,
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      },
      signal,
    );
    if (status === 200 && typeof body.refresh_token === 'string') {
      addSecrets([body.refresh_token]);
      return body.refresh_token;
    }
    if (body.error === 'slow_down') pause += 5;
    else if (body.error !== 'authorization_pending') throw denied(`Google answers ${String(body.error ?? status)}`);
  }
  throw denied('nobody has typed the code in time');
}

function denied(message: string): OpenClawError {
  return new OpenClawError('E_DRIVE_AUTH', message, { remedy: 'openclaw drive auth, once more' });
}
