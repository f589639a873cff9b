import path from 'node:path';
import { hasDebianTools, libraryPathOf, openDebianPackages } from '../../lib/servers/debianPackages.ts';
import { ensureServersFolder } from '../../lib/servers/folder.ts';
import { onPath } from '../../lib/servers/programs.ts';
import { openStartContext } from '../../lib/servers/startContext.ts';
import { temporaryHome } from './temporaryHome.ts';

export interface OpenSsh {
  program: string;
  env: Record<string, string>;
}

/** OpenSSH's client: the machine's, else the distribution's package, unpacked without root; undefined where neither is to be had. */
export async function openSsh(): Promise<OpenSsh | undefined> {
  const installed = onPath('ssh');
  if (installed) return { program: installed, env: {} };
  if (!hasDebianTools()) return undefined;
  const { layout } = temporaryHome();
  const context = await openStartContext(await ensureServersFolder(layout), { layout });
  const packages = openDebianPackages(context);
  try {
    const root = await packages.unpack('openssh', [['openssh-client']], async () => undefined);
    const libraries = libraryPathOf(root);
    return { program: path.join(root, 'usr/bin/ssh'), env: libraries ? { LD_LIBRARY_PATH: libraries } : {} };
  } finally {
    await packages.close();
  }
}
