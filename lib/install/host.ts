import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { OpenClawError } from '../errors/index.ts';

export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

/** The machine that is installed on: this one, or one whose file system is below `root` (a chroot, an image). */
export interface Host {
  readonly root: string;
  /** systemd is its manager and answers; below a root nothing runs. */
  readonly live: boolean;
  /** A path of that machine as this one reaches it. */
  at: (file: string) => string;
  /** Runs a program of that machine. Arguments never hold secrets; `input` may. */
  run: (
    program: string,
    args: readonly string[],
    options?: { input?: string; user?: string; env?: Record<string, string> },
  ) => Promise<CommandResult>;
}

const LIMIT_MS = 15 * 60_000;

export function openHost(root: string): Host {
  const isThis = path.resolve(root) === '/';
  return {
    root: path.resolve(root),
    live: isThis && existsSync('/run/systemd/system'),
    at: (file) => path.join(root, file),
    run: (program, args, { input = '', user, env = {} } = {}) => {
      const asUser = user ? ['runuser', '-u', user, '--', program, ...args] : [program, ...args];
      const [first, ...rest] = isThis ? asUser : ['chroot', path.resolve(root), ...asUser];
      return new Promise((resolve, reject) => {
        const child = execFile(
          first!,
          rest,
          {
            cwd: '/',
            timeout: LIMIT_MS,
            maxBuffer: 64 << 20,
            env: {
              PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
              LC_ALL: 'C.UTF-8',
              DEBIAN_FRONTEND: 'noninteractive',
              ...env,
            },
          },
          (error, stdout, stderr) => {
            const code = error ? ((error as { code?: number | string }).code ?? 1) : 0;
            if (typeof code === 'string') reject(missing(program, error!));
            else resolve({ code, output: `${stdout}${stderr}`.trim() });
          },
        );
        child.stdin?.on('error', () => undefined);
        child.stdin?.end(input);
      });
    },
  };
}

function missing(program: string, cause: Error) {
  return new OpenClawError('E_INSTALL_PROGRAM', `${program} could not be run: ${cause.message}`, {
    remedy: `install it, or check PATH`,
    cause,
  });
}

/** As run, and its failure is an error with the end of its output. @throws E_INSTALL_STEP. */
export async function must(
  host: Host,
  program: string,
  args: readonly string[],
  options: Parameters<Host['run']>[2] = {},
) {
  const result = await host.run(program, args, options);
  if (result.code === 0) return result.output;
  throw new OpenClawError('E_INSTALL_STEP', `${program} ${args.slice(0, 4).join(' ')} ended with ${result.code}`, {
    faults: result.output.split('\n').slice(-8),
    remedy: 'mend that and run the same command again: what is done already is left alone',
  });
}
