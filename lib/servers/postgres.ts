import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OpenClawError } from '../errors/index.ts';
import { type Daemon, libraryEnv, START_LIMIT_MS, spawnDaemon, startFailure } from './daemon.ts';
import type { DebianPackages } from './debianPackages.ts';
import { freeLoopbackPort, postgresUrl, socketIn } from './endpoint.ts';
import type { ServersFolder } from './folder.ts';
import { type Launched, readLaunched, writeLaunched } from './launched.ts';
import { type Passwords, readPasswords } from './passwords.ts';
import { choosePostgres } from './postgresChoice.ts';
import { clusterMajor, createCluster, resetSuperuserPassword } from './postgresCluster.ts';
import { askPostgres, type PostgresAnswer } from './postgresProbe.ts';
import { hasClients, hasLibrary, type PostgresPrograms } from './postgresPrograms.ts';
import { dataFolder, dropMisleadingPidFile, findPostmaster, type Postmaster } from './postmaster.ts';
import { endProcess } from './processes.ts';
import type { StartContext } from './startContext.ts';
import type { PostgresServer } from './types.ts';
import { postgresUrls } from './whereabouts.ts';

const ANSWER_LIMIT_MS = 3_000;

/** The private Postgres that runs now and answers with our password, or null. Starts nothing. */
export async function findPostgres(folder: ServersFolder): Promise<PostgresServer | null> {
  const postmaster = findPostmaster(dataFolder(folder.path));
  const passwords = readPasswords(folder.path);
  if (!postmaster || !passwords.postgres) return null;
  const answer = await ask(postmaster, passwords);
  return answer.state === 'ready' ? describe(folder, postmaster, passwords, answer.version) : null;
}

/** Under the lock: the one that runs, or a new one on the data that is there, or on a new cluster. */
export async function ensurePostgres(context: StartContext, packages: DebianPackages): Promise<PostgresServer> {
  const running = await findPostgres(context);
  if (running) return running;
  const dataDir = dataFolder(context.path);
  const programs = await choosePostgres(context, packages, clusterMajor(dataDir));
  if (clusterMajor(dataDir) === null) await createCluster(context, programs);
  return start(context, programs);
}

/**
 * Each turn looks at what is there and does the next thing: nothing runs -> launch; it answers -> done; its password is
 * not ours -> stop, reset; else wait. So a server left half-started, shutting down or crashed is met like any other.
 */
async function start(context: StartContext, programs: PostgresPrograms): Promise<PostgresServer> {
  const dataDir = dataFolder(context.path);
  const deadline = performance.now() + START_LIMIT_MS;
  let daemon: Daemon | null = null;
  let why = 'it did not come up';
  let resets = 0;
  for (;;) {
    context.signal?.throwIfAborted();
    const postmaster = findPostmaster(dataDir);
    const ended: string | null | undefined = daemon?.ended();
    if (postmaster?.endpoint) {
      const answer = await ask(postmaster, context.passwords);
      if (answer.state === 'ready') return describe(context, postmaster, context.passwords, answer.version);
      why = answer.why;
      if (answer.state === 'wrong-password' && resets++ === 0) {
        await stopPostgres(context);
        await resetSuperuserPassword(context, programs);
      }
    } else if (!postmaster && (!daemon || ended)) {
      if (daemon && ended && !mayPass(daemon.output())) throw failure(context, daemon, ended);
      if (daemon) await sleep(200, undefined, { signal: context.signal });
      daemon = await launch(context, programs);
    }
    if (performance.now() >= deadline) {
      // Not killed: a recovery that takes longer would never end, and the next start adopts it.
      throw failure(context, daemon, `is not ready after ${START_LIMIT_MS / 1000} s (${why})`, true);
    }
    await sleep(20, undefined, { signal: context.signal });
  }
}

/** Children of a killed server still hold its memory for a moment; somebody took the port between choice and use. */
const mayPass = (output: string) => /shared memory block|is still in use|Address already in use/i.test(output);

