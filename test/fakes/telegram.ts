import { type FakeServer, fakeServer, type Received, type Scripted } from './fakeServer.ts';

export interface SentMessage {
  message_id: number;
  chat_id: number;
  text: string;
  parse_mode?: string;
  /** Rows of buttons: label and what a press sends. */
  buttons: { text: string; callback_data: string }[][];
  edits: number;
  at: number;
}

export interface FakeTelegram extends Omit<FakeServer, 'script'> {
  readonly token: string;
  /** Everything that was sent, in order; an edit changes its message. */
  readonly sent: SentMessage[];
  /** Calls by method, in order. */
  calls(method: string): Record<string, unknown>[];
  /** Answers for the next calls of a method, before the fake's own. */
  script(method: string, ...answers: Scripted[]): void;
  /** Somebody writes; returns the update's id. */
  write(
    from: number,
    text: string,
    more?: { chat?: number; chatType?: string; message?: Record<string, unknown>; kind?: string },
  ): number;
  /** Any update at all. */
  push(update: Record<string, unknown>): number;
  press(from: number, message: SentMessage, data: string): number;
  /** Updates that were not confirmed by an offset. */
  pending(): number;
  /** A file that getFile gives out. */
  file(id: string, content: Buffer, path?: string): void;
}

/** As curl sends it: all of it is text. */
function formOf(body: string): Record<string, unknown> {
  const given = Object.fromEntries(new URLSearchParams(body));
  return { ...given, ...(given.chat_id && { chat_id: Number(given.chat_id) }) };
}

const TAGS = new Set(['b', 'i', 'u', 's', 'code', 'pre', 'a', 'blockquote']);

