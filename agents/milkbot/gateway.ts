import { setTimeout as sleep } from 'node:timers/promises';
import { createDoorbell } from '../../lib/agents/doorbell.ts';
import { type RunningAgent, startAgent } from '../../lib/agents/index.ts';
import type { Bus } from '../../lib/bus/index.ts';
import type { Config } from '../../lib/config/index.ts';
import { createPool, type Pool, type Singleton, singletonName, takeSingleton } from '../../lib/db/index.ts';
import { messageOf, type OpenClawError } from '../../lib/errors/index.ts';
import { type Logger, subjectLog } from '../../lib/log/index.ts';
import {
  noteState,
  openApi,
  pollUpdates,
  serveWebhook,
  startSender,
  type TelegramApi,
  troubleOf,
  UPDATES,
  WEBHOOK_PATH,
} from '../../lib/telegram/index.ts';
import { every } from '../../lib/workers/every.ts';
import { followMissions } from './follow.ts';
import type { InboxRow, Surroundings } from './inbox.ts';
import { tellApprovals } from './tellApprovals.ts';

export interface GatewayOptions {
  config: Config;
  databaseUrl: string;
  bus: Bus;
  log: Logger;
  waitMs?: number;
  signal?: AbortSignal;
  pollSeconds?: number;
  chatBurst?: number;
  /** Of MilkBot's identity and handlers. */
  folder: string;
}

export interface Gateway {
  readonly ended: Promise<OpenClawError>;
  readonly agent: RunningAgent;
  readonly webhookPort: number | undefined;
  stop(): Promise<void>;
}

const POLL_CALL_S = 45;
const CHATS_AT_ONCE = 6;
const LOOK_MS = 2000;
const UPKEEP_MS = 5000;
const FOLLOW_MS = 1000;
const STOP_MS = 4000;
const IDENTIFY_AGAIN_MS = { first: 2000, max: 60_000 };

/**
 * Telegram in and out, the router, and MilkBot's own loop: one of them on a database. Without a token Telegram is skipped
 * and the rest runs. @throws E_TAKEN (75) naming the holder; E_WEBHOOK_SECRET (78).
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, databaseUrl, bus, log } = options;
  const stopping = new AbortController();
  const { token, allowedUserIds } = config.services.telegram;
  const only = await takeSingleton({
    url: databaseUrl,
    name: 'gateway',
    listen: ['outbox', 'approval:changed'],
    log,
    ...(options.waitMs !== undefined && { waitMs: options.waitMs }),
    ...(options.signal && { signal: options.signal }),
  });
  const db = createPool(databaseUrl, {
    name: singletonName('gateway'),
    max: CHATS_AT_ONCE + 6,
    actor: 'agent:milkbot',
    source: 'agent',
    log,
  });
  const parts: { stop(): unknown }[] = [];
  const stop = async () => {
    stopping.abort();
    for (const part of parts.reverse()) await part.stop();
    await only.release();
    await Promise.race([db.end(), sleep(1000, undefined, { ref: false })]);
  };
  try {
    await db.query('select sync_allowed_users($1)', [allowedUserIds]);
    const agent = await startAgent({
      id: 'milkbot',
      folder: options.folder,
      config,
      databaseUrl,
      bus,
      log,
      waitMs: options.waitMs,
      ...(options.signal && { signal: options.signal }),
    });
    parts.push(agent);
    let webhookPort: number | undefined;
    const api = openApi(config);
    if (!api || !token) log.info('Telegram is skipped: TELEGRAM_BOT_TOKEN is not set');
    else {
      const telegram = await startTelegram(
        { ...options, log: subjectLog(config, 'telegram', log) },
        api,
        db,
        only,
        stopping.signal,
      );
      parts.push(telegram);
      webhookPort = telegram.webhookPort;
    }
    return { ended: Promise.race([only.lost, agent.ended]), agent, webhookPort, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The token carries the bot's id, so that rows can be written before Telegram has answered at all. */
const botIdOf = (token: string) => Number(token.split(':')[0]);

