import type { CallbackQuery, Message, Update } from 'grammy/types';
import { actAs } from '../../lib/agents/handle.ts';
import type { Config } from '../../lib/config/index.ts';
import { fromDatabase, type Pool, type PoolClient, poolInTransaction, transaction } from '../../lib/db/index.ts';
import { messageOf, OpenClawError } from '../../lib/errors/index.ts';
import { type Logger, scrub, scrubJson, toJson } from '../../lib/log/index.ts';
import { escapeHtml, type TelegramApi } from '../../lib/telegram/index.ts';
import { commandNamed } from './commands.ts';
import { goOn } from './conversation.ts';
import { invite } from './strangers.ts';
import { type Answer, type ChatContext, mayDo, type Person, type Role } from './types.ts';
import { attachmentOf, type Kept, keep } from './uploads.ts';

export interface InboxRow {
  id: string;
  kind: string;
  chat_id: string | null;
  user_id: string | null;
  payload: Update;
  trace_id: string;
  attempts: number;
}

export interface Surroundings {
  api: TelegramApi;
  username: string;
  config: Config;
  db: Pool;
  log: Logger;
  signal: AbortSignal;
  /** Rings for an agent that was told something. */
  told: (agent: string, message: string, trace: string) => void;
}

type Outcome = 'answered' | 'routed' | 'ignored' | 'refused' | 'failed';

interface Ending {
  route: string;
  outcome: Outcome;
  error?: string;
  /** After the commit: what may be lost (a spinner that stops, a code that is sent anew). */
  after?: () => Promise<unknown>;
}

/** Starts of one update: one that kills its gateway is not begun for ever. */
const ATTEMPTS = 5;
const COMMAND_LIMIT_MS = 10_000;

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
  await ending.after?.().catch((error: unknown) => log.debug({ err: error }, 'what follows an update was lost'));
  return ending.outcome;
}

function messageIn(update: Update): Message | undefined {
  return update.message ?? update.edited_message;
}