/** The Bot API as far as a bot of ours uses it, with its envelope, its texts of errors, its long poll and its limits. */
export async function fakeTelegram({
  token = '123456:fakefakefakefakefakefakefake',
  botName = 'milkbot_bot',
} = {}): Promise<FakeTelegram> {
  const botId = Number(token.split(':')[0]);
  const scripted = new Map<string, Scripted[]>();
  const updates: Record<string, unknown>[] = [];
  const sent: SentMessage[] = [];
  const log: { method: string; args: Record<string, unknown> }[] = [];
  const files = new Map<string, { content: Buffer; path: string }>();
  let nextUpdate = 1000;
  let nextMessage = 1;
  let webhook = '';
  let polling: ((answer: Scripted) => void) | undefined;
  let wake: (() => void) | undefined;

  const ok = (result: unknown): Scripted => ({ body: { ok: true, result } });
  const no = (code: number, description: string, parameters?: Record<string, number>): Scripted => ({
    status: code,
    body: { ok: false, error_code: code, description, ...(parameters && { parameters }) },
    ...(parameters?.retry_after && { headers: { 'retry-after': String(parameters.retry_after) } }),
  });

  const getUpdates = async ({ offset = 0, limit = 100, timeout = 0 }: Record<string, number>): Promise<Scripted> => {
    if (webhook)
      return no(
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
      );
    polling?.(
      no(409, 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running'),
    );
    while (updates.length > 0 && (updates[0]!.update_id as number) < offset) updates.shift();
    if (updates.length === 0 && timeout > 0) {
      const other = await new Promise<Scripted | undefined>((resolve) => {
        polling = resolve;
        wake = () => resolve(undefined);
        setTimeout(() => resolve(undefined), timeout * 1000).unref();
      });
      polling = undefined;
      wake = undefined;
      if (other) return other;
    }
    return ok(updates.slice(0, limit));
  };
  const textFault = (text: unknown, parseMode: unknown): Scripted | undefined => {
    if (typeof text !== 'string' || text.trim() === '') return no(400, 'Bad Request: message text is empty');
    let plain = text;
    if (parseMode === 'HTML') {
      const open: string[] = [];
      for (const [, slash, name] of text.matchAll(/<(\/?)([a-z-]*)[^>]*>?/g)) {
        if (!TAGS.has(name!))
          return no(400, `Bad Request: can't parse entities: Unsupported start tag "${name}" at byte offset 0`);
        if (!slash) open.push(name!);
        else if (open.pop() !== name)
          return no(
            400,
            `Bad Request: can't parse entities: Unmatched end tag at byte offset 0, expected "</${name}>", found none`,
          );
      }
      if (open.length > 0)
        return no(
          400,
          `Bad Request: can't parse entities: Can't find end tag corresponding to start tag "${open.at(-1)}"`,
        );
      plain = text.replace(/<[^>]*>/g, '').replace(/&(lt|gt|amp|quot);/g, '.');
    }
    return plain.length > 4096 ? no(400, 'Bad Request: message is too long') : undefined;
  };
  const buttonsOf = (args: Record<string, unknown>) =>
    (args.reply_markup as { inline_keyboard?: SentMessage['buttons'] } | undefined)?.inline_keyboard ?? [];
  const messageOf = (message: SentMessage) => ({
    message_id: message.message_id,
    date: Math.floor(message.at / 1000),
    chat: { id: message.chat_id, type: message.chat_id < 0 ? 'supergroup' : 'private' },
    from: { id: botId, is_bot: true, first_name: 'MilkBot', username: botName },
    text: message.text,
  });
  const send = (args: Record<string, unknown>): Scripted => {
    const fault = textFault(args.text, args.parse_mode);
    if (fault) return fault;
    const message: SentMessage = {
      message_id: nextMessage++,
      chat_id: Number(args.chat_id),
      text: args.text as string,
      parse_mode: args.parse_mode as string | undefined,
      buttons: buttonsOf(args),
      edits: 0,
      at: Date.now(),
    };
    sent.push(message);
    return ok(messageOf(message));
  };
  const edit = (args: Record<string, unknown>): Scripted => {
    const message = sent.find((one) => one.message_id === args.message_id && one.chat_id === Number(args.chat_id));
    if (!message) return no(400, 'Bad Request: message to edit not found');
    const fault = textFault(args.text, args.parse_mode);
    if (fault) return fault;
    if (message.text === args.text && JSON.stringify(message.buttons) === JSON.stringify(buttonsOf(args)))
      return no(
        400,
        'Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      );
    Object.assign(message, { text: args.text, buttons: buttonsOf(args), edits: message.edits + 1 });
    return ok(messageOf(message));
  };
  const methods: Record<string, (args: Record<string, unknown>) => Scripted | Promise<Scripted>> = {
    getMe: () =>
      ok({
        id: botId,
        is_bot: true,
        first_name: 'MilkBot',
        username: botName,
        can_join_groups: true,
        can_read_all_group_messages: false,
        supports_inline_queries: false,
      }),
    getUpdates: (args) => getUpdates(args as Record<string, number>),
    setWebhook: ({ url }) => {
      if (typeof url === 'string' && url && !url.startsWith('https://'))
        return no(400, 'Bad Request: bad webhook: An HTTPS URL must be provided for webhook');
      webhook = String(url ?? '');
      return ok(true);
    },
    deleteWebhook: () => {
      webhook = '';
      return ok(true);
    },
    getWebhookInfo: () =>
      ok({ url: webhook, has_custom_certificate: false, pending_update_count: updates.length, max_connections: 40 }),
    sendMessage: send,
    editMessageText: edit,
    answerCallbackQuery: () => ok(true),
    setMyCommands: () => ok(true),
    deleteMyCommands: () => ok(true),
    getFile: ({ file_id }) => {
      const file = files.get(String(file_id));
      return file
        ? ok({ file_id, file_unique_id: `u${file_id}`, file_size: file.content.length, file_path: file.path })
        : no(400, 'Bad Request: invalid file_id');
    },
  };

  const server = await fakeServer(async ({ path, json, query, headers, body }: Received) => {
    const [, download, given, rest] = /^(\/file)?\/bot([^/]+)\/(.+)$/.exec(path) ?? [];
    if (given === undefined || !/^\d+:/.test(given)) return no(404, 'Not Found');
    if (given !== token) return no(401, 'Unauthorized');
    if (download) {
      const file = [...files.values()].find((one) => one.path === rest);
      return file
        ? { body: file.content.toString('latin1'), headers: { 'content-type': 'application/octet-stream' } }
        : no(404, 'Not Found');
    }
    const form = headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? formOf(body) : {};
    const args = { ...Object.fromEntries(query), ...form, ...((json as object) ?? {}) } as Record<string, unknown>;
    log.push({ method: rest!, args });
    const forced = scripted.get(rest!)?.shift();
    if (forced) return forced;
    return (await methods[rest!]?.(args)) ?? no(404, 'Not Found: method not found');
  });

  const push = (update: Record<string, unknown>) => {
    const update_id = nextUpdate++;
    updates.push({ update_id, ...update });
    wake?.();
    return update_id;
  };
  const person = (id: number) => ({ id, is_bot: false, first_name: `P${id}`, language_code: 'en' });
  return {
    ...server,
    token,
    sent,
    calls: (method) => log.filter((entry) => entry.method === method).map((entry) => entry.args),
    script: (method, ...answers) => void scripted.set(method, [...(scripted.get(method) ?? []), ...answers]),
    push,
    write: (from, text, { chat = from, chatType = 'private', message = {}, kind = 'message' } = {}) =>
      push({
        [kind]: {
          message_id: nextMessage++,
          date: Math.floor(Date.now() / 1000),
          chat: { id: chat, type: chatType },
          from: person(from),
          text,
          ...message,
        },
      }),
    press: (from, message, data) =>
      push({
        callback_query: {
          id: `cb${nextUpdate}`,
          from: person(from),
          chat_instance: '1',
          message: messageOf(message),
          data,
        },
      }),
    pending: () => updates.length,
    file: (id, content, path = `documents/${id}`) => void files.set(id, { content, path }),
  };
}
