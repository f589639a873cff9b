import path from 'node:path';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { type DebianPackages, hasDebianTools, libraryPathOf, unpackedFolder } from './debianPackages.ts';
import { installCommand, missingServer, thisSystem } from './installAdvice.ts';
import { inspectPostgres, installedPostgres, OLDEST_POSTGRES, type PostgresPrograms } from './postgresPrograms.ts';
import { expandStar } from './programs.ts';
import type { StartContext } from './startContext.ts';

/** Installed before unpacked. `major`: of the data that is there, which no other major can read; null where there is none. */
export async function choosePostgres(
  context: StartContext,
  packages: DebianPackages,
  major: number | null,
): Promise<PostgresPrograms> {
  const fits = (programs: PostgresPrograms) => major === null || programs.major === major;
  const tried: string[] = [];
  if (context.allowInstalled) {
    const { usable, rejected } = await installedPostgres(context.account);
    const installed = usable.find(fits);
    if (installed) return installed;
    tried.push(...rejected, ...usable.map(({ binDir, version }) => `${binDir} is PostgreSQL ${version}`));
  }
  if (!hasDebianTools()) throw noPostgres(major, tried);
  try {
    return await unpackedPostgres(context, packages, major);
  } catch (error) {
    context.signal?.throwIfAborted();
    throw noPostgres(major, [...tried, `the distribution's packages: ${messageOf(error)}`], error);
  }
}

async function unpackedPostgres(
  context: StartContext,
  packages: DebianPackages,
  wanted: number | null,
): Promise<PostgresPrograms> {
  for (const kept of keptMajors(context)) {
    if (wanted !== null && kept !== wanted) continue;
    try {
      return await inspectUnpacked(context, unpackedFolder(context.path, `postgres-${kept}`), kept);
    } catch (error) {
      context.progress(
        `The unpacked PostgreSQL ${kept} cannot be run any more and is unpacked anew (${messageOf(error)})`,
      );
    }
  }
  const major = wanted ?? (await packages.postgresMajor());
  if (major === null) throw new Error('this distribution has no package postgresql');
  if (major < OLDEST_POSTGRES)
    throw new Error(`this distribution has PostgreSQL ${major}, which is older than ${OLDEST_POSTGRES}`);
  const choice = [`postgresql-${major}`, `postgresql-client-${major}`];
  const root = await packages.unpack(`postgres-${major}`, [choice], (fresh) => inspectUnpacked(context, fresh, major));
  return inspectUnpacked(context, root, major);
}

/** Majors that an earlier start unpacked, the newest first. */
function keptMajors(context: StartContext): number[] {
  const folders = expandStar(unpackedFolder(context.path, 'postgres-*'));
  return folders.map((folder) => Number(folder.slice(folder.lastIndexOf('-') + 1))).sort((a, b) => b - a);
}

const inspectUnpacked = (context: StartContext, root: string, major: number) =>
  inspectPostgres(path.join(root, `usr/lib/postgresql/${major}/bin`), 'unpacked', libraryPathOf(root), context.account);

function noPostgres(major: number | null, tried: string[], cause?: unknown): OpenClawError {
  const system = thisSystem();
  if (major === null) return missingServer('postgres', system, tried, cause);
  const command = installCommand('postgres', system)?.replace('postgresql', `postgresql-${major}`);
  return new OpenClawError(
    'E_POSTGRES_MAJOR',
    `the private data was made by PostgreSQL ${major}, which is not on this machine`,
    {
      expected: `programs of PostgreSQL ${major}: no other major reads this data`,
      faults: tried,
      remedy: `install PostgreSQL ${major} again${command && /apt-get/.test(command) ? ` (${command})` : ''}, or restore a backup into a new home`,
      cause,
      exitCode: EXIT.config,
    },
  );
}
