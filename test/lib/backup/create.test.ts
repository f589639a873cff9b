import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { findArchive, runBackup, verifyNamed } from '../../../lib/backup/index.ts';
import { surplus } from '../../../lib/backup/prune.ts';
import { lockBackups } from '../../../lib/backup/session.ts';
import { toolsOf } from '../../../lib/backup/source.ts';
import { loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { type BackupHome, backupHome } from './backupHome.ts';

const test = suite('backup: the archive', { timeoutMs: 120_000 });
const signal = new AbortController().signal;
let database: TestDatabase;
let home: BackupHome;
let first: string;

test.before(async () => {
  database = await freshDatabase();
  home = backupHome(database);
});
test.after(() => database.drop());

const rowOf = async (name: string) =>
  (
    await database.pool.query<{
      archive: string;
      offsite: string;
      faults: string[];
      row_count: string;
      sha256: string;
    }>('select archive, offsite, faults, row_count, sha256 from ops_backups where name = $1', [name])
  ).rows[0]!;
const verify = (file: string) => verifyNamed({ config: home.config, db: database.pool, file, signal });
const runOne = (stage: string) =>
  new Promise<string | null>((resolve, reject) => {
    const script = path.join(import.meta.dirname, 'runOne.ts');
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, stage], {
      env: home.env,
      stdio: 'inherit',
    });
    child.once('error', reject);
    child.once('exit', (code, killed) => resolve(killed ?? String(code)));
  });

test('it holds the database and the files, and no secret; its row says verified and local only', async () => {
  const run = await home.backup();
  first = run.name;
  assert.match(run.name, /^openclaw_backup_\d{8}_\d{6}\.tar\.gz$/);
  const { file } = findArchive(home.config, run.name);
  assert.is(statSync(file).mode & 0o777, 0o600);
  const { archive, offsite, sha256, row_count } = await rowOf(run.name);
  assert.equal([archive, offsite, sha256, Number(row_count)], ['verified', 'local_only', run.sha256, run.rows]);

  const { manifest } = await verify(file);
  const names = manifest!.files.map((each) => each.path);
  const expected = [
    'database.dump',
    'workspace/note.md',
    'workspace/memory/fact.md',
    '.openclaw/agents/scout.yaml',
    'tasks/mine.ts',
    'uploads/ab/abcdef',
    'config/providers/one.yaml',
    'config/env-without-secrets',
  ];
  assert.equal(
    expected.filter((name) => !names.includes(name)),
    [],
  );
  assert.equal(
    names.filter((name) => /credentials|\.env$/.test(name)),
    [],
  );
  assert.ok(manifest!.tables['public.ops_tasks']! > 5);

  // By the tools that a person has on another machine.
  const listed = spawnSync('tar', ['xzOf', file, '--exclude=database.dump'], { encoding: 'utf8' });
  assert.is(listed.status, 0);
  assert.not.match(listed.stdout, /canary/);
  assert.match(listed.stdout, /OPENCLAW_LOG_LEVEL=warn/);
  const events = await database.pool.query(
    "select kind from ops_agent_events where payload ->> 'name' = $1 order by id",
    [run.name],
  );
  assert.equal(
    events.rows.map((row) => row.kind),
    ['backup.verified', 'backup.local_only'],
  );
});

test('one flipped byte is found, wherever it is', async () => {
  const { file } = findArchive(home.config, first);
  const whole = readFileSync(file);
  // Of the gzip header, the dump, the middle, and the end.
  for (const at of [9, 3000, Math.floor(whole.length / 2), whole.length - 6]) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 0x10;
    writeFileSync(file, damaged);
    assert.is((await refusal(verify(file))).code, 'E_ARCHIVE_DAMAGED', `byte ${at}`);
  }
  writeFileSync(file, whole.subarray(0, whole.length - 100));
  assert.is((await refusal(verify(file))).code, 'E_ARCHIVE_DAMAGED', 'cut off');
  writeFileSync(file, whole);
  await verify(file);
});

test('a file that cannot be read makes it partial, and is named', async () => {
  const file = home.write('workspace/locked.md', 'x', 0o000);
  const asRoot = process.getuid?.() === 0;
  // Root reads whatever its mode is, but not this.
  if (asRoot && spawnSync('mount', ['--bind', '/proc/1/mem', file]).status !== 0) {
    console.log('  skipped: root can read everything here, and may not mount');
    rmSync(file);
    return;
  }
  try {
    const run = await home.backup();
    assert.is(run.archive, 'partial');
    const { faults } = await rowOf(run.name);
    assert.is(faults.length, 1);
    assert.match(faults[0]!, /^unreadable: workspace\/locked\.md: E/);
  } finally {
    if (asRoot) spawnSync('umount', [file]);
    rmSync(file, { force: true });
  }
});

test('a file that is written to while it is read is whole in the archive, and named', async () => {
  const small = home.write('workspace/busy.log', 'begin\n');
  const large = home.write('workspace/busy.bin', Buffer.alloc(5 << 20));
  let busy = true;
  const write = () => {
    if (!busy) return;
    appendFileSync(small, 'x');
    appendFileSync(large, 'y');
    setImmediate(write);
  };
  write();
  try {
    const run = await home.backup();
    assert.is(run.archive, 'verified');
    const { manifest } = await verify(findArchive(home.config, run.name).file);
    assert.equal(manifest!.changing, ['workspace/busy.bin', 'workspace/busy.log']);
  } finally {
    busy = false;
    rmSync(small);
    rmSync(large);
  }
});

