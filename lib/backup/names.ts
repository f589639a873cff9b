import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Layout } from '../config/index.ts';

const ARCHIVE = /^openclaw_backup_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)\.(tar\.gz|tar\.zst\.age)$/;
export const PARTIAL = '.partial';

export const isArchiveName = (name: string) => ARCHIVE.test(name);
export const isEncrypted = (name: string) => name.endsWith('.age');

/** When its run began, of which the name tells; undefined for another name. */
export function timeOfArchive(name: string): Date | undefined {
  const match = ARCHIVE.exec(name);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second] = match.map(Number);
  return new Date(Date.UTC(year!, month! - 1, day, hour, minute, second));
}

/** The archives in the folder, newest first. */
export function localArchives(layout: Layout): string[] {
  try {
    return readdirSync(layout.backups).filter(isArchiveName).sort().reverse();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export const archivePath = (layout: Layout, name: string) => path.join(layout.backups, name);
/** What a run stages; whatever is in it when a run begins is a killed run's. */
export const workFolder = (layout: Layout) => path.join(layout.backups, '.work');
