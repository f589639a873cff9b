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
    const { rows: there } = await db!.query<{ exists: boolean }>("select to_regclass('outbox') is not null as exists");
    if (!there[0]!.exists) return skipped('no message was ever sent', 'openclaw gateway');
    const { rows } = await db!.query<{ waiting: number }>(
      `select count(*)::integer as waiting from outbox
       where state not in ('sent', 'failed', 'cancelled') and created_at < clock_now() - $1 * interval '1 minute'`,
      [LIMIT_MINUTES],
    );
    const { waiting } = rows[0]!;
    return waiting > 0 ? fail(`${waiting} messages wait for more than ${LIMIT_MINUTES} minutes`) : pass('none wait');
  },
};
