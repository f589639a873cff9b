import { fail, pass, skipped } from '../findings.ts';
import type { Check } from '../types.ts';

export const driveToken: Check = {
  id: 'drive_token',
  title: 'Google Drive token',
  severity: 'warning',
  failuresNeeded: 3,
  passesNeeded: 1,
  looks: 1,
  remedy: 'openclaw drive auth',
  runbook: 'drive-token',
  probe: async ({ config, signal }) => {
    const { clientId, clientSecret, refreshToken, tokenUrl } = config.services.drive;
    if (!clientId || !clientSecret || !refreshToken) return skipped('no Google Drive', 'openclaw drive auth');
    const response = await fetch(tokenUrl, {
      method: 'POST',
      signal,
      body: new URLSearchParams({
        client_id: clientId,
        client_secret: clientSecret,
        refresh_token: refreshToken,
        grant_type: 'refresh_token',
      }),
    });
    const body = (await response.json().catch(() => ({}))) as { access_token?: string; error?: string };
    if (response.ok && body.access_token) return pass('an access token was given');
    // A person has to act: no further try will mend it.
    if (body.error === 'invalid_grant') return fail('the refresh token is revoked or expired (invalid_grant)', 'error');
    return fail(`the token server answers ${response.status}${body.error ? `: ${body.error}` : ''}`);
  },
};
