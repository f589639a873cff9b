import { Logger, runOnce } from 'graphile-worker';
import * as assert from 'uvu/assert';
import { createPool } from '../../../lib/db/index.ts';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('task_queue shows every job that was ever added, and how it ended');
let database: TestDatabase;
let workers: Workers;

test.before(async () => {
  database = await freshDatabase();
  workers = await startTestWorkers(database);
});
test.after(async () => {
  await workers.stop('test');
  await database.drop();
});

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const idOf = async (sql: string, values?: unknown[]): Promise<string> =>
  (await query(`select ${sql} as id`, values))[0].id;
const seen = async (id: string) => (await query('select * from task_queue where id = $1', [id]))[0];
const inState = (id: string, ...states: string[]) =>
  eventually(
    async () => {
      const job = await seen(id);
      return states.includes(job?.state) && job;
    },
    `j${id} is ${states.join(' or ')}`,
  );
const end = (id: string) => inState(id, 'succeeded', 'failed', 'cancelled');
const silent = new Logger(() => () => undefined);

test('jobs of ours, with their result, timings and worker', async () => {
  const id = await idOf(`add_job('echo', '{"n": 7}')`);
  const job = await end(id);
  assert.equal(
    [job.state, job.result, job.attempts, job.error_class, job.last_error, job.source, job.actor],
    ['succeeded', { n: 7 }, 1, null, null, 'sql', 'sql:openclaw_worker'],
  );
  assert.is(job.worker, workers.pools[0]!.poolId);
  assert.ok(job.created_at <= job.started_at && job.started_at <= job.finished_at);
});

test("jobs of graphile-worker's own add_job, and those with cron's mark", async () => {
  const plain = await end(await idOf(`(graphile_worker.add_job('echo', '{"n": 1}')).id`));
  assert.equal([plain.state, plain.result, plain.source, plain.actor], ['succeeded', { n: 1 }, 'raw', 'system']);
  const cron = await end(
    await idOf(`(graphile_worker.add_job('noop', '{"_cron": {"ts": "2026-01-01T00:00:00.000Z"}}')).id`),
  );
  assert.equal([cron.state, cron.source, cron.actor], ['succeeded', 'cron', 'cron']);
});

test('jobs that were removed by hand', async () => {
  const removed = await idOf(
    "(graphile_worker.add_job('noop', job_key => 'gone', run_at => now() + interval '1 year')).id",
  );
  assert.is((await seen(removed)).state, 'queued');
  await query("select graphile_worker.remove_job('gone')");
  assert.equal(await seen(removed).then((job) => [job.state, job.error_class]), ['cancelled', 'removed']);
  const completed = await idOf("(graphile_worker.add_job('noop', run_at => now() + interval '1 year')).id");
  await query('select graphile_worker.complete_jobs(array[$1]::bigint[])', [completed]);
  assert.is((await seen(completed)).state, 'cancelled');
  const failed = await idOf("add_job('noop', run_at => now() + interval '1 year')");
  await query("select graphile_worker.permanently_fail_jobs(array[$1]::bigint[], 'by hand')", [failed]);
  assert.equal(await seen(failed).then((job) => [job.state, job.last_error]), ['failed', 'by hand']);
});

test('jobs that a stock worker took', async () => {
  const done = await idOf(`(graphile_worker.add_job('theirs', '{"n": 1}')).id`);
  const broken = await idOf("(graphile_worker.add_job('theirs_broken', max_attempts => 1)).id");
  const pgPool = createPool(database.urlFor('openclaw_worker'), { name: 'test:stock', max: 4 });
  await runOnce({
    noHandleSignals: true,
    logger: silent,
    pgPool,
    taskList: {
      theirs: async () => undefined,
      theirs_broken: async () => {
        throw new Error('theirs');
      },
    },
  });
  await pgPool.end();
  const job = await seen(done);
  assert.equal(
    [job.task, job.state, job.payload, job.source, job.error_class],
    ['theirs', 'succeeded', { n: 1 }, 'raw', null],
  );
  assert.ok(job.worker && job.started_at && job.finished_at);
  assert.equal(await seen(broken).then((j) => [j.state, j.error_class, j.last_error]), [
    'failed',
    'exhausted',
    'theirs',
  ]);
});

test('a permanent error fails at once, and so does a payload that breaks a finer rule', async () => {
  const permanent = await end(await idOf(`add_job('fail', '{"permanent": true, "message": "no use"}')`));
  assert.equal(
    [permanent.state, permanent.attempts, permanent.max_attempts, permanent.error_class, permanent.last_error],
    ['failed', 1, 3, 'E_ON_PURPOSE', 'E_ON_PURPOSE: no use'],
  );
  for (const add of [
    `add_job('run_sql', '{"sql": ""}')`,
    "(graphile_worker.add_job('echo', '[1]')).id",
    "(graphile_worker.add_job('wait', '{}')).id",
  ]) {
    const job = await end(await idOf(add));
    assert.equal([job.state, job.attempts, job.error_class], ['failed', 1, 'E_PAYLOAD'], add);
    assert.match(job.last_error, /E_PAYLOAD: the payload does not fit: /);
  }
});

