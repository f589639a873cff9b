import type { Pool, PoolClient } from '../../lib/db/index.ts';
import type { InboxRow } from './inbox.ts';
import type { Person, Role } from './types.ts';

/** Who wrote; undefined for a stranger and for a revoked device. */
export async function personOf(db: Pool | PoolClient, row: InboxRow): Promise<Person | undefined> {
  if (!row.user_id || !row.chat_id) return undefined;
  const { rows } = await db.query<{ id: string; name: string; role: Role }>(
    "select * from admit_device('telegram', $1)",
    [row.user_id],
  );
  const device = rows[0];
  return (
    device && {
      userId: Number(row.user_id),
      chatId: Number(row.chat_id),
      device: device.id,
      name: device.name,
      role: device.role,
    }
  );
}

/** A chat that the bot hears of is a row; a group is answered only once it is listed. */
export async function meet(
  tx: PoolClient,
  row: InboxRow,
  chat: { type?: string; title?: string } | undefined,
): Promise<void> {
  if (!row.chat_id || !chat) return;
  await tx.query(
    `insert into telegram_chats (chat_id, kind, title, listed) values ($1, $2, $3, $2 = 'private')
     on conflict (chat_id) do update set seen_at = clock_now(), title = excluded.title`,
    [row.chat_id, String(chat.type ?? 'unknown').slice(0, 20), chat.title ? String(chat.title).slice(0, 200) : null],
  );
}

export async function isListed(tx: PoolClient, chat: string): Promise<boolean> {
  const { rows } = await tx.query<{ listed: boolean }>('select listed from telegram_chats where chat_id = $1', [chat]);
  return rows[0]?.listed === true;
}
