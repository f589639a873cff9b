import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { mirrorMemory } from '../../../lib/memory/mirror.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('memory', { timeoutMs: 60_000 });
let database: TestDatabase;
const workspace = temporaryHome().layout.workspace;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const query = <Row extends Record<string, unknown>>(text: string, values: unknown[] = []) =>
  database.pool.query<Row>(text, values).then(({ rows }) => rows);
const remember = async (kind: string, text: string, confidence = 0.5) =>
  (await query<{ id: string }>('select remember($1, $2, confidence => $3) as id', [kind, text, confidence]))[0]!.id;
const found = async (words: string) =>
  (await query<{ id: string }>('select id from search_memory($1)', [words])).map((row) => row.id);
const mirror = () => mirrorMemory(database.pool, workspace);
const fileOf = (kind: string, id: string) => path.join(workspace, 'memory', kind, `${id}.md`);

test('the same thought again is one row that is surer, a superseded one is found no more', async () => {
  const first = await remember('lesson', 'Retry the upload after an hour');
  assert.is(await remember('lesson', 'retry  the upload after an hour'), first);
  const [row] = await query<{ confidence: number }>('select confidence from ops_memory where id = $1', [first]);
  assert.ok(Math.abs(row!.confidence - 0.75) < 1e-6, String(row!.confidence));
  const [next] = await query<{ id: string }>(
    "select remember('lesson', 'Retry the upload after a minute', supersedes => $1) as id",
    [first],
  );
  assert.equal(await found('retry upload'), [next!.id]);
  assert.is((await refusal(query("select remember('rumour', 'x')"))).code, 'OC009');
  assert.is((await refusal(query("select remember('lesson', ' ')"))).code, 'OC009');
});

test('words are found, misspelt ones too, by index', async () => {
  await database.admin.query(
    "insert into ops_memory (kind, text) select 'insight', format('Row %s about %s and %s', n, md5(n::text), md5((n + 7)::text)) from generate_series(1, 5000) n",
  );
  await database.admin.query('analyze ops_memory');
  const wanted = await remember('pattern', 'Brandenburg concertos delay the nightly backup', 0.9);
  assert.equal(await found('nightly brandenburg'), [wanted]);
  assert.is((await found('brandenbrug concertos'))[0], wanted);
  const client = await database.pool.connect();
  await client.query('begin; set local enable_seqscan = off');
  const { rows: plan } = await client.query<{ 'QUERY PLAN': string }>(
    "explain select id from ops_memory where search @@ websearch_to_tsquery('simple', 'nightly') and superseded_by is null",
  );
  await client.query('rollback');
  client.release();
  assert.match(plan.map((line) => line['QUERY PLAN']).join('\n'), /ops_memory_search/);
  await database.admin.query("delete from ops_memory where text like 'Row %'");
});

test('pruning keeps what is pinned and what is surest', async () => {
  await database.admin.query(
    "insert into ops_memory (kind, agent, text, confidence, pinned) select 'insight', 'scout', 'kept ' || n, n / 100.0, n = 1 from generate_series(1, 20) n",
  );
  await query('select prune_memory(5)');
  const rows = await query<{ text: string }>("select text from ops_memory where agent = 'scout' order by id");
  assert.equal(
    rows.map((row) => row.text),
    ['kept 1', 'kept 17', 'kept 18', 'kept 19', 'kept 20'],
  );
});

test('the mirror writes each row, reads an edit back, takes in a new file and never overwrites a hand', async () => {
  const ids = [
    await remember('strategy', 'Ask the cheap model first'),
    await remember('strategy', 'Then the dear one'),
    await remember('lesson', 'Disks fill at night'),
  ];
  assert.ok((await mirror()).written >= 3);
  const again = await mirror();
  assert.equal([again.written, again.readBack, again.added, again.forgotten], [0, 0, 0, 0]);

  writeFileSync(fileOf('strategy', ids[0]!), 'Ask the local model first\n\n');
  mkdirSync(path.join(workspace, 'memory/preference'), { recursive: true });
  writeFileSync(path.join(workspace, 'memory/preference/tone.md'), 'Answer in one sentence');
  writeFileSync(path.join(workspace, 'memory/preference/empty.md'), '  ');
  const edited = await mirror();
  assert.equal([edited.readBack, edited.added], [1, 1]);
  assert.match(edited.faults[0]!.file, /empty\.md$/);
  assert.is(
    readFileSync(fileOf('strategy', ids[0]!), 'utf8'),
    'Ask the local model first\n\n',
    'the file stays as the hand left it',
  );
  const [row] = await query<{ text: string; confidence: number; pinned: boolean }>(
    'select text, confidence, pinned from ops_memory where id = $1',
    [ids[0]],
  );
  assert.equal(row, { text: 'Ask the local model first', confidence: 1, pinned: true });
  assert.is((await query("select from ops_memory where kind = 'preference' and pinned")).length, 1);
  rmSync(path.join(workspace, 'memory/preference/empty.md'));

  const secret = `sk-ant-api03-${'Ab1'.repeat(20)}`;
  writeFileSync(fileOf('strategy', ids[1]!), `The key is ${secret}`);
  const refused = await mirror();
  assert.match(refused.faults[0]?.message ?? '', /secret/);
  assert.is(readFileSync(fileOf('strategy', ids[1]!), 'utf8'), `The key is ${secret}`, 'the file stays');
  assert.is((await query('select from ops_memory where text like $1', [`%${secret}%`])).length, 0);
  writeFileSync(fileOf('strategy', ids[1]!), 'Then the dear one');

  rmSync(fileOf('lesson', ids[2]!));
  assert.is((await mirror()).forgotten, 1);
  rmSync(path.join(workspace, 'memory'), { recursive: true });
  const lost = await mirror();
  assert.is(lost.forgotten, 0, 'a lost folder is no wish to forget');
  assert.ok(readdirSync(path.join(workspace, 'memory/strategy')).length >= 2);
});

test.run();
