import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CODE_ROOT } from '../config/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { HOME, type Owner, ownerOf, ROOT, USER } from './files.ts';
import { type Host, must } from './host.ts';
import { folderOf, linkStep, releaseOf, releaseStep } from './release.ts';
import { envOf, postgresStep, redisStep } from './servers.ts';
import { runSteps, type Step, type StepReport } from './steps.ts';
import {
  accountStep,
  foldersStep,
  logrotateStep,
  packagesStep,
  sshdStep,
  unitFiles,
  unitsStep,
  wrapperStep,
} from './system.ts';

export interface InstallOptions {
  readonly dryRun: boolean;
  /** Whether the units are started at the end. */
  readonly start: boolean;
  readonly say: (line: string) => void;
  readonly code?: string;
}

/** Brings a machine to the state of the map. Each step looks first: a second run finds nothing to do. */
export async function install(host: Host, options: InstallOptions): Promise<StepReport[]> {
  await refuseWrongMachine(host);
  return runSteps(installSteps(host, options), options.dryRun, options.say);
}

export function installSteps(host: Host, { start, code = CODE_ROOT }: Pick<InstallOptions, 'start' | 'code'>): Step[] {
  const owner = (): Owner => ownerOf(host, USER) ?? ROOT;
  return [
    packagesStep(host),
    accountStep(host),
    foldersStep(host, owner),
    releaseStep(host, code),
    postgresStep(host, owner),
    redisStep(host, owner),
    migrateStep(host, releaseOf(code)),
    linkStep(host, code),
    wrapperStep(host),
    unitsStep(host, code),
    logrotateStep(host, code),
    sshdStep(host, code),
    ...(start ? [startStep(host)] : []),
  ];
}

async function refuseWrongMachine(host: Host): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new OpenClawError('E_NOT_ROOT', 'installing changes the machine, which root alone may', {
      remedy: 'sudo bin/openclaw install (look first: --dry-run)',
      exitCode: EXIT.usage,
    });
  if (!existsSync(host.at('/usr/bin/apt-get')))
    throw new OpenClawError('E_NO_APT', `${host.root} is no Debian or Ubuntu`, {
      expected: 'Debian 12, Ubuntu 24.04, or newer',
      remedy: 'install Postgres and Redis yourself, set DATABASE_URL and REDIS_URL, and run: openclaw up',
      exitCode: EXIT.usage,
    });
}

/** As milkbot with the release's own code, so that what is installed is what was tried. */
export function migrateStep(host: Host, release: string): Step {
  const run = (...args: string[]) =>
    host.run(`${folderOf(release)}/bin/openclaw`, ['migrate', ...args], { user: USER, env: { OPENCLAW_HOME: HOME } });
  return {
    title: 'the database at this version',
    missing: async () => {
      if (!host.live) return [];
      if (!existsSync(host.at(folderOf(release))) || !envOf(host).DATABASE_URL) return ['openclaw migrate'];
      const { code, output } = await run('--check');
      return code === 0 ? [] : [output.split('\n').at(-1) ?? 'openclaw migrate'];
    },
    make: async () => {
      const { code, output } = await run();
      if (code !== 0)
        throw new OpenClawError('E_MIGRATE', 'the database could not be migrated; all of it was rolled back', {
          faults: output.split('\n'),
        });
      await giveLogsToSuperuser(host);
    },
  };
}

/** The two logs that must outlive a careless owner belong to the superuser; the owner may use them. */
async function giveLogsToSuperuser(host: Host): Promise<void> {
  if (!envOf(host).DATABASE_URL?.includes('@127.0.0.1:5432/openclaw')) return;
  await must(host, 'psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', 'openclaw', '-f', '-'], {
    user: 'postgres',
    input: `alter table agent_events owner to postgres; alter table agent_heartbeats owner to postgres;
            grant select, insert, delete on agent_events, agent_heartbeats to openclaw_owner;
            -- Their numbering went with them, and pg_dump reads it.
            grant select on sequence agent_events_id_seq, agent_heartbeats_id_seq to openclaw_owner;`,
  });
}

const START_LIMIT_MS = 90_000;

/** Not waited for by systemctl: a unit that cannot start would hold it up for ever. What does not come up is named. */
function startStep(host: Host): Step {
  const idle = async () => {
    const names = unitFiles(host).filter((name) => name.endsWith('.service') && installable(name));
    const states = await Promise.all(
      names.map(async (name) => [name, (await host.run('systemctl', ['is-active', name])).output]),
    );
    return states.filter(([, state]) => state !== 'active').map(([name, state]) => `${name} is ${state}`);
  };
  return {
    title: 'everything runs',
    missing: async () => (host.live ? idle() : []),
    make: async () => {
      await host.run('systemctl', ['reset-failed', 'openclaw*']);
      await must(host, 'systemctl', ['start', '--no-block', 'openclaw.target']);
      const deadline = Date.now() + START_LIMIT_MS;
      for (let left = await idle(); left.length > 0; left = await idle()) {
        if (Date.now() > deadline)
          throw new OpenClawError('E_START', `${left.length} units did not come up within ${START_LIMIT_MS / 1000} s`, {
            faults: left,
            remedy: 'journalctl -u <unit> -n 50; docs/runbooks/service-down.md',
          });
        await sleep(2000);
      }
    },
  };
}

/** Started by the target, not by a timer or a failure. */
const installable = (name: string) => !/@|^openclaw-(health|backup)\./.test(name);
