import type { CallbackQuery } from 'grammy/types';
import type { PoolClient } from '../../lib/db/index.ts';
import { runCommand, say } from './answer.ts';
import type { Ending, InboxRow, Surroundings } from './inbox.ts';
import type { ChatContext } from './types.ts';

/** A press of a button: what it does stands in its row, so that it works after a restart, and once. */
export async function pressed(
  tx: PoolClient,
  row: InboxRow,
  context: ChatContext,
  callback: CallbackQuery,
  around: Surroundings,
): Promise<Ending> {
  const done = (text?: string) => ({ after: () => around.api.answerCallbackQuery(callback.id, text ? { text } : {}) });
  const token = String(callback.data ?? '');
  const { rows } = await tx.query<{
    outbox_id: string;
    action: string;
    args: string[];
    for_user: string | null;
    used: boolean;
    expired: boolean;
    mine: boolean;
  }>(
    `select b.outbox_id, b.action, b.args, b.for_user, b.used_at is not null as used, coalesce(b.expires_at < clock_now(), false) as expired, o.chat_id = $2 as mine
     from message_buttons b join outbox o on o.id = b.outbox_id where b.token = $1 for update of b`,
    [token, context.person.chatId],
  );
  const button = rows[0];
  if (!button?.mine)
    return { route: 'button', outcome: 'refused', error: 'unknown', ...done('That button is not known any more.') };
  if (button.for_user && Number(button.for_user) !== context.person.userId)
    return {
      route: 'button',
      outcome: 'refused',
      error: 'for another',
      ...done('That is for somebody else to press.'),
    };
  if (button.used) return { route: 'button', outcome: 'ignored', error: 'used', ...done('That was done already.') };
  if (button.expired)
    return { route: 'button', outcome: 'refused', error: 'expired', ...done('That has expired; say it again.') };
  // Looking again is harmless: a view's button stays. What changes something works once, and its neighbours with it.
  const looks =
    /^(status|agents|missions|mission|canvas|health|approve)$/.test(button.action) &&
    !(button.action === 'approve' && button.args.length > 0);
  if (!looks)
    await tx.query(
      'update message_buttons set used_at = clock_now(), used_by = $2 where outbox_id = $1 and used_at is null',
      [button.outbox_id, row.id],
    );
  if (button.action === 'no') {
    await say(tx, row, { text: 'Nothing was done.', edits: button.outbox_id }, 'button', 'answered');
    return { route: 'button', outcome: 'answered', ...done() };
  }
  const yes = button.action === 'yes';
  const [command, args] = yes ? [button.args[0] ?? '', button.args.slice(1)] : [button.action, button.args];
  // Only what a view repeats is drawn in its place; an answer to a question stands below it.
  const ending = await runCommand(
    tx,
    row,
    context,
    command,
    args,
    yes,
    'button',
    looks && (button.action === 'mission' || button.action === 'health') ? button.outbox_id : undefined,
  );
  return { ...ending, ...done(ending.outcome === 'failed' ? 'That did not work.' : undefined) };
}