function failure(context: StartContext, daemon: Daemon | null, how: string, pending = false): OpenClawError {
  const logFile = path.join(context.logs, 'postgres.log');
  return startFailure({
    code: 'E_POSTGRES_START',
    what: `the private Postgres ${how}`,
    output: daemon?.output() ?? '',
    logFile,
    pending,
  });
}

async function launch(context: StartContext, programs: PostgresPrograms): Promise<Daemon> {
  const dataDir = dataFolder(context.path);
  dropMisleadingPidFile(dataDir);
  const { origin, binDir, libraryPath } = programs;
  const launched: Launched = { origin, binDir, libraryPath };
  // Most builds read the system's zone files, which small containers lack; GMT alone is built in, and is the same clock.
  const zone = existsSync('/usr/share/zoneinfo/UTC') ? 'UTC' : 'GMT';
  const settings: Record<string, string> = {
    cluster_name: 'openclaw',
    log_destination: 'stderr',
    logging_collector: 'off',
    log_timezone: zone,
    timezone: zone,
    password_encryption: 'scram-sha-256',
    jit: 'off',
  };
  const socket = socketIn(context.path, 'postgres');
  if (socket) {
    // No server runs on this data, so whatever number stands in the socket's lock file is of another process.
    for (const left of [socket, `${socket}.lock`]) rmSync(left, { force: true });
    Object.assign(settings, {
      listen_addresses: '',
      unix_socket_directories: path.dirname(socket),
      unix_socket_permissions: '0700',
      port: '5432',
    });
  } else {
    launched.port = await freeLoopbackPort(readLaunched(context.path, 'postgres')?.port);
    Object.assign(settings, {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      port: String(launched.port),
    });
  }
  if (await hasLibrary(programs, 'pg_stat_statements', context.account))
    Object.assign(settings, {
      shared_preload_libraries: 'pg_stat_statements',
      'pg_stat_statements.track_utility': 'off',
    });
  if (!context.durable) Object.assign(settings, { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' });
  writeLaunched(context.path, 'postgres', launched, context.account);
  context.progress(`Starting the private PostgreSQL ${programs.version}`);
  const args = ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  return spawnDaemon(context, 'postgres', launched, path.join(binDir, 'postgres'), args, dataDir);
}

/** What `pg_ctl stop -m fast` does (SIGINT), then what `-m immediate` does; it needs no program to do it. */
export async function stopPostgres(folder: ServersFolder): Promise<boolean> {
  const postmaster = findPostmaster(dataFolder(folder.path));
  if (!postmaster) return false;
  const stopped = await endProcess(postmaster.pid, [
    ['SIGINT', 20_000],
    ['SIGQUIT', 5_000],
  ]);
  if (!stopped)
    throw new OpenClawError('E_POSTGRES_STOP', 'the private Postgres does not stop', { value: postmaster.pid });
  return true;
}

function ask(postmaster: Postmaster, passwords: Passwords): Promise<PostgresAnswer> | PostgresAnswer {
  if (!postmaster.endpoint) return { state: 'not-now', why: 'it has not opened its socket yet' };
  return askPostgres(postgresUrl(postmaster.endpoint, 'postgres', passwords.postgres!, 'postgres'), ANSWER_LIMIT_MS);
}

function describe(
  folder: ServersFolder,
  postmaster: Postmaster,
  passwords: Passwords,
  version: string,
): PostgresServer {
  const launched = readLaunched(folder.path, 'postgres');
  const urlFor = postgresUrls(postmaster, passwords);
  return {
    origin: launched?.origin ?? 'installed',
    adminUrl: urlFor('postgres', 'postgres'),
    urlFor,
    password: (role) => (role === 'redis' ? undefined : passwords[role]),
    version,
    pid: postmaster.pid,
    dataDir: dataFolder(folder.path),
    binDir: launched && hasClients(launched.binDir) ? launched.binDir : null,
    env: libraryEnv(launched?.libraryPath ?? null),
  };
}
