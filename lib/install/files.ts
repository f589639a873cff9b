import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import type { Host } from './host.ts';
import type { Step } from './steps.ts';

export const USER = 'milkbot';
export const HOME = '/opt/openclaw';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export const ROOT: Owner = { uid: 0, gid: 0 };

/** An account of that machine, or undefined. */
export function ownerOf(host: Host, name: string): Owner | undefined {
  const passwd = host.at('/etc/passwd');
  if (!existsSync(passwd)) return undefined;
  const line = readFileSync(passwd, 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/** Written beside and renamed into place, so that a reader sees the old or the new one. */
export function writeAs(file: string, text: string, mode: number, owner: Owner): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const partial = `${file}.openclaw-new`;
  writeFileSync(partial, text, { mode });
  chmodSync(partial, mode);
  giveTo(partial, owner);
  renameSync(partial, file);
}

/** Only root can give; whoever is not installs for itself (a test below a root of its own). */
export function giveTo(file: string, owner: Owner): void {
  if (process.getuid?.() === 0) chownSync(file, owner.uid, owner.gid);
}

/** A file that is to have this text; a different one of ours is replaced. */
export function fileStep(
  host: Host,
  title: string,
  file: string,
  text: string,
  mode: number,
  owner: () => Owner,
  after?: () => Promise<void>,
): Step {
  return {
    title,
    missing: async () => {
      const there = readText(host.at(file));
      if (there === undefined) return [`${file} (${text.split('\n').length - 1} lines)`];
      if (there !== text) return [`${file} is different: ${firstDifference(there, text)}`];
      return modeOf(host.at(file)) === mode
        ? []
        : [`${file} has mode ${modeOf(host.at(file)).toString(8)}, expected ${mode.toString(8)}`];
    },
    make: async () => {
      writeAs(host.at(file), text, mode, owner());
      await after?.();
    },
  };
}

export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export const modeOf = (file: string) => lstatSync(file).mode & 0o7777;

function firstDifference(was: string, wanted: string): string {
  const before = was.split('\n');
  const after = wanted.split('\n');
  const line = after.findIndex((text, index) => text !== before[index]);
  const at = line === -1 ? after.length : line;
  return `line ${at + 1}: "${(before[at] ?? '').slice(0, 60)}" -> "${(after[at] ?? '').slice(0, 60)}"`;
}
