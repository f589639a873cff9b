import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, testEnvironment } from '../../harness/workers.ts';

const test = suite('the stock graphile-worker command runs our folder');
let database: TestDatabase;
let env: Record<string, string>;
let worker: ChildProcess;
let output = '';

test.before(async () => {
  database = await freshDatabase();
  env = testEnvironment(database);
  // In the checkout it finds tasks/ and crontab by its own convention; nothing of ours starts it.
  worker = spawn(
    path.join(CODE_ROOT, 'bin/openclaw-node'),
    [path.join(CODE_ROOT, 'node_modules/.bin/graphile-worker'), '--poll-interval', '100'],
    { cwd: CODE_ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  for (const stream of [worker.stdout!, worker.stderr!])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
});
test.after(async () => {
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  worker.kill('SIGTERM');
  await exited;
  await database.drop();
});

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const ended = (id: string) =>
  eventually(async () => {
    if (worker.exitCode !== null) throw new Error(`the stock worker ended with ${worker.exitCode}:\n${output}`);
    const [job] = await query(
      "select * from task_queue where id = $1 and state in ('succeeded', 'failed', 'cancelled')",
      [id],
    );
    return job;
  }, `the end of j${id}`);
const run = async (task: string, payload: object) => {
  const [{ id }] = await query('select add_job($1, $2, max_attempts => 1) as id', [task, JSON.stringify(payload)]);
  return ended(id);
};

test('our tasks run under it, and their jobs are in task_queue as succeeded', async () => {
  const jobs = [
    await run('run_sql', { sql: 'select 1 as one' }),
    await run('host_sample', {}),
    await run('write_note', { path: 'notes/stock.md', content: '# Written by a stock worker\n' }),
  ];
  for (const job of jobs) {
    assert.is(job.state, 'succeeded', `${job.task}: ${job.last_error}`);
    assert.ok(job.worker && job.started_at && job.finished_at);
    assert.equal([job.source, job.actor, job.error_class], ['sql', 'sql:openclaw_worker', null]);
  }
  assert.match(
    readFileSync(path.join(env.OPENCLAW_HOME!, 'workspace/notes/stock.md'), 'utf8'),
    /Written by a stock worker/,
  );
});

test('a failed one is failed there too, with its error', async () => {
  const job = await run('run_sql', { sql: 'selec 1' });
  assert.equal([job.state, job.error_class], ['failed', 'exhausted']);
  assert.match(job.last_error, /syntax error/);
});

test('a mission runs under it from its first step to its last', async () => {
  const plan = {
    kind: 'stock',
    steps: [
      { name: 'rows', task: 'run_sql', payload: { sql: 'select 41 + 1 as answer' } },
      {
        name: 'note',
        task: 'write_note',
        needs: ['rows'],
        payload: {
          path: 'notes/{id}.md',
          sections: [{ title: 'Answer', value: { $path: '$.steps.rows.output.rows[0].answer' } }],
        },
      },
    ],
  };
  const [{ id }] = await query('select add_mission($1) as id', [JSON.stringify(plan)]);
  const mission = await eventually(async () => {
    const [row] = await query('select * from ops_missions where id = $1 and finished_at is not null', [id]);
    return row;
  }, 'the mission ends');
  assert.is(mission.state, 'succeeded', mission.error);
  assert.match(readFileSync(path.join(env.OPENCLAW_HOME!, `workspace/notes/m${id}.md`), 'utf8'), /42/);
  const steps = await query('select state from ops_outcomes where mission_id = $1', [id]);
  assert.equal(steps, [{ state: 'succeeded' }, { state: 'succeeded' }]);
  const [{ job }] = await query('select id as job from task_queue where mission_id = $1', [id]);
  assert.is((await ended(job)).state, 'succeeded');
});

test('it reads our crontab', async () => {
  const known = await eventually(async () => {
    const rows = await query('select identifier from graphile_worker._private_known_crontabs order by 1');
    return rows.length > 0 && rows.map((row) => row.identifier);
  }, 'the schedules are registered');
  const lines = readFileSync(path.join(CODE_ROOT, 'crontab'), 'utf8');
  assert.equal(known, [...lines.matchAll(/\?id=([\w-]+)/g)].map((match) => match[1]).sort());
});

test.run();
