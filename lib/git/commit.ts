import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { messageOf, OpenClawError } from '../errors/index.ts';
import { type Logger, scrub } from '../log/index.ts';
import { sshCommand } from './hostKeys.ts';
import { mirror } from './mirror.ts';
import { type Git, gitOf } from './runGit.ts';
import { type Finding, scanFiles } from './scan.ts';

export interface CommitOptions {
  config: Config;
  db: Queryable;
  log: Logger;
  signal: AbortSignal;
  /** Waits between tries of a push; tests have none. */
  pauseMs?: number;
}

export interface Committed {
  /** The new commit; null when nothing had changed. */
  readonly commit: string | null;
  readonly files: number;
  readonly push: 'pushed' | 'skipped' | 'up_to_date';
}

/** The workspace stands in here; beside it the repository may hold what is its own. */
const FOLDER = 'workspace';
const BRANCH = 'main';
const PUSH_TRIES = 3;

/**
 * Commits the workspace into repo/ and pushes. What is to be committed is looked through first: with a secret in it
 * nothing is committed, and the event says where, not what.
 *
 * @throws E_SECRET_FOUND, E_GIT_PUSH (the commit stays, the next run pushes it), E_PROGRAM.
 */
export async function commitWorkspace(options: CommitOptions): Promise<Committed> {
  const { config, log, signal } = options;
  const { layout } = config;
  mkdirSync(layout.repo, { recursive: true, mode: 0o700 });
  const git = gitOf(config, signal);
  if (!existsSync(path.join(layout.repo, '.git'))) await git(['init', '--quiet', `--initial-branch=${BRANCH}`]);
  // A killed run's; nobody else writes here.
  rmSync(path.join(layout.repo, '.git', 'index.lock'), { force: true });
  mkdirSync(path.join(layout.repo, '.git', 'info'), { recursive: true });
  writeFileSync(path.join(layout.repo, '.git', 'info', 'exclude'), 'scripts/\n');
  mirror(layout.workspace, path.join(layout.repo, FOLDER));
  await git(['add', '--all', '--force', '--', FOLDER]);
  const staged = await listed(git, []);
  let commit: string | null = null;
  if (staged.length > 0) {
    await refuseSecrets(git, options);
    const { name, email } = identity();
    await git(['commit', '--quiet', `--message=Workspace: ${staged.length} files`], {
      env: { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email },
    });
    commit = (await git(['rev-parse', 'HEAD'])).trim();
    log.info({ commit, files: staged.length }, 'the workspace is committed');
  }
  return { commit, files: staged.length, push: await push(git, options) };
}

const identity = () => ({ name: 'OpenClaw', email: `openclaw@${os.hostname()}` });

const listed = async (git: Git, filter: readonly string[]) =>
  (await git(['diff', '--cached', '--name-only', '--no-renames', '-z', ...filter])).split('\0').filter(Boolean);

/** What git has taken in is looked at, out of its index: the files themselves may change meanwhile. */
async function refuseSecrets(git: Git, { config, db, log }: CommitOptions): Promise<void> {
  const files = await listed(git, ['--diff-filter=d']);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openclaw-scan-'));
  let findings: Finding[];
  try {
    await git(['checkout-index', '--force', `--prefix=${folder}/`, '-z', '--stdin'], {
      input: files.map((file) => `${file}\0`).join(''),
    });
    findings = scanFiles(folder, files, config.secrets);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (findings.length === 0) return;
  // Out of the index, out of the objects that git has made of it already, and out of the copy.
  await git(['read-tree', '--empty']);
  if (await hasCommits(git)) await git(['read-tree', 'HEAD']);
  await git(['prune', '--expire=now']);
  for (const { file } of findings) rmSync(path.join(config.layout.repo, file), { force: true });
  const places = findings.slice(0, 50).map(({ file, line, what }) => `${scrub(file)}:${line}: ${what}`);
  await db.query("select tell_trouble('secret.found', 'critical', 'A secret is in the workspace', $1, array['git'])", [
    JSON.stringify({ where: places, count: findings.length }),
  ]);
  log.error({ where: places }, 'a secret would have been committed; nothing was');
  throw new OpenClawError('E_SECRET_FOUND', `nothing is committed: ${places[0]}`, {
    faults: places,
    remedy:
      'take it out of the workspace and change it at its service; an example is marked in its line with openclaw:allow-secret',
  });
}

const hasCommits = (git: Git) =>
  git(['rev-parse', '--quiet', '--verify', 'HEAD']).then(
    () => true,
    () => false,
  );

async function push(git: Git, options: CommitOptions): Promise<Committed['push']> {
  const { config, db, log, signal, pauseMs = 2000 } = options;
  const { baseUrl, repository, sshKeyPath } = config.services.github;
  const overSsh = baseUrl.startsWith('ssh:');
  if (!repository || (overSsh && !sshKeyPath) || !(await hasCommits(git))) return 'skipped';
  const remote = `${baseUrl}/${repository}.git`;
  const env = overSsh ? { GIT_SSH_COMMAND: sshCommand(config, sshKeyPath!) } : undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      const said = await git(['push', '--porcelain', remote, `HEAD:refs/heads/${BRANCH}`], env ? { env } : {});
      const state = /^=\t/m.test(said) ? 'up_to_date' : 'pushed';
      log.info({ remote: repository, state }, 'pushed');
      return state;
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ err: error, attempt }, 'the push failed');
      if (attempt < PUSH_TRIES) {
        await sleep(pauseMs * 2 ** (attempt - 1), undefined, { signal });
        continue;
      }
      const message = scrub(messageOf(error)).slice(0, 1000);
      await db.query(
        "select tell_trouble('service.push_failed', 'warning', 'The workspace could not be pushed', $1, array['git'])",
        [JSON.stringify({ repository, error: message })],
      );
      const changed = /host key|REMOTE HOST IDENTIFICATION/i.test(message);
      throw new OpenClawError('E_GIT_PUSH', `the commit is here, and not at ${repository}: ${message.split('\n')[0]}`, {
        remedy: changed
          ? 'the server has another host key than the pinned one: find out why before anything else'
          : 'it is tried again; see logs/github-commit.log',
        cause: error,
      });
    }
  }
}
