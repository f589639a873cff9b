import type { MessageReactionUpdated } from 'grammy/types';
import type { PoolClient } from '../../lib/db/index.ts';
import { attempt } from './answer.ts';
import type { Ending, InboxRow } from './inbox.ts';
import { type ChatContext, mayDo } from './types.ts';
import { actionNamed, perform } from './viaAction.ts';

/** A thumb on a message of ours is a rating of the mission that the message is about; any other sign is none. */
export async function reacted(
  tx: PoolClient,
  row: InboxRow,
  context: ChatContext,
  reaction: MessageReactionUpdated,
): Promise<Ending> {
  const had = new Set(reaction.old_reaction.map((sign) => (sign.type === 'emoji' ? sign.emoji : '')));
  const thumb = reaction.new_reaction
    .map((sign) => (sign.type === 'emoji' ? sign.emoji : ''))
    .find((emoji) => /^👍|^👎/u.test(emoji) && !had.has(emoji as '👍'));
  if (!thumb) return { route: 'reaction', outcome: 'ignored' };
  if (!mayDo(context.person.role, 'operator')) return { route: 'reaction', outcome: 'refused' };
  const { rows } = await tx.query<{ mission: string | null }>('select mission_of_message($1, $2) as mission', [
    row.chat_id,
    reaction.message_id,
  ]);
  const mission = rows[0]?.mission;
  if (!mission) return { route: 'reaction', outcome: 'ignored', error: 'about no mission' };
  await attempt(tx, () =>
    perform(context, actionNamed('missions rate'), [`m${mission}`, thumb.startsWith('👍') ? 'up' : 'down']),
  );
  return { route: 'reaction', outcome: 'answered' };
}
