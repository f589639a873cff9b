import { loadConfig } from '../lib/config/index.ts';
import { createPool, DATABASE } from '../lib/db/index.ts';
import { EXIT, messageOf } from '../lib/errors/index.ts';
import { readRunState } from '../lib/host/runState.ts';
import { scrub } from '../lib/log/index.ts';
import { findRunningServers, type PostgresServer, type RedisServer, type Servers } from '../lib/servers/index.ts';
import { type Snapshot, statusLines, takeSnapshot } from '../lib/status/index.ts';

/** Exit 0: servers and workers are there; 3: something is missing, and the lines say what. */
export async function status({ json }: { json?: boolean }): Promise<number> {
  const config = loadConfig();
  const servers = await findRunningServers({
    layout: config.layout,
    databaseUrl: config.databaseUrl,
    redisUrl: config.redisUrl,
  });
  const up = await readRunState(config.layout);
  const { snapshot, error } = await snapshotOf(servers.postgres);
  const healthy =
    snapshot !== undefined &&
    servers.redis !== undefined &&
    snapshot.workers.length > 0 &&
    snapshot.workers.every((worker) => worker.lease_age_s < 5);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ ok: healthy, home: config.home, up: up ?? null, servers: serversJson(servers), error: error ?? null, ...snapshot })}\n`,
    );
  } else {
    const lines = [
      `home      ${config.home}${up ? `, up since ${up.startedAt} (pid ${up.pid})` : ', not up: openclaw up --detach'}`,
      ...serverLines(servers),
      ...(error ? [`database  ${error}`] : []),
      ...(snapshot ? statusLines(snapshot) : []),
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  return healthy ? EXIT.ok : EXIT.degraded;
}

async function snapshotOf(postgres: PostgresServer | undefined): Promise<{ snapshot?: Snapshot; error?: string }> {
  if (!postgres) return {};
  const db = createPool(postgres.urlFor('openclaw_worker', DATABASE), { name: 'cli:status', max: 1 });
  try {
    return { snapshot: await takeSnapshot(db) };
  } catch (error) {
    return { error: scrub(messageOf(error)) };
  } finally {
    await db.end();
  }
}

export function serverLines({ postgres, redis }: Partial<Servers>): string[] {
  return [`postgres  ${serverText(postgres)}`, `redis     ${serverText(redis)}`];
}

function serverText(server: PostgresServer | RedisServer | undefined): string {
  if (!server) return 'does not run';
  const version = server.version ? `${server.version}, ` : '';
  return `${version}${server.origin}${server.pid === null ? '' : `, pid ${server.pid}`}`;
}

function serversJson({ postgres, redis }: Partial<Servers>) {
  const of = (server: PostgresServer | RedisServer | undefined) =>
    server ? { running: true, origin: server.origin, version: server.version, pid: server.pid } : { running: false };
  return { postgres: of(postgres), redis: of(redis) };
}
