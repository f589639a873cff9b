import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { envExample } from '../config/index.ts';
import { type Ailment, type Examination, fail, ok, skipped, warn } from './types.ts';

const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, '0');

/** A file or folder of the home that others must not reach. */
function mode(id: string, title: string, fileOf: (home: string) => string, forbidden: number): Examination {
  return {
    id,
    title,
    look: async ({ config }) => {
      const file = fileOf(config.home);
      if (!existsSync(file)) return skipped(`${file} is not there`);
      const stat = lstatSync(file);
      if (stat.isSymbolicLink()) return skipped(`${file} is a link`);
      const wanted = stat.mode & 0o777 & ~forbidden;
      if ((stat.mode & forbidden) === 0) return ok(`${octal(stat.mode)}`);
      return {
        state: 'fail',
        found: `${file} has mode ${octal(stat.mode)}`,
        fix: {
          diff: [`- ${octal(stat.mode)} ${file}`, `+ ${octal(wanted)} ${file}`],
          apply: async () => chmodSync(file, wanted),
        },
      };
    },
  };
}

const FOLDERS = [
  '.openclaw',
  '.openclaw/credentials',
  '.openclaw/cron',
  'backups',
  'config',
  'logs',
  'plans',
  'run',
  'tasks',
  'uploads',
  'workspace',
];

export const fileExaminations: readonly Examination[] = [
  {
    id: 'home',
    title: 'the home is there and ours',
    look: async ({ config: { home } }) => {
      if (!existsSync(home)) return fail(`${home} is not there`, 'openclaw up');
      try {
        accessSync(home, constants.R_OK | constants.X_OK);
      } catch {
        return fail(`${home} cannot be entered by this account`, `run as the account that owns it`);
      }
      return ok(home);
    },
  },
  {
    id: 'folders',
    title: 'the folders of the home',
    look: async ({ config: { home } }): Promise<Ailment> => {
      const absent = FOLDERS.filter((name) => !existsSync(path.join(home, name)));
      if (absent.length === 0) return ok(`${FOLDERS.length} folders`);
      return {
        state: 'warn',
        found: `not there: ${absent.join(', ')}`,
        fix: {
          diff: absent.map((name) => `+ drwx------ ${path.join(home, name)}`),
          apply: async () => {
            for (const name of absent) mkdirSync(path.join(home, name), { recursive: true, mode: 0o700 });
          },
        },
      };
    },
  },
  mode('env_mode', 'config/.env is for its owner only', (home) => path.join(home, 'config/.env'), 0o077),
  mode(
    'credentials_mode',
    'credentials are for their owner only',
    (home) => path.join(home, '.openclaw/credentials'),
    0o077,
  ),
  mode('logs_mode', 'logs are for their owner only', (home) => path.join(home, 'logs'), 0o077),
  mode('run_mode', 'run/ is for its owner only', (home) => path.join(home, 'run'), 0o077),
  mode('backups_mode', 'backups are for their owner only', (home) => path.join(home, 'backups'), 0o077),
  mode('tasks_mode', 'nobody else writes tasks', (home) => path.join(home, 'tasks'), 0o022),
  mode('plans_mode', 'nobody else writes plans', (home) => path.join(home, 'plans'), 0o022),
  mode('cron_mode', 'nobody else writes schedules', (home) => path.join(home, '.openclaw/cron'), 0o022),
  mode('home_mode', 'nobody else writes into the home', (home) => home, 0o022),
  {
    id: 'env_owner',
    title: 'config/.env belongs to this account',
    look: async ({ config: { layout } }) => {
      if (!existsSync(layout.envFile)) return skipped('there is none: every key is unset');
      const { uid } = statSync(layout.envFile);
      const self = process.getuid?.();
      return self === undefined || uid === self
        ? ok(`uid ${uid}`)
        : fail(`uid ${uid}, running as ${self}`, `chown ${self} ${layout.envFile}`);
    },
  },
  {
    id: 'env_example',
    title: 'config/.env.example names every key',
    look: async ({ config: { layout } }): Promise<Ailment> => {
      const file = path.join(layout.config, '.env.example');
      const wanted = envExample();
      const there = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
      if (there === wanted) return ok('up to date');
      const keys = (text: string) => new Set([...text.matchAll(/^([A-Z_]+)=/gm)].map((match) => match[1]!));
      const had = keys(there ?? '');
      const fresh = [...keys(wanted)].filter((key) => !had.has(key));
      return {
        state: 'warn',
        found: there === undefined ? `${file} is not there` : 'is older than this version',
        fix: {
          diff:
            there === undefined
              ? [`+ ${file} (${fresh.length} keys, no values)`]
              : [...fresh.map((key) => `+ ${key}=`), `+ descriptions as of this version`],
          apply: async () => {
            mkdirSync(layout.config, { recursive: true, mode: 0o700 });
            writeFileSync(`${file}.new`, wanted, { mode: 0o644 });
            renameSync(`${file}.new`, file);
          },
        },
      };
    },
  },
  {
    id: 'disk_space',
    title: 'room for data, logs and a backup',
    look: async ({ config: { home } }) => {
      if (!existsSync(home)) return skipped('no home');
      const { bavail, bsize, files, ffree } = await statfs(home);
      const gigabytes = (bavail * bsize) / 2 ** 30;
      if (files > 0 && ffree / files < 0.05)
        return fail(`only ${ffree} inodes are free`, 'many small files: look into logs/ and uploads/');
      return gigabytes < 1
        ? fail(`${gigabytes.toFixed(2)} GB are free`, 'docs/runbooks/disk-full.md')
        : ok(`${gigabytes.toFixed(1)} GB are free`);
    },
  },
  {
    id: 'stale_up',
    title: 'no trace of a dead `up`',
    look: async ({ config: { layout } }) => {
      const { readRunState } = await import('../host/runState.ts');
      if (!existsSync(path.join(layout.run, 'up.json'))) return ok('none runs');
      const state = await readRunState(layout);
      return state
        ? ok(`up runs, pid ${state.pid}`)
        : warn('the last `up` was killed', 'openclaw up --detach: the start is the recovery');
    },
  },
];
