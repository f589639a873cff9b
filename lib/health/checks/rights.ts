import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { fail, pass } from '../findings.ts';
import type { Check } from '../types.ts';

export const rights: Check = {
  id: 'rights',
  title: 'Rights of files',
  severity: 'error',
  failuresNeeded: 1,
  passesNeeded: 1,
  looks: 1,
  remedy: 'openclaw doctor --fix',
  runbook: 'key-leaked',
  probe: async ({ config }) => {
    const { layout, home } = config;
    const open: string[] = [];
    const look = async (file: string, forbidden: number) => {
      const mode = await modeOf(file);
      if (mode !== undefined && mode & forbidden)
        open.push(`${path.relative(home, file) || file} is ${(mode & 0o777).toString(8)}`);
    };
    // Nobody else may read secrets, and nobody else may write where code and configuration come from.
    for (const file of [layout.envFile, layout.credentials, layout.run, layout.logs, path.join(home, 'backups')])
      await look(file, 0o077);
    for (const file of [home, layout.config, layout.tasks, layout.plans, layout.cron]) await look(file, 0o002);
    return open.length > 0
      ? fail(`open to others: ${open.join(', ')}`)
      : pass('nobody else reads secrets or writes code');
  },
};

async function modeOf(file: string): Promise<number | undefined> {
  try {
    const stat = await lstat(file);
    return stat.isSymbolicLink() ? undefined : stat.mode;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
