import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CODE_ROOT } from '../config/index.ts';
import { OpenClawError } from '../errors/index.ts';
import { fileStep, giveTo, HOME, modeOf, type Owner, ownerOf, ROOT, readText, USER, writeAs } from './files.ts';
import { type Host, must } from './host.ts';
import type { Step } from './steps.ts';

const PACKAGES = [
  'postgresql',
  'redis-server',
  'curl',
  'ca-certificates',
  'logrotate',
  'git',
  'openssh-client',
  'tar',
  'procps',
];
const UNIT_FOLDER = '/etc/systemd/system';
export const WRAPPER = '/usr/local/bin/openclaw';
export const LOGROTATE = '/etc/logrotate.d/openclaw';
export const SSHD = '/etc/ssh/sshd_config.d/openclaw.conf';

export function packagesStep(host: Host): Step {
  const absent = async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the format of dpkg-query
    const { output } = await host.run('dpkg-query', ['-W', '-f', '${Package} ${Status}\\n', ...PACKAGES]);
    const installed = new Set(
      output.split('\n').flatMap((line) => (line.endsWith('install ok installed') ? [line.split(' ')[0]!] : [])),
    );
    return PACKAGES.filter((name) => !installed.has(name));
  };
  return {
    title: "the distribution's packages",
    missing: async () => (await absent()).map((name) => `apt-get install ${name}`),
    make: async () => {
      await must(host, 'apt-get', ['update', '-q']);
      await must(host, 'apt-get', ['install', '-y', '-q', '--no-install-recommends', ...(await absent())]);
    },
  };
}

export function accountStep(host: Host): Step {
  return {
    title: `the account ${USER}`,
    missing: async () => (ownerOf(host, USER) ? [] : [`useradd --system ${USER}, without a password`]),
    make: async () => {
      // A shell, because sshd runs the forced command by it; no password, so that only a key lets in.
      await must(host, 'useradd', [
        '--system',
        '--user-group',
        '--no-create-home',
        '--home-dir',
        HOME,
        '--shell',
        '/bin/sh',
        USER,
      ]);
    },
  };
}

/** Root owns the home and the code; milkbot owns what it writes, and only that. */
const FOLDERS: readonly [name: string, mode: number, own: boolean][] = [
  ['', 0o755, false],
  ['releases', 0o755, false],
  ['.openclaw', 0o700, true],
  ['.openclaw/agents', 0o700, true],
  ['.openclaw/canvas', 0o700, true],
  ['.openclaw/credentials', 0o700, true],
  ['.openclaw/cron', 0o700, true],
  ['.openclaw/devices', 0o700, true],
  ['.openclaw/identity', 0o700, true],
  ['.openclaw/telegram', 0o700, true],
  ['backups', 0o700, true],
  ['config', 0o700, true],
  ['config/providers', 0o700, true],
  ['logs', 0o700, true],
  ['plans', 0o750, true],
  ['repo', 0o700, true],
  ['run', 0o700, true],
  ['tasks', 0o750, true],
  ['uploads', 0o700, true],
  ['workspace', 0o750, true],
];

export function foldersStep(host: Host, owner: () => Owner): Step {
  const faulty = () =>
    FOLDERS.filter(
      ([name, mode]) => !existsSync(host.at(`${HOME}/${name}`)) || modeOf(host.at(`${HOME}/${name}`)) !== mode,
    );
  return {
    title: `the folders below ${HOME}`,
    missing: async () => {
      const names = faulty().map(([name]) => name || '.');
      return names.length > 0 ? [names.join(', ')] : [];
    },
    make: async () => {
      const { chmodSync } = await import('node:fs');
      for (const [name, mode, own] of faulty()) {
        const folder = host.at(`${HOME}/${name}`);
        mkdirSync(folder, { recursive: true });
        chmodSync(folder, mode);
        giveTo(folder, own ? owner() : ROOT);
      }
    },
  };
}

/** Of the code that is installed: the tunnel's unit only where there is a tunnel's program. */
export function unitFiles(host: Host, code = CODE_ROOT): string[] {
  const tunnel = existsSync(host.at('/usr/bin/cloudflared'));
  return readdirSync(path.join(code, 'systemd')).filter(
    (name) => /\.(service|timer|target)$/.test(name) && (tunnel || name !== 'cloudflared.service'),
  );
}

