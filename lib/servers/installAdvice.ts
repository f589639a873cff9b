import { existsSync, readFileSync } from 'node:fs';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { OLDEST_POSTGRES } from './postgresPrograms.ts';

export interface System {
  platform: string;
  /** `ID` and `ID_LIKE` of /etc/os-release, the nearest first. */
  families: readonly string[];
  root: boolean;
}

interface Commands {
  postgres: string;
  redis: string;
}

const APT = { postgres: 'apt-get install -y postgresql', redis: 'apt-get install -y redis-server' };
const DNF = { postgres: 'dnf install -y postgresql-server postgresql-contrib', redis: 'dnf install -y valkey' };
const BY_FAMILY: Record<string, Commands> = {
  debian: APT,
  ubuntu: APT,
  fedora: DNF,
  rhel: DNF,
  centos: DNF,
  arch: { postgres: 'pacman -S --noconfirm postgresql', redis: 'pacman -S --noconfirm valkey' },
  alpine: { postgres: 'apk add postgresql postgresql-contrib postgresql-client', redis: 'apk add redis' },
};
const BREW = { postgres: 'brew install postgresql@17', redis: 'brew install redis' };

/** The command that installs the server on this system, or null where the system is not known. */
export function installCommand(server: keyof Commands, system: System): string | null {
  if (system.platform === 'darwin') return BREW[server];
  const family = system.families.find((name) => name in BY_FAMILY);
  if (!family) return null;
  return `${system.root ? '' : 'sudo '}${BY_FAMILY[family]![server]}`;
}

export function familiesIn(osRelease: string): string[] {
  const value = (name: string) => new RegExp(`^${name}=["']?([^"'\\n]*)`, 'm').exec(osRelease)?.[1] ?? '';
  return `${value('ID')} ${value('ID_LIKE')}`.split(/\s+/).filter(Boolean);
}

export function thisSystem(): System {
  const osRelease = ['/etc/os-release', '/usr/lib/os-release'].find((file) => existsSync(file));
  return {
    platform: process.platform,
    families: osRelease ? familiesIn(readFileSync(osRelease, 'utf8')) : [],
    root: process.getuid?.() === 0,
  };
}

const NAMES = {
  postgres: {
    code: 'E_NO_POSTGRES',
    what: `PostgreSQL ${OLDEST_POSTGRES} or newer`,
    variable: 'DATABASE_URL',
    url: 'postgresql://…',
  },
  redis: { code: 'E_NO_REDIS', what: 'Redis', variable: 'REDIS_URL', url: 'redis://…' },
};

/** Nothing configured, installed or to be unpacked. `tried` says, a line each, what was looked at and why it did not serve. */
export function missingServer(
  server: keyof Commands,
  system: System,
  tried: readonly string[],
  cause?: unknown,
): OpenClawError {
  const { code, what, variable, url } = NAMES[server];
  const command = installCommand(server, system) ?? `install ${what} with this system's package manager`;
  return new OpenClawError(code, `there is no ${what} on this machine`, {
    expected: `${what} installed, or ${variable} set to a server`,
    remedy: `${command} (or set ${variable}=${url})`,
    faults: tried,
    cause,
    exitCode: EXIT.config,
  });
}
