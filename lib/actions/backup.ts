import { existsSync } from 'node:fs';
import {
  backupFreshness,
  drillBackup,
  findArchive,
  pruneLocked,
  restoreBackup,
  runBackup,
  verifyNamed,
} from '../backup/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { durationMs } from '../tasks/duration.ts';
import { parseNumber } from './ids.ts';
import { spanText, textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const ARCHIVE = { name: 'archive', description: 'its name, a path, or `latest`' };
const IDENTITY = {
  flags: '--identity <file>',
  description: 'for an encrypted archive: the file with its AGE-SECRET-KEY-… line',
};

export const backupActions: readonly Action[] = [
  {
    name: 'backup create',
    title: 'Make a backup now: archive, verification, upload, prune',
    options: [
      { flags: '--if-older <duration>', description: 'only when the last verified one is older than this (7h)' },
    ],
    who: 'operator',
    danger: 'none',
    example: 'openclaw backup create',
    run: async ({ config, db, log, signal, say }, { options }) => {
      if (options.ifOlder !== undefined) {
        const limit = durationMs(String(options.ifOlder));
        const { backup, ageMs } = await backupFreshness(db);
        if (backup && ageMs !== null && ageMs <= limit)
          return {
            json: { skipped: true, last: backup, ageMs },
            text: `not needed: ${backup.name} is ${spanText(ageMs)} old`,
          };
      }
      const run = await runBackup({ config, db, log, signal, onStage: (stage) => say(stage) });
      const lines = [
        `${run.name}  ${run.archive}, ${run.offsite === 'local_only' ? 'on this machine only' : run.offsite}`,
        `${sizeText(run.bytes)}, ${run.rows} rows, ${spanText(run.durationMs)}`,
        ...run.faults.map((fault) => `unreadable: ${fault}`),
        ...(run.offsiteError ? [`upload: ${run.offsiteError}`] : []),
      ];
      const whole = run.archive === 'verified' && run.offsite !== 'failed';
      return { json: run, text: lines.join('\n'), exitCode: whole ? EXIT.ok : EXIT.degraded };
    },
  },
  {
    name: 'backup list',
    title: 'The backups: how each archive came out, and where else it is',
    options: [{ flags: '--limit <n>', description: 'how many', default: '20' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ config, db }, { options }) => {
      const { rows } = await db.query<BackupRow>(
        `select b.id, b.name, b.archive, b.offsite, b.offsite_error, b.bytes, b.row_count, b.duration_ms, b.faults, b.started_at, b.finished_at, b.local_deleted_at, d.passed as drill
         from ops_backups b left join lateral (select passed from ops_backup_drills where backup_id = b.id order by id desc limit 1) d on true
         order by b.id desc limit $1`,
        [parseNumber(options.limit, '--limit', 1, 1000)],
      );
      const { stale, ageMs } = await backupFreshness(db);
      const json = rows.map((row) => ({ ...row, local: existsSync(`${config.layout.backups}/${row.name}`) }));
      const table = textTable(
        ['backup', 'archive', 'offsite', 'here', 'size', 'rows', 'took', 'drill', 'faults'],
        json.map((row) => [
          row.name,
          row.archive ?? 'being made',
          row.offsite,
          row.local ? 'yes' : 'no',
          row.bytes === null ? null : sizeText(Number(row.bytes)),
          row.row_count,
          spanText(row.duration_ms),
          row.drill === null ? null : row.drill ? 'passed' : 'FAILED',
          row.faults.length > 0 ? row.faults.join('; ') : row.offsite_error,
        ]),
        'no backups',
      );
      const verdict =
        ageMs === null
          ? 'there is no verified backup'
          : `the last verified backup is ${spanText(ageMs)} old${stale ? ': too old' : ''}`;
      return {
        json: { backups: json, stale, ageMs },
        text: `${table}\n${verdict}`,
        exitCode: stale ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'backup verify',
    title: 'Read an archive whole: every checksum, and the dump decoded',
    args: [{ ...ARCHIVE, optional: true }],
    options: [IDENTITY],
    who: 'viewer',
    danger: 'none',
    withoutDatabase: true,
    example: 'openclaw backup verify latest',
    run: async ({ config, db, signal }, { args, options }) => {
      const archive = findArchive(config, args[0] ?? 'latest');
      const result = await verifyNamed({
        config,
        db,
        signal,
        file: archive.file,
        identityFile: textOf(options.identity),
      });
      const said = result.manifest
        ? `${result.manifest.files.length} files, ${Object.keys(result.manifest.tables).length} tables, snapshot of ${timeText(result.manifest.snapshotAt)}${result.manifest.unreadable.length > 0 ? `\npartial, unreadable: ${result.manifest.unreadable.join('; ')}` : ''}`
        : 'encrypted: only the checksum of the whole was compared; --identity opens it';
      return {
        json: { file: archive.file, bytes: result.bytes, sha256: result.sha256, manifest: result.manifest },
        text: `${archive.name} is sound: ${sizeText(result.bytes)}\n${said}`,
        exitCode: result.manifest && result.manifest.unreadable.length > 0 ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'backup restore',
    title: 'Restore an archive: its database into an empty one, its files into a folder',
    args: [ARCHIVE],
    options: [
      { flags: '--into <database>', description: "a URL, or the name of a database of this home's private server" },
      { flags: '--files <folder>', description: 'where its files go; without it they are left' },
      { flags: '--force', description: 'also into what is not empty' },
      IDENTITY,
    ],
    who: 'operator',
    danger: 'confirm',
    withoutDatabase: true,
    example: 'openclaw backup restore latest --into try_it --files /tmp/try_it',
    run: async ({ config, db, signal, say }, { args, options }) => {
      const into = textOf(options.into);
      const filesInto = textOf(options.files);
      if (into === undefined && filesInto === undefined) {
        throw new OpenClawError('E_ARGUMENT', 'nothing is to be restored', {
          expected: '--into <database>, --files <folder>, or both',
          exitCode: EXIT.usage,
        });
      }
      const { file, name } = findArchive(config, args[0] ?? 'latest');
      const restored = await restoreBackup({
        config,
        db,
        file,
        into,
        filesInto,
        force: options.force === true,
        identityFile: textOf(options.identity),
        signal,
        say,
      });
      const lines = [
        ...(restored.database === null
          ? []
          : [`${restored.rows} rows of ${name} are in ${restored.database}; every count is the manifest's`]),
        ...(restored.before === null
          ? []
          : [`what was there is now ${restored.before}; when it is not needed: drop database ${restored.before}`]),
        ...(restored.files
          ? [
              `${restored.files.files} files are in ${filesInto}`,
              ...restored.files.skipped.map((each) => `left: ${each}`),
            ]
          : []),
      ];
      return { json: restored, text: lines.join('\n') };
    },
  },
  {
    name: 'backup drill',
    title: 'Prove that an archive can be restored: into a scratch database, every table counted',
    args: [{ ...ARCHIVE, optional: true }],
    options: [IDENTITY],
    who: 'operator',
    danger: 'none',
    run: async ({ config, db, log, signal }, { args, options }) => {
      const archive = args[0] === undefined || args[0] === 'latest' ? {} : { archive: args[0] };
      const drill = await drillBackup({ config, db, log, signal, identityFile: textOf(options.identity), ...archive });
      return {
        json: drill,
        text: `${drill.name}: ${drill.rows} rows in ${drill.tables} tables were restored in ${spanText(drill.durationMs)}, each count is the manifest's`,
      };
    },
  },
  {
    name: 'backup prune',
    title: 'Delete the archives that policy backup.keep_* keeps no longer',
    who: 'operator',
    danger: 'none',
    run: async ({ config, db, log, signal }) => {
      const deleted = await pruneLocked({ config, db, log, signal });
      return { json: { deleted }, text: deleted.length > 0 ? `deleted:\n${deleted.join('\n')}` : 'nothing to delete' };
    },
  },
];

interface BackupRow {
  id: string;
  name: string;
  archive: string | null;
  offsite: string | null;
  offsite_error: string | null;
  bytes: string | null;
  row_count: string | null;
  duration_ms: number | null;
  faults: string[];
  started_at: Date;
  finished_at: Date | null;
  local_deleted_at: Date | null;
  drill: boolean | null;
}

const textOf = (value: string | boolean | undefined) => (typeof value === 'string' ? value : undefined);

function sizeText(bytes: number): string {
  if (bytes < 1 << 20) return `${(bytes / 1024).toFixed(1)} KiB`;
  return bytes < 1 << 30 ? `${(bytes / (1 << 20)).toFixed(1)} MiB` : `${(bytes / (1 << 30)).toFixed(2)} GiB`;
}
