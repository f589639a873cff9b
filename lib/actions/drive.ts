import type { Config } from '../config/index.ts';
import { accessTokens, authorizeDrive, downloadFile, driveAccount, openDrive } from '../drive/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { setCredential } from '../secrets/index.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

/** Those that `backup` puts there; of whatever host, as a new machine restores the old one's. */
const OURS = { kind: 'openclaw-backup' };

function accountOf(config: Config) {
  const account = driveAccount(config);
  if (account) return account;
  throw new OpenClawError('E_DRIVE_OFF', 'Google Drive is not set up', {
    remedy: 'openclaw drive auth',
    exitCode: EXIT.config,
  });
}

export const driveActions: readonly Action[] = [
  {
    name: 'drive auth',
    title: 'Grant access to Google Drive, by a code that is typed on any device',
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    run: async ({ config, say, signal }) => {
      const refreshToken = await authorizeDrive(config, { say, signal });
      setCredential(config.layout, 'GOOGLE_DRIVE_REFRESH_TOKEN', refreshToken);
      return {
        json: { stored: 'GOOGLE_DRIVE_REFRESH_TOKEN' },
        text: 'access is granted, and kept among the credentials; running workers take it at their next start. Try it: openclaw drive status',
      };
    },
  },
  {
    name: 'drive status',
    title: 'Whether Drive takes us in, and what of ours is there',
    who: 'viewer',
    danger: 'none',
    withoutDatabase: true,
    run: async ({ config }) => {
      const account = driveAccount(config);
      if (!account)
        return { json: { state: 'skipped' }, text: 'skipped: Google Drive is not set up; openclaw drive auth' };
      const files = await (await openDrive(account, accessTokens(account))).list(OURS);
      const bytes = files.reduce((sum, file) => sum + file.size, 0);
      const newest = files[0];
      return {
        json: { state: 'ok', files: files.length, bytes, newest: newest ?? null },
        text: `Drive takes us in: ${files.length} archives, ${(bytes / (1 << 20)).toFixed(1)} MiB${newest ? `, the newest ${newest.name}` : ''}`,
      };
    },
  },
  {
    name: 'drive list',
    title: 'The archives on Drive',
    who: 'viewer',
    danger: 'none',
    withoutDatabase: true,
    run: async ({ config }) => {
      const account = accountOf(config);
      const files = await (await openDrive(account, accessTokens(account))).list(OURS);
      const rows = files.map((file) => [
        file.name,
        file.properties.host,
        file.properties.archive,
        file.size,
        timeText(file.createdAt),
      ]);
      return { json: files, text: textTable(['archive', 'host', 'state', 'bytes', 'uploaded'], rows, 'none') };
    },
  },
  {
    name: 'drive download',
    title: 'Fetch an archive from Drive into backups/, its checksum compared',
    args: [{ name: 'archive', description: 'its name, or `latest`' }],
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    run: async ({ config, signal }, { args }) => {
      const account = accountOf(config);
      const token = accessTokens(account);
      const files = await (await openDrive(account, token)).list(OURS);
      const remote = args[0] === 'latest' ? files[0] : files.find((file) => file.name === args[0]);
      if (!remote)
        throw new OpenClawError('E_NO_ARCHIVE', `Drive has no archive "${args[0]}"`, {
          remedy: 'openclaw drive list',
          exitCode: EXIT.usage,
        });
      const file = await downloadFile({ account, token, remote, folder: config.layout.backups, signal });
      return { json: { file }, text: `${file}\nlook at it: openclaw backup verify ${remote.name}` };
    },
  },
];
