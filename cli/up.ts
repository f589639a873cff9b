import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CODE_ROOT, type Config, loadConfig } from '../lib/config/index.ts';
import { commandLineActor, createPool, DATABASE, prepareDatabase } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { clearRunState, markStopping, type RunState, readRunState, takeHome } from '../lib/host/runState.ts';
import { createLogger } from '../lib/log/index.ts';
import { ensureServers, stopServers } from '../lib/servers/index.ts';
import { POOLS } from '../lib/tasks/types.ts';
import { planTerminal } from '../tui/terminal/plan.ts';
import { showLiveStatus } from './liveStatus.ts';
import { serverLines } from './status.ts';
import { superviseProcess } from './superviseProcess.ts';
import { watchServers } from './watchServers.ts';

/** The crew's own limit comes first. */
const STOP_MARGIN_MS = 7000;
/** As bin/openclaw gives them to a screen: it is open all day, and a large young space would only grow. */
const SCREEN_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=128'];

export interface UpOptions {
  detach?: boolean;
  firstMission?: string;
  /** On a terminal too: no screen, the status as it changes. */
  stay?: boolean;
  /** Nobody watches: the start is told, and then only what changes by itself. */
  background?: boolean;
}

/** Brings everything up and stays. The same start serves a fresh clone, a restart, and what a kill left behind. */
export async function up(options: UpOptions): Promise<number> {
  const config = loadConfig();
  const running = await runningUp(config);
  // On a terminal the system runs in the background and its screen in the front.
  const screen =
    !options.detach &&
    !options.stay &&
    process.stdin.isTTY === true &&
    process.stdout.isTTY === true &&
    typeof planTerminal(process.env) !== 'string';
  if (running) {
    process.stdout.write(`${runsAlready(config, running)}\n`);
    return screen ? openScreen() : EXIT.ok;
  }
  mkdirSync(config.layout.logs, { recursive: true, mode: 0o700 });
  const logFile = path.join(config.layout.logs, 'openclaw.log');
  if (!screen) return options.detach ? detach(config, options, logFile) : stay(config, options, logFile);
  const code = await detach(config, options, logFile);
  return code === EXIT.ok ? openScreen() : code;
}

/** Becomes the screen: the same process, so that nothing stays behind it. */
function openScreen(): number {
  process.execve?.(
    process.execPath,
    [process.execPath, ...process.execArgv, ...SCREEN_FLAGS, path.join(CODE_ROOT, 'cli/main.ts'), 'dash'],
    { ...process.env, MALLOC_ARENA_MAX: '1' },
  );
  return EXIT.ok;
}

async function stay(config: Config, options: UpOptions, logFile: string): Promise<number> {
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const log = createLogger({ name: 'up', level: config.logLevel, destination: logFile });
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort(signal));
  const other = await takeHome(config.layout);
  if (other) {
    say(runsAlready(config, other));
    return EXIT.ok;
  }
  try {
    say(`home      ${config.home}`);
    const serversOptions = {
      layout: config.layout,
      databaseUrl: config.databaseUrl,
      redisUrl: config.redisUrl,
      onProgress: say,
      signal: stopping.signal,
    };
    const servers = await ensureServers(serversOptions);
    for (const line of serverLines(servers)) say(line);
    const database = await prepareDatabase(servers.postgres, {
      ...(config.databaseAdminUrl && { adminUrl: config.databaseAdminUrl }),
    });
    say(
      `database  schema version ${database.version}${database.applied.length > 0 ? ` (${database.applied.length} migrations applied)` : ''}`,
    );
    if (database.notice) say(`roles     ${database.notice}`);

    const logFd = openSync(logFile, 'a', 0o600);
    const onChange = (line: string) => {
      log.warn(line);
      say(line);
    };
    const crew = superviseProcess('the crew', ['crew'], {
      logFd,
      logFile,
      stopLimitMs: config.drainTimeoutMs + STOP_MARGIN_MS,
      onChange,
      onNews: ({ agents, screen }) => {
        if (agents) say(`agents    ${agents.join(', ')}`);
        if (screen) say(`screen    served by SSH on port ${screen}`);
      },
    });
    const db = createPool(servers.postgres.urlFor('openclaw_worker', DATABASE), {
      name: 'up',
      max: 2,
      actor: commandLineActor(),
      source: 'cli',
      log,
    });
    const watch = watchServers(serversOptions, log, say, crew.startNow);
    try {
      const { faults } = await Promise.race([crew.ready, aborted(stopping.signal)]);
      for (const fault of faults) say(`faulty    ${fault.file}: ${fault.message}`);
      say(`workers   ${POOLS.join(', ')}: pid ${crew.pid()}; log: ${logFile}`);
      if (options.firstMission) {
        const { submitFirstMission } = await import('./firstMission.ts');
        await submitFirstMission({ config, db, plan: options.firstMission, say, signal: stopping.signal });
      }
      say('up. Stop it with Ctrl-C, or from elsewhere with: openclaw down');
      if (options.background) await aborted(stopping.signal);
      await showLiveStatus(db, stopping.signal);
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
    } finally {
      watch.stop();
      // On a full disk it cannot be written; the stop goes on.
      await markStopping(config.layout).catch((error: unknown) =>
        log.warn({ err: error }, 'that this process is stopping could not be written'),
      );
      say('stopping: running jobs get their signal, what is unfinished is given back');
      await crew.stop();
      await db.end();
    }
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  } finally {
    await stopServers({ layout: config.layout, databaseUrl: config.databaseUrl, redisUrl: config.redisUrl });
    await clearRunState(config.layout);
  }
  say('stopped');
  return EXIT.ok;
}

