import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway } from '../../../agents/milkbot/gateway.ts';
import { registerAllAgents } from '../../../lib/agents/index.ts';
import { openBus } from '../../../lib/bus/index.ts';
import { CODE_ROOT, loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { fakeModel } from '../../fakes/models.ts';
import { fakeTelegram } from '../../fakes/telegram.ts';
import type { Result } from '../report.ts';
import { quantile } from '../stats.ts';
import type { Bench } from './types.ts';

const OWNER = 501;
const WAITING_JOBS = 1000;
const LIMIT_MS = 500;
const INTERVAL_MS = 60;
const ANSWER_LIMIT_MS = 90_000;

/**
 * From the moment at which Telegram has a command to the moment at which it has the answer, while 1,000 jobs wait and MilkBot
 * hangs on a model that never answers.
 */
export async function commands({ sides, options, home, progress }: Bench): Promise<Result> {
  await sides.ours.reset();
  const telegram = await fakeTelegram();
  const model = await fakeModel('local');
  const config = loadConfig({
    env: {
      PATH: process.env.PATH ?? '',
      OPENCLAW_HOME: path.join(home, 'commands'),
      DATABASE_URL: sides.ours.url,
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_BASE_URL: telegram.url,
      TELEGRAM_ALLOWED_USER_IDS: String(OWNER),
      LOCAL_MODEL_BASE_URL: `${model.url}/v1`,
    },
  });
  const log = createLogger({ name: 'bench', level: 'silent' });
  const bus = openBus({ locate: async () => undefined, log });
  await registerAllAgents(sides.ours.pool, config);
  await sides.ours.pool.query("select add_job('noop', '{}') from generate_series(1, $1)", [WAITING_JOBS]);
  const gateway = await startGateway({
    config,
    databaseUrl: sides.ours.url,
    bus,
    log,
    chatBurst: 10_000,
    folder: path.join(CODE_ROOT, 'agents/milkbot'),
  });
  const times: Record<string, number[]> = { '/status': [], '/pause all': [] };
  try {
    model.script({ hang: true });
    telegram.write(OWNER, 'make everything better');
    const hung = Date.now();
    while (model.requests.length === 0) {
      if (Date.now() - hung > ANSWER_LIMIT_MS) throw new Error('the model was not asked, so that nothing hangs');
      await sleep(20);
    }
    const rounds = options.small ? 5 : 60;
    for (let round = 0; round < rounds; round++)
      for (const [command, taken] of Object.entries(times)) {
        const before = telegram.sent.length;
        const from = performance.now();
        telegram.write(OWNER, command);
        while (telegram.sent.length === before) {
          if (performance.now() - from > ANSWER_LIMIT_MS) throw new Error(`${command} was not answered`);
          await sleep(2);
        }
        taken.push(performance.now() - from);
        await sleep(INTERVAL_MS);
      }
    const { rows } = await sides.ours.pool.query<{ waiting: number; busy: number }>(
      `select (select count(*)::integer from graphile_worker._private_jobs where locked_at is null) as waiting,
              (select count(*)::integer from agent_messages where handled_at is null and started_at is not null) as busy`,
    );
    if (rows[0]!.waiting < WAITING_JOBS || rows[0]!.busy !== 1)
      throw new Error(`expected ${WAITING_JOBS} waiting jobs and one hung message: ${JSON.stringify(rows[0])}`);
  } finally {
    await gateway.stop();
    await bus.close();
    await telegram.kill();
    await model.kill();
  }
  const figures = Object.fromEntries(
    Object.entries(times).flatMap(([command, taken]) => [
      [`${command} p50 ms`, quantile(taken, 0.5)],
      [`${command} p95 ms`, quantile(taken, 0.95)],
    ]),
  );
  progress(`commands: ${JSON.stringify(figures)}`);
  return {
    measure: 'commands',
    figures,
    ratios: Object.entries(times).map(([command, taken]) => ({
      name: `${command} p95 / ${LIMIT_MS} ms`,
      values: [quantile(taken, 0.95) / LIMIT_MS],
      atMost: 1,
    })),
  };
}
