import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import { CODE_ROOT } from '../config/index.ts';
import { HOME } from './files.ts';
import { type Host, must, openHost } from './host.ts';
import type { Step } from './steps.ts';

/** What a release consists of; tests, caches and a checkout's own data stay behind. */
const PARTS = ['agents', 'bin', 'cli', 'config', 'crontab', 'docs', 'lib', 'plans', 'sql', 'systemd', 'tasks', 'tui'];
const FILES = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'LICENSE',
  'README.md',
  'ARCHITECTURE.md',
  'GUARANTEES.md',
  'CHANGELOG.md',
];
const LINK = `${HOME}/app`;

/** `0.1.0-3f9a2c41`: the version and the beginning of the hash of its files, so that two builds of a version stand side by side. */
export function releaseOf(code: string): string {
  const hash = createHash('sha256');
  for (const part of [...PARTS, ...FILES].sort()) {
    for (const file of filesBelow(path.join(code, part))) {
      hash.update(path.relative(code, file));
      hash.update(readFileSync(file));
    }
  }
  const { version } = JSON.parse(readFileSync(path.join(code, 'package.json'), 'utf8')) as { version: string };
  return `${version}-${hash.digest('hex').slice(0, 8)}`;
}

function filesBelow(entry: string): string[] {
  if (!existsSync(entry)) return [];
  if (!lstatSync(entry).isDirectory()) return lstatSync(entry).isFile() ? [entry] : [];
  return readdirSync(entry)
    .sort()
    .filter((name) => name !== '.env' && name !== 'node_modules')
    .flatMap((name) => filesBelow(path.join(entry, name)));
}

export const folderOf = (release: string) => `${HOME}/releases/${release}`;

/** The release that `app` names, or undefined. */
export function currentRelease(host: Host): string | undefined {
  try {
    return path.basename(readlinkSync(host.at(LINK)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EINVAL') return undefined;
    throw error;
  }
}

export function releaseStep(host: Host, code = CODE_ROOT): Step {
  const release = releaseOf(code);
  const folder = host.at(folderOf(release));
  return {
    title: 'the release beside the others',
    missing: async () => (existsSync(folder) ? [] : [`${folderOf(release)}, from ${code}`]),
    make: async () => {
      const partial = `${folder}.partial`;
      rmSync(partial, { recursive: true, force: true });
      mkdirSync(partial, { recursive: true, mode: 0o755 });
      for (const part of [...PARTS, ...FILES]) {
        const from = path.join(code, part);
        if (existsSync(from))
          cpSync(from, path.join(partial, part), {
            recursive: true,
            dereference: false,
            filter: (file) => path.basename(file) !== '.env',
          });
      }
      const here = openHost('/');
      const modules = modulesFor(host, code);
      const how = modules.ours ? '-al' : '-a';
      await must(here, 'cp', [how, '--reflink=auto', modules.path, path.join(partial, 'node_modules')]);
      rmSync(path.join(partial, 'node_modules/.cache'), { recursive: true, force: true });
      // Code belongs to root: what runs it cannot change it.
      if (process.getuid?.() === 0)
        await must(here, 'chown', [
          '-R',
          '0:0',
          ...PARTS.map((part) => path.join(partial, part)).filter(existsSync),
          partial,
        ]);
      await must(here, 'chmod', ['-R', 'go-w,go+rX', partial]);
      renameSync(partial, folder);
    },
  };
}

/** Those of the release that is there, as hard links, where it has the very same packages; else a copy of the checkout's. */
function modulesFor(host: Host, code: string): { path: string; ours: boolean } {
  const current = currentRelease(host);
  const before = current && host.at(folderOf(current));
  const lockOf = (folder: string) => readFileSync(path.join(folder, 'package-lock.json'), 'utf8');
  return before && lockOf(before) === lockOf(code)
    ? { path: path.join(before, 'node_modules'), ours: true }
    : { path: path.join(code, 'node_modules'), ours: false };
}

/** One rename: at no moment is there no `app`. */
export function switchTo(host: Host, release: string): void {
  const partial = host.at(`${LINK}.new`);
  rmSync(partial, { force: true });
  symlinkSync(`releases/${release}`, partial);
  renameSync(partial, host.at(LINK));
}

export function linkStep(host: Host, code = CODE_ROOT): Step {
  const release = releaseOf(code);
  return {
    title: 'app names the release',
    missing: async () => {
      const current = currentRelease(host);
      return current === release ? [] : [`${LINK} -> releases/${release}${current ? ` (was ${current})` : ''}`];
    },
    make: async () => switchTo(host, release),
  };
}
