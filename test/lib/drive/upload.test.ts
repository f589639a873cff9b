import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { remoteSurplus } from '../../../lib/backup/offsite.ts';
import { loadConfig } from '../../../lib/config/index.ts';
import {
  accessTokens,
  authorizeDrive,
  type DriveAccount,
  downloadFile,
  openDrive,
  uploadFile,
} from '../../../lib/drive/index.ts';
import { type FakeDrive, fakeDrive } from '../../fakes/drive.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('Google Drive', { timeoutMs: 60_000 });
const MIB = 1 << 20;
const signal = new AbortController().signal;
let drive: FakeDrive;
let account: DriveAccount;
const { home } = temporaryHome();
const file = path.join(home, 'archive.bin');
const sessionFile = path.join(home, 'session.json');
const content = randomBytes(5 * MIB + 12_345);
const sha256 = createHash('sha256').update(content).digest('hex');

test.before(async () => {
  drive = await fakeDrive();
  account = {
    baseUrl: drive.url,
    tokenUrl: `${drive.url}/token`,
    clientId: 'client-id-1',
    clientSecret: 'client-secret-1',
    refreshToken: 'refresh-token-1',
    folderId: undefined,
  };
  writeFileSync(file, content);
});
test.after(() => drive.close());
test.before.each(() => {
  drive.files.clear();
  drive.requests.length = 0;
});

async function upload(extra: { signal?: AbortSignal; onProgress?: (sent: number) => void } = {}) {
  const token = accessTokens(account);
  const files = await openDrive(account, token);
  return uploadFile({
    account,
    token,
    files,
    file,
    name: 'a',
    size: content.length,
    sha256,
    properties: { kind: 'test' },
    sessionFile,
    pauseMs: 1,
    chunkBytes: MIB,
    signal,
    ...extra,
  });
}
const sentBytes = () => drive.requests.reduce((sum, request) => sum + request.bytes, 0);

test('a file goes up in chunks, is compared by its checksum, and comes down the same', async () => {
  const remote = await upload();
  assert.equal([remote.size, remote.sha256, remote.properties.kind], [content.length, sha256, 'test']);
  assert.is(drive.requests.filter((request) => request.range?.startsWith('bytes 0-')).length, 1);
  assert.not.ok(existsSync(sessionFile));
  const down = await downloadFile({
    account,
    token: accessTokens(account),
    remote,
    folder: path.join(home, 'down'),
    signal,
  });
  assert.ok(readFileSync(down).equals(content));
  // Again: it is there, and nothing is sent.
  drive.requests.length = 0;
  assert.is((await upload()).id, remote.id);
  assert.is(sentBytes(), 0);
});

test('cuts, refusals that pass and an expired token are survived without sending all again', async () => {
  drive.faults.cutAfterBytes.push(700_000, 10, 900_000);
  drive.faults.statuses.push({ status: 503 }, { status: 429 }, { status: 403, reason: 'userRateLimitExceeded' });
  let expired = false;
  await upload({
    onProgress: (sent) => {
      if (sent > 2 * MIB && !expired) {
        expired = true;
        drive.faults.expireTokens = true;
      }
    },
  });
  assert.ok(expired);
  assert.ok([...drive.files.values()][0]!.content.equals(content));
  assert.ok(sentBytes() < content.length + MIB, 'kept bytes were sent again');
});

test('a session that Drive forgot begins anew', async () => {
  let once = false;
  await upload({
    onProgress: (sent) => {
      if (sent >= 2 * MIB && !once) {
        once = true;
        drive.faults.forgetSessions = true;
      }
    },
  });
  assert.is(drive.requests.filter((request) => request.path === '/upload/drive/v3/files').length, 2);
});

test('a killed process leaves its session, mode 600, and the next one goes on with it', async () => {
  const script = path.join(import.meta.dirname, 'uploadOne.ts');
  const request = JSON.stringify({ account, file, sessionFile, size: content.length, sha256, killAt: 3 * MIB });
  const killed = await new Promise((resolve) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    child.once('exit', (_code, by) => resolve(by));
    child.stdin.end(request);
  });
  assert.is(killed, 'SIGKILL');
  assert.is(statSync(sessionFile).mode & 0o777, 0o600);
  drive.requests.length = 0;
  await upload();
  assert.ok([...drive.files.values()][0]!.content.equals(content));
  assert.ok(sentBytes() <= content.length - 3 * MIB, `${sentBytes()} bytes were sent`);
});

test('another checksum than was sent is refused, and what is there is deleted', async () => {
  drive.faults.corrupt = true;
  assert.is((await refusal(upload())).code, 'E_DRIVE_CHECKSUM');
  assert.is(drive.files.size, 0);
  assert.not.ok(existsSync(sessionFile));
});

test('a dead refresh token asks for a new grant, a full Drive says so, and neither is tried again', async () => {
  drive.faults.invalidGrant = true;
  assert.is((await refusal(upload())).code, 'E_DRIVE_REAUTH');
  drive.faults.invalidGrant = false;
  drive.faults.statuses.push({ status: 403, reason: 'storageQuotaExceeded' });
  const full = await refusal(upload());
  assert.is(full.code, 'E_DRIVE');
  assert.match(full.message, /storageQuotaExceeded/);
});

test('a Drive that is away is given up after a while, and the session stays', async () => {
  drive.faults.statuses.push(...Array.from({ length: 20 }, () => ({ status: 500 })));
  assert.is((await refusal(upload())).code, 'E_DRIVE');
  drive.faults.statuses.length = 0;
});

test('access is granted by a code that is typed elsewhere', async () => {
  drive.faults.pending = 2;
  const said: string[] = [];
  const config = loadConfig({
    env: {
      OPENCLAW_HOME: home,
      GOOGLE_DRIVE_CLIENT_ID: 'client-id-1',
      GOOGLE_DRIVE_CLIENT_SECRET: 'client-secret-1',
      GOOGLE_DRIVE_TOKEN_URL: `${drive.url}/token`,
      GOOGLE_DRIVE_DEVICE_URL: `${drive.url}/device/code`,
    },
  });
  const token = await authorizeDrive(config, { say: (line) => said.push(line), signal, secondMs: 1 });
  assert.match(token, /^1\/\//);
  assert.match(said[0]!, /google\.com\/device.*ABCD-EFGH/);
});

test('of old archives on Drive the last of each week and month stays', () => {
  const name = (day: Date) => `openclaw_backup_${day.toISOString().slice(0, 10).replaceAll('-', '')}_120000.tar.gz`;
  const names = Array.from({ length: 400 }, (_, index) => name(new Date(Date.UTC(2026, 0, 1) + index * 86_400_000)));
  const gone = new Set(remoteSurplus([...names, 'a file of somebody.txt'], { newest: 30, weekly: 8, monthly: 12 }));
  const kept = names.filter((each) => !gone.has(each));
  assert.not.ok(gone.has('a file of somebody.txt'));
  assert.equal(kept.slice(-30), names.slice(-30));
  // 30, and 8 weeks and 12 months before them, of which two coincide at most.
  assert.ok(kept.length >= 46 && kept.length <= 50, `${kept.length} are kept`);
  assert.ok(kept.includes('openclaw_backup_20260531_120000.tar.gz'));
});

test.run();
