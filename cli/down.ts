import { loadConfig } from '../lib/config/index.ts';
import { OpenClawError } from '../lib/errors/index.ts';
import { isProcessAlive, readRunState } from '../lib/host/runState.ts';
import { stopServers } from '../lib/servers/index.ts';

/** Stops the `up` process of this home, then its private servers. What is not ours is not touched. */
export async function down({ json }: { json?: boolean }): Promise<number> {
  const config = loadConfig();
  const up = await readRunState(config.layout);
  if (up) {
    process.kill(up.pid, 'SIGTERM');
    // It drains its workers, each within the limit, and then stops the servers.
    const deadline = performance.now() + config.drainTimeoutMs + 25_000;
    while (isProcessAlive(up)) {
      if (performance.now() > deadline) {
        throw new OpenClawError(
          'E_STILL_UP',
          `process ${up.pid} did not stop within ${Math.round((config.drainTimeoutMs + 25_000) / 1000)} s`,
          { remedy: `kill -9 ${up.pid}, then openclaw down again; nothing accepted is lost` },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  const stopped = await stopServers({
    layout: config.layout,
    databaseUrl: config.databaseUrl,
    redisUrl: config.redisUrl,
  });
  const result = { up: up !== undefined, ...stopped };
  const was = up !== undefined || stopped.postgres || stopped.redis;
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : was ? 'stopped\n' : 'nothing was running\n');
  return 0;
}