async function startTelegram(
  options: GatewayOptions,
  api: TelegramApi,
  db: Pool,
  only: Singleton,
  signal: AbortSignal,
) {
  const { config, bus, log } = options;
  const { token, webhookUrl, webhookSecret } = config.services.telegram;
  const botId = botIdOf(token!);
  const bell = createDoorbell();
  const sender = startSender({ api, db, log, chatBurst: options.chatBurst });
  const around: Surroundings = {
    api,
    username: '',
    config,
    db,
    log,
    signal,
    aside: (work) =>
      void work().catch((error: unknown) => {
        if (!signal.aborted) log.warn({ err: error }, 'what followed an answer was not drawn');
      }),
    told: (agent, message, trace) => void bus.publish('gateway:events', 'agent_message', `${agent}/${message}`, trace),
  };
  const webhook = webhookUrl
    ? await serveWebhook({
        secret: webhookSecret,
        port: config.webhookPort,
        db,
        botId,
        username: undefined,
        log,
        onReceived: bell.ring,
      })
    : undefined;
  const tell = () =>
    tellApprovals(db)
      .then((n) => n > 0 && sender.ring())
      .catch((error: unknown) => log.warn({ err: error }, 'approvals were not told; the next look does'));
  only.onNotification((channel) => (channel === 'outbox' ? sender.ring() : void tell()));
  const upkeep = every(
    UPKEEP_MS,
    async () => {
      await tell();
      const { giveMenus } = await import('./menus.ts');
      await giveMenus(api, db, log);
    },
    (error) => log.warn({ err: error }, 'upkeep of the chats failed; the next round tries again'),
  );
  const follow = every(
    FOLLOW_MS,
    async () => (await followMissions(db)) > 0 && sender.ring(),
    (error) => log.warn({ err: error }, 'missions were not followed; the next round does'),
  );
  const connecting = connect(options, api, db, botId, around, bell.ring, signal);
  const handling = handleInbox(around, bell, () => sender.ring(), signal);
  void tell();
  return {
    webhookPort: webhook?.port,
    stop: async () => {
      upkeep.stop();
      follow.stop();
      await webhook?.stop();
      bell.ring();
      // The update in hand is committed, what is on its way out gets its end; then the rest.
      await Promise.race([
        Promise.allSettled([handling, sender.stop(STOP_MS)]),
        sleep(STOP_MS, undefined, { ref: false }),
      ]);
      await Promise.race([connecting, sleep(500, undefined, { ref: false })]);
    },
  };
}

/** Who the bot is, then how updates come. Telegram may be away at the start: it is asked again, and everything else runs. */
async function connect(
  options: GatewayOptions,
  api: TelegramApi,
  db: Pool,
  botId: number,
  around: Surroundings,
  onReceived: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { config, log } = options;
  const { webhookUrl, webhookSecret } = config.services.telegram;
  const mode = webhookUrl ? 'webhook' : 'polling';
  let pauseMs = IDENTIFY_AGAIN_MS.first;
  while (!signal.aborted) {
    try {
      const me = await api.getMe();
      around.username = me.username;
      if (webhookUrl)
        await api.setWebhook(`${webhookUrl}${WEBHOOK_PATH}`, {
          secret_token: webhookSecret,
          allowed_updates: [...UPDATES],
        });
      else await api.deleteWebhook();
      await noteState(db, botId, { mode, username: me.username, polled: mode === 'webhook' });
      log.info({ bot: me.username, mode }, 'Telegram is connected');
      break;
    } catch (error) {
      if (signal.aborted) return;
      const { text } = troubleOf(error);
      log.error(`Telegram does not take us: ${text}; trying again`);
      await noteState(db, botId, { mode, username: undefined, error: text }).catch(() => undefined);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, IDENTIFY_AGAIN_MS.max);
    }
  }
  if (webhookUrl || signal.aborted) return;
  await pollUpdates({
    api: openApi(config, POLL_CALL_S)!,
    botId,
    username: around.username,
    db,
    layout: config.layout,
    log,
    onReceived,
    signal,
    pollSeconds: options.pollSeconds,
  });
}

/** In order within a chat, several chats side by side. */
async function handleInbox(
  around: Surroundings,
  bell: ReturnType<typeof createDoorbell>,
  answered: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { db, log } = around;
  // The commands bring the whole table of actions along, for which nobody who waits for this process to be ready needs to wait.
  const { handleUpdate } = await import('./update.ts');
  const inHand = new Map<string, Promise<void>>();
  const one = async (row: InboxRow) => {
    try {
      await handleUpdate(row, around);
      log.info({ inbox: row.id, kind: row.kind, chat: row.chat_id, trace: row.trace_id }, 'handled');
      answered();
    } catch (error) {
      log.warn({ err: error, inbox: row.id }, `an update was not handled; it is begun again: ${messageOf(error)}`);
      await sleep(1000, undefined, { signal }).catch(() => undefined);
    } finally {
      inHand.delete(row.chat_id ?? '0');
      bell.ring();
    }
  };
  while (!signal.aborted) {
    bell.silence();
    try {
      if (inHand.size < CHATS_AT_ONCE) {
        const { rows } = await db.query<InboxRow>('select * from claim_inbox($1)', [[...inHand.keys()]]);
        const row = rows[0];
        if (row) {
          inHand.set(row.chat_id ?? '0', one(row));
          continue;
        }
      }
    } catch (error) {
      log.warn({ err: error }, 'the inbox could not be looked at; trying again');
    }
    await bell.wait(LOOK_MS, signal);
  }
  await Promise.allSettled(inHand.values());
}
