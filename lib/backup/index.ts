export { type Drill, drillBackup } from './drill.ts';
export { backupFreshness, type Freshness, STALE_AFTER_MS } from './freshness.ts';
export { findArchive, pruneLocked, verifyNamed } from './named.ts';
export { type Restored, restoreBackup } from './restore.ts';
export { type BackupRun, type RunOptions, runBackup, uploadPending } from './run.ts';
