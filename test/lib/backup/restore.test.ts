import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { backupFreshness, drillBackup, findArchive, restoreBackup, runBackup } from '../../../lib/backup/index.ts';
import { dropScratch, makeScratch } from '../../../lib/backup/scratch.ts';
import { type BackupSource, toolsOf } from '../../../lib/backup/source.ts';
import { createPool } from '../../../lib/db/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { type BackupHome, backupHome } from './backupHome.ts';

const test = suite('backup: drill and restore', { timeoutMs: 120_000 });
const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;
let database: TestDatabase;
let home: BackupHome;
let source: BackupSource;
let name: string;

test.before(async () => {
  database = await freshDatabase();
  home = backupHome(database);
  const { server } = database;
  source = {
    server,
    database: database.name,
    url: database.urlFor('openclaw_backup'),
    adminUrlFor: (other) => server.urlFor('postgres', other),
    programs: await toolsOf(server),
  };
});
test.after(() => database.drop());

test('no backup at all is stale, and one of now is fresh', async () => {
  assert.equal(await backupFreshness(database.pool), { backup: null, ageMs: null, stale: true });
  symlinkSync('note.md', path.join(home.config.layout.workspace, 'link.md'));
  symlinkSync('/etc/passwd', path.join(home.config.layout.workspace, 'out.md'));
  // While it is made, somebody writes without pause: the counts are the snapshot's all the same.
  let busy = true;
  const writing = (async () => {
    while (busy) await database.pool.query("insert into ops_agent_events (kind) values ('user.noise')");
  })();
  const run = await runBackup({ config: home.config, db: database.pool, log, signal, source });
  busy = false;
  await writing;
  name = run.name;
  const fresh = await backupFreshness(database.pool);
  assert.equal([fresh.stale, fresh.backup!.name], [false, name]);
  await database.pool.query("insert into clock_override (at) values (now() + interval '13 hours 1 minute')");
  assert.ok((await backupFreshness(database.pool)).stale);
  await database.pool.query('delete from clock_override');
});

test('a drill restores it, counts every table, records that, and leaves nothing', async () => {
  const drill = await drillBackup({ config: home.config, db: database.pool, log, signal, source });
  assert.equal([drill.name, drill.passed], [name, true]);
  const { rows } = await database.pool.query(
    'select d.passed, d.row_count::int, b.name from ops_backup_drills d join ops_backups b on b.id = d.backup_id',
  );
  assert.equal(rows, [{ passed: true, row_count: drill.rows, name }]);
  const events = await database.pool.query(
    "select count(*)::int as n from ops_agent_events where kind = 'backup.drill_passed'",
  );
  assert.is(events.rows[0]!.n, 1);
  const left = await database.admin.query('select from pg_database where datname = $1', [`${database.name}_drill`]);
  assert.is(left.rowCount, 0);
});

test('restored elsewhere, rows are old for every follower, and a target in use is refused', async () => {
  const target = `${database.name}_restored`;
  const maintenance = database.server.urlFor('postgres', 'postgres');
  await makeScratch(maintenance, target);
  const into = database.server.urlFor('postgres', target);
  const { file } = findArchive(home.config, name);
  const options = { config: home.config, db: database.pool, file, into, force: false, signal, say: () => undefined };
  try {
    const restored = await restoreBackup(options);
    const pool = createPool(into, { name: 'test:restored', max: 1 });
    const { rows } = await pool.query<{ n: number; owner: string }>(
      "select count(*)::int as n, (select tableowner from pg_tables where tablename = 'ops_missions') as owner from ops_agent_events where tx < pg_snapshot_xmin(pg_current_snapshot())",
    );
    const all = await pool.query(
      'select count(*)::int as n, min(tx::text) as first, max(tx::text) as last from ops_agent_events',
    );
    await pool.end();
    assert.equal(all.rows[0], { n: rows[0]!.n, first: '3', last: '3' });
    assert.is(rows[0]!.owner, 'openclaw_owner');
    assert.ok(rows[0]!.n > 0 && restored.rows! > rows[0]!.n);
    assert.is((await refusal(restoreBackup(options))).code, 'E_NOT_EMPTY');
    assert.ok((await restoreBackup({ ...options, force: true })).rows === restored.rows);
  } finally {
    await dropScratch(maintenance, target);
  }
});

test('its files come back below the folder; a link that leads out does not', async () => {
  const filesInto = path.join(home.config.home, 'back');
  const { file } = findArchive(home.config, name);
  const options = {
    config: home.config,
    db: database.pool,
    file,
    filesInto,
    force: false,
    signal,
    say: () => undefined,
  };
  const { files } = await restoreBackup(options);
  assert.is(readFileSync(path.join(filesInto, 'workspace/memory/fact.md'), 'utf8'), 'the sky is blue\n');
  assert.is(readlinkSync(path.join(filesInto, 'workspace/link.md')), 'note.md');
  assert.not.ok(existsSync(path.join(filesInto, 'workspace/out.md')));
  assert.equal(files!.skipped, ['workspace/out.md -> /etc/passwd: leads out']);
  assert.is((await refusal(restoreBackup(options))).code, 'E_NOT_EMPTY');
});

test('a damaged archive restores nothing, and its drill is recorded as failed', async () => {
  const { file } = findArchive(home.config, name);
  const whole = readFileSync(file);
  const damaged = Buffer.from(whole);
  damaged[5000]! ^= 1;
  writeFileSync(file, damaged);
  const filesInto = path.join(home.config.home, 'never');
  const options = {
    config: home.config,
    db: database.pool,
    file,
    filesInto,
    force: false,
    signal,
    say: () => undefined,
  };
  assert.is((await refusal(restoreBackup(options))).code, 'E_ARCHIVE_DAMAGED');
  assert.not.ok(existsSync(filesInto));
  // Cut anywhere: what was fed with it ends as well, or pg_restore would wait for the rest for hours.
  for (const part of [0.2, 0.5, 0.9]) {
    writeFileSync(file, whole.subarray(0, whole.length * part));
    assert.is((await refusal(restoreBackup(options))).code, 'E_ARCHIVE_DAMAGED');
    const children = execFileSync('ps', ['-o', 'args', '--ppid', String(process.pid)], { encoding: 'utf8' });
    assert.not.match(children, /pg_restore/, `cut at ${part}`);
  }
  writeFileSync(file, damaged);
  assert.is(
    (await refusal(drillBackup({ config: home.config, db: database.pool, log, signal, source }))).code,
    'E_ARCHIVE_DAMAGED',
  );
  const { rows } = await database.pool.query('select passed from ops_backup_drills order by id desc limit 1');
  assert.is(rows[0]!.passed, false);
});

test.run();