function runsAlready(config: Config, { pid, startedAt }: RunState): string {
  return `openclaw runs already for ${config.home} (pid ${pid}, since ${startedAt}); see: openclaw status`;
}

const STOPPING_LIMIT_MS = 40_000;

/** The `up` of this home, if one stays; one that is on its way out is waited for. @throws E_STOPPING (75). */
async function runningUp(config: Config): Promise<RunState | undefined> {
  const deadline = performance.now() + STOPPING_LIMIT_MS;
  for (;;) {
    const running = await readRunState(config.layout);
    if (!running?.stopping) return running;
    if (performance.now() > deadline) {
      throw new OpenClawError(
        'E_STOPPING',
        `process ${running.pid} has been stopping for ${STOPPING_LIMIT_MS / 1000} s`,
        {
          remedy: `kill -9 ${running.pid}, then try again; nothing accepted is lost`,
          exitCode: EXIT.tempfail,
        },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

const DETACHED_START_LIMIT_MS = 120_000;

/** Starts `up` in the background and returns when its workers work, or with the end of its output when they do not. */
async function detach(config: Config, options: UpOptions, logFile: string): Promise<number> {
  const outFile = path.join(config.layout.logs, `up.${process.pid}.out`);
  const out = openSync(outFile, 'w', 0o600);
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv,
      path.join(CODE_ROOT, 'cli/main.ts'),
      'up',
      '--background',
      ...(options.firstMission ? ['--first-mission', options.firstMission] : []),
    ],
    {
      detached: true,
      stdio: ['ignore', out, out],
      env: process.env,
    },
  );
  const exit = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? EXIT.failed)));
  const deadline = performance.now() + DETACHED_START_LIMIT_MS;
  let shown = 0;
  for (;;) {
    const code = await Promise.race([
      exit,
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 100)),
    ]);
    const output = readFileSync(outFile, 'utf8');
    // A first start takes a while: who waits at a terminal sees how it goes.
    if (process.stdout.isTTY) {
      const whole = output.slice(0, output.lastIndexOf('\n') + 1).replace(/^up\. [\s\S]*/m, '');
      process.stdout.write(whole.slice(shown));
      shown = Math.max(shown, whole.length);
    }
    if (/^up\. /m.test(output)) {
      process.stdout.write(output.replace(/^up\. [\s\S]*/m, '').slice(shown));
      process.stdout.write(
        `up, in the background (pid ${child.pid}). Look: openclaw status. Stop: openclaw down. Log: ${logFile}\n`,
      );
      child.unref();
      return EXIT.ok;
    }
    if (code !== undefined) {
      process.stderr.write(output);
      return code === EXIT.ok ? EXIT.failed : code;
    }
    if (performance.now() > deadline) {
      throw new OpenClawError(
        'E_START_TIMEOUT',
        `the start has not finished after ${DETACHED_START_LIMIT_MS / 1000} s`,
        { remedy: `look into ${outFile} and ${logFile}` },
      );
    }
  }
}
