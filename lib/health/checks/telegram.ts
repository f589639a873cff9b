import { spanText } from '../../actions/table.ts';
import type { Pool } from '../../db/index.ts';
import { fail, pass, skipped, warn } from '../findings.ts';
import type { Check } from '../types.ts';

const PENDING_WARN = 100;
/** A long poll ends after half a minute at the latest. */
const POLL_LIMIT_S = 180;

export const telegram: Check = {
  id: 'telegram',
  title: 'Telegram',
  severity: 'warning',
  failuresNeeded: 3,
  passesNeeded: 1,
  looks: 1,
  remedy: 'check the token with: openclaw init; the network with: curl -sS https://api.telegram.org',
  runbook: 'telegram-dead',
  probe: async ({ config, db, signal }) => {
    const { token, baseUrl } = config.services.telegram;
    if (!token) return skipped('no bot token', 'openclaw init (TELEGRAM_BOT_TOKEN)');
    const ask = async (method: string) => {
      const response = await fetch(`${baseUrl}/bot${token}/${method}`, { signal });
      // An answer that is no JSON is a proxy's or an error page: no `ok` in it.
      const body = (await response.json().catch(() => ({}))) as {
        ok?: boolean;
        description?: string;
        result?: Record<string, unknown>;
      };
      return { status: response.status, ...body };
    };
    const me = await ask('getMe');
    if (me.status === 401 || me.status === 404)
      return fail(`the token is refused (${me.status}): ${me.description}`, 'error');
    if (!me.ok) return fail(`getMe answers ${me.status}: ${me.description ?? 'no reason given'}`);
    const hook = await ask('getWebhookInfo');
    const pending = Number(hook.result?.pending_update_count ?? 0);
    const name = `@${me.result?.username}`;
    const silent = await pollSilence(db);
    if (silent !== undefined) return fail(`${name} answers, but no poll has ended for ${spanText(silent * 1000)}`);
    if (pending > PENDING_WARN) return warn(`${name} answers, but ${pending} updates wait to be fetched`);
    const failed = Number(hook.result?.last_error_date ?? 0) * 1000;
    if (hook.result?.url && Date.now() - failed < 3_600_000)
      return warn(`${name} answers, but Telegram could not deliver: ${String(hook.result.last_error_message)}`);
    return pass(`${name} answers, ${pending} updates wait`);
  },
};

/** Seconds since the last poll that ended, when that is too long: sends may work while nobody listens. */
async function pollSilence(db: Pool | undefined): Promise<number | undefined> {
  const polled = await db?.query<{ age_s: number }>(
    "select extract(epoch from clock_now() - last_poll_at)::float8 as age_s from telegram_state where mode = 'polling' order by updated_at desc limit 1",
  );
  const age = polled?.rows[0]?.age_s ?? 0;
  return age > POLL_LIMIT_S ? age : undefined;
}
