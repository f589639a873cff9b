import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { ROOT } from '../../../lib/install/files.ts';
import type { CommandResult, Host } from '../../../lib/install/host.ts';
import { linkStep, releaseOf, releaseStep } from '../../../lib/install/release.ts';
import { redisStep } from '../../../lib/install/servers.ts';
import { runSteps, type Step } from '../../../lib/install/steps.ts';
import { foldersStep, logrotateStep, wrapperStep } from '../../../lib/install/system.ts';
import { upgrade } from '../../../lib/install/upgrade.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('install and upgrade, below a root of their own', { timeoutMs: 90_000 });
const roots: string[] = [];

test.after(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** A machine in a folder; what is run there is written down and answered by `answer`. */
function machine(answer: (line: string) => CommandResult | undefined = () => undefined) {
  const root = mkdtempSync(path.join(os.tmpdir(), 'openclaw-root-'));
  roots.push(root);
  const ran: string[] = [];
  const host: Host = {
    root,
    live: false,
    at: (file) => path.join(root, file),
    run: async (program, args) => {
      const line = [program, ...args].join(' ');
      ran.push(line);
      return answer(line) ?? { code: 0, output: '' };
    },
  };
  return { root, host, ran };
}

/** A checkout with next to nothing in it. */
function checkout(version: string, lock = '{}'): string {
  const code = mkdtempSync(path.join(os.tmpdir(), 'openclaw-code-'));
  roots.push(code);
  for (const folder of ['bin', 'lib', 'systemd/etc', 'node_modules/a', 'test'])
    mkdirSync(path.join(code, folder), { recursive: true });
  writeFileSync(path.join(code, 'package.json'), JSON.stringify({ version }));
  writeFileSync(path.join(code, 'package-lock.json'), lock);
  writeFileSync(path.join(code, 'bin/openclaw'), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
  writeFileSync(path.join(code, 'node_modules/a/index.js'), '1');
  writeFileSync(path.join(code, 'test/x.test.ts'), '1');
  return code;
}

const did = async (steps: Step[], dryRun = false) =>
  (await runSteps(steps, dryRun, () => undefined))
    .filter(({ missing }) => missing.length > 0)
    .map(({ title }) => title);

test('a dry run changes nothing, the first run makes it so, the second finds nothing to do', async () => {
  const { root, host } = machine();
  const code = checkout('1.0.0');
  const steps = [
    foldersStep(host, () => ROOT),
    releaseStep(host, code),
    linkStep(host, code),
    redisStep(host, () => ROOT),
    wrapperStep(host),
    logrotateStep(host),
  ];
  assert.is((await did(steps, true)).length, steps.length);
  assert.not(existsSync(path.join(root, 'opt')));
  assert.is((await did(steps)).length, steps.length);
  const home = path.join(root, 'opt/openclaw');
  assert.is(readlinkSync(path.join(home, 'app')), `releases/${releaseOf(code)}`);
  assert.ok(existsSync(path.join(home, 'app/node_modules/a/index.js')));
  assert.not(existsSync(path.join(home, 'app/test')), 'tests stay behind');
  assert.is(statSync(path.join(home, 'config')).mode & 0o777, 0o700);
  const env = readFileSync(path.join(home, 'config/.env'), 'utf8');
  const password = /^REDIS_URL=redis:\/\/:([\w-]{32})@127\.0\.0\.1:6379$/m.exec(env)?.[1];
  assert.ok(password, 'a password of its own');
  assert.is(statSync(path.join(home, 'config/.env')).mode & 0o777, 0o600);
  const redis = readFileSync(path.join(root, 'etc/redis/openclaw.conf'), 'utf8');
  assert.match(redis, `requirepass ${password}`);
  assert.match(redis, 'maxmemory-policy noeviction');
  assert.equal(await did(steps), [], 'twice changes nothing');
  assert.is(readFileSync(path.join(home, 'config/.env'), 'utf8'), env);
});

test('what the operator has set stays: a server of their own, keys, other lines', async () => {
  const { root, host } = machine();
  const file = path.join(root, 'opt/openclaw/config/.env');
  mkdirSync(path.dirname(file), { recursive: true });
  const text = '# mine\nREDIS_URL=rediss://:pw@cache.example.org:6380\n';
  writeFileSync(file, text, { mode: 0o600 });
  assert.equal(await did([redisStep(host, () => ROOT)]), []);
  assert.is(readFileSync(file, 'utf8'), text);
});

const health = (failing: string[]) =>
  JSON.stringify({
    checks: ['openclaw', 'postgres', 'leases'].map((id) => ({
      id,
      verdict: failing.includes(id) ? 'fail' : 'pass',
      summary: '',
    })),
  });
const quick = { say: () => undefined, dryRun: false, backup: true, healthLimitMs: 30, pauseMs: 5 };

async function installed(answer: Parameters<typeof machine>[0]) {
  const made = machine(answer);
  const code = checkout('1.0.0');
  await did([releaseStep(made.host, code), linkStep(made.host, code)]);
  return {
    ...made,
    old: releaseOf(code),
    appIs: () => path.basename(readlinkSync(path.join(made.root, 'opt/openclaw/app'))),
  };
}

test('an upgrade backs up, installs beside, switches, and stands when health does', async () => {
  const { host, ran, old, appIs } = await installed((line) =>
    line.includes(' health') ? { code: 0, output: health([]) } : undefined,
  );
  const code = checkout('2.0.0');
  const result = await upgrade(host, { ...quick, code });
  assert.equal([result.outcome, result.from, result.to], ['upgraded', old, releaseOf(code)]);
  assert.is(appIs(), releaseOf(code));
  const verbs = ran.flatMap((line) => /openclaw (health|backup create|migrate)/.exec(line)?.[1] ?? []);
  assert.equal(verbs, ['health', 'backup create', 'health']);
  assert.ok(statSync(host.at(`/opt/openclaw/releases/${old}`)).isDirectory(), 'the old one stays for the way back');
  const inode = (release: string) => statSync(host.at(`/opt/openclaw/releases/${release}/node_modules/a/index.js`)).ino;
  assert.is(inode(old), inode(releaseOf(code)), 'the same packages are not copied');
  assert.is((await upgrade(host, { ...quick, code })).outcome, 'same');
});

test('when health falls it goes back by itself; what failed before is not held against it', async () => {
  const failing = (line: string) => (line.includes('/3.0.0') ? ['openclaw', 'leases'] : ['leases']);
  const { host, appIs } = await installed((line) =>
    line.includes(' health') ? { code: 1, output: health(failing(line)) } : undefined,
  );
  assert.is(
    (await upgrade(host, { ...quick, code: checkout('2.0.0') })).outcome,
    'upgraded',
    'leases had failed before',
  );
  const before = appIs();
  const result = await upgrade(host, { ...quick, code: checkout('3.0.0') });
  assert.equal([result.outcome, result.reason, appIs()], ['rolled back', 'openclaw', before]);
});

test('without its backup, or with a release that cannot even answer, nothing stays switched', async () => {
  const refused = await installed((line) =>
    line.includes('backup create') ? { code: 1, output: 'no room' } : { code: 0, output: health([]) },
  );
  const code = checkout('2.0.0');
  try {
    await upgrade(refused.host, { ...quick, code });
    assert.unreachable('was not refused');
  } catch (error) {
    assert.is((error as { code?: string }).code, 'E_INSTALL_STEP');
  }
  assert.is(refused.appIs(), refused.old);

  const mute = await installed((line) =>
    line.includes(' health')
      ? { code: 0, output: line.includes('2.0.0') ? 'Segmentation fault' : health([]) }
      : undefined,
  );
  const result = await upgrade(mute.host, { ...quick, code });
  assert.equal([result.outcome, result.reason, mute.appIs()], ['rolled back', 'health: Segmentation fault', mute.old]);
});

test.run();
