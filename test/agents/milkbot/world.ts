import path from 'node:path';
import { startGateway } from '../../../agents/milkbot/gateway.ts';
import { registerAllAgents } from '../../../lib/agents/index.ts';
import { openBus } from '../../../lib/bus/index.ts';
import { CODE_ROOT, loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { fakeTelegram } from '../../fakes/telegram.ts';
import { freshDatabase } from '../../harness/database.ts';
import { eventually, testEnvironment } from '../../harness/workers.ts';

export const OWNER = 501;
const log = createLogger({ name: 'test', level: (process.env.TEST_LOG as 'warn') ?? 'silent' });

export type World = Awaited<ReturnType<typeof startWorld>>;

/** A gateway on a database and a Telegram of its own, and a person who writes to it. */
export async function startWorld() {
  const database = await freshDatabase();
  const telegram = await fakeTelegram();
  const config = loadConfig({
    env: {
      ...testEnvironment(database),
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_BASE_URL: telegram.url,
      TELEGRAM_ALLOWED_USER_IDS: String(OWNER),
    },
  });
  await registerAllAgents(database.pool, config);
  const start = async (waitMs = 500) => {
    const bus = openBus({ locate: async () => undefined, log });
    const gateway = await startGateway({
      config,
      databaseUrl: database.urlFor('openclaw_worker'),
      bus,
      log,
      waitMs,
      pollSeconds: 2,
      chatBurst: 1000,
      folder: path.join(CODE_ROOT, 'agents/milkbot'),
    }).catch(async (error: unknown) => {
      await bus.close();
      throw error;
    });
    return {
      gateway,
      stop: async () => {
        await gateway.stop();
        await bus.close();
      },
    };
  };
  let running = await start();
  const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
  const handled = (updateId: number) =>
    eventually(
      async () => (await query('select * from inbox where update_id = $1 and handled_at is not null', [updateId]))[0],
      `update ${updateId} is handled`,
    );
  const sentTo = (chat: number) => telegram.sent.filter((message) => message.chat_id === chat);
  return {
    database,
    telegram,
    config,
    query,
    /** One more of it on the same database. */
    start,
    /** Ends it; what `between` does is done while nobody listens. */
    restart: async (between?: () => Promise<unknown>) => {
      await running.stop();
      await between?.();
      running = await start();
    },
    handled,
    /** What the bot says to this chat next, after `since` messages. */
    next: (chat: number, since: number) => eventually(async () => sentTo(chat)[since], `an answer in ${chat}`),
    count: (chat: number) => sentTo(chat).length,
    /** Writes, and waits for the answer to exactly that. */
    ask: async (text: string, from = OWNER, more = {}) => {
      const { id } = await handled(telegram.write(from, text, more));
      const [{ message_id }] = await eventually(async () => {
        const rows = await query("select message_id from outbox where dedupe_key = $1 and state = 'sent'", [
          `in${id}/answer`,
        ]);
        return rows.length > 0 && rows;
      }, `an answer to ${text}`);
      return telegram.sent.find((message) => message.message_id === Number(message_id))!;
    },
    end: async () => {
      await running.stop();
      await telegram.kill();
      await database.drop();
      // Whatever a closed connection leaves behind must not keep the run; the result stands in process.exitCode.
      setTimeout(() => process.exit(), 3000).unref();
    },
  };
}