test('killed after any stage, no half archive has a name, and the next run goes on', async () => {
  const { backups } = home.config.layout;
  for (const stage of ['begun', 'dumped', 'packed', 'named']) {
    const before = new Set(readdirSync(backups).filter((name) => name.endsWith('.tar.gz')));
    assert.is(await runOne(stage), 'SIGKILL', stage);
    const made = readdirSync(backups).filter((name) => name.endsWith('.tar.gz') && !before.has(name));
    assert.is(made.length, stage === 'named' ? 1 : 0, stage);
  }
  const { rows: open } = await database.pool.query('select name from ops_backups where archive is null');
  assert.is(open.length, 1, 'each run settles those before it');
  const run = await home.backup();
  assert.is(run.archive, 'verified');
  // The one that had its name was whole: it is verified now, by what is in it.
  assert.is((await rowOf(open[0]!.name)).archive, 'verified');
  const { rows } = await database.pool.query(
    "select count(*)::int as n from ops_backups where archive = 'failed' and faults::text like '%killed before the archive was whole%'",
  );
  assert.is(rows[0]!.n, 3);
  assert.equal(
    readdirSync(backups).filter((name) => /partial|work/.test(name)),
    [],
  );
});

test('never two at once: the second is told so', async () => {
  const session = await lockBackups(home.env.DATABASE_ADMIN_URL!);
  assert.is((await refusal(home.backup())).code, 'E_BACKUP_RUNNING');
  await session.end();
});

test('pg_dump of another major version, or none, is refused', async () => {
  assert.is((await refusal(toolsOf({ ...database.server, version: '99.1' }))).code, 'E_PG_DUMP_VERSION');
  assert.is((await refusal(toolsOf({ ...database.server, binDir: null }))).code, 'E_NO_PG_DUMP');
});

test('encrypted to a recipient, it is read back before it has its name, and opens with the identity only', async () => {
  const { generateIdentity, identityToRecipient } = await import('age-encryption');
  const identity = await generateIdentity();
  const config = loadConfig({ env: { ...home.env, BACKUP_AGE_RECIPIENT: await identityToRecipient(identity) } });
  const run = await runBackup({
    config,
    db: database.pool,
    log: createLogger({ name: 'test', level: 'silent' }),
    signal,
  });
  assert.match(run.name, /\.tar\.zst\.age$/);
  const { file } = findArchive(config, run.name);
  assert.is((await verify(file)).manifest, null);
  const identityFile = home.write('elsewhere.txt', `# created\n${identity}\n`);
  const opened = await verifyNamed({ config, db: database.pool, file, identityFile, signal });
  assert.is(opened.manifest!.name, run.name);
  const other = home.write('other.txt', `${await generateIdentity()}\n`);
  assert.is(
    (await refusal(verifyNamed({ config, db: database.pool, file, identityFile: other, signal }))).code,
    'E_IDENTITY',
  );
  appendFileSync(file, 'x');
  assert.is((await refusal(verify(file))).code, 'E_ARCHIVE_DAMAGED');
});

test('on a full disk it fails, says so, and leaves what was there', async () => {
  const full = backupHome(database);
  const { backups } = full.config.layout;
  mkdirSync(backups);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', backups]);
  if (mounted.status !== 0) {
    console.log('  skipped: this user may not mount a small disk (needs root)');
    return;
  }
  try {
    copyFileSync(findArchive(home.config, first).file, path.join(backups, first));
    // It begins with room enough; what cannot be compressed does not fit.
    full.write('workspace/large.bin', randomBytes(45 << 20));
    assert.is((await refusal(full.backup())).code, 'ENOSPC');
    assert.equal(readdirSync(backups), [first]);
    const { rows } = await database.pool.query('select archive, faults from ops_backups order by id desc limit 1');
    assert.is(rows[0]!.archive, 'failed');
    assert.match(rows[0]!.faults[0], /ENOSPC|no space/i);
  } finally {
    spawnSync('umount', [backups]);
  }
});

test('old archives go by number; an incomplete one pushes out none, and the newest verified one stays', () => {
  const names = ['e', 'd', 'c', 'b', 'a'];
  const known = (states: Record<string, string>) => new Map(Object.entries(states));
  assert.equal(
    surplus(names, known({ e: 'verified', d: 'verified', c: 'verified', b: 'verified', a: 'verified' }), 3),
    ['b', 'a'],
  );
  assert.equal(surplus(names, known({ e: 'partial', d: 'failed', c: 'partial', b: 'verified', a: 'verified' }), 2), [
    'c',
  ]);
  assert.equal(surplus(names, known({ e: 'partial', d: 'partial', c: 'partial', b: 'partial', a: 'verified' }), 1), [
    'd',
    'c',
    'b',
  ]);
  assert.equal(surplus(names, new Map(), 2), ['c', 'b', 'a']);
});

test.run();
