import { readdir, readFile, readlink } from 'node:fs/promises';
import { endianness } from 'node:os';

export interface ListeningSocket {
  /** IPv4 in dots, or IPv6; `0.0.0.0` and `::` mean every address. */
  readonly address: string;
  readonly port: number;
  /** Null where the process belongs to another user and this one may not see it. */
  readonly process: string | null;
}

const LISTEN = '0A';

/**
 * The TCP sockets that wait for connections, by port. From /proc, where an empty list means none: the tools that
 * systeminformation runs for this (`ss`, `netstat`) answer alike when they are not installed.
 *
 * @throws the error of node:fs where there is no /proc/net.
 */
export async function listeningSockets(): Promise<ListeningSocket[]> {
  const found = [
    ...parse(await readFile('/proc/net/tcp', 'utf8')),
    // Absent where IPv6 is switched off.
    ...parse(await readFile('/proc/net/tcp6', 'utf8').catch(whereAbsent(''))),
  ];
  const names = await ownersOf(new Set(found.map(({ inode }) => inode)));
  const sockets = new Map<string, ListeningSocket>();
  for (const { address, port, inode } of found) {
    const key = `${address} ${port}`;
    // Several processes may share one port, each with a socket of its own.
    const process = names.get(inode) ?? sockets.get(key)?.process ?? null;
    sockets.set(key, { address, port, process });
  }
  return [...sockets.values()].sort((a, b) => a.port - b.port || a.address.localeCompare(b.address));
}

/** Columns: number, local address, remote address, state, …, and the inode in the tenth. */
function parse(table: string) {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const columns = line.trim().split(/\s+/);
      const [host, port] = (columns[1] ?? '').split(':');
      if (columns[3] !== LISTEN || !host || !port) return [];
      return [{ address: addressOf(host), port: Number.parseInt(port, 16), inode: columns[9] ?? '' }];
    });
}

/** The kernel prints each group of four bytes as one number of its own byte order. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  if (endianness() === 'LE') bytes.swap32();
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** Which process holds each socket, by inode: the links in /proc/<pid>/fd. */
async function ownersOf(inodes: ReadonlySet<string>): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const pid of await readdir('/proc')) {
    if (names.size === inodes.size) break;
    if (!/^\d+$/.test(pid)) continue;
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(whereAbsent([]));
    for (const descriptor of descriptors) {
      const link = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(whereAbsent(''));
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      if (!inode || !inodes.has(inode) || names.has(inode)) continue;
      names.set(inode, (await readFile(`/proc/${pid}/comm`, 'utf8').catch(whereAbsent('unknown'))).trim());
    }
  }
  return names;
}

/** A process that ended meanwhile, or that belongs to another user. */
function whereAbsent<T>(instead: T) {
  return (error: NodeJS.ErrnoException): T => {
    if (error.code && ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(error.code)) return instead;
    throw error;
  };
}
