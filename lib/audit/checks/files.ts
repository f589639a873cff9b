import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { finding } from '../finding.ts';
import type { AuditCheck } from '../types.ts';

const DAY_MS = 86_400_000;
const TOKEN_DAYS = 180;

export const files: AuditCheck = {
  id: 'files',
  title: 'nobody else reads secrets or writes code',
  look: async ({ config }) => {
    const { layout, home, services } = config;
    const secrets = [
      layout.envFile,
      layout.credentials,
      path.join(home, 'config/google-credentials.json'),
      layout.backups,
      layout.run,
      layout.logs,
      services.github.sshKeyPath,
    ];
    const code = [home, layout.config, layout.tasks, layout.plans, layout.cron];
    const open = (file: string | undefined, bits: number) =>
      file !== undefined && existsSync(file) && (statSync(file).mode & bits) !== 0;
    const octal = (file: string) => (statSync(file).mode & 0o777).toString(8);
    const inside = existsSync(layout.credentials)
      ? readdirSync(layout.credentials).map((name) => path.join(layout.credentials, name))
      : [];
    return {
      findings: [
        ...[...secrets, ...inside]
          .filter((file) => open(file, 0o077))
          .map((file) => finding('critical', `${file} has mode ${octal(file!)}`, 'openclaw doctor --fix')),
        ...code
          .filter((file) => open(file, 0o022))
          .map((file) => finding('high', `others may write ${file} (mode ${octal(file)})`, 'openclaw doctor --fix')),
      ],
    };
  },
};

export const tokens: AuditCheck = {
  id: 'tokens',
  title: 'keys are not older than half a year',
  look: async ({ config }) => {
    const files = [
      config.layout.envFile,
      ...(existsSync(config.layout.credentials)
        ? readdirSync(config.layout.credentials).map((name) => path.join(config.layout.credentials, name))
        : []),
    ];
    const old = files.filter(
      (file) =>
        existsSync(file) && lstatSync(file).isFile() && Date.now() - lstatSync(file).mtimeMs > TOKEN_DAYS * DAY_MS,
    );
    return {
      findings: old.map((file) =>
        finding(
          'low',
          `nothing in ${file} has changed for ${TOKEN_DAYS} days`,
          'make new keys at the providers, then: openclaw init',
        ),
      ),
    };
  },
};
