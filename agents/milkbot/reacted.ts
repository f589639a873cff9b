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
  const had = emojisOf(reaction.old_reaction);
  const thumb = emojisOf(reaction.new_reaction).find((emoji) => /^[👍👎]/u.test(emoji) && !had.includes(emoji));
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

function emojisOf(signs: unknown): string[] {
  if (!Array.isArray(signs)) return [];
  return signs.flatMap((sign: { emoji?: unknown } | null) => (typeof sign?.emoji === 'string' ? [sign.emoji] : []));
}
