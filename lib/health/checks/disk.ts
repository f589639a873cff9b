import { stat, statfs } from 'node:fs/promises';
import { fail, pass, unknown } from '../findings.ts';
import type { Check } from '../types.ts';

/** Percent of what an ordinary user could use. It has recovered only below the lower one. */
export const DISK_LIMITS = { fail: 80, clear: 75, critical: 90 };

export const disk: Check = {
  id: 'disk',
  title: 'Disk',
  severity: 'warning',
  failuresNeeded: 1,
  passesNeeded: 1,
  looks: 1,
  remedy: 'du -xh --max-depth=2 <path> | sort -h | tail; old backups: openclaw backup prune',
  runbook: 'disk-full',
  probe: async (context) => {
    const paths = ['/', context.config.home, ...(context.postgres?.dataDir ? [context.postgres.dataDir] : [])];
    return judgeDisks(await usage(paths), context.firing);
  },
};

interface Usage {
  readonly path: string;
  readonly usedPercent: number;
}

export function judgeDisks(disks: readonly Usage[], firing: boolean) {
  const fullest = disks.toSorted((a, b) => b.usedPercent - a.usedPercent)[0];
  if (!fullest) return unknown('no file system could be measured');
  const text = `${fullest.path} is ${fullest.usedPercent.toFixed(1)} % full`;
  if (fullest.usedPercent >= DISK_LIMITS.critical) return fail(`${text}, limit ${DISK_LIMITS.fail} %`, 'critical');
  const limit = firing ? DISK_LIMITS.clear : DISK_LIMITS.fail;
  return fullest.usedPercent >= limit ? fail(`${text}, limit ${limit} %`) : pass(text);
}

/** One figure a file system; a folder that is not there is not measured. */
async function usage(paths: readonly string[]): Promise<Usage[]> {
  const seen = new Set<number>();
  const disks: Usage[] = [];
  for (const path of paths) {
    try {
      const { dev } = await stat(path);
      if (seen.has(dev)) continue;
      seen.add(dev);
      const { blocks, bfree, bavail } = await statfs(path);
      const used = blocks - bfree;
      disks.push({ path, usedPercent: used + bavail > 0 ? (used / (used + bavail)) * 100 : 0 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A data folder that only its server may enter is measured by the path above it.
      if (code !== 'ENOENT' && code !== 'EACCES') throw error;
    }
  }
  return disks;
}
