import { runProgram } from '../backup/program.ts';
import type { Config } from '../config/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { onPath } from '../servers/programs.ts';

const LIMIT_MS = 5 * 60_000;

/** Nothing of a person's or the system's git setup reaches it: no hooks, no filters, no helper that asks. */
const ISOLATED = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_OPTIONAL_LOCKS: '0',
  HOME: '/nonexistent',
};
const SETTINGS = [
  'core.hooksPath=/dev/null',
  'commit.gpgSign=false',
  'core.autocrlf=false',
  'core.symlinks=true',
  'gc.auto=0',
  'safe.directory=*',
];

export type Git = (
  args: readonly string[],
  options?: { env?: Record<string, string>; input?: string },
) => Promise<string>;

/** git in the repository of this home. @throws E_NO_GIT, E_PROGRAM with what git said. */
export function gitOf({ layout }: Config, signal: AbortSignal): Git {
  const program = onPath('git');
  if (!program)
    throw new OpenClawError('E_NO_GIT', 'git is not installed', {
      remedy: 'apt-get install git',
      exitCode: EXIT.config,
    });
  const fixed = SETTINGS.flatMap((setting) => ['-c', setting]);
  return async (args, { env = {}, input } = {}) => {
    const { Readable } = await import('node:stream');
    return runProgram(program, ['-C', layout.repo, ...fixed, ...args], {
      env: { ...ISOLATED, ...env },
      timeoutMs: LIMIT_MS,
      signal,
      ...(input !== undefined && { input: Readable.from([input]) }),
    });
  };
}
