import type { Pool } from '../../lib/db/index.ts';
import type { Logger } from '../../lib/log/index.ts';
import { type TelegramApi, troubleOf } from '../../lib/telegram/index.ts';
import { COMMANDS } from './commands.ts';
import { mayDo, type Role } from './types.ts';

/** Each person's chat shows the commands of that role; a revoked one's menu goes. Strangers see none. */
export async function giveMenus(api: TelegramApi, db: Pool, log: Logger): Promise<void> {
  const { rows } = await db.query<{ chat_id: string; role: Role | null; menu: string | null }>(
    `select c.chat_id, d.role, c.menu from telegram_chats c
     left join ops_devices d on d.kind = 'telegram' and d.subject = c.chat_id::text and d.revoked_at is null
     where c.kind = 'private' and d.role is distinct from c.menu order by c.chat_id limit 10`,
  );
  for (const { chat_id, role } of rows) {
    const scope = { type: 'chat' as const, chat_id: Number(chat_id) };
    try {
      if (role) {
        const commands = COMMANDS.filter((command) => !command.hidden && mayDo(role, command.role)).map((command) => ({
          command: command.name,
          description: command.title,
        }));
        await api.setMyCommands(commands, { scope });
      } else await api.deleteMyCommands({ scope });
    } catch (error) {
      const trouble = troubleOf(error);
      log.warn({ chat: chat_id }, `a menu was not set: ${trouble.text}`);
      // A chat that refuses it (blocked) will do so again; anything else is tried in the next round.
      if (trouble.kind !== 'refused') return;
    }
    await db.query('update telegram_chats set menu = $2 where chat_id = $1', [chat_id, role]);
  }
}
