import pg from 'pg';
import * as assert from 'uvu/assert';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('leases judged across hosts', { timeoutMs: 90_000 });
let database: TestDatabase;
let workers: Workers;

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const stateOf = async (pool: string) =>
  (await query('select state, end_reason from workers where pool_id = $1', [pool]))[0];

/** A pool of a host that nobody here can look into, with one job that it runs and one that it only fetched. */
async function otherHost(pool: string, silentFor: string) {
  await query(
    `insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency, local_queue, session_tag, seen_at)
     values ($1, $1, 'missions', 'elsewhere', 'b', 1, '1', 1, true, $1, now() - $2::interval)`,
    [pool, silentFor],
  );
  const jobs = (await query("select add_job('noop', run_at => '2100-01-01') as id from generate_series(1, 2)")).map(
    ({ id }) => id as string,
  );
  await query(
    'update graphile_worker._private_jobs set locked_by = $1, locked_at = now(), attempts = 1, run_at = now() where id = any ($2)',
    [pool, jobs],
  );
  await query('update workers set running = $2 where pool_id = $1', [pool, jobs.slice(0, 1)]);
  return jobs;
}

const letJudge = () =>
  query("update workers set streak_since = now() - interval '20 seconds' where host <> 'elsewhere'");

test.before(async () => {
  database = await freshDatabase();
  workers = await startTestWorkers(database);
});
test.after(async () => {
  await workers.stop('the test ends');
  await database.drop();
});

test('a silent pool of another host is swept: its sessions end first, what ran counts a crash, what was fetched does not', async () => {
  const [ran, fetched] = await otherHost('silent', '13 seconds');
  const session = new pg.Client({
    connectionString: database.urlFor('openclaw_worker'),
    application_name: 'openclaw/tasks@silent',
  });
  let cut = false;
  session.on('error', () => {
    cut = true;
  });
  await session.connect();
  // What a vanished host leaves open: a transaction that holds a row which the others need.
  await session.query('begin');
  await session.query("select from workers where pool_id <> 'silent' for key share");
  await session.query('select from graphile_worker._private_jobs where id = $1 for update', [ran]);
  await letJudge();
  await eventually(async () => (await stateOf('silent')).state === 'dead', 'it is declared dead', 30_000);
  assert.match((await stateOf('silent')).end_reason, /no sign of life for 1\d.* elsewhere .*lease ran out/);
  await eventually(async () => cut, 'its session has ended');
  for (const id of [ran, fetched])
    await eventually(
      async () => (await query('select from job_history where job_id = $1', [id])).length,
      `j${id} ran here`,
      30_000,
    );
  assert.equal(await query('select job_id::text, crashes from job_crashes'), [{ job_id: ran, crashes: 1 }]);
  const [crash] = await query("select payload from ops_agent_events where kind = 'job.crashed' and job = $1", [ran]);
  assert.is(crash.payload.host, 'elsewhere');
});

test('a pool that is not silent, and any pool while the judge has no unbroken record, is left alone', async () => {
  await query("update workers set streak_since = now() where host <> 'elsewhere'");
  const jobs = await otherHost('young', '13 seconds');
  const before = (await query("select max(seen_at) as seen from workers where host <> 'elsewhere'"))[0].seen;
  await eventually(
    async () =>
      (
        await query(
          "select from workers where host <> 'elsewhere' and seen_at > $1::timestamptz + interval '2 seconds'",
          [before],
        )
      ).length,
    'the judge renewed',
    30_000,
  );
  assert.is((await stateOf('young')).state, 'live', 'judged by somebody who may have been away himself');
  await query("update workers set seen_at = now() + interval '1 hour' where pool_id = 'young'");
  await letJudge();
  assert.is((await query("select sweep_pool('young') as swept"))[0].swept, null);
  assert.is((await stateOf('young')).state, 'live');
  await query("update workers set state = 'stopped' where pool_id = 'young'");
  await query('select graphile_worker.force_unlock_workers($1)', [['young']]);
  for (const id of jobs)
    await eventually(
      async () => (await query('select from job_history where job_id = $1', [id])).length,
      `j${id} ends`,
      30_000,
    );
});

