import type { Message } from 'grammy/types';
import type { PoolClient } from '../../lib/db/index.ts';
import { scrubbedJson } from '../../lib/log/index.ts';
import { attempt, runCommand, say } from './answer.ts';
import { goOn } from './conversation.ts';
import type { Ending, InboxRow, Surroundings } from './inbox.ts';
import { type ChatContext, mayDo } from './types.ts';
import type { Kept } from './uploads.ts';

/** A message: a command, an answer, a turn of a conversation, or words that a route takes to an agent. */
export async function written(
  tx: PoolClient,
  row: InboxRow,
  context: ChatContext,
  message: Message,
  isPrivate: boolean,
  around: Surroundings,
  kept: Kept | string | undefined,
): Promise<Ending> {
  // Whatever came in is not believed: a text that is none is no text.
  const raw = [message.text, message.caption].find((one) => typeof one === 'string') ?? '';
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
    if (answers) return runCommand(tx, row, context, 'answer', [`a${answers}`, ...text.split(/\s+/)], false, 'reply');
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
    return runCommand(tx, row, context, name, args, false, route.name);
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

/** What Telegram itself lets through. */
const TEXT_LIMIT = 4096;

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
    text: text.slice(0, TEXT_LIMIT),
    user: person.userId,
    role: person.role,
    chat: person.chatId,
    ...(file && { file: { sha256: file.sha256, name: file.name, mime: file.mime } }),
  };
  const { rows } = await tx.query<{ id: string }>("select send_to_agent($1, 'message', $2::jsonb, $3, $4, $5) as id", [
    agent,
    scrubbedJson(payload),
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
