import { createDoorbell } from '../agents/doorbell.ts';
import type { Pool, Queryable } from '../db/index.ts';
import { transaction } from '../db/index.ts';
import { type Logger, scrub } from '../log/index.ts';
import { type TelegramApi, type Trouble, troubleOf } from './client.ts';
import { plainOf, splitMessage } from './html.ts';
import { createPace } from './pace.ts';

interface OutboxRow {
  id: string;
  chat_id: string;
  edits: string | null;
  text: string;
  options: { html?: boolean; silent?: boolean; keyboard?: unknown; alert?: boolean };
  severity: string;
  trace_id: string;
  revision: number;
  attempts: number;
}

export interface SenderOptions {
  api: TelegramApi;
  db: Pool;
  log: Logger;
  /** Messages to one chat before they are paced. */
  chatBurst?: number;
}

/** The bell that NOTIFY outbox rings; this is for a ring that was lost, and for what rests. */
const LOOK_MS = 2000;
const AT_ONCE = 8;
const AGAIN_MS = { first: 1000, factor: 3, max: 300_000 };
const ATTEMPTS = 8;

/**
 * Sends what waits in the outbox: in order within a chat, several chats side by side. A row is committed as `sending`
 * before anything goes out and as `sent`, with the message's id, after it; what was in between at a kill is `unknown`.
 */
export function startSender({ api, db, log, chatBurst }: SenderOptions): {
  ring: () => void;
  stop: (limitMs: number) => Promise<void>;
} {
  const bell = createDoorbell();
  const pace = createPace(Date.now, chatBurst);
  const stopping = new AbortController();
  const inHand = new Map<string, Promise<void>>();

  const sendOne = async (row: OutboxRow) => {
    try {
      await deliver({ api, db, log: log.child({ trace: row.trace_id }) }, row, pace);
    } catch (error) {
      // The database is away: the row stays `sending`, and the next start calls it unknown.
      log.error({ err: error, outbox: row.id }, 'what became of a message could not be written');
    } finally {
      inHand.delete(row.chat_id);
      bell.ring();
    }
  };
  const run = async () => {
    let lost = false;
    while (!stopping.signal.aborted) {
      bell.silence();
      try {
        if (!lost) {
          const { rows } = await db.query<{ n: number }>('select lose_outbox() as n');
          if (rows[0]!.n > 0)
            log.warn({ messages: rows[0]!.n }, 'messages were on their way when their sender died: unknown');
          lost = true;
        }
        const free = AT_ONCE - inHand.size;
        const { rows } =
          free > 0 && pace.ready()
            ? await db.query<OutboxRow>('select * from claim_outbox($1, $2)', [
                [...inHand.keys(), ...pace.resting()],
                free,
              ])
            : { rows: [] };
        for (const row of rows) inHand.set(row.chat_id, sendOne(row));
        if (rows.length > 0) continue;
      } catch (error) {
        log.warn({ err: error }, 'the outbox could not be looked at; trying again');
      }
      await bell.wait(Math.min(LOOK_MS, pace.nextMs()), stopping.signal);
    }
  };
  const running = run();
  return {
    ring: bell.ring,
    stop: async (limitMs) => {
      stopping.abort();
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, limitMs);
      });
      await Promise.race([running.then(() => Promise.allSettled(inHand.values())), limit]);
      clearTimeout(timer);
    },
  };
}

async function deliver(
  { api, db, log }: SenderOptions,
  row: OutboxRow,
  pace: ReturnType<typeof createPace>,
): Promise<void> {
  if (!(await ready(db, row))) return;
  let plain = !row.options.html;
  for (;;) {
    pace.took(row.chat_id, row.edits !== null);
    try {
      const id = await call(api, db, row, plain);
      await settle(db, row, 'sent', id, null);
      log.info({ outbox: row.id, chat: row.chat_id, message: id, attempt: row.attempts }, 'sent');
      return;
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble.kind === 'plain' && !plain) {
        plain = true;
        continue;
      }
      if (trouble.kind === 'same') {
        await settle(db, row, 'sent', await messageOf(db, row), null);
        return;
      }
      await onTrouble(db, row, trouble, pace, log);
      return;
    }
  }
}

