import type { Message, Update } from 'grammy/types';
import { actAs } from '../../lib/agents/handle.ts';
import { type PoolClient, poolInTransaction, transaction } from '../../lib/db/index.ts';
import { messageOf, OpenClawError } from '../../lib/errors/index.ts';
import { COMMAND_LIMIT_MS, rewrite } from './answer.ts';
import { isListed, meet, personOf } from './chats.ts';
import type { Ending, InboxRow, Outcome, Surroundings } from './inbox.ts';
import { pressed } from './pressed.ts';
import { reacted } from './reacted.ts';
import { invite } from './strangers.ts';
import type { Answer, ChatContext } from './types.ts';
import { attachmentOf, type Kept, keep } from './uploads.ts';
import { written } from './written.ts';

/** Starts of one update: one that kills its gateway is not begun for ever. */
const ATTEMPTS = 5;

/** Handles one update: everything that it changes, its answer and its end are one commit. */
export async function handleUpdate(row: InboxRow, around: Surroundings): Promise<Outcome> {
  const { db, log } = around;
  const message = messageIn(row.payload);
  // Fetching a file takes its time and changes nothing but a file named by its content: outside of the transaction.
  const attachment =
    message && row.kind === 'message' ? attachmentOf(message as unknown as Record<string, unknown>) : undefined;
  let kept: Kept | string | undefined;
  if (attachment && (await personOf(db, row))) {
    kept = await keep(around.api, around.config, attachment).catch((error: unknown) => {
      log.warn({ err: error }, 'a file was not kept');
      return 'The file could not be fetched from Telegram; send it again.';
    });
  }
  const ending = await transaction(db, async (tx) => {
    await actAs(tx, row.user_id ? `telegram:${row.user_id}` : 'system', 'telegram', row.trace_id);
    const decided: Ending =
      row.attempts > ATTEMPTS
        ? { route: 'poison', outcome: 'failed', error: `begun ${ATTEMPTS} times without an end` }
        : await decide(tx, row, around, kept);
    const { rows } = await tx.query<{ done: boolean }>('select finish_inbox($1, $2, $3, $4) as done', [
      row.id,
      decided.route,
      decided.outcome,
      decided.error ?? null,
    ]);
    // Somebody else has ended it: nothing of this may stay.
    if (!rows[0]!.done) throw new OpenClawError('E_HANDLED', `update ${row.id} was handled already`);
    return decided;
  });
  const { later } = ending;
  if (later)
    around.aside(async () => {
      const fresh = await later.make().catch((error: unknown): Answer => {
        log.warn({ err: error, inbox: row.id }, 'what was to follow an answer could not be made');
        return { text: `⚠️ ${messageOf(error)}` };
      });
      await rewrite(db, later.outboxId, fresh);
    });
  await ending.after?.().catch((error: unknown) => log.debug({ err: error }, 'what follows an update was lost'));
  return ending.outcome;
}

function messageIn(update: Update): Message | undefined {
  return update.message ?? update.edited_message;
}

async function decide(
  tx: PoolClient,
  row: InboxRow,
  around: Surroundings,
  kept: Kept | string | undefined,
): Promise<Ending> {
  const update = row.payload;
  if (row.kind === 'my_chat_member') {
    await meet(tx, row, update.my_chat_member?.chat);
    return { route: 'membership', outcome: 'ignored' };
  }
  const callback = update.callback_query;
  const message = callback ? undefined : messageIn(update);
  const reaction = update.message_reaction;
  if (!callback && !message && !reaction) return { route: 'none', outcome: 'ignored' };
  const chat = callback?.message?.chat ?? message?.chat ?? reaction?.chat;
  if (!row.user_id || !row.chat_id || !chat) return { route: 'none', outcome: 'ignored' };
  await meet(tx, row, chat);
  const isPrivate = chat.type === 'private';
  if (!isPrivate && !(await isListed(tx, row.chat_id))) return { route: 'group_not_listed', outcome: 'ignored' };
  const person = await personOf(tx, row);
  if (!person) {
    if (!isPrivate) return { route: 'stranger_in_group', outcome: 'ignored' };
    if (reaction) return { route: 'stranger', outcome: 'refused' };
    if (callback)
      return { route: 'stranger', outcome: 'refused', after: () => around.api.answerCallbackQuery(callback.id) };
    return { route: 'stranger', outcome: 'refused', ...(await invite(tx, around, row, message?.from?.first_name)) };
  }
  await tx.query("select set_config('openclaw.role', $1, true)", [person.role]);
  const context: ChatContext = {
    db: poolInTransaction(tx),
    config: around.config,
    log: around.log,
    person,
    signal: AbortSignal.any([around.signal, AbortSignal.timeout(COMMAND_LIMIT_MS)]),
    inboxId: row.id,
  };
  if (reaction) return reacted(tx, row, context, reaction);
  if (callback) return pressed(tx, row, context, callback, around);
  if (row.kind === 'edited_message') {
    // What was done is done; an edit is no second order.
    return { route: 'edited', outcome: 'ignored' };
  }
  return written(tx, row, context, message!, isPrivate, around, kept);
}