export function unitsStep(host: Host, code = CODE_ROOT): Step {
  const textOf = (name: string) => readFileSync(path.join(code, 'systemd', name), 'utf8');
  const changed = () =>
    unitFiles(host, code).filter((name) => readText(host.at(`${UNIT_FOLDER}/${name}`)) !== textOf(name));
  const startable = () =>
    unitFiles(host, code).filter((name) => !name.includes('@') && /^\[Install\]/m.test(textOf(name)));
  const disabled = async () => {
    // It needs no running manager: it looks at links.
    const states = await Promise.all(
      startable().map(async (name) => [name, (await systemctl(host, ['is-enabled', name])).output] as const),
    );
    return states.flatMap(([name, state]) => (state.startsWith('enabled') ? [] : [name]));
  };
  return {
    title: 'the units',
    missing: async () => {
      const lines = changed().map((name) => `${UNIT_FOLDER}/${name}`);
      return lines.length > 0 ? lines : (await disabled()).map((name) => `systemctl enable ${name}`);
    },
    make: async () => {
      for (const name of changed()) writeAs(host.at(`${UNIT_FOLDER}/${name}`), textOf(name), 0o644, ROOT);
      if (host.live) await must(host, 'systemctl', ['daemon-reload']);
      const result = await systemctl(host, ['enable', ...startable()]);
      if (result.code !== 0)
        throw new OpenClawError('E_INSTALL_STEP', 'the units could not be enabled', {
          faults: result.output.split('\n'),
        });
    },
  };
}

/** Below a root, this machine's systemctl changes the links there. */
async function systemctl(host: Host, args: string[]) {
  if (host.root === '/') return host.run('systemctl', args);
  const { openHost } = await import('./host.ts');
  return openHost('/').run('systemctl', [`--root=${host.root}`, ...args]);
}

export function wrapperStep(host: Host): Step {
  const text = `#!/bin/sh
# Written by \`openclaw install\`: openclaw as ${USER}, on this installation. What changes the machine itself runs as root.
export OPENCLAW_HOME=${HOME}
case "\${1:-}" in
  install | uninstall | upgrade) exec ${HOME}/app/bin/openclaw "$@" ;;
esac
cd ${HOME} || exit 1
[ "$(id -un)" = ${USER} ] && exec ${HOME}/app/bin/openclaw "$@"
[ "$(id -u)" = 0 ] && exec runuser -u ${USER} -- ${HOME}/app/bin/openclaw "$@"
exec sudo -u ${USER} --preserve-env=OPENCLAW_HOME ${HOME}/app/bin/openclaw "$@"
`;
  return fileStep(host, 'the command', WRAPPER, text, 0o755, () => ROOT);
}

export function logrotateStep(host: Host, code = CODE_ROOT): Step {
  return fileStep(
    host,
    'rotation of the logs',
    LOGROTATE,
    readFileSync(path.join(code, 'systemd/etc/logrotate.conf'), 'utf8'),
    0o644,
    () => ROOT,
  );
}

/** Only where an sshd is; a snippet that it refuses is taken away again, so that nobody is locked out. */
export function sshdStep(host: Host, code = CODE_ROOT): Step {
  const text = readFileSync(path.join(code, 'systemd/etc/sshd.conf'), 'utf8');
  const step = fileStep(host, 'sshd: the screen only, by key only', SSHD, text, 0o644, () => ROOT);
  const hasSshd = () => existsSync(host.at('/usr/sbin/sshd'));
  return {
    ...step,
    missing: async () => (hasSshd() ? step.missing() : []),
    make: async () => {
      const was = readText(host.at(SSHD));
      await step.make();
      if (!host.live) return;
      const judged = await host.run('/usr/sbin/sshd', ['-t']);
      if (judged.code !== 0) {
        const { rmSync } = await import('node:fs');
        if (was === undefined) rmSync(host.at(SSHD));
        else writeAs(host.at(SSHD), was, 0o644, ROOT);
        throw new OpenClawError('E_SSHD', 'sshd refuses the snippet, which was taken away again', {
          faults: judged.output.split('\n'),
          remedy: `mend /etc/ssh/sshd_config, then run the same command again`,
        });
      }
      await host.run('systemctl', ['reload', 'ssh']);
    },
  };
}
