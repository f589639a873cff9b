import path from 'node:path';
import { createPool, type Pool } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { startService } from '../lib/host/serviceManager.ts';
import { createLogger, type Logger } from '../lib/log/index.ts';
import { takeSnapshot } from '../lib/status/index.ts';
import { closeReader, connectReader } from '../tui/feed/connection.ts';
import { openFeed } from '../tui/feed/feed.ts';
import { localSources } from '../tui/feed/locals.ts';
import { watchRedis } from '../tui/feed/redisLink.ts';
import { createActor } from '../tui/session/operator.ts';
import type { Device } from '../tui/ssh/authenticate.ts';
import { hostKey } from '../tui/ssh/hostKey.ts';
import { startScreenServer } from '../tui/ssh/server.ts';
import { type ScreenSource, screenSource } from './screenSource.ts';

/** The screen as an SSH application, until SIGTERM or SIGINT, or until whoever started it is gone. */
export async function dashboard(options: { host?: string; port?: string }): Promise<number> {
  const source = screenSource();
  const { config } = source;
  const log = createLogger({ name: 'dashboard', level: config.logLevel });
  const host = options.host ?? config.dashboard.host;
  const port = options.port === undefined ? config.dashboard.port : Number(options.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new OpenClawError('E_ARGUMENT', `--port is "${options.port}"`, { expected: 'a port', exitCode: EXIT.usage });
  const stopped = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stopped.resolve(signal));
  process.once('disconnect', () => stopped.resolve('its parent is gone'));
  // One viewer's fault must not end the others; it is logged, and the viewer's own connection ends with it.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'a fault of the screen'));
  try {
    const served = await serveScreen(source, { host, port, log });
    // The pulse is the event loop's alone: without Postgres the screen stays, and says so.
    const service = startService({ log, alive: async () => undefined });
    await service.ready(`port ${served.port}`);
    process.stdout.write(`the screen is served on ${host}:${served.port}; look: ssh -p ${served.port} ${host}\n`);
    const reason = await stopped.promise;
    log.info({ reason }, 'stopping');
    await service.stopping();
    await served.stop();
    return EXIT.ok;
  } finally {
    if (process.connected) process.disconnect();
    setTimeout(() => process.exit(), 500).unref();
  }
}

/** Serves the screen by SSH. @throws E_PORT (75). */
export async function serveScreen(
  source: ScreenSource,
  { host, port, log }: { host: string; port: number; log: Logger },
): Promise<{ port: number; stop(): Promise<void> }> {
  const { config } = source;
  const db = createPool(source.actUrl(), {
    name: 'dashboard',
    max: 2,
    actor: 'system',
    source: 'dashboard',
    log,
    settings: { statement_timeout: '5000' },
  });
  const feed = openFeed({ reader: source.reader, locals: localSources(config) });
  const redis = watchRedis(source.redisUrl, feed.setRedis);
  const admit = (fingerprint: string) => admitDevice(db, fingerprint);
  const close = async () => {
    redis.stop();
    await feed.stop();
    await db.end();
  };
  try {
    const server = await startScreenServer({
      host,
      port,
      hostKey: hostKey(config.layout.devices),
      feed,
      admit,
      stillPaired: (fingerprints) => stillPaired(db, fingerprints),
      actorFor: (device) =>
        createActor({
          actor: `ssh:${device.name}`,
          name: device.name,
          role: device.role,
          standing: device.role,
          config,
          log,
          url: source.actUrl,
          // A device that was revoked a moment ago acts no more.
          admit: async () =>
            (await admit(device.fingerprint))?.role === device.role
              ? undefined
              : 'this device was revoked, or its role has changed: connect again',
        }),
      status: () => statusText(source.reader(false)),
      name:
        path.basename(config.home) === 'var' ? path.basename(path.dirname(config.home)) : path.basename(config.home),
      log,
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error;
      throw new OpenClawError('E_PORT', `${host}:${port} is ${error.code === 'EACCES' ? 'not allowed' : 'taken'}`, {
        remedy: 'set OPENCLAW_DASHBOARD_PORT to another one, or 0 to do without',
        exitCode: EXIT.tempfail,
      });
    });
    log.info({ host, port: server.port }, 'the screen is served');
    return {
      port: server.port,
      stop: async () => {
        await server.stop('the screen is being stopped');
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function statusText(url: string): Promise<string> {
  const reader = await connectReader(url, { onLost: () => undefined, onDoorbell: () => undefined });
  try {
    return JSON.stringify(await takeSnapshot(reader));
  } finally {
    closeReader(reader);
  }
}

async function stillPaired(db: Pool, fingerprints: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ fingerprint: string }>(
    "select fingerprint from unnest($1::text[]) fingerprint, lateral admit_device('ssh', fingerprint)",
    [fingerprints],
  );
  return new Set(rows.map(({ fingerprint }) => fingerprint));
}

async function admitDevice(db: Pool, fingerprint: string): Promise<Device | undefined> {
  const { rows } = await db.query<{ id: string; name: string; role: string }>(
    "select id, name, role from admit_device('ssh', $1)",
    [fingerprint],
  );
  const device = rows[0];
  // An owner by SSH acts as an operator: what only the owner may answer is answered on the host.
  return (
    device && { id: device.id, name: device.name, role: device.role === 'viewer' ? 'viewer' : 'operator', fingerprint }
  );
}
