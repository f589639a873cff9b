import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Layout } from '../config/index.ts';
import type { Pool } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { type TelegramApi, troubleOf, UPDATES } from './client.ts';
import { noteState, receive, sourceOf } from './receive.ts';

export interface PollOptions {
  api: TelegramApi;
  botId: number;
  username: string | undefined;
  db: Pool;
  layout: Layout;
  log: Logger;
  /** Rings when rows were committed. */
  onReceived: () => void;
  signal: AbortSignal;
  pollSeconds?: number;
}

const POLL_S = 25;
const BATCH = 100;
const TROUBLE_MS = { first: 1000, max: 60_000 };

/**
 * The commit-then-acknowledge loop: a batch is in the inbox, committed, before the next getUpdates confirms it. There is
 * one poller, because the gateway is a singleton. Ends when the signal aborts.
 */
export async function pollUpdates(options: PollOptions): Promise<void> {
  const { api, botId, username, db, layout, log, signal } = options;
  let offset = await startOffset(db, layout, botId);
  let pauseMs = TROUBLE_MS.first;
  let told = '';
  while (!signal.aborted) {
    try {
      const updates = await api.getUpdates(
        { offset, limit: BATCH, timeout: options.pollSeconds ?? POLL_S, allowed_updates: [...UPDATES] },
        signal as Parameters<TelegramApi['getUpdates']>[1],
      );
      const fresh = await receive(db, botId, updates);
      await noteState(db, botId, { mode: 'polling', username, polled: true, received: updates.length > 0 });
      const last = updates.at(-1)?.update_id;
      if (last !== undefined) {
        offset = last + 1;
        await writeOffset(layout, { bot_id: botId, offset });
      }
      if (fresh > 0) options.onReceived();
      if (told) log.info('Telegram answers again');
      told = '';
      pauseMs = TROUBLE_MS.first;
    } catch (error) {
      if (signal.aborted) return;
      const trouble = troubleOf(error);
      if (trouble.text !== told)
        log.warn({ err: error, kind: trouble.kind }, `polling Telegram failed: ${trouble.text}`);
      told = trouble.text;
      await noteState(db, botId, { mode: 'polling', username, error: trouble.text }).catch(() => undefined);
      await pause(trouble.kind === 'wait' ? trouble.ms : pauseMs, signal);
      if (trouble.kind !== 'wait') pauseMs = Math.min(pauseMs * 2, TROUBLE_MS.max);
    }
  }
}

interface Offset {
  bot_id: number;
  offset: number;
}

const fileOf = (layout: Layout) => path.join(layout.telegram, 'offset.json');

/** The inbox knows best; the file serves when retention has emptied it. Another bot's token begins anew. */
async function startOffset(db: Pool, layout: Layout, botId: number): Promise<number> {
  const { rows } = await db.query<{ last: string | null }>(
    'select max(update_id) as last from inbox where source = $1',
    [sourceOf(botId)],
  );
  if (rows[0]?.last) return Number(rows[0].last) + 1;
  try {
    const kept = JSON.parse(await readFile(fileOf(layout), 'utf8')) as Offset;
    if (kept.bot_id === botId && Number.isSafeInteger(kept.offset)) return kept.offset;
  } catch {
    // Absent or spoilt: Telegram then sends all that was not confirmed, and the inbox knows what it has.
  }
  return 0;
}

async function writeOffset(layout: Layout, offset: Offset): Promise<void> {
  await mkdir(layout.telegram, { recursive: true, mode: 0o700 });
  const partial = `${fileOf(layout)}.${process.pid}`;
  await writeFile(partial, `${JSON.stringify(offset)}\n`, { mode: 0o600 });
  await rename(partial, fileOf(layout));
}

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
