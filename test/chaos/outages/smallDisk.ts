import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../../lib/errors/index.ts';
import { processStartOf } from '../../../lib/workers/identity.ts';

const WHERE = '/tmp';
const PREFIX = 'openclaw-disk-';

export interface SmallDisk {
  folder: string;
  end: () => void;
}

/** A file system of so many MB in memory, or why there can be none. Whose process is gone is ended first. */
export function smallDisk(mb: number): SmallDisk | { skipped: string } {
  if (process.getuid?.() !== 0)
    return { skipped: 'a file system of its own can be mounted by root only; run it as root' };
  endAbandoned();
  const folder = mkdtempSync(path.join(WHERE, `${PREFIX}${process.pid}-${processStartOf(process.pid)}-`));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mb}m,mode=755`, 'none', folder], { stdio: 'pipe' });
  } catch (error) {
    rmdirSync(folder);
    return { skipped: `no small file system can be mounted here: ${messageOf(error).split('\n')[0]}` };
  }
  // Postgres runs as a user of its own, which must come in.
  chmodSync(folder, 0o755);
  return { folder, end: () => end(folder) };
}

const isMounted = (folder: string) => statSync(folder).dev !== statSync(path.dirname(folder)).dev;

/** Whatever still runs on it goes with it. Called twice it does nothing. */
function end(folder: string): void {
  if (!statSync(folder, { throwIfNoEntry: false })) return;
  for (const pid of processesOn(folder)) killIfThere(pid);
  // Lazily: a process that is just ending keeps it for a moment.
  while (isMounted(folder)) execFileSync('umount', ['-l', folder]);
  rmdirSync(folder);
}

/** The processes whose home or data are there. */
function processesOn(folder: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid)
    .filter((pid) => ['environ', 'cmdline'].some((file) => readProc(pid, file).includes(`${folder}/`)));
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It has ended meanwhile, or is the kernel's.
    return '';
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** What a run left that was killed before it could. */
function endAbandoned(): void {
  for (const name of readdirSync(WHERE)) {
    const [, pid, start] = new RegExp(`^${PREFIX}(\\d+)-(\\d+)-`).exec(name) ?? [];
    if (pid && processStartOf(Number(pid)) !== start) {
      console.log(`      a small file system of a run that was killed is freed: ${path.join(WHERE, name)}`);
      end(path.join(WHERE, name));
    }
  }
}

/** Until not a block is left. @throws where the file would not be on the small disk: it would fill the machine's own. */
export function fillUp({ folder }: SmallDisk, file: string, alsoThere: string): void {
  for (const place of [path.dirname(file), alsoThere])
    if (statSync(place).dev !== statSync(folder).dev) throw new Error(`${place} is not on ${folder}`);
  const block = Buffer.alloc(1_048_576);
  for (let size = block.length; size >= 512; size /= 2) {
    try {
      for (;;) appendFileSync(file, block.subarray(0, size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
