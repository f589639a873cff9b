import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CODE_ROOT, type Config, describeConfig } from '../config/index.ts';

/**
 * What somebody needs who has lost this server and has the archives. It names the files that must be kept elsewhere, and
 * holds no secret itself, so that it can be printed and put into a drawer.
 */
export function recoveryKit(config: Config): string {
  const { layout, home } = config;
  const { version } = JSON.parse(readFileSync(path.join(CODE_ROOT, 'package.json'), 'utf8')) as { version: string };
  const keys = describeConfig({ home }).filter((key) => key.set && key.secret);
  const credentials = existsSync(layout.credentials) ? readdirSync(layout.credentials) : [];
  const mark = existsSync(layout.envFile)
    ? createHash('sha256').update(readFileSync(layout.envFile)).digest('hex').slice(0, 12)
    : 'none';
  const archives = existsSync(layout.backups)
    ? readdirSync(layout.backups)
        .filter((name) => /^openclaw_backup_\d{8}_\d{6}\.tar\./.test(name))
        .sort()
    : [];
  const newest = archives.at(-1);
  return [
    `RECOVERY KIT of ${os.hostname()}, ${new Date().toISOString().slice(0, 10)}`,
    '',
    'No archive holds these. Copy them to a place that is not this server, now:',
    `  ${layout.envFile} (mark ${mark}): ${keys.length > 0 ? keys.map((key) => key.key).join(', ') : 'no keys yet'}`,
    `  ${layout.credentials}/ ${credentials.length > 0 ? `(${credentials.join(', ')})` : '(empty)'} and the master key that opens it, where one is set`,
    '  the identity (private key) of encrypted backups, where they are encrypted: without it no archive can be opened',
    ...(config.services.github.sshKeyPath ? [`  ${config.services.github.sshKeyPath}`] : []),
    '',
    'This server:',
    `  code       ${version}, ${CODE_ROOT}`,
    `  home       ${home}`,
    `  postgres   ${config.databaseUrl ? 'DATABASE_URL' : 'private, below the home'}`,
    `  archives   ${layout.backups} (${archives.length}${newest ? `, newest ${newest}, ${Math.round(statSync(path.join(layout.backups, newest)).size / 1_048_576)} MB` : ''})`,
    `  offsite    ${config.services.drive.refreshToken ? 'Google Drive' : 'none: with this disk the archives are gone too'}`,
    '',
    'On a new server:',
    '  1. the code of that version, then: sudo bin/openclaw install',
    '  2. config/.env and .openclaw/credentials from the copy, mode 600',
    '  3. openclaw backup restore <archive>',
    '  4. openclaw health; docs/runbooks/lost-server.md has the rest',
  ].join('\n');
}
