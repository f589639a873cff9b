import { finding } from '../finding.ts';
import type { AuditCheck, AuditOutcome } from '../types.ts';

export const telegram: AuditCheck = {
  id: 'telegram',
  title: 'Telegram listens to the owner only',
  look: async ({ config }): Promise<AuditOutcome> => {
    const { token, allowedUserIds, webhookUrl, baseUrl } = config.services.telegram;
    if (!token) return { findings: [], note: 'no bot token' };
    const findings =
      allowedUserIds.length > 5
        ? [
            finding(
              'low',
              `${allowedUserIds.length} people may command the bot`,
              'TELEGRAM_ALLOWED_USER_IDS: only who must',
            ),
          ]
        : [];
    const response = await fetch(`${baseUrl}/bot${token}/getWebhookInfo`, {
      signal: AbortSignal.timeout(5000),
    }).catch(() => undefined);
    const info = (await response?.json().catch(() => undefined)) as { result?: { url?: string } } | undefined;
    const url = info?.result?.url ?? '';
    if (url && !webhookUrl)
      findings.push(
        finding(
          'high',
          `updates go to ${new URL(url).host}, which is not configured here`,
          'somebody else has the token: revoke it at @BotFather; docs/runbooks/key-leaked.md',
        ),
      );
    else if (url && webhookUrl && new URL(url).host !== new URL(webhookUrl).host)
      findings.push(
        finding(
          'high',
          `updates go to ${new URL(url).host}, configured is ${new URL(webhookUrl).host}`,
          'restart the gateway; if it stays so, revoke the token',
        ),
      );
    return { findings, ...(response ? {} : { note: 'Telegram was not reached: the webhook was not compared' }) };
  },
};
