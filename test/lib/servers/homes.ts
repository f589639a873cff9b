import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { type Layout, layoutOf } from '../../../lib/config/layout.ts';
import { ensureServersFolder } from '../../../lib/servers/folder.ts';
import { ensureServers, findServersFolder, type Servers } from '../../../lib/servers/index.ts';
import { SERVERS_HOME } from '../../harness/servers.ts';
import { type TemporaryHome, temporaryHome } from '../../harness/temporaryHome.ts';

export const isRoot = process.getuid?.() === 0;

/** A home without servers. What the run had to unpack is copied into it, which spares each test a download. */
export async function freshHome({
  under,
  mode = 0o700,
}: {
  under?: string;
  mode?: number;
} = {}): Promise<TemporaryHome> {
  const made = temporaryHome(under);
  chmodSync(made.home, mode);
  const shared = process.env[SERVERS_HOME];
  const unpacked = shared && path.join(findServersFolder(layoutOf(shared))!.path, 'unpacked');
  if (!unpacked || !existsSync(unpacked)) return made;
  const folder = await ensureServersFolder(made.layout);
  const copy = spawnSync('cp', ['-a', unpacked, folder.path], { encoding: 'utf8' });
  if (copy.status !== 0) throw new Error(copy.stderr);
  return made;
}

export const start = (layout: Layout): Promise<Servers> => ensureServers({ layout, durable: false });

export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The uid that a process runs as; undefined where there is no /proc to ask. */
export function uidOf(pid: number): number | undefined {
  const status = `/proc/${pid}/status`;
  return existsSync(status) ? Number(/^Uid:\s+(\d+)/m.exec(readFileSync(status, 'utf8'))?.[1]) : undefined;
}

export interface Starter {
  child: ChildProcess;
  /** Resolves with the first line that has this prefix. */
  line(prefix: string): Promise<string>;
}

/** Another process that starts the servers of this home, prints what it does and then stays. */
export function spawnStarter(home: string): Starter {
  const script = path.join(import.meta.dirname, 'starter.ts');
  const args = ['--disable-warning=ExperimentalWarning', script, home];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const seen: string[] = [];
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => seen.push(line));
  const line = (prefix: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = seen.find((text) => text.startsWith(prefix));
        if (found) resolve(found);
      };
      lines.on('line', look);
      lines.once('close', () => reject(new Error(`ended without a line ${prefix}: ${seen.join(' | ')}`)));
      look();
    });
  return { child, line };
}
