import { existsSync, rmSync } from 'node:fs';
import { CODE_ROOT } from '../config/index.ts';
import { LOGIN_ROLES, OWNER } from '../db/index.ts';
import { HOME, USER } from './files.ts';
import { type Host, must } from './host.ts';
import { runSteps, type Step, type StepReport } from './steps.ts';
import { LOGROTATE, SSHD, unitFiles, WRAPPER } from './system.ts';

/** Takes away what `install` brought, but not the distribution's servers. Data stay unless `purge`. */
export async function uninstall(
  host: Host,
  { dryRun, purge, say }: { dryRun: boolean; purge: boolean; say: (line: string) => void },
): Promise<StepReport[]> {
  const steps: Step[] = [
    stopStep(host),
    filesStep(host, 'units, command, rotation, sshd snippet', systemFiles(host)),
    filesStep(host, 'the code', [`${HOME}/app`, `${HOME}/releases`]),
  ];
  if (purge)
    steps.push(databaseStep(host), filesStep(host, 'all data, keys and local backups', [HOME]), accountStep(host));
  const reports = await runSteps(steps, dryRun, say);
  if (!dryRun && host.live) await must(host, 'systemctl', ['daemon-reload']);
  if (!purge)
    say(`kept: ${HOME} with its data and keys, the database openclaw, the account ${USER}, Postgres and Redis`);
  return reports;
}

const systemFiles = (host: Host) => [
  ...unitFiles(host, CODE_ROOT).map((name) => `/etc/systemd/system/${name}`),
  WRAPPER,
  LOGROTATE,
  SSHD,
];

function stopStep(host: Host): Step {
  const units = () =>
    unitFiles(host, CODE_ROOT).filter(
      (name) => !name.includes('@') && existsSync(host.at(`/etc/systemd/system/${name}`)),
    );
  return {
    title: 'everything is stopped and disabled',
    missing: async () => units().map((name) => `systemctl disable --now ${name}`),
    make: async () => {
      const args = host.live ? ['disable', '--now'] : [`--root=${host.root}`, 'disable'];
      const { openHost } = await import('./host.ts');
      await must(host.live ? host : openHost('/'), 'systemctl', [...args, ...units()]);
    },
  };
}

function filesStep(host: Host, title: string, files: readonly string[]): Step {
  const there = () => files.filter((file) => existsSync(host.at(file)));
  return {
    title: `without ${title}`,
    missing: async () => there().map((file) => `rm ${file}`),
    make: async () => {
      for (const file of there()) rmSync(host.at(file), { recursive: true, force: true });
    },
  };
}

function databaseStep(host: Host): Step {
  const roles = [...LOGIN_ROLES, OWNER];
  const ask = (sql: string) =>
    must(host, 'psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', '-'], {
      input: sql,
      user: 'postgres',
    });
  return {
    title: 'without the database and its roles',
    missing: async () => {
      if (!host.live || !existsSync(host.at('/usr/bin/psql'))) return [];
      const found = await ask(
        "select datname from pg_database where datname = 'openclaw' union all select rolname from pg_roles where rolname like 'openclaw%' or rolname = 'binaryrogue'",
      );
      return found
        .split('\n')
        .filter(Boolean)
        .map((name) => `drop ${name}`);
    },
    make: async () => {
      await ask('drop database if exists openclaw with (force)');
      await ask(roles.map((role) => `drop role if exists ${role};`).join('\n'));
    },
  };
}

function accountStep(host: Host): Step {
  return {
    title: `without the account ${USER}`,
    missing: async () => ((await host.run('id', [USER])).code === 0 ? [`userdel ${USER}`] : []),
    make: async () => void (await must(host, 'userdel', [USER])),
  };
}
