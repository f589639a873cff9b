import { spawn } from 'node:child_process';
import { mkdtempSync, realpathSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { type Layout, layoutOf } from '../../lib/config/layout.ts';
import { findServersFolder, stopServers } from '../../lib/servers/index.ts';
import { removeTree } from '../../lib/servers/startContext.ts';

export interface TemporaryHome {
  home: string;
  layout: Layout;
  /** Stops the servers of this home and removes all of it; the reaper does the same for whoever cannot any more. */
  remove(): Promise<void>;
}

/** A home of its own under the system's temporary folder (or `under`), gone when this process is, however it ends. */
export function temporaryHome(under = os.tmpdir()): TemporaryHome {
  const home = mkdtempSync(path.join(realpathSync(under), 'openclaw-test-'));
  tellReaper(home);
  return { home, layout: layoutOf(home), remove: () => removeHome(home) };
}

export async function removeHome(home: string): Promise<void> {
  const layout = layoutOf(home);
  await stopServers({ layout });
  const servers = findServersFolder(layout);
  if (servers) await removeTree(servers.path);
  await removeTree(home);
}

let reaper: Writable | undefined;

/** The reaper reads homes from a pipe that only this process holds open: its end is the end of this process. */
function tellReaper(home: string): void {
  if (!reaper) {
    const [script, reaperFile] = ['reaper.sh', 'reaper.ts'].map((name) => path.join(import.meta.dirname, name));
    const args = [script!, process.execPath, reaperFile!];
    const child = spawn('/bin/sh', args, { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
    child.unref();
    (child.stdin as unknown as { unref(): void }).unref();
    reaper = child.stdin;
  }
  reaper.write(`${home}\n`);
}
