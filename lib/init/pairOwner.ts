import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { messageOf } from '../errors/index.ts';
import { inHalves, openApi, pairingCode, type TelegramApi, troubleOf } from '../telegram/index.ts';
import { editEnv, readEnvText, writeEnv } from './envEdit.ts';

export interface PairOwner {
  readonly config: Config;
  readonly db: Queryable;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly limitMs?: number;
}

const LIMIT_MS = 180_000;
const POLL_S = 10;
const PAUSE_MS = 1000;
const LATER = 'Pair your Telegram later: write to the bot, then approve its code: openclaw pair approve <code>';

/**
 * A code on this terminal, written to the bot by the person who is to own it: that proves both ends. Where a gateway polls
 * already it takes what is written, and pairs by its own code.
 *
 * @returns whether there is an owner now.
 */
export async function pairOwner({ config, db, say, signal, limitMs = LIMIT_MS }: PairOwner): Promise<boolean> {
  const api = openApi(config, POLL_S + 10);
  if (!api) return false;
  if (config.services.telegram.allowedUserIds.length > 0 || (await hasOwner(db))) return true;
  const code = pairingCode();
  let bot: string;
  try {
    bot = (await api.getMe()).username;
  } catch (error) {
    say(`Telegram does not answer: ${troubleOf(error).text}. ${LATER}`);
    return false;
  }
  say(
    `Pair your Telegram: write ${inHalves(code)} to @${bot} (${Math.round(limitMs / 60_000)} minutes; Ctrl-C: later).`,
  );
  try {
    const person = await waitForCode(api, code, Date.now() + limitMs, signal);
    if (!person) {
      say(`The code did not come. ${LATER}`);
      return false;
    }
    await admit(config, db, person, say);
    await api.sendMessage(person.id, `You own OpenClaw on ${os.hostname()} now. /help shows what you can say.`);
    say(`paired: ${person.name} (${person.id}) is the owner; a test message is there.`);
    return true;
  } catch (error) {
    const trouble = troubleOf(error);
    say(
      trouble.kind === 'config' && trouble.code === 409
        ? `A gateway listens to this bot already. ${LATER}`
        : `Pairing failed: ${trouble.text}. ${LATER}`,
    );
    return false;
  }
}

interface Writer {
  readonly id: number;
  readonly name: string;
}

/** What was written before and does not fit stays for the gateway: only a code that fits confirms what came up to it. */
async function waitForCode(
  api: TelegramApi,
  code: string,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Writer | undefined> {
  while (Date.now() < deadline && !signal?.aborted) {
    const updates = await api
      .getUpdates(
        {
          timeout: Math.max(0, Math.min(POLL_S, Math.floor((deadline - Date.now()) / 1000))),
          allowed_updates: ['message'],
        },
        signal as Parameters<TelegramApi['getUpdates']>[1],
      )
      .catch((error: unknown) => {
        // Whoever presses Ctrl-C is not kept until Telegram answers.
        if (signal?.aborted) return [];
        throw error;
      });
    for (const { update_id, message } of updates) {
      const said = message?.text?.toUpperCase().replace(/[^A-Z0-9]/g, '');
      if (said !== code || message?.chat.type !== 'private' || 'forward_origin' in message) continue;
      await api.getUpdates({ offset: update_id + 1, limit: 1, timeout: 0 });
      return { id: message.from.id, name: nameOf(message.from.first_name, message.from.id) };
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** As devices are called: letters, digits and a few signs. */
function nameOf(given: string, id: number): string {
  const name = given.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, 64);
  return /^[A-Za-z0-9]/.test(name) ? name : `user-${id}`;
}

async function hasOwner(db: Queryable): Promise<boolean> {
  const { rowCount } = await db
    .query("select from ops_devices where kind = 'telegram' and role = 'owner' and revoked_at is null")
    // No database yet: then nobody is paired.
    .catch(() => ({ rowCount: 0 }));
  return Boolean(rowCount);
}

/** A device where there is a database, else a line of .env that the gateway reads at its start. */
async function admit(config: Config, db: Queryable, person: Writer, say: PairOwner['say']): Promise<void> {
  try {
    await db.query("select add_device('telegram', $1, $2, 'owner')", [person.name, String(person.id)]);
  } catch (error) {
    say(`  noted in ${config.layout.envFile}, because the database is away (${messageOf(error)})`);
    writeEnv(
      config.layout.envFile,
      editEnv(readEnvText(config.layout.envFile), { TELEGRAM_ALLOWED_USER_IDS: String(person.id) }),
    );
  }
}
