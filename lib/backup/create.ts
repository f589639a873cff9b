import {
  createWriteStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { CODE_ROOT, type Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { libpqConnection } from '../db/libpq.ts';
import { messageOf, OpenClawError } from '../errors/index.ts';
import { type Logger, scrub, scrubbedJson, toJson } from '../log/index.ts';
import { findContents } from './contents.ts';
import type { Manifest } from './manifest.ts';
import { archivePath, localArchives, PARTIAL, workFolder } from './names.ts';
import { packArchive } from './pack.ts';
import { runProgram } from './program.ts';
import { type BackupSession, countRows, openSnapshot, type Snapshot } from './session.ts';
import { settleKilled } from './settle.ts';
import type { BackupSource } from './source.ts';
import { verifyArchive } from './verify.ts';

export const STAGES = ['begun', 'dumped', 'packed', 'verified', 'named', 'recorded'] as const;
export type Stage = (typeof STAGES)[number];

export interface CreateOptions {
  config: Config;
  /** As the worker: rows and events are written by it. */
  db: Queryable;
  log: Logger;
  source: BackupSource;
  session: BackupSession;
  signal: AbortSignal;
  /** The trace that the run goes on with. */
  trace?: string | null;
  /** Told after each stage. */
  onStage?: (stage: Stage) => void;
}

export interface MadeBackup {
  readonly id: string;
  readonly name: string;
  readonly archive: 'verified' | 'partial';
  readonly bytes: number;
  readonly sha256: string;
  readonly manifest: Manifest;
  /** What opens an encrypted archive; it is kept nowhere but in here. */
  readonly identity?: string;
  readonly durationMs: number;
}

const { version } = JSON.parse(readFileSync(path.join(CODE_ROOT, 'package.json'), 'utf8')) as { version: string };

const DUMP_LIMIT_MS = 30 * 60_000;

/**
 * One archive, from the snapshot to its name. It gets that name when it has been read back whole, so that a file with
 * such a name is never half of one, whenever this process is killed.
 */
export async function createArchive(options: CreateOptions): Promise<MadeBackup> {
  const { config, db, onStage } = options;
  const start = performance.now();
  prepareFolder(config);
  await settleKilled(options);
  const recipient = config.backup.ageRecipient;
  const { rows } = await db.query<{ id: string; name: string; trace: string }>(
    'select id, name, trace_id as trace from begin_backup($1, $2, $3)',
    [recipient ? '.tar.zst.age' : '.tar.gz', os.hostname(), options.trace ?? null],
  );
  const { id, name, trace } = rows[0]!;
  const log = options.log.child({ trace });
  onStage?.('begun');
  try {
    const made = await build(options, name);
    const { manifest, bytes, sha256 } = made;
    const faults = manifest.unreadable.map((each) => scrub(`unreadable: ${each}`));
    const archive = faults.length > 0 ? 'partial' : 'verified';
    const durationMs = performance.now() - start;
    const facts = {
      bytes,
      sha256,
      snapshot_at: manifest.snapshotAt,
      row_count: Object.values(manifest.tables).reduce((sum, count) => sum + count, 0),
      duration_ms: durationMs,
      faults,
      detail: {
        ...made.detail,
        versions: manifest.versions,
        files: manifest.files.length,
        changing: manifest.changing,
        left_out: manifest.leftOut.slice(0, 100),
        tables: manifest.tables,
      },
    };
    await db.query('select end_backup($1, $2, $3::jsonb)', [id, archive, scrubbedJson(facts)]);
    onStage?.('recorded');
    const line = {
      backup: id,
      name,
      archive,
      bytes,
      faults,
      changing: manifest.changing,
      duration_ms: Math.round(durationMs),
    };
    if (archive === 'verified') log.info(line, 'backup verified');
    else log.warn(line, 'backup is partial');
    return {
      id,
      name,
      archive,
      bytes,
      sha256,
      manifest,
      durationMs,
      ...(made.identity && { identity: made.identity }),
    };
  } catch (error) {
    removeUnfinished(config, name);
    const fault = scrub(error instanceof OpenClawError ? `${error.code}: ${error.message}` : messageOf(error));
    log.error({ err: error, backup: id, name }, 'backup failed');
    await db
      .query('select end_backup($1, $2, $3::jsonb)', [
        id,
        'failed',
        toJson({ faults: [fault.slice(0, 2000)], duration_ms: performance.now() - start }),
      ])
      .catch((unrecorded: unknown) =>
        log.error({ err: unrecorded, name }, 'the failure was not recorded; the next run does it'),
      );
    throw error;
  }
}

async function build({ config, db, source, session, signal: given, onStage }: CreateOptions, name: string) {
  const signal = AbortSignal.any([given, session.lost]);
  const { layout } = config;
  const stage = workFolder(layout);
  const dump = path.join(stage, 'database.dump');
  const times: Record<string, number> = {};
  let last = performance.now();
  const lap = (what: string) => {
    times[what] = Math.round(performance.now() - last);
    last = performance.now();
  };
  checkSpace(config);
  const { snapshot, tables } = await dumpAndCount(source, session, dump, signal);
  lap('dump_ms');
  onStage?.('dumped');

  const limit = await db.query<{ mb: string | null }>("select policy_value('backup.uploads_limit_mb')::text as mb");
  const contents = findContents(config, Number(limit.rows[0]?.mb ?? 0) * (1 << 20));
  const identity = config.backup.ageRecipient ? await passingIdentity() : undefined;
  const partial = archivePath(layout, name) + PARTIAL;
  const packed = await packArchive({
    dump,
    contents,
    facts: {
      name,
      host: os.hostname(),
      snapshotAt: snapshot.at,
      versions: {
        openclaw: version,
        node: process.version,
        postgres: source.server.version,
        pgDump: source.programs.version,
        schema: snapshot.schema,
      },
      database: source.database,
      tables,
    },
    scratch: stage,
    target: partial,
    ...(identity && { recipients: [config.backup.ageRecipient!, identity.recipient] }),
    signal,
  });
  lap('pack_ms');
  onStage?.('packed');

  await verifyArchive(partial, {
    tools: source.programs,
    sha256: packed.sha256,
    name,
    signal,
    ...(identity && { identity: identity.secret }),
  });
  lap('verify_ms');
  onStage?.('verified');
  await giveName(layout.backups, name, packed.sha256);
  rmSync(stage, { recursive: true, force: true });
  onStage?.('named');
  return { ...packed, detail: times, ...(identity && { identity: identity.secret }) };
}

/** The counts are taken while pg_dump reads, by the transaction whose snapshot it shares. */
async function dumpAndCount(
  { programs, url }: BackupSource,
  session: BackupSession,
  dump: string,
  signal: AbortSignal,
): Promise<{ snapshot: Snapshot; tables: Record<string, number> }> {
  const snapshot = await openSnapshot(session);
  try {
    const { target, env } = libpqConnection(url);
    const written = runProgram(
      programs.dump,
      ['--format=custom', '--no-password', `--snapshot=${snapshot.id}`, `--dbname=${target}`],
      {
        env: { ...programs.env, ...env },
        timeoutMs: DUMP_LIMIT_MS,
        signal,
        output: createWriteStream(dump, { mode: 0o600, flags: 'wx' }),
      },
    );
    written.catch(() => undefined);
    const tables = await countRows(session.client);
    await written;
    return { snapshot, tables };
  } finally {
    await session.client.query('rollback').catch(() => undefined);
  }
}

/** A second recipient for the length of the run, so that what was encrypted can be read back; nobody keeps its secret. */
async function passingIdentity(): Promise<{ secret: string; recipient: string }> {
  const { generateIdentity, identityToRecipient } = await import('age-encryption');
  const secret = await generateIdentity();
  return { secret, recipient: await identityToRecipient(secret) };
}

/** From here on it is an archive: whole on the disk before it has the name, and the name too before anybody is told. */
async function giveName(folder: string, name: string, sha256: string): Promise<void> {
  const file = path.join(folder, name);
  writeFileSync(`${file}.sha256`, `${sha256}  ${name}\n`, { mode: 0o600, flush: true });
  renameSync(file + PARTIAL, file);
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function prepareFolder({ layout }: Config): void {
  mkdirSync(layout.backups, { recursive: true, mode: 0o700 });
  // We hold the lock: whatever is unfinished in here has lost its run.
  rmSync(workFolder(layout), { recursive: true, force: true });
  for (const file of readdirSync(layout.backups)) if (file.endsWith(PARTIAL)) rmSync(path.join(layout.backups, file));
  mkdirSync(workFolder(layout), { mode: 0o700 });
}

function removeUnfinished({ layout }: Config, name: string): void {
  rmSync(workFolder(layout), { recursive: true, force: true });
  rmSync(archivePath(layout, name) + PARTIAL, { force: true });
  // Its archive never got the name.
  if (!statSync(archivePath(layout, name), { throwIfNoEntry: false }))
    rmSync(`${archivePath(layout, name)}.sha256`, { force: true });
}

const LEAST_FREE_BYTES = 32 << 20;

/** Dump and archive lie side by side for a while; the last archive tells how large they are. */
function checkSpace({ layout }: Config): void {
  const last = localArchives(layout)[0];
  const wanted = Math.max(LEAST_FREE_BYTES, 2 * (last ? statSync(archivePath(layout, last)).size : 0));
  const { bavail, bsize } = statfsSync(layout.backups);
  if (bavail * bsize >= wanted) return;
  throw new OpenClawError('E_DISK_SPACE', `there is no room for a backup in ${layout.backups}`, {
    value: `${Math.floor((bavail * bsize) / (1 << 20))} MiB free`,
    expected: `${Math.ceil(wanted / (1 << 20))} MiB`,
    remedy: 'make room, or lower policy backup.keep_local and run: openclaw backup prune',
  });
}
