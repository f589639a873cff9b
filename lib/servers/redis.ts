import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OpenClawError } from '../errors/index.ts';
import { START_LIMIT_MS, spawnDaemon, startFailure } from './daemon.ts';
import type { DebianPackages } from './debianPackages.ts';
import { type Endpoint, freeLoopbackPort, redisUrl, socketIn } from './endpoint.ts';
import type { ServersFolder } from './folder.ts';
import { type Launched, readLaunched, writeLaunched } from './launched.ts';
import { makeOwnedFolder, writeOwnedFile } from './ownedFiles.ts';
import { endProcess } from './processes.ts';
import { chooseRedis } from './redisChoice.ts';
import { configFile, endpointOf, findProcess, listens, pidFile, redisIn, workingFolder } from './redisPlace.ts';
import { askRedis } from './redisProbe.ts';
import type { RedisPrograms } from './redisPrograms.ts';
import type { StartContext } from './startContext.ts';
import type { RedisServer } from './types.ts';

const ANSWER_LIMIT_MS = 2_000;

/** The private Redis that runs now and answers to our password, or null. Starts nothing. */
export async function findRedis(folder: ServersFolder): Promise<RedisServer | null> {
  const there = redisIn(folder);
  const answer = there && (await askRedis(there.url, ANSWER_LIMIT_MS));
  return answer?.state === 'ready' ? { ...there!, version: answer.version, pid: answer.pid } : null;
}

/** Under the lock: the one that runs, or a new one. One that runs without answering is ended: Redis holds no truth. */
export async function ensureRedis(context: StartContext, packages: DebianPackages): Promise<RedisServer> {
  const running = await findRedis(context);
  if (running) return running;
  const programs = await chooseRedis(context, packages);
  await stopRedis(context);
  return start(context, programs);
}

async function start(context: StartContext, programs: RedisPrograms): Promise<RedisServer> {
  const { origin, program, libraryPath } = programs;
  const launched: Launched = { origin, binDir: path.dirname(program), libraryPath };
  const socket = socketIn(context.path, 'redis');
  if (!socket) launched.port = await freeLoopbackPort(readLaunched(context.path, 'redis')?.port);
  const endpoint: Endpoint = socket ? { kind: 'socket', file: socket } : { kind: 'loopback', port: launched.port! };
  const password = context.passwords.redis!;
  if (!existsSync(workingFolder(context.path))) makeOwnedFolder(workingFolder(context.path), context.account);
  writeLaunched(context.path, 'redis', launched, context.account);
  writeOwnedFile(configFile(context.path), redisConfig(context.path, endpoint, password), context.account);
  context.progress(`Starting the private Redis ${programs.version}`);
  const daemon = await spawnDaemon(
    context,
    'redis',
    launched,
    program,
    [configFile(context.path)],
    workingFolder(context.path),
  );
  const logFile = path.join(context.logs, 'redis.log');
  const url = redisUrl(endpoint, password);
  const deadline = performance.now() + START_LIMIT_MS;
  for (;;) {
    await sleep(20, undefined, { signal: context.signal });
    const answer = listens(context.path, endpoint) ? await askRedis(url, ANSWER_LIMIT_MS) : null;
    if (answer?.state === 'ready') return { origin, url, version: answer.version, pid: answer.pid };
    const ended = daemon.ended();
    const output = () => daemon.output();
    if (ended)
      throw startFailure({ code: 'E_REDIS_START', what: `the private Redis ${ended}`, output: output(), logFile });
    if (performance.now() >= deadline) {
      const what = `the private Redis is not ready after ${START_LIMIT_MS / 1000} s`;
      throw startFailure({ code: 'E_REDIS_START', what, output: output(), logFile, pending: true });
    }
  }
}

/** In a file, because everybody may read a command line. Nothing is kept on disk: Postgres is the truth. */
export function redisConfig(folder: string, endpoint: Endpoint, password: string): string {
  const quoted = (text: string) => JSON.stringify(text);
  const listen =
    endpoint.kind === 'socket'
      ? ['port 0', `unixsocket ${quoted(endpoint.file)}`, 'unixsocketperm 700']
      : ['bind 127.0.0.1', `port ${endpoint.port}`, 'protected-mode yes'];
  const settings = [
    ...listen,
    `requirepass ${password}`,
    `dir ${quoted(workingFolder(folder))}`,
    `pidfile ${quoted(pidFile(folder))}`,
    'daemonize no',
    'save ""',
    'appendonly no',
    'maxmemory-policy noeviction',
  ];
  return `${settings.join('\n')}\n`;
}

/** Ends ours, answering or not. SIGTERM is Redis's own orderly shutdown, and with `save ""` there is nothing to write. */
export async function stopRedis(folder: ServersFolder): Promise<boolean> {
  const endpoint = endpointOf(folder.path, readLaunched(folder.path, 'redis'));
  const pid = endpoint && (findProcess(folder.path, endpoint) ?? (await findRedis(folder))?.pid);
  if (!pid) return false;
  const stopped = await endProcess(pid, [
    ['SIGTERM', 2_000],
    ['SIGKILL', 2_000],
  ]);
  if (!stopped) throw new OpenClawError('E_REDIS_STOP', 'the private Redis does not stop', { value: pid });
  return true;
}
