import { writeFileSync } from 'node:fs';
import path from 'node:path';
import ssh2 from 'ssh2';
import * as assert from 'uvu/assert';
import { ACTIONS, type ActionContext } from '../../../lib/actions/index.ts';
import { loadConfig } from '../../../lib/config/index.ts';
import { fromDatabase } from '../../../lib/db/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { connectAs, refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { testEnvironment } from '../../harness/workers.ts';

const test = suite('devices: who may reach the system from elsewhere');
let database: TestDatabase;
let context: ActionContext;
let folder: string;

test.before(async () => {
  database = await freshDatabase();
  const env = testEnvironment(database);
  folder = env.OPENCLAW_HOME!;
  context = {
    db: database.pool,
    config: loadConfig({ env }),
    log: createLogger({ name: 'test', level: 'silent' }),
    say: () => undefined,
    signal: new AbortController().signal,
  };
});
test.after(() => database.drop());

async function act(name: string, args: string[], options: Record<string, string | boolean> = {}) {
  try {
    return (await ACTIONS.find((action) => action.name === name)!.run(context, { args, options })).json as never;
  } catch (error) {
    throw fromDatabase(error);
  }
}

function keyFile(name: string, pair = ssh2.utils.generateKeyPairSync('ed25519', { comment: 'ada@laptop' })) {
  const file = path.join(folder, name);
  writeFileSync(file, `${pair.public}\n`);
  return { file, private: pair.private };
}

const admit = async (subject: string) =>
  (await database.pool.query("select name, role from admit_device('ssh', $1)", [subject])).rows;

test('a key is added, listed, let in by its fingerprint, and not after it is revoked', async () => {
  const { file } = keyFile('ada.pub');
  const added: { device: string; fingerprint: string } = await act('devices add-key', [file], {
    role: 'operator',
    name: 'ada',
  });
  assert.match(added.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
  assert.equal(await admit(added.fingerprint), [{ name: 'ada', role: 'operator' }]);
  const [listed]: { name: string; role: string; last_seen_at: Date | null }[] = await act('devices list', []);
  assert.equal([listed!.name, listed!.role], ['ada', 'operator']);
  assert.instance(listed!.last_seen_at, Date);

  await act('devices revoke', ['ada']);
  assert.equal(await admit(added.fingerprint), []);
  assert.equal((await act('devices list', [])) as unknown[], []);
  assert.is(((await act('devices list', [], { all: true })) as unknown[]).length, 1);
  assert.is((await refusal(act('devices revoke', [added.device]))).code, 'E_STATE');
  // The same key and name may be paired again.
  await act('devices add-key', [file], { role: 'viewer', name: 'ada' });
  assert.equal(await admit(added.fingerprint), [{ name: 'ada', role: 'viewer' }]);

  const { rows } = await database.pool.query("select verb from agent_events where kind = 'act' order by id");
  assert.equal(
    rows.map((row) => row.verb),
    ['devices add', 'devices revoke', 'devices add'],
  );
});

test('what is no public key, or is paired already, is refused', async () => {
  const { file, private: secret } = keyFile('bob.pub');
  await act('devices add-key', [file], { role: 'viewer', name: 'bob' });
  const refusalOf = async (given: string, options: Record<string, string> = { role: 'viewer', name: 'eve' }) =>
    (await refusal(act('devices add-key', [given], options))).code;
  assert.is(await refusalOf(file), 'E_STATE', 'the key is there under another name');
  assert.is(
    await refusalOf(keyFile('other.pub').file, { role: 'viewer', name: 'bob' }),
    'E_STATE',
    'the name is taken',
  );
  assert.is(await refusalOf(keyFile('odd.pub').file, { role: 'viewer', name: 'a b' }), 'E_ARGUMENT');
  assert.is(await refusalOf(keyFile('none.pub').file, { role: 'viewer' }), 'E_ARGUMENT');
  assert.is(await refusalOf(path.join(folder, 'absent')), 'E_KEY_FILE');
  const badFile = (text: string) => {
    const bad = path.join(folder, 'bad');
    writeFileSync(bad, text);
    return bad;
  };
  assert.is(await refusalOf(badFile(secret)), 'E_KEY', 'a private key');
  assert.is(await refusalOf(badFile('hello')), 'E_KEY');
  assert.is(await refusalOf(badFile('')), 'E_KEY');
  const weak = ssh2.utils.generateKeyPairSync('rsa', { bits: 1024 });
  assert.is(await refusalOf(badFile(weak.public)), 'E_KEY', 'RSA of 1024 bits');
});

test('the limited role reads no devices and pairs none', async () => {
  const limited = connectAs(database, 'binaryrogue');
  try {
    assert.is((await refusal(limited.query('select * from ops_devices'))).code, '42501');
    assert.is((await refusal(limited.query("select add_device('telegram', 'me', '42', 'owner')"))).code, '42501');
  } finally {
    await limited.end();
  }
});

test.run();
