import type { Update } from 'grammy/types';
import type { Queryable } from '../db/index.ts';
import { scrubJson, toJson } from '../log/index.ts';

export const sourceOf = (botId: number) => `telegram:${botId}`;

/** Update -> row of the inbox; committed when this resolves. Twice the same is once. @returns how many were new. */
export async function receive(db: Queryable, botId: number, updates: readonly Update[]): Promise<number> {
  if (updates.length === 0) return 0;
  const rows = updates.map((update) => {
    const { kind, chat, user } = factsOf(update);
    return { update_id: update.update_id, kind, chat_id: chat, user_id: user, payload: scrubJson(update) };
  });
  const { rowCount } = await db.query(
    `insert into inbox (source, update_id, kind, chat_id, user_id, payload)
     select $1, update_id, kind, chat_id, user_id, payload
     from jsonb_to_recordset($2::jsonb) as r (update_id bigint, kind text, chat_id bigint, user_id bigint, payload jsonb) order by update_id
     on conflict (source, update_id) do nothing`,
    [sourceOf(botId), toJson(rows)],
  );
  return rowCount ?? 0;
}

/** What kind of update it is, in which chat, from whom. Whatever does not fit is null: what came in is not believed. */
export function factsOf(update: Update): { kind: string; chat: number | null; user: number | null } {
  const kind = Object.keys(update).find((key) => key !== 'update_id') ?? 'empty';
  const body = (update as unknown as Record<string, unknown>)[kind] as
    | {
        chat?: { id?: unknown };
        from?: { id?: unknown };
        user?: { id?: unknown };
        message?: { chat?: { id?: unknown } };
      }
    | undefined;
  return {
    kind: kind.slice(0, 64),
    chat: numberOf(body?.chat?.id ?? body?.message?.chat?.id),
    user: numberOf(body?.from?.id ?? body?.user?.id),
  };
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

export interface ConnectionState {
  mode: 'polling' | 'webhook';
  username: string | undefined;
  /** A poll, or a check of the webhook, has ended well. */
  polled?: boolean;
  received?: boolean;
  error?: string;
}

/** How the connection is, for health: the age of the last finished poll above all. */
export async function noteState(db: Queryable, botId: number, state: ConnectionState): Promise<void> {
  await db.query(
    `insert into telegram_state as s (bot_id, mode, username, last_poll_at, last_update_at, last_error, last_error_at)
     values ($1, $2, $3, case when $4 then clock_now() end, case when $5 then clock_now() end, $6, case when $6::text is not null then clock_now() end)
     on conflict (bot_id) do update set mode = excluded.mode, username = coalesce(excluded.username, s.username), updated_at = clock_now(),
       last_poll_at = coalesce(excluded.last_poll_at, s.last_poll_at), last_update_at = coalesce(excluded.last_update_at, s.last_update_at),
       last_error = case when $4 then null else coalesce(excluded.last_error, s.last_error) end, last_error_at = coalesce(excluded.last_error_at, s.last_error_at)`,
    [botId, state.mode, state.username ?? null, state.polled ?? false, state.received ?? false, state.error ?? null],
  );
}
