import ssh2, { type Connection, type PseudoTtyInfo, type Session as SshSession } from 'ssh2';
import type { Logger } from '../../lib/log/index.ts';
import type { Feed } from '../feed/feed.ts';
import type { Actor } from '../session/actor.ts';
import { openSession } from '../session/session.ts';
import { planTerminal } from '../terminal/plan.ts';
import { type Admit, authenticator, type Device } from './authenticate.ts';
import { leave, openViewer, type Viewer } from './viewer.ts';

export interface ScreenServerOptions {
  readonly host: string;
  readonly port: number;
  readonly hostKey: string;
  readonly feed: Feed;
  readonly admit: Admit;
  /** Those of these fingerprints whose devices are still paired. */
  readonly stillPaired: (fingerprints: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly actorFor: (device: Device) => Actor;
  /** What `status --json` prints. */
  readonly status: () => Promise<string>;
  readonly name: string;
  readonly log: Logger;
  readonly limits?: Partial<typeof LIMITS>;
}

export interface ScreenServer {
  readonly port: number;
  viewers: () => number;
  stop: (reason: string) => Promise<void>;
}

const LIMITS = {
  viewers: 40,
  /** Connections that have not shown a key yet. */
  strangers: 10,
  authMs: 20_000,
  /** A client that answers no question of the protocol (frozen, or its network is gone) is let go after four of them. */
  keepaliveMs: 15_000,
  /** Nobody has pressed a key for so long: the connection ends, the client may come again. */
  idleMs: 12 * 3_600_000,
  /** How often it is looked whether devices were revoked. */
  revokedMs: 5000,
};

/** An SSH application, not a login: the screen, or `status --json`; no shell, no files, no forwarding of anything. */
export async function startScreenServer(options: ScreenServerOptions): Promise<ScreenServer> {
  const { feed, admit, log } = options;
  const limits = { ...LIMITS, ...options.limits };
  const viewers = new Map<Viewer, Device>();
  let strangers = 0;

  const server = new ssh2.Server(
    {
      hostKeys: [options.hostKey],
      ident: 'openclaw',
      keepaliveInterval: limits.keepaliveMs,
      keepaliveCountMax: 4,
    } as ssh2.ServerConfig,
    (client, info) => {
      if (strangers >= limits.strangers) {
        log.warn({ from: info.ip }, 'too many connections that have shown no key: one more is dropped');
        return void client.end();
      }
      let device: Device | undefined;
      let known = false;
      strangers++;
      const noLongerStrange = () => {
        if (!known) strangers--;
        known = true;
      };
      const late = setTimeout(() => {
        log.warn({ from: info.ip }, 'no paired key was shown in time');
        client.end();
      }, limits.authMs);
      client.on('error', (error: Error) =>
        log.info({ from: info.ip, device: device?.name, err: error.message }, 'an SSH connection broke'),
      );
      client.on('close', () => {
        clearTimeout(late);
        noLongerStrange();
      });
      client.on(
        'authentication',
        authenticator(
          admit,
          (found) => {
            device = found;
          },
          (fields, message) => log.warn({ from: info.ip, ...fields }, message),
        ),
      );
      client.on('ready', () => {
        clearTimeout(late);
        noLongerStrange();
        log.info({ from: info.ip, device: device!.name, role: device!.role }, 'a device was let in');
        serveClient(client, device!);
      });
    },
  );

  function serveClient(client: Connection, device: Device): void {
    const refuse = (what: string) =>
      log.warn({ device: device.name, what }, 'refused: this server gives the screen only');
    client.on('request', (_accept, reject, name) => {
      refuse(name);
      reject?.();
    });
    client.on('tcpip', (_accept, reject) => {
      refuse('tcpip');
      reject();
    });
    client.on('openssh.streamlocal', (_accept, reject) => {
      refuse('streamlocal');
      reject();
    });
    let open = 0;
    client.on('session', (accept, reject) => {
      if (open > 0) {
        refuse('a second session on one connection');
        return void reject();
      }
      open++;
      const session = accept();
      session.on('close', () => {
        open--;
      });
      serveSession(session, client, device, refuse);
    });
  }

  function serveSession(session: SshSession, client: Connection, device: Device, refuse: (what: string) => void): void {
    const environment: Record<string, string> = {};
    let pty: PseudoTtyInfo | undefined;
    let viewer: Viewer | undefined;
    session.on('pty', (accept, _reject, info) => {
      pty = info;
      accept?.();
    });
    session.on('window-change', (accept, _reject, info) => {
      viewer?.resize(info.cols, info.rows);
      accept?.();
    });
    session.on('env', (accept, reject, { key, val }) => {
      // Only what says how text is written.
      if (/^(LANG|LC_ALL|LC_CTYPE|NO_COLOR)$/.test(key) && val.length < 64) {
        environment[key] = val;
        accept?.();
      } else reject?.();
    });
    for (const what of ['auth-agent', 'x11', 'sftp', 'subsystem'] as const) {
      session.on(what as 'x11', (_accept: unknown, reject?: () => void) => {
        refuse(what);
        reject?.();
      });
    }
    session.on('exec', (accept, _reject, { command }) => {
      const channel = accept();
      channel.on('error', () => undefined);
      if (command.trim() !== 'status --json') {
        refuse(`exec ${command.slice(0, 100)}`);
        channel.stderr.write('only "status --json" can be run here; without a command the screen opens\n');
        return leave(channel, 2);
      }
      options.status().then(
        (text) => {
          channel.write(`${text}\n`);
          leave(channel, 0);
        },
        (error: unknown) => {
          channel.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
          leave(channel, 1);
        },
      );
    });
    session.on('shell', (accept) => {
      const channel = accept();
      channel.on('error', () => undefined);
      const plan = planTerminal({
        LANG: 'C.UTF-8',
        ...environment,
        TERM: (pty as { term?: string } | undefined)?.term,
      });
      const problem = !pty
        ? 'the screen needs a terminal (ssh -t)'
        : typeof plan === 'string'
          ? plan
          : viewers.size >= limits.viewers
            ? 'too many viewers'
            : undefined;
      if (problem !== undefined || typeof plan === 'string') {
        channel.stderr.write(`${problem}; or run: status --json\n`);
        return leave(channel, 2);
      }
      viewer = openViewer({
        channel,
        pty: pty!,
        client,
        end: (one) => {
          viewers.delete(one);
        },
        open: (port, onEnd) =>
          openSession({ feed, port, plan, actor: options.actorFor(device), name: options.name, onEnd }),
        idleMs: limits.idleMs,
      });
      viewers.set(viewer, device);
    });
  }

  const watch = setInterval(() => {
    // One question for all of them, so that a further viewer costs Postgres none.
    const asked = new Set([...viewers.values()].map(({ fingerprint }) => fingerprint));
    if (asked.size === 0) return;
    options.stillPaired([...asked]).then(
      (still) => {
        for (const [viewer, { fingerprint }] of viewers)
          if (asked.has(fingerprint) && !still.has(fingerprint)) viewer.end('this device was revoked');
      },
      // The database is away: nobody can act, and who was let in may go on looking.
      () => undefined,
    );
  }, limits.revokedMs);

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  server.on('error', (error: Error) => log.error({ err: error }, 'the SSH server has an error'));
  const address = server.address() as { port: number };
  return {
    port: address.port,
    viewers: () => viewers.size,
    stop: async (reason) => {
      clearInterval(watch);
      for (const viewer of viewers.keys()) viewer.end(reason);
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        // Connections that do not end by themselves.
        setTimeout(resolve, 500).unref();
      });
    },
  };
}