async function personOf(db: Pool | PoolClient, row: InboxRow): Promise<Person | undefined> {
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
  if (!callback && !message) return { route: 'none', outcome: 'ignored' };
  const chat = callback ? callback.message?.chat : message?.chat;
  if (!row.user_id || !row.chat_id || !chat) return { route: 'none', outcome: 'ignored' };
  await meet(tx, row, chat);
  const isPrivate = chat.type === 'private';
  if (!isPrivate && !(await isListed(tx, row.chat_id))) return { route: 'group_not_listed', outcome: 'ignored' };
  const person = await personOf(tx, row);
  if (!person) {
    if (!isPrivate) return { route: 'stranger_in_group', outcome: 'ignored' };
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
  if (callback) return pressed(tx, row, context, callback, around);
  if (row.kind === 'edited_message') {
    // What was done is done; an edit is no second order.
    return { route: 'edited', outcome: 'ignored' };
  }
  return written(tx, row, context, message!, isPrivate, around, kept);
}

async function written(
  tx: PoolClient,
  row: InboxRow,
  context: ChatContext,
  message: Message,
  isPrivate: boolean,
  around: Surroundings,
  kept: Kept | string | undefined,
): Promise<Ending> {
  const raw = message.text ?? message.caption ?? '';
  const called = isPrivate ? raw : textForUs(raw, message, around.username);
  if (called === undefined) return { route: 'not_mentioned', outcome: 'ignored' };
  const text = called.trim();
  // What somebody forwards was written by somebody else: never an order, whatever it looks like.
  const forwarded = 'forward_origin' in message || 'forward_date' in message || message.via_bot !== undefined;
  if (kept !== undefined) {
    if (typeof kept === 'string') return say(tx, row, { text: kept }, 'file', 'refused');
    await tx.query(
      'insert into uploads (sha256, name, mime, bytes, file) values ($1, $2, $3, $4, $5) on conflict (sha256) do nothing',
      [kept.sha256, kept.name, kept.mime, kept.bytes, kept.file],
    );
    if (!text || forwarded)
      return say(
        tx,
        row,
        { text: `Kept ${kept.name} (${kept.bytes} bytes) as ${kept.sha256.slice(0, 12)}.` },
        'file',
        'answered',
      );
  }
  if (!text) return { route: 'empty', outcome: 'ignored' };
  if (!forwarded) {
    const answers = await approvalReplied(tx, row, message);
    if (answers) return run(tx, row, context, 'answer', [`a${answers}`, ...text.split(/\s+/)], false, 'reply');
    if (!text.startsWith('/')) {
      const said = await attempt(tx, () => goOn(context, text));
      if (said) return say(tx, row, said, 'conversation', 'answered');
    }
  }
  const { rows } = await tx.query<{ name: string; target: string }>('select * from route_message($1)', [
    forwarded ? `forwarded: ${text}` : text,
  ]);
  const route = rows[0];
  if (!route) return say(tx, row, { text: 'No route takes this; /help shows what there is.' }, 'none', 'refused');
  if (route.target === 'command') {
    const [word = '', ...args] = text.split(/\s+/);
    const name = word.slice(1).replace(/@.*$/, '').toLowerCase();
    return run(tx, row, context, name, args, false, route.name);
  }
  if (!mayDo(context.person.role, 'operator'))
    return say(
      tx,
      row,
      { text: 'You may look, not ask for work: /help shows what you can see.' },
      route.name,
      'refused',
    );
  return pass(tx, row, context, route, text, forwarded, around, typeof kept === 'object' ? kept : undefined);
}

/** To an agent, by a row; the ring follows the commit. */
async function pass(
  tx: PoolClient,
  row: InboxRow,
  { person }: ChatContext,
  route: { name: string; target: string },
  text: string,
  untrusted: boolean,
  around: Surroundings,
  file?: Kept,
): Promise<Ending> {
  const agent = route.target.slice('agent:'.length);
  const payload = {
    text,
    user: person.userId,
    role: person.role,
    chat: person.chatId,
    ...(file && { file: { sha256: file.sha256, name: file.name, mime: file.mime } }),
  };
  const { rows } = await tx.query<{ id: string }>("select send_to_agent($1, 'message', $2::jsonb, $3, $4, $5) as id", [
    agent,
    toJson(scrubJson(payload)),
    `in${row.id}`,
    `telegram:${person.chatId}`,
    untrusted,
  ]);
  return {
    route: route.name,
    outcome: 'routed',
    after: async () => around.told(agent, rows[0]!.id, row.trace_id),
  };
}

async function pressed(
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
    /^(status|agents|missions|mission|canvas|approve)$/.test(button.action) &&
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
  const ending = await run(
    tx,
    row,
    context,
    command,
    args,
    yes,
    'button',
    looks && button.action === 'mission' ? button.outbox_id : undefined,
  );
  return { ...ending, ...done(ending.outcome === 'failed' ? 'That did not work.' : undefined) };
}

async function run(
  tx: PoolClient,
  row: InboxRow,
  context: ChatContext,
  name: string,
  args: readonly string[],
  confirmed: boolean,
  route: string,
  edits?: string,
): Promise<Ending> {
  const command = commandNamed(name);
  if (!command)
    return say(tx, row, { text: `There is no /${name.slice(0, 40)}. /help shows what there is.` }, route, 'refused');
  if (!mayDo(context.person.role, command.role)) {
    return say(
      tx,
      row,
      { text: `/${name} needs the role ${command.role}; yours is ${context.person.role}.` },
      route,
      'refused',
    );
  }
  try {
    const said = await attempt(tx, () => command.run(context, args, confirmed));
    return await say(tx, row, edits ? { ...said, edits } : said, route, 'answered');
  } catch (thrown) {
    const error = fromDatabase(thrown);
    if (!(error instanceof OpenClawError)) context.log.warn({ err: error, command: name }, 'a command failed');
    const lines =
      error instanceof OpenClawError
        ? [error.message, ...error.faults, ...(error.remedy ? [`→ ${error.remedy}`] : [])]
        : ['That did not work; the log says why.'];
    const ending = await say(tx, row, { text: `⚠️ ${lines.join('\n')}` }, route, 'failed');
    return { ...ending, error: scrub(messageOf(error)).slice(0, 500) };
  }
}

/** A statement that Postgres refuses must not take the whole transaction, or its answer, with it. */
async function attempt<T>(tx: PoolClient, work: () => Promise<T>): Promise<T> {
  await tx.query('savepoint attempt');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new OpenClawError('E_TOO_LONG', `it took longer than ${COMMAND_LIMIT_MS / 1000} s`, {
            remedy: 'use the command line for it',
          }),
        ),
      COMMAND_LIMIT_MS,
    );
  });
  try {
    const result = await Promise.race([work(), late]);
    await tx.query('release savepoint attempt');
    return result;
  } catch (error) {
    await tx.query('rollback to savepoint attempt');
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function say(tx: PoolClient, row: InboxRow, answer: Answer, route: string, outcome: Outcome): Promise<Ending> {
  const options = { ...(answer.html && { html: true }), ...(answer.buttons && { buttons: answer.buttons }) };
  const text = scrub(answer.text) || escapeHtml('(nothing to show)');
  if (answer.edits) {
    await tx.query('select edit_message($1, $2, $3::jsonb)', [
      answer.edits,
      text,
      toJson({ html: answer.html === true }),
    ]);
  } else {
    await tx.query('select queue_message($1, $2, $3::jsonb, $4)', [
      `telegram:${row.chat_id}`,
      text,
      toJson(options),
      `in${row.id}/answer`,
    ]);
  }
  return { route, outcome };
}

async function approvalReplied(tx: PoolClient, row: InboxRow, message: Message): Promise<string | undefined> {
  const replied = message.reply_to_message?.message_id;
  if (!replied) return undefined;
  const { rows } = await tx.query<{ answers: string | null }>(
    'select answers from outbox where chat_id = $1 and message_id = $2 and answers is not null',
    [row.chat_id, replied],
  );
  return rows[0]?.answers ?? undefined;
}

/** In a group only what is said to the bot: `@bot …`, `/command@bot`, or a reply to it. */
function textForUs(text: string, message: Message, username: string): string | undefined {
  const mention = new RegExp(`@${username.replace(/[^A-Za-z0-9_]/g, '')}\\b`, 'i');
  if (mention.test(text)) return text.replace(mention, '').replace(/^(\/\w+)\s*/, '$1 ');
  if (message.reply_to_message?.from?.username?.toLowerCase() === username.toLowerCase()) return text;
  return undefined;
}

async function meet(tx: PoolClient, row: InboxRow, chat: { type?: string; title?: string } | undefined): Promise<void> {
  if (!row.chat_id || !chat) return;
  await tx.query(
    `insert into telegram_chats (chat_id, kind, title, listed) values ($1, $2, $3, $2 = 'private')
     on conflict (chat_id) do update set seen_at = clock_now(), title = excluded.title`,
    [row.chat_id, String(chat.type ?? 'unknown').slice(0, 20), chat.title ? String(chat.title).slice(0, 200) : null],
  );
}

async function isListed(tx: PoolClient, chat: string): Promise<boolean> {
  const { rows } = await tx.query<{ listed: boolean }>('select listed from telegram_chats where chat_id = $1', [chat]);
  return rows[0]?.listed === true;
}
