import type { PoolClient } from '../../lib/db/index.ts';
import { inHalves, pairingCode } from '../../lib/telegram/index.ts';
import type { InboxRow, Surroundings } from './inbox.ts';

/**
 * A stranger gets a code, or silence. It is sent past the outbox, because nothing may keep it but its hash; when that fails
 * the next message gets a new one.
 */
export async function invite(
  tx: PoolClient,
  { api, db }: Surroundings,
  row: InboxRow,
  name: string | undefined,
): Promise<{ after?: () => Promise<unknown> }> {
  const code = pairingCode();
  const { rows } = await tx.query<{ tell: boolean }>("select request_pairing('telegram', $1, $2, $3) as tell", [
    row.user_id,
    name ?? '',
    code,
  ]);
  if (!rows[0]!.tell) return {};
  const text = `This bot serves its owner only. Your code is ${inHalves(code)}; it is good for one hour. The owner lets you in at the machine with: openclaw pair approve ${code}`;
  return {
    after: async () => {
      await api.sendMessage(Number(row.chat_id), text);
      await db.query(
        "update ops_pairings set told_at = clock_now() where kind = 'telegram' and subject = $1 and decided_at is null and told_at is null",
        [row.user_id],
      );
    },
  };
}
