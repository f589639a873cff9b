import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import type { OpenClawError } from '../../../lib/errors/index.ts';
import type { TaskOptions } from '../../../lib/tasks/index.ts';
import { defineTask, loadTasks } from '../../../lib/tasks/index.ts';
import { freshDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('tasks are what lies in the tasks folders');

/** A tasks folder of these files, below a home that goes with this process. */
function folderOf(files: Record<string, string>): string {
  const folder = path.join(temporaryHome().home, 'tasks');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}
const GOOD = 'export default async (payload, helpers) => ({ payload, id: helpers.job.id });\n';
const faultOf = (faults: readonly { file: string; message: string }[], name: string) =>
  faults.find((fault) => path.basename(fault.file) === name)?.message ?? 'no fault';

test('a file that is no task is named with the reason, and the others load', async () => {
  const folder = folderOf({
    'good.mjs': GOOD,
    'nested/deeper/good.mjs': GOOD,
    'typed.ts': 'const n: number = 1;\nexport default async (): Promise<number> => n;\n',
    'common.cjs': 'module.exports = async () => 1;\n',
    'README.md': 'not a task\n',
    'syntax.mjs': 'export default async ( => 1;\n',
    'throws.mjs': "throw new Error('no database yet');\n",
    'number.mjs': 'export default 5;\n',
    'nothing.mjs': 'export const task = async () => 1;\n',
    'bad name!.mjs': GOOD,
    [`${'x'.repeat(129)}.mjs`]: GOOD,
    '.hidden.mjs': 'syntax error',
    '.folder/hidden.mjs': 'syntax error',
    'node_modules/package/index.mjs': 'syntax error',
    'types.d.ts': 'declare const n: number;\n',
  });
  const { tasks, faults } = await loadTasks([folder]);
  assert.equal([...tasks.keys()].sort(), ['common', 'good', 'nested/deeper/good', 'typed']);
  assert.match(faultOf(faults, 'README.md'), /is no task: expected a module .* or an executable file \(chmod \+x\)/);
  assert.match(faultOf(faults, 'syntax.mjs'), /Unexpected token/);
  assert.match(faultOf(faults, 'throws.mjs'), /no database yet/);
  assert.match(faultOf(faults, 'number.mjs'), /its default export is a number, expected defineTask/);
  assert.match(faultOf(faults, 'nothing.mjs'), /its default export is missing/);
  assert.match(faultOf(faults, 'bad name!.mjs'), /no task identifier: at most 128 letters, digits, _ and -/);
  assert.match(faultOf(faults, `${'x'.repeat(129)}.mjs`), /no task identifier/);
  assert.is(faults.length, 7);
});

test('of two files of one name the first wins, in a folder and between folders, and the other is named', async () => {
  const first = folderOf({ 'twice.cjs': 'module.exports = async () => 1;\n', 'twice.mjs': GOOD, 'own.mjs': GOOD });
  const second = folderOf({ 'own.mjs': GOOD, 'other.mjs': GOOD });
  const { tasks, faults } = await loadTasks([first, second]);
  assert.equal([...tasks.keys()].sort(), ['other', 'own', 'twice']);
  assert.is(tasks.get('own')!.file, path.join(first, 'own.mjs'));
  assert.match(faultOf(faults, 'twice.mjs'), /"twice" is already defined by .*twice\.cjs; rename one of them/);
  assert.match(faultOf(faults, 'own.mjs'), /already defined by/);
  assert.is(faults.length, 2);
});

test('a folder that is not there has no tasks, and one that cannot be read is named', async () => {
  assert.equal(await loadTasks(['/nonexistent/tasks']), { tasks: new Map(), faults: [] });
  const file = path.join(folderOf({ 'file.mjs': GOOD }), 'file.mjs');
  const { faults } = await loadTasks([file]);
  assert.match(faultOf(faults, 'file.mjs'), /cannot be read/);
});

test('the built-in tasks load without a fault', async () => {
  const { tasks, faults } = await loadTasks([path.join(CODE_ROOT, 'tasks')]);
  assert.equal(faults, []);
  for (const name of ['fetch_url', 'host_sample', 'mission', 'retention', 'run_sql', 'write_note'])
    assert.ok(tasks.has(name));
});

test('a file that changed has another content hash', async () => {
  const [one, two, same] = ['1', '2', '1'].map((n) => folderOf({ 'a.mjs': `export default async () => ${n};\n` }));
  const hash = async (folder: string) => (await loadTasks([folder])).tasks.get('a')!.contentHash;
  assert.is.not(await hash(one!), await hash(two!));
  assert.is(await hash(one!), await hash(same!));
});

const SOUND = { title: 'A task', payload: z.object({}), effect: 'read' } as const;
const run = async () => undefined;

test('an option of defineTask that is out of range is refused, and the refusal names it', () => {
  const faulty: [Record<string, unknown>, RegExp][] = [
    [{ title: '' }, /title of task "" is /],
    [{ title: 7 }, /title .* is 7, expected a text/],
    [{ effect: 'reading' }, /effect of task "A task" is reading, expected read, write, outside/],
    [{ effect: undefined }, /effect .* is undefined/],
    [{ pool: 'mission' }, /pool .* is mission, expected missions, reactions, learning, upkeep/],
    [{ retries: -1 }, /retries .* is -1, expected a whole number from 0 to 99/],
    [{ retries: 100 }, /retries .* is 100/],
    [{ retries: 1.5 }, /retries .* is 1\.5/],
    [{ retries: '3' }, /retries .* is 3/],
    [{ timeout: 0 }, /timeout .* is 0, expected 1 ms to 7 days/],
    [{ timeout: '30 d' }, /timeout .* is 30 d, expected 1 ms to 7 days/],
    [{ timeout: 'soon' }, /"soon" is not a length of time/],
    [{ backoff: { factor: 0.5 } }, /backoff\.factor .* is 0\.5/],
    [{ backoff: { factor: Number.NaN } }, /backoff\.factor/],
    [{ backoff: { initial: 'x' } }, /"x" is not a length of time/],
    [{ payload: {} }, /payload of task "A task" is object, expected z\.object/],
    [{ payload: undefined }, /payload .* is undefined/],
    [{ payload: z.string() }, /payload of task "A task" is not an object's schema/],
    [{ payload: z.array(z.string()) }, /not an object's schema/],
  ];
  for (const [option, message] of faulty) {
    try {
      defineTask({ ...SOUND, ...option } as unknown as TaskOptions<typeof SOUND.payload>, run);
    } catch (error) {
      assert.match((error as OpenClawError).code, /^E_(TASK_DEFINITION|DURATION)$/, JSON.stringify(option));
      assert.match((error as OpenClawError).message, message);
      continue;
    }
    assert.unreachable(`${JSON.stringify(option)} was taken`);
  }
  assert.throws(() => defineTask(SOUND, undefined as unknown as typeof run), /second argument .* is undefined/);
  defineTask({ ...SOUND, retries: 99, timeout: '7 d', backoff: { initial: 0, factor: 1, max: 0 } }, run);
});

const DEFINE = JSON.stringify(path.join(CODE_ROOT, 'lib/tasks/index.ts'));
const ZOD = JSON.stringify(path.join(CODE_ROOT, 'node_modules/zod/index.js'));

test("the operator's own tasks run, beside a file that is none", async () => {
  const database = await freshDatabase();
  const folder = folderOf({
    'plain.mjs': `export default async (payload, helpers) => {
      const { rows } = await helpers.query('select $1::integer + 1 as n', [payload.n]);
      await helpers.withPgClient((client) => client.query("select 1"));
      helpers.logger.info('told');
      const added = await helpers.addJob('echo', { n: rows[0].n });
      return { n: rows[0].n, id: helpers.job.id, attempts: helpers.job.attempts, task: helpers.job.task_identifier, added };
    };\n`,
    'defined.ts': `import { defineTask } from ${DEFINE};
      import { z } from ${ZOD};
      export default defineTask({ title: 'Of one’s own', payload: z.object({ city: z.string() }), effect: 'read', pool: 'upkeep' },
        async ({ city }, { job }) => ({ city, key: job.idempotencyKey }));\n`,
    'broken.mjs': 'export default 5;\n',
  });
  const workers = await startTestWorkers(database, { env: { OPENCLAW_HOME: path.dirname(folder) } });
  try {
    assert.match(faultOf(workers.faults, 'broken.mjs'), /is no task/);
    const { rows } = await database.pool.query<{ plain: string; defined: string }>(
      `select add_job('plain', '{"n": 41}') as plain, add_job('defined', '{"city": "Wien"}') as defined`,
    );
    const ended = (id: string) =>
      eventually(async () => {
        const found = await database.pool.query('select * from task_queue where id = $1 and finished_at is not null', [
          id,
        ]);
        return found.rows[0];
      }, `the end of j${id}`);
    const { plain, defined } = rows[0]!;
    const ran = await ended(plain);
    assert.is(ran.state, 'succeeded', ran.last_error);
    const { added, ...result } = ran.result;
    assert.equal(result, { n: 42, id: plain, attempts: 1, task: 'plain' });
    assert.equal((await ended(added)).result, { n: 42 });
    assert.equal((await ended(defined)).result, { city: 'Wien', key: `j${defined}` });
    const odd = await database.pool.query("select (graphile_worker.add_job('plain', '[1]')).id as id");
    const refused = await ended(odd.rows[0].id);
    assert.equal([refused.state, refused.attempts, refused.error_class], ['failed', 1, 'E_PAYLOAD']);
  } finally {
    await workers.stop('test');
  }
  rmSync(path.join(folder, 'plain.mjs'));
  const next = await startTestWorkers(database, { env: { OPENCLAW_HOME: path.dirname(folder) } });
  await next.stop('test');
  const gone = await refusal(database.pool.query("select add_job('plain')"));
  assert.is(gone.code, 'OC001');
  assert.match(gone.message, /its file is gone/);
  await database.drop();
});

test.run();
