import { fail, pass, skipped } from '../findings.ts';
import type { Check } from '../types.ts';

const LIMIT_MINUTES = 10;

export const undelivered: Check = {
  id: 'undelivered',
  title: 'Undelivered messages',
  severity: 'warning',
  failuresNeeded: 2,
  passesNeeded: 1,
  looks: 1,
  // With Telegram away they wait, which is Telegram's alarm.
  needs: ['postgres', 'telegram'],
  remedy: 'openclaw logs --follow; systemctl status openclaw',
  runbook: 'telegram-dead',
  probe: async ({ db, config }) => {
    if (!config.services.telegram.token) return skipped('no bot token', 'openclaw init (TELEGRAM_BOT_TOKEN)');
    const { rows } = await db!.query<{ waiting: number }>(
      `select count(*)::integer as waiting from outbox
       where state in ('queued', 'sending') and greatest(created_at, not_before) < clock_now() - $1 * interval '1 minute'`,
      [LIMIT_MINUTES],
    );
    const { waiting } = rows[0]!;
    return waiting > 0 ? fail(`${waiting} messages wait for more than ${LIMIT_MINUTES} minutes`) : pass('none wait');
  },
};
