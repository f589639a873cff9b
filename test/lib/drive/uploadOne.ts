import { json } from 'node:stream/consumers';
import { accessTokens, type DriveAccount, openDrive, uploadFile } from '../../../lib/drive/index.ts';

// A process of its own that is killed when Drive has kept so many bytes.
const { account, file, sessionFile, size, sha256, killAt } = (await json(process.stdin)) as {
  account: DriveAccount;
  file: string;
  sessionFile: string;
  size: number;
  sha256: string;
  killAt: number;
};
const token = accessTokens(account);
await uploadFile({
  account,
  token,
  files: await openDrive(account, token),
  file,
  name: 'a',
  size,
  sha256,
  properties: {},
  sessionFile,
  chunkBytes: 1 << 20,
  signal: new AbortController().signal,
  onProgress: (sent) => {
    if (sent >= killAt) process.kill(process.pid, 'SIGKILL');
  },
});