test('an error is tried again until the attempts are spent', async () => {
  const id = await idOf("add_job('fail')");
  const job = await end(id);
  assert.equal(
    [job.state, job.attempts, job.error_class, job.last_error],
    ['failed', 3, 'exhausted', 'failed on purpose'],
  );
  const mended = await end(await idOf(`add_job('fail', '{"times": 2}')`));
  assert.equal([mended.state, mended.result], ['succeeded', { attempt: 3 }]);
  const [event] = await query('select kind, severity, payload from ops_agent_events where job = $1', [id]);
  assert.equal([event.kind, event.severity, event.payload.error_class], ['job.failed', 'error', 'exhausted']);
});

test("the wait before an attempt is the task's own", async () => {
  const id = await idOf(`add_job('odd', '{"what": "throwText"}')`);
  const waits: [number, number, number][] = [
    [1, 20, 40],
    [2, 30, 60],
    [3, 30, 60],
  ];
  for (const [attempt, least, most] of waits) {
    const wait = await eventually(async () => {
      const [row] = await query(
        "select extract(epoch from run_at - now())::float8 as wait from task_queue where id = $1 and state = 'retrying' and attempts = $2",
        [id, attempt],
      );
      return row && row.wait > 0 && row;
    }, `attempt ${attempt} has failed`);
    assert.ok(wait.wait > least - 5 && wait.wait <= most, `${wait.wait} s after attempt ${attempt}`);
    assert.is(await idOf('retry_job($1)', [id]), id, 'a waiting job runs now, as itself');
  }
});

test('a running job is cancelled within seconds, a waiting one at once', async () => {
  const id = await idOf(`add_job('wait', '{"ms": 15000}')`);
  await inState(id, 'running');
  const before = Date.now();
  assert.is(await idOf('cancel_job($1)', [id]), 'cancelling');
  const job = await end(id);
  assert.ok(Date.now() - before < 2500, `took ${Date.now() - before} ms`);
  assert.equal([job.state, job.error_class, job.attempts], ['cancelled', 'cancelled', 1]);
  const waiting = await idOf("add_job('noop', run_at => now() + interval '1 hour')");
  assert.is(await idOf('cancel_job($1)', [waiting]), 'cancelled');
  assert.equal(await seen(waiting).then((j) => [j.state, j.last_error]), [
    'cancelled',
    'cancelled by sql:openclaw_worker',
  ]);
  for (const ended of [id, waiting]) assert.is((await refusal(query('select cancel_job($1)', [ended]))).code, 'OC008');
  assert.is((await refusal(query('select cancel_job(0)'))).code, 'OC011');
});

test('retry_job runs a failed job as a new one, and no job that runs or succeeded', async () => {
  const failed = await end(await idOf(`add_job('fail', '{"permanent": true}')`));
  const again = await idOf('retry_job($1)', [failed.id]);
  assert.is.not(again, failed.id);
  const job = await end(again);
  assert.equal([job.task, job.payload, job.trace_id], [failed.task, failed.payload, failed.trace_id]);
  assert.equal(await seen(failed.id), failed, 'history is kept');
  const done = await end(await idOf("add_job('noop')"));
  const running = await idOf(`add_job('wait', '{"ms": 10000}')`);
  await inState(running, 'running');
  for (const id of [done.id, running]) assert.is((await refusal(query('select retry_job($1)', [id]))).code, 'OC008');
  await query('select cancel_job($1)', [running]);
  await end(running);
  assert.is((await refusal(query('select retry_job(0)'))).code, 'OC011');
});

test('a step inside a job is run once, whatever its attempts', async () => {
  const job = await end(await idOf("add_job('steps')"));
  assert.equal([job.state, job.attempts, job.result.second], ['succeeded', 2, 2]);
  const [{ output }] = await query("select output from checkpoints where scope = 'j' || $1 and name = 'first'", [
    job.id,
  ]);
  assert.equal(job.result.first, output);
});

test('jobs of a named queue run one after another, failures too', async () => {
  const ids = (
    await query(
      `select add_job(case n when 2 then 'fail' else 'echo' end, case n when 2 then '{"permanent": true}' else '{}' end::jsonb, queue_name => 'lane') as id
       from generate_series(1, 4) n`,
    )
  ).map((row) => row.id);
  const jobs = await Promise.all(ids.map(end));
  assert.equal(
    jobs.map((job) => job.state),
    ['succeeded', 'failed', 'succeeded', 'succeeded'],
  );
  for (const [index, job] of jobs.entries()) if (index > 0) assert.ok(job.started_at >= jobs[index - 1].started_at);
  assert.equal(await query('select from graphile_worker._private_job_queues where locked_by is not null'), []);
});

test.run();
