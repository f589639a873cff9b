import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.ts';
import { KEY_NAMES, notesOf } from '../config/schema.ts';
import { scrub } from '../log/index.ts';

/** What goes into an archive beside the database, found before anything is read. */
export interface Contents {
  readonly files: readonly { path: string; file: string }[];
  /** Made here and not on disk: configuration without its secrets. */
  readonly texts: readonly { path: string; text: string }[];
  readonly links: readonly { path: string; file: string }[];
  readonly leftOut: { path: string; why: string }[];
  readonly unreadable: string[];
}

/** Never inside of an archive, whatever their content: a stolen archive must open nothing. */
const SECRET_FILES =
  /^(?:\.env(?:\..*)?|google-credentials.*\.json|master\.key.*|.*\.(?:pem|key|p12|pfx)|id_(?:rsa|ed25519|ecdsa)|.*identity.*\.txt)$/;
const SECRET_FOLDERS = new Set(['.openclaw/credentials']);
/** Made anew by whoever needs them. */
const NOISE = new Set(['node_modules', '.git']);
const CONFIG_LIMIT_BYTES = 1 << 20;

export function findContents(config: Config, uploadsLimitBytes: number): Contents {
  const { layout } = config;
  const found = { files: [], texts: [], links: [], leftOut: [], unreadable: [] } as {
    -readonly [K in keyof Contents]: Contents[K] extends readonly (infer E)[] ? E[] : never;
  };
  for (const folder of [layout.workspace, layout.dotOpenclaw, layout.tasks, layout.plans])
    walk(folder, path.relative(layout.home, folder), found);

  const inConfig = { ...found, files: [] as { path: string; file: string }[] };
  walk(layout.config, path.relative(layout.home, layout.config), inConfig);
  for (const { path: name, file } of inConfig.files) found.texts.push(...withoutSecrets(name, file, found));
  const settings = settingsWithoutSecrets(layout.envFile);
  if (settings) found.texts.push({ path: 'config/env-without-secrets', text: settings });

  const uploads = { ...found, files: [] as { path: string; file: string }[] };
  walk(layout.uploads, path.relative(layout.home, layout.uploads), uploads);
  found.files.push(...withinLimit(uploads.files, uploadsLimitBytes, found));
  return found;
}

type Found = Pick<Contents, 'leftOut' | 'unreadable'> & {
  files: { path: string; file: string }[];
  links: { path: string; file: string }[];
};

function walk(folder: string, name: string, found: Found): void {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    // Not there: not made yet, or removed since its parent was read.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') found.unreadable.push(`${name}/: ${codeOf(error)}`);
    return;
  }
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    const at = `${name}/${entry.name}`;
    if (SECRET_FOLDERS.has(at) || (!entry.isDirectory() && SECRET_FILES.test(entry.name))) {
      found.leftOut.push({ path: at, why: 'secrets are never archived' });
    } else if (entry.isDirectory()) {
      if (NOISE.has(entry.name)) found.leftOut.push({ path: at, why: 'made anew' });
      else walk(file, at, found);
    } else if (entry.isSymbolicLink()) found.links.push({ path: at, file });
    else if (entry.isFile()) found.files.push({ path: at, file });
    else found.leftOut.push({ path: at, why: 'not a regular file' });
  }
}

/** Whatever a person pasted into a configuration file: what is or looks like a secret is blotted out. */
function withoutSecrets(name: string, file: string, found: Found): { path: string; text: string }[] {
  try {
    if (statSync(file).size > CONFIG_LIMIT_BYTES) {
      found.leftOut.push({ path: name, why: 'larger than a configuration file may be (1 MiB)' });
      return [];
    }
    return [{ path: name, text: scrub(readFileSync(file, 'utf8')) }];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') found.unreadable.push(`${name}: ${codeOf(error)}`);
    return [];
  }
}

/** config/.env with the values of its secrets taken out: which keys there were is what a lost server needs to know. */
function settingsWithoutSecrets(envFile: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(envFile, 'utf8');
  } catch {
    // None, or not ours to read: the configuration itself complains of that.
    return undefined;
  }
  const open = new Set<string>(KEY_NAMES.filter((key) => !notesOf(key).secret));
  return text
    .split('\n')
    .flatMap((line) => {
      const key = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/.exec(line)?.[1];
      if (key === undefined) return /^\s*(#|$)/.test(line) ? [scrub(line)] : [];
      return [open.has(key) ? scrub(line) : `${key}=`];
    })
    .join('\n');
}

function withinLimit(files: readonly { path: string; file: string }[], limit: number, { leftOut }: Found) {
  const sized = files.flatMap((each) => {
    const stat = statSync(each.file, { throwIfNoEntry: false });
    return stat ? [{ ...each, size: stat.size, changed: stat.mtimeMs }] : [];
  });
  let total = 0;
  return sized
    .sort((a, b) => b.changed - a.changed)
    .filter((each) => {
      if (total + each.size <= limit) {
        total += each.size;
        return true;
      }
      leftOut.push({ path: each.path, why: 'beyond the limit of uploads (policy backup.uploads_limit_mb)' });
      return false;
    })
    .map(({ path: name, file }) => ({ path: name, file }));
}

export const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? String(error);
