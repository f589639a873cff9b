import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OpenClawError } from '../errors/index.ts';
import type { AccessToken, DriveAccount } from './access.ts';
import type { RemoteFile } from './files.ts';

/** A file of ours from Drive, compared with the checksum that it was sent with before it gets its name. */
export async function downloadFile({
  account,
  token,
  remote,
  folder,
  signal,
}: {
  account: DriveAccount;
  token: AccessToken;
  remote: RemoteFile;
  folder: string;
  signal: AbortSignal;
}): Promise<string> {
  const name = path.basename(remote.name);
  const target = path.join(folder, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const response = await fetch(`${account.baseUrl}/drive/v3/files/${remote.id}?alt=media`, {
    headers: { authorization: `Bearer ${await token()}` },
    signal,
  });
  if (!response.ok || !response.body)
    throw new OpenClawError('E_DRIVE', `Drive answers ${response.status}`, { value: response.status });
  const sum = createHash('sha256');
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sum.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(
    Readable.fromWeb(response.body as never),
    tap,
    createWriteStream(`${target}.partial`, { mode: 0o600, flush: true }),
    { signal },
  );
  const sha256 = sum.digest('hex');
  if (sha256 !== remote.properties.sha256) {
    throw new OpenClawError('E_DRIVE_CHECKSUM', 'what came from Drive is not what was sent there', {
      value: sha256,
      expected: remote.properties.sha256 ?? 'a known checksum',
      remedy: 'try again; or take another archive: openclaw drive list',
    });
  }
  writeFileSync(`${target}.sha256`, `${sha256}  ${name}\n`, { mode: 0o600 });
  renameSync(`${target}.partial`, target);
  return target;
}
