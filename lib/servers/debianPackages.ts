import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { plainEnv, runCommand } from './command.ts';
import { giveTo, makeOwnedFolder, writeOwnedFile } from './ownedFiles.ts';
import { onPath } from './programs.ts';
import { openWorkFolder, removeTree, type StartContext } from './startContext.ts';

/** The distribution's packages, got with apt but without root, without dpkg and without touching apt's own folders. */
export interface DebianPackages {
  /** The major of the distribution's own Postgres, or null where it has none. */
  postgresMajor(): Promise<number | null>;
  /**
   * Unpacks the first of `choices` that the distribution has, with the libraries that are missing on this machine, and
   * keeps it as `name` if `check` accepts it.
   */
  unpack(name: string, choices: readonly string[][], check: (root: string) => Promise<unknown>): Promise<string>;
}

/** Over a slow line the lists (9 MB) and packages (20 MB) take their time; a dead line is given up by apt much earlier. */
const UPDATE_LIMIT_MS = 180_000;
const DOWNLOAD_LIMIT_MS = 240_000;

export const hasDebianTools = () =>
  ['apt-get', 'apt-cache', 'apt-config', 'dpkg-deb'].every((name) => onPath(name) !== null);

export const unpackedFolder = (folder: string, name: string) => path.join(folder, 'unpacked', name);

/** The lists are read once, when first asked for, and thrown away by `close`. */
export function openDebianPackages(context: StartContext): DebianPackages & { close(): Promise<void> } {
  const work = openWorkFolder(context);
  let prepared: Promise<Apt> | undefined;
  const apt = () => {
    prepared ??= prepareApt(context, work.path());
    return prepared;
  };
  return {
    postgresMajor: async () => {
      const shown = await (await apt()).cache(['depends', 'postgresql']);
      const major = /Depends: postgresql-(\d+)/.exec(shown)?.[1];
      return major ? Number(major) : null;
    },
    unpack: async (name, choices, check) => {
      const root = await unpackFirst(context, await apt(), path.join(work.path(), name), choices);
      await check(root);
      const kept = unpackedFolder(context.path, name);
      if (!existsSync(path.dirname(kept))) makeOwnedFolder(path.dirname(kept), context.account);
      await removeTree(kept);
      renameSync(root, kept);
      return kept;
    },
    close: work.remove,
  };
}

interface Apt {
  get(args: readonly string[], timeoutMs: number, cwd?: string): Promise<string>;
  cache(args: readonly string[]): Promise<string>;
}

/** apt reads one file of ours in place of its own: the machine's settings (proxies, keys), other folders, no hooks. */
async function prepareApt(context: StartContext, work: string): Promise<Apt> {
  const { account, signal } = context;
  const home = path.join(work, 'apt');
  const folders = ['', 'lists', 'lists/partial', 'cache', 'cache/archives', 'cache/archives/partial'];
  for (const folder of folders) makeOwnedFolder(path.join(home, folder), account);
  const config = path.join(home, 'apt.conf');
  const env = plainEnv({ APT_CONFIG: config, ...proxySettings() });
  const machine = await runCommand('apt-config', ['dump'], { account, env: plainEnv(), timeoutMs: 20_000, signal });
  writeOwnedFile(config, aptConfig(machine, home), account);
  const run =
    (program: string) =>
    (args: readonly string[], timeoutMs = 60_000, cwd?: string) =>
      runCommand(program, args, { account, env, timeoutMs, signal, cwd });
  const get = run('apt-get');
  context.progress('Reading the package lists of this distribution');
  // A source that cannot be reached makes this fail although the others are there: what is missing shows itself below.
  const updated = get(['update'], UPDATE_LIMIT_MS);
  const failure = await updated.then(
    () => null,
    (error: unknown) => error,
  );
  if (failure && !readdirSync(path.join(home, 'lists')).some((name) => name.includes('_Packages'))) throw failure;
  return { get, cache: run('apt-cache') };
}

export function aptConfig(machine: string, home: string): string {
  const kept = machine
    .split('\n')
    .filter((line) => !/(Pre|Post)-Invoke|^DPkg::|^Dir::Etc::(main|parts) |^Dir::Cache/i.test(line));
  const own = [
    ['Dir::Etc::main', '/dev/null'],
    ['Dir::Etc::parts', '/dev/null'],
    ['Dir::State::lists', `${home}/lists/`],
    ['Dir::Cache', `${home}/cache`],
    ['Dir::Cache::archives', 'archives/'],
    ['Dir::Cache::pkgcache', 'pkgcache.bin'],
    ['Dir::Cache::srcpkgcache', 'srcpkgcache.bin'],
    ['Acquire::Languages', 'none'],
    ['Acquire::Retries', '1'],
    ['Acquire::http::Timeout', '15'],
    ['Acquire::https::Timeout', '15'],
    ['Debug::NoLocking', '1'],
  ];
  return `${[...kept, ...own.map(([name, value]) => `${name} "${value}";`)].join('\n')}\n`;
}

function proxySettings(): Record<string, string> {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

async function unpackFirst(
  context: StartContext,
  apt: Apt,
  work: string,
  choices: readonly string[][],
): Promise<string> {
  const failures: unknown[] = [];
  for (const choice of choices) {
    try {
      const planned = await apt.get(['install', '--print-uris', '--yes', '--no-install-recommends', ...choice], 60_000);
      return await unpack(context, apt, work, [...new Set([...choice, ...librariesIn(planned)])]);
    } catch (error) {
      context.signal?.throwIfAborted();
      failures.push(error);
    }
  }
  throw failures[0];
}

/**
 * The libraries among the packages that an installation would add. The C library must be the one of the running
 * system; LLVM (100 MB) is for jit, which is off; Perl and the rest are for scripts that are not run here.
 */
export function librariesIn(printedUris: string): string[] {
  const names = [...printedUris.matchAll(/^'[^']*' ([^_\s]+)_\S+\.deb /gm)].map((match) => match[1]!);
  return names.filter((name) => /^lib/.test(name) && !/^lib(c6|c-|llvm|z3|perl|gdbm)|-(perl|dev)$/.test(name));
}

async function unpack(context: StartContext, apt: Apt, work: string, packages: string[]): Promise<string> {
  const { account, signal } = context;
  const debs = path.join(work, 'debs');
  const root = path.join(work, 'root');
  mkdirSync(work, { recursive: true });
  giveTo(work, account);
  for (const folder of [debs, root]) makeOwnedFolder(folder, account);
  context.progress(`Downloading ${packages.join(', ')}`);
  await apt.get(['download', ...packages], DOWNLOAD_LIMIT_MS, debs);
  for (const deb of readdirSync(debs)) {
    await runCommand('dpkg-deb', ['--extract', path.join(debs, deb), root], { account, timeoutMs: 60_000, signal });
  }
  return root;
}

/** Folders of the unpacked shared libraries, for LD_LIBRARY_PATH. */
export function libraryPathOf(root: string): string | null {
  const places = ['lib', 'usr/lib'].map((place) => path.join(root, place)).filter((place) => existsSync(place));
  const folders = places.flatMap((place) => {
    const inner = readdirSync(place, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [place, ...inner.map((entry) => path.join(place, entry.name))];
  });
  const holding = folders.filter((folder) => readdirSync(folder).some((name) => /\.so(\.|$)/.test(name)));
  return holding.length > 0 ? holding.join(':') : null;
}