/** A text that is too long becomes several rows before the first is sent; a muted chat is spared an alert. */
async function ready(db: Pool, row: OutboxRow): Promise<boolean> {
  if (row.options.alert && row.severity !== 'critical') {
    const { rowCount } = await db.query(
      "update outbox set state = 'skipped', ended_at = clock_now(), error = 'the chat is muted' where id = $1 and exists (select from telegram_chats where chat_id = $2 and muted_until > clock_now())",
      [row.id, row.chat_id],
    );
    if (rowCount) return false;
  }
  const parts = splitMessage(row.text, row.options.html === true);
  if (parts.length === 1) return true;
  if (row.edits) {
    row.text = parts[0]!;
    return true;
  }
  await transaction(db, async (tx) => {
    await tx.query(
      `insert into outbox (dedupe_key, recipient, chat_id, part_of, part, text, options, severity, actor, trace_id)
       select dedupe_key || '#' || p.n, recipient, chat_id, id, p.n, p.text, options, severity, actor, trace_id
       from outbox, unnest($2::text[]) with ordinality as p (text, n) where id = $1 and p.n > 1
       on conflict (dedupe_key) do nothing`,
      [row.id, parts],
    );
    await tx.query('update outbox set text = $2 where id = $1', [row.id, parts[0]]);
  });
  row.text = parts[0]!;
  return true;
}

async function call(api: TelegramApi, db: Queryable, row: OutboxRow, plain: boolean): Promise<number> {
  const text = scrub(plain && row.options.html ? plainOf(row.text) : row.text);
  const keyboard = await keyboardOf(db, row.edits ?? row.id);
  const options = {
    link_preview_options: { is_disabled: true },
    ...(!plain && { parse_mode: 'HTML' as const }),
    ...(keyboard && { reply_markup: { inline_keyboard: keyboard } }),
  };
  if (row.edits) {
    const target = await messageOf(db, row);
    await api.editMessageText(Number(row.chat_id), target, text, options);
    return target;
  }
  const message = await api.sendMessage(Number(row.chat_id), text, {
    ...options,
    disable_notification: row.options.silent === true || row.severity === 'debug',
  });
  return message.message_id;
}

async function keyboardOf(db: Queryable, outbox: string) {
  const { rows } = await db.query<{ line: { text: string; callback_data: string }[] }>(
    `select jsonb_agg(jsonb_build_object('text', label, 'callback_data', token) order by place) as line
     from message_buttons where outbox_id = $1 and used_at is null group by message_buttons.line order by message_buttons.line`,
    [outbox],
  );
  return rows.length > 0 ? rows.map((row) => row.line) : undefined;
}

async function messageOf(db: Queryable, row: OutboxRow): Promise<number> {
  const { rows } = await db.query<{ message_id: string | null }>('select message_id from outbox where id = $1', [
    row.edits ?? row.id,
  ]);
  const id = rows[0]?.message_id;
  if (!id) throw new Error('the message that is to be rewritten was never sent');
  return Number(id);
}

/** An edit whose text was replaced meanwhile waits again. */
async function settle(
  db: Pool,
  row: OutboxRow,
  state: 'sent' | 'failed' | 'unknown',
  messageId: number | null,
  error: string | null,
): Promise<void> {
  await db.query(
    `update outbox set state = case when revision > $5 and $2 = 'sent' then 'queued' else $2 end, message_id = $3, error = $4, ended_at = clock_now() where id = $1 and state = 'sending'`,
    [row.id, state, messageId, error, row.revision],
  );
  if (state === 'sent') return;
  await db.query(
    "insert into ops_agent_events (kind, agent, severity, payload, trace_id) select $2, 'milkbot', $3, jsonb_build_object('outbox', id, 'error', error), trace_id from outbox where id = $1",
    [row.id, `message.${state}`, state === 'failed' ? 'error' : 'warning'],
  );
}

async function onTrouble(
  db: Pool,
  row: OutboxRow,
  trouble: Trouble,
  pace: ReturnType<typeof createPace>,
  log: Logger,
): Promise<void> {
  // A critical message had better come twice than never.
  const again =
    trouble.kind === 'again' ||
    trouble.kind === 'config' ||
    (trouble.kind === 'unknown' && row.severity === 'critical');
  log.warn({ outbox: row.id, trouble: trouble.kind, attempt: row.attempts }, `a message was not sent: ${trouble.text}`);
  if (trouble.kind === 'wait' || (again && row.attempts < ATTEMPTS)) {
    const ms =
      trouble.kind === 'wait'
        ? trouble.ms
        : Math.min(AGAIN_MS.first * AGAIN_MS.factor ** (row.attempts - 1), AGAIN_MS.max);
    pace.rest(row.chat_id, ms);
    await db.query(
      "update outbox set state = 'queued', not_before = clock_now() + $2::float8 * interval '1 millisecond', error = $3, attempts = attempts - $4 where id = $1 and state = 'sending'",
      [row.id, ms, trouble.text.slice(0, 500), trouble.kind === 'wait' ? 1 : 0],
    );
    return;
  }
  await settle(db, row, trouble.kind === 'unknown' ? 'unknown' : 'failed', null, trouble.text.slice(0, 500));
}