test('after a gap in its own renewals nobody judges: a restart of Postgres makes everybody look silent', async () => {
  await query(`insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency, seen_at, streak_since)
    values ('back', 'back', 'upkeep', 'elsewhere', 'b', 1, '1', 1, now() - interval '20 seconds', now() - interval '1 hour'),
           ('peer', 'peer', 'upkeep', 'elsewhere', 'b', 2, '1', 1, now() - interval '20 seconds', now() - interval '1 hour')`);
  const beat = async () =>
    (await query(`select renew_leases('[{"pool_id": "back", "running": []}]') as answer`))[0].answer;
  assert.equal((await beat()).silent, [], 'the first one back judges nobody');
  await query("update workers set streak_since = now() - interval '16 seconds' where pool_id = 'back'");
  assert.equal((await beat()).silent, ['peer']);
  assert.equal((await beat()).renewed, ['back']);
  await query("update workers set state = 'dead' where host = 'elsewhere'");
  assert.equal((await beat()).renewed, [], 'a lost lease is not renewed');
});

test("jobs locked in a pool's name and unknown to it go back, those that it runs do not", async () => {
  const { poolId } = workers.pools[0]!;
  const [lost] = await query("select add_job('noop', run_at => '2100-01-01') as id");
  const [young] = await query("select add_job('noop', run_at => '2100-01-01') as id");
  await query(
    "update graphile_worker._private_jobs set locked_by = $1, attempts = 1, locked_at = now() - case when id = $2 then interval '1 minute' else '0' end where id = any ($3)",
    [poolId, lost.id, [lost.id, young.id]],
  );
  assert.is(await workers.pools[0]!.giveBackUnknown(), 1);
  const rows = await query(
    'select id, attempts, locked_by from graphile_worker._private_jobs where id = any ($1) order by id',
    [[lost.id, young.id]],
  );
  assert.equal(
    rows.map(({ attempts, locked_by }) => [attempts, locked_by]),
    [
      [0, null],
      [1, poolId],
    ],
  );
});

test("who ran beside a job that kills its workers is spared: suspects run one at a time, and the death is the suspect's", async () => {
  const ids = (await query("select add_job('noop', run_at => '2100-01-01') as id from generate_series(1, 3)")).map(
    ({ id }) => id as string,
  );
  const die = async (pool: string, suspect?: string) => {
    await query(
      "insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency) values ($1, $1, 'upkeep', 'elsewhere', 'b', 1, '1', 3)",
      [pool],
    );
    await query('update graphile_worker._private_jobs set locked_by = $1, locked_at = now() where id = any ($2)', [
      pool,
      ids,
    ]);
    if (suspect) await query('select begin_suspect($1, $2)', [suspect, pool]);
    await query("select release_pool($1, 'killed')", [pool]);
    await query("update graphile_worker._private_jobs set run_at = '2100-01-01' where id = any ($1)", [ids]);
    return Object.fromEntries(
      (await query('select job_id::text as id, crashes from job_crashes where job_id = any ($1)', [ids])).map((row) => [
        row.id,
        row.crashes,
      ]),
    );
  };
  const [killer, ...innocent] = ids as [string, string, string];
  assert.equal(await die('d1'), { [killer]: 1, [innocent[0]!]: 1, [innocent[1]!]: 1 });
  assert.equal((await die('d2', killer))[innocent[0]!], 1, 'only the one that ran as a suspect');
  assert.is((await die('d3', killer))[killer], 3);
  const [row] = await query('select error_class from job_history where job_id = $1', [killer]);
  assert.is(row.error_class, 'poison');
  assert.is((await query('select from graphile_worker._private_jobs where id = any ($1)', [innocent])).length, 2);
});

test.run();
