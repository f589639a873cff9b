import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { AUDIT_CHECKS } from '../../../lib/audit/checks/index.ts';
import { audit } from '../../../lib/audit/index.ts';
import { loadConfig } from '../../../lib/config/index.ts';
import { type Diagnosis, EXAMINATIONS, examine } from '../../../lib/doctor/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { testServers } from '../../harness/servers.ts';
import { suite } from '../../harness/suite.ts';
import { testEnvironment } from '../../harness/workers.ts';

const test = suite('doctor and security audit', { timeoutMs: 90_000 });
let database: TestDatabase;
let env: Record<string, string>;

test.before(async () => {
  database = await freshDatabase();
  env = testEnvironment(database);
});
test.after(() => database.drop());

async function patient() {
  const { postgres, redis } = await testServers();
  return { config: loadConfig({ env }), db: database.pool, postgres: { ...postgres, urlFor: database.urlFor }, redis };
}
const of = (diagnoses: readonly Diagnosis[], id: string) => diagnoses.find((one) => one.id === id)!;

test('there are more than twenty examinations, each with a name of its own', () => {
  assert.ok(EXAMINATIONS.length > 20, `${EXAMINATIONS.length}`);
  assert.is(new Set(EXAMINATIONS.map(({ id }) => id)).size, EXAMINATIONS.length);
});

test('a dry run shows a diff and changes nothing; --fix applies it, deletes nothing, and is done the second time', async () => {
  const { config } = await patient();
  mkdirSync(config.layout.config, { recursive: true });
  writeFileSync(config.layout.envFile, 'OPENCLAW_LOG_LEVEL=silent\n', { mode: 0o600 });
  mkdirSync(config.layout.logs, { mode: 0o755, recursive: true });
  writeFileSync(`${config.layout.logs}/kept.log`, 'x');
  mkdirSync(config.layout.tasks, { recursive: true });
  chmodSync(config.layout.tasks, 0o777);

  const seen = await examine(await patient(), false);
  assert.is(of(seen, 'logs_mode').state, 'fail');
  assert.equal(of(seen, 'logs_mode').fix!.diff, [`- 0755 ${config.layout.logs}`, `+ 0700 ${config.layout.logs}`]);
  assert.is(statSync(config.layout.logs).mode & 0o777, 0o755, 'only shown');
  assert.not(existsSync(config.layout.backups));

  const before = readdirSync(config.home, { recursive: true, encoding: 'utf8' });
  const mended = await examine(await patient(), true);
  for (const id of ['logs_mode', 'tasks_mode', 'folders', 'env_example'])
    assert.ok(of(mended, id).fixed, `${id}: ${of(mended, id).found}`);
  assert.is(statSync(config.layout.tasks).mode & 0o777, 0o755);
  const after = new Set(readdirSync(config.home, { recursive: true, encoding: 'utf8' }));
  assert.equal(
    before.filter((name) => !after.has(name)),
    [],
  );
  const again = await examine(await patient(), true);
  assert.equal(
    again.filter(({ fix }) => fix).map(({ id }) => id),
    [],
  );
});

test('it tells what is wrong with the servers', async () => {
  const well = await examine(await patient(), false);
  for (const id of ['postgres', 'schema', 'roles', 'role_rights', 'redis', 'redis_policy', 'clock', 'invalid_indexes'])
    assert.is(of(well, id).state, 'ok', `${id}: ${of(well, id).found}`);
  await database.admin.query("insert into clock_override (at) values ('2020-01-01')");
  const ill = await examine(await patient(), false);
  assert.is(of(ill, 'clock').state, 'fail');
  await database.admin.query('delete from clock_override');
  const away = await examine({ ...(await patient()), db: undefined, postgres: undefined, redis: undefined }, false);
  assert.equal(
    [of(away, 'postgres').state, of(away, 'schema').state, of(away, 'redis').state],
    ['fail', 'skipped', 'fail'],
  );
});

test('the audit finds what is open, the worst first, and names what it could not look at', async () => {
  const { config } = await patient();
  const clean = await audit(await patient());
  const ours = clean.findings.filter(({ check }) => !['listeners', 'account', 'sshd', 'units'].includes(check));
  assert.equal(ours, [], 'nothing of this home is open');
  assert.is(clean.checks.length, AUDIT_CHECKS.length);

  chmodSync(config.layout.envFile, 0o644);
  chmodSync(config.layout.tasks, 0o777);
  await database.admin.query('grant execute on function apply_retention(integer) to public');
  const report = await audit({ config, ...(await patientWithoutConfig()) });
  const found = report.findings.map(({ severity, check, found: text }) => `${severity} ${check}: ${text}`);
  assert.ok(
    found.some((line) => line.startsWith('critical files:') && line.includes('.env has mode 644')),
    found.join('\n'),
  );
  assert.ok(found.some((line) => line.startsWith('high files:') && line.includes('others may write')));
  assert.ok(found.some((line) => line.startsWith('high roles: anybody may run apply_retention')));
  const ranks = report.findings.map(({ severity }) => ['critical', 'high', 'medium', 'low', 'info'].indexOf(severity));
  assert.equal(
    ranks,
    ranks.toSorted((a, b) => a - b),
  );
  await database.admin.query('revoke execute on function apply_retention(integer) from public');
  chmodSync(config.layout.envFile, 0o600);
  const away = await audit({ config, db: undefined, postgres: undefined, redis: undefined });
  assert.is(away.checks.find(({ id }) => id === 'roles')!.note, 'Postgres does not answer');
});

async function patientWithoutConfig() {
  const { postgres, redis } = await testServers();
  return { db: database.pool, postgres: { ...postgres, urlFor: database.urlFor }, redis };
}

test.run();
