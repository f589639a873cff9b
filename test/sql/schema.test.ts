import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { dumpSchema } from '../../lib/db/dumpSchema.ts';
import { createPool, migrate, prepareDatabase } from '../../lib/db/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';

const test = suite('the schema', { timeoutMs: 60_000 });
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const golden = readFileSync(path.join(CODE_ROOT, 'sql/schema.sql'), 'utf8');
const goldenMajor = /^-- PostgreSQL (\d+)$/m.exec(golden)?.[1];

test('sql/schema.sql equals a dump', async () => {
  const major = database.server.version.split('.')[0];
  if (major !== goldenMajor) {
    process.stdout.write(`skipped: sql/schema.sql is of PostgreSQL ${goldenMajor}, this server is ${major}\n`);
    return;
  }
  assert.fixture(await dumpSchema(database.server, database.name), golden, 'run: npm run schema');
});

test('eight first starts at once make one schema', async () => {
  const name = `${database.name}_race`;
  const results = await Promise.all(
    Array.from({ length: 8 }, () => prepareDatabase(database.server, { database: name })),
  );
  const applied = results.filter((result) => result.applied.length > 0);
  assert.is(applied.length, 1, 'one of them migrated');
  const pool = createPool(results[0]!.adminUrl, { name: 'test', max: 1 });
  const { rows } = await pool.query(
    'select count(*)::integer as rows, count(distinct version)::integer as versions from schema_migrations where version > 0',
  );
  const files = globSync('*.sql', { cwd: path.join(CODE_ROOT, 'sql/migrations') }).length;
  assert.equal(rows[0], { rows: files, versions: files });
  await pool.end();
  await database.admin.query(`drop database ${name} with (force)`);
});

test('an edited migration and a newer schema are refused', async () => {
  const adminUrl = database.urlFor('postgres');
  await database.admin.query("update schema_migrations set md5 = 'x' where version = 3");
  await assertRejects(() => migrate(adminUrl, { asOwner: true }), 'E_MIGRATION_CHANGED');
  await database.admin.query('update schema_migrations set md5 = null where version = 3');
  await database.admin.query("insert into schema_migrations (version, name) values (9999, 'from the future')");
  await assertRejects(() => migrate(adminUrl, { asOwner: true }), 'E_SCHEMA_NEWER');
  await database.admin.query('delete from schema_migrations where version = 9999');
  assert.equal((await migrate(adminUrl, { asOwner: true })).applied, []);
});

test('a server where roles cannot be made is used as the one user, with a notice', async () => {
  await database.admin.query(`create role ${database.name}_plain login password 'plain'`);
  await database.admin.query(`create database ${database.name}_plain owner ${database.name}_plain`);
  const url = new URL(database.urlFor('postgres'));
  url.username = `${database.name}_plain`;
  url.password = 'plain';
  url.pathname = `/${database.name}_plain`;
  // As a managed server that does not have our roles: the cluster of the tests does, so they are hidden by name.
  const configured = {
    ...database.server,
    origin: 'configured' as const,
    adminUrl: url.href,
    urlFor: () => url.href,
    password: () => undefined,
  };
  const prepared = await prepareDatabase(configured, { roles: ['absent_owner'] });
  assert.is(prepared.separate, false);
  assert.match(prepared.notice ?? '', /may not create roles/);
  const pool = createPool(prepared.workerUrl, { name: 'test', max: 1 });
  await pool.query("insert into graphile_worker._private_tasks (identifier) values ('x')");
  await pool.query(
    `insert into ops_tasks (identifier, title, pool, effect, max_attempts, timeout_ms, backoff, payload_schema, payload_predicate, file, content_hash, registered_by)
     values ('x', 'x', 'missions', 'outside', 1, 1, '{}', '{}', '$.type() == "object"', 'x', 'x', 'x')`,
  );
  const { rows } = await pool.query("select add_job('x') as id");
  assert.ok(rows[0].id);
  await pool.end();
  await database.admin.query(`drop database ${database.name}_plain with (force)`);
  await database.admin.query(`drop role ${database.name}_plain`);
});

test('every table, view and the columns that need it are described', async () => {
  const { rows } = await database.admin.query(
    `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') and obj_description(oid) is null and relname <> 'schema_migrations'`,
  );
  assert.equal(rows, []);
});

async function assertRejects(work: () => Promise<unknown>, code: string): Promise<void> {
  try {
    await work();
  } catch (error) {
    assert.is((error as { code?: string }).code, code, String(error));
    return;
  }
  assert.unreachable(`expected ${code}`);
}

test.run();
