import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../../lib/config/index.ts';
import { scrub } from '../../../lib/log/index.ts';
import {
  listCredentials,
  openCredentials,
  removeCredential,
  rotateCredentials,
  setCredential,
  storePath,
} from '../../../lib/secrets/index.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('credentials');
const codeOf = (work: () => unknown) => refusal((async () => work())()).then(({ code }) => code);

function fresh() {
  const { home, layout } = temporaryHome();
  const keyFile = path.join(layout.config, 'master.key');
  return { home, layout, keyFile };
}

test('a value is kept encrypted, and the configuration reads it before config/.env', () => {
  const { home, layout } = fresh();
  setCredential(layout, 'BRAVE_API_KEY', 'canary-in-the-store', {});
  const text = readFileSync(storePath(layout), 'utf8');
  assert.not.match(text, /canary/);
  assert.is(statSync(storePath(layout)).mode & 0o777, 0o600);
  assert.is(statSync(path.join(layout.config, 'master.key')).mode & 0o777, 0o600);
  writeFileSync(layout.envFile, 'BRAVE_API_KEY=of-the-env-file\nXAI_API_KEY=of-the-env-file-2\n', { mode: 0o600 });
  const { services } = loadConfig({ env: {}, home });
  assert.equal([services.brave.apiKey, services.xai.apiKey], ['canary-in-the-store', 'of-the-env-file-2']);
  assert.is(scrub('x canary-in-the-store x'), 'x [redacted] x');
  assert.is(
    loadConfig({ env: { BRAVE_API_KEY: 'of-the-environment' }, home }).services.brave.apiKey,
    'of-the-environment',
  );
});

test('the list has names and times, never a value, and needs no key', () => {
  const { layout, keyFile } = fresh();
  setCredential(layout, 'XAI_API_KEY', 'canary-never-shown', {});
  renameSync(keyFile, `${keyFile}.away`);
  const list = listCredentials(layout);
  assert.equal(
    list.map((each) => each.name),
    ['XAI_API_KEY'],
  );
  assert.not.match(JSON.stringify(list), /canary/);
});

test('a wrong key, and none, fail at once; so does a key that others can read', async () => {
  const { home, layout, keyFile } = fresh();
  setCredential(layout, 'XAI_API_KEY', 'some-value-1', {});
  const right = readFileSync(keyFile, 'utf8');
  writeFileSync(keyFile, 'another-master-key-entirely');
  assert.is(await codeOf(() => loadConfig({ env: {}, home })), 'E_CREDENTIALS_KEY');
  assert.is(await codeOf(() => setCredential(layout, 'BRAVE_API_KEY', 'x', {})), 'E_CREDENTIALS_KEY');
  renameSync(keyFile, `${keyFile}.away`);
  assert.is(await codeOf(() => openCredentials(layout, {})), 'E_CREDENTIALS_KEY');
  assert.is(openCredentials(layout, { OPENCLAW_MASTER_KEY: right.trim() }).values.get('XAI_API_KEY'), 'some-value-1');
  writeFileSync(keyFile, right);
  chmodSync(keyFile, 0o644);
  assert.is(await codeOf(() => openCredentials(layout, {})), 'E_MASTER_KEY');
});

test("systemd's credentials come first: the master key, and single keys by their name", () => {
  const { home, layout } = fresh();
  const folder = path.join(home, 'systemd');
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'openclaw_master_key'), 'a-master-key-of-systemd\n');
  const env = { CREDENTIALS_DIRECTORY: folder };
  setCredential(layout, 'XAI_API_KEY', 'of-the-store', env);
  setCredential(layout, 'BRAVE_API_KEY', 'of-the-store-2', env);
  writeFileSync(path.join(folder, 'XAI_API_KEY'), 'of-systemd-itself\n');
  const { services } = loadConfig({ env, home });
  assert.equal([services.xai.apiKey, services.brave.apiKey], ['of-systemd-itself', 'of-the-store-2']);
});

test('rotation encrypts all anew; killed between store and key, the next open finishes it', () => {
  const { layout, keyFile } = fresh();
  setCredential(layout, 'XAI_API_KEY', 'value-one', {});
  setCredential(layout, 'BRAVE_API_KEY', 'value-two', {});
  const before = { store: readFileSync(storePath(layout), 'utf8'), key: readFileSync(keyFile, 'utf8') };
  assert.is(rotateCredentials(layout, undefined, {}), 2);
  const after = { store: readFileSync(storePath(layout), 'utf8'), key: readFileSync(keyFile, 'utf8') };
  assert.is.not(after.key, before.key);
  const dataOf = (store: string) =>
    Object.values((JSON.parse(store) as { entries: Record<string, { data: string }> }).entries).map(
      (entry) => entry.data,
    );
  assert.equal(
    dataOf(after.store).filter((data) => dataOf(before.store).includes(data)),
    [],
  );
  // As a kill between the two renames leaves it.
  writeFileSync(keyFile, before.key);
  writeFileSync(`${keyFile}.next`, after.key, { mode: 0o600 });
  assert.is(openCredentials(layout, {}).values.get('XAI_API_KEY'), 'value-one');
  assert.is(readFileSync(keyFile, 'utf8'), after.key);
  // As a kill before the store was replaced leaves it.
  writeFileSync(storePath(layout), before.store);
  writeFileSync(keyFile, before.key);
  writeFileSync(`${keyFile}.next`, after.key, { mode: 0o600 });
  assert.is(openCredentials(layout, {}).values.get('BRAVE_API_KEY'), 'value-two');
});

test('a value in the place of another, or a changed one, is found', async () => {
  const { layout } = fresh();
  setCredential(layout, 'XAI_API_KEY', 'value-one', {});
  setCredential(layout, 'BRAVE_API_KEY', 'value-two', {});
  const store = JSON.parse(readFileSync(storePath(layout), 'utf8')) as { entries: Record<string, unknown> };
  const { XAI_API_KEY: one, BRAVE_API_KEY: two } = store.entries;
  writeFileSync(storePath(layout), JSON.stringify({ ...store, entries: { XAI_API_KEY: two, BRAVE_API_KEY: one } }));
  assert.is(await codeOf(() => openCredentials(layout, {})), 'E_CREDENTIALS_STORE');
  writeFileSync(storePath(layout), '{"format": 1');
  assert.is(await codeOf(() => openCredentials(layout, {})), 'E_CREDENTIALS_STORE');
});

test('what is removed is gone', () => {
  const { layout } = fresh();
  setCredential(layout, 'XAI_API_KEY', 'value-one', {});
  assert.ok(removeCredential(layout, 'XAI_API_KEY', {}));
  assert.not.ok(removeCredential(layout, 'XAI_API_KEY', {}));
  assert.is(openCredentials(layout, {}).values.size, 0);
});

test.run();
