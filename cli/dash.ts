import os from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { commandLineActor } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { type Feed, openFeed } from '../tui/feed/feed.ts';
import { localSources } from '../tui/feed/locals.ts';
import { watchRedis } from '../tui/feed/redisLink.ts';
import { planTerminal } from '../tui/terminal/plan.ts';
import { openTty } from '../tui/terminal/tty.ts';
import type { ThemeName } from '../tui/view/theme.ts';
import { screenSource } from './screenSource.ts';

export interface DashOptions {
  once?: boolean;
  text?: boolean;
  json?: boolean;
  size?: string;
  page?: string;
  ascii?: boolean;
  theme?: ThemeName;
  readOnly?: boolean;
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131 } as const;

/** The screen in this terminal; with --once one picture of it as text or JSON. */
export async function dash(options: DashOptions): Promise<number> {
  if (options.once || options.text || options.json || options.size) return printOnce(options);
  const plan = planTerminal(process.env);
  const problem =
    !process.stdin.isTTY || !process.stdout.isTTY ? 'this is no terminal' : typeof plan === 'string' ? plan : undefined;
  if (problem !== undefined || typeof plan === 'string') {
    throw new OpenClawError('E_NO_TERMINAL', `the screen needs a terminal: ${problem}`, {
      remedy: 'openclaw dash --once --text (or --json), or: openclaw status',
      exitCode: EXIT.usage,
    });
  }
  const source = screenSource();
  const { config } = source;
  // Postgres is asked first: its answers come while the screen is read.
  const feed = openFeed({ reader: source.reader, locals: localSources(config) });
  const { createActor, createLogger, openSession } = await readScreen(feed);
  const log = createLogger({
    name: 'dash',
    level: config.logLevel,
    destination: path.join(config.layout.logs, 'dash.log'),
  });
  const tty = openTty(process.stdin, process.stdout);
  const end = Promise.withResolvers<number>();

  // Every way out restores the terminal; what goes wrong is printed after it.
  const onFault = (error: unknown) => {
    tty.restore();
    log.error({ err: error }, 'the screen ended by an error');
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(EXIT.failed);
  };
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
  process.on('exit', tty.restore);
  for (const [signal, code] of Object.entries(SIGNALS)) process.on(signal, () => end.resolve(code));
  // A terminal that is gone.
  process.stdout.on('error', () => process.exit(SIGNALS.SIGHUP));
  process.stdin.on('error', () => process.exit(SIGNALS.SIGHUP));
  process.stdin.on('end', () => end.resolve(SIGNALS.SIGHUP));
  quiet((line) => log.warn(line));

  const actor = createActor({
    actor: commandLineActor(),
    name: os.userInfo().username,
    role: options.readOnly ? 'viewer' : 'operator',
    config,
    log,
    url: source.actUrl,
  });
  const session = openSession({
    feed,
    port: tty.port,
    plan,
    actor,
    name: path.basename(config.home) === 'var' ? path.basename(path.dirname(config.home)) : path.basename(config.home),
    ...(options.ascii && { ascii: true }),
    ...(options.theme && { theme: options.theme }),
    onEnd: () => end.resolve(EXIT.ok),
  });
  feed.demand(feed, undefined);
  const redis = watchRedis(source.redisUrl, feed.setRedis);
  const code = await end.promise;
  session.end();
  redis.stop();
  await feed.stop();
  tty.restore();
  if (code === EXIT.ok)
    process.stdout.write(
      'The system goes on running. Back to the screen: openclaw dash. Stop the system: openclaw down\n',
    );
  // Whatever an act has left open does not keep the terminal.
  setTimeout(() => process.exit(code), 200).unref();
  return code;
}

/** A part at a time, with a turn of the loop after each, in which Postgres's last answer is met and the next question asked. */
async function readScreen(feed: Feed) {
  const { createLogger } = await import('../lib/log/index.ts');
  await setImmediate();
  await import('../tui/view/text.ts');
  await setImmediate();
  await import('../tui/terminal/painter.ts');
  await setImmediate();
  const { PAGES } = await import('../tui/pages/index.ts');
  // The page that a session begins with.
  feed.demand(feed, { sections: PAGES[0]!.sections, missions: [], jobs: [] });
  await setImmediate();
  const { openSession } = await import('../tui/session/session.ts');
  const { createActor } = await import('../tui/session/operator.ts');
  return { createLogger, openSession, createActor };
}

/** Whatever a library prints goes into the log, not over the screen. */
function quiet(write: (line: string) => void): void {
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    console[method] = (...parts: unknown[]) => write(parts.map(String).join(' '));
  }
  process.removeAllListeners('warning');
  process.on('warning', (warning) => write(`${warning.name}: ${warning.message}`));
}

async function printOnce({ json, size = '120x40', page = 'overview', ascii }: DashOptions): Promise<number> {
  const match = /^(\d{2,3})x(\d{2,3})$/.exec(size);
  if (!match)
    throw new OpenClawError('E_ARGUMENT', `--size is "${size}"`, {
      expected: 'columns x rows, for example 120x40',
      exitCode: EXIT.usage,
    });
  const source = screenSource();
  const { once } = await import('../tui/session/once.ts');
  const text = await once({
    reader: source.reader,
    locals: localSources(source.config),
    columns: Number(match[1]),
    rows: Number(match[2]),
    page,
    json: json === true,
    ascii: ascii === true,
    name: path.basename(source.config.home),
  });
  process.stdout.write(`${text}\n`);
  return EXIT.ok;
}
