import * as assert from 'uvu/assert';
import { HeldError, reserveSpend, settleSpend, withSpend } from '../../lib/policy/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { atOnce } from '../harness/processes.ts';
import { connectAs, refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('sql: budgets', { timeoutMs: 90_000 });
let db: TestDatabase;

test.before(async () => {
  db = await freshDatabase();
});
test.before.each(async () => {
  await db.pool.query(
    `delete from ops_spend; delete from ops_budget_use; delete from clock_override;
     select set_policy('budget.usd', '{"day": 2, "month": 20, "mission": 2}'), set_policy('budget.agents', '{}'), set_policy('budget.providers', '{}')`,
  );
});
test.after(() => db.drop());

const held = async (work: Promise<unknown>): Promise<HeldError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof HeldError) return error;
    throw error;
  }
  throw new Error('was not held back');
};
const use = async (key: string) => {
  const { rows } = await db.pool.query<{ spent: number; reserved: number }>(
    'select spent_usd::float8 as spent, reserved_usd::float8 as reserved from ops_budget_use where key = $1 and length(period) in (0, 10)',
    [key],
  );
  return rows[0];
};
const setClock = (at: string) =>
  db.pool.query('insert into clock_override (at) values ($1) on conflict (only_row) do update set at = excluded.at', [
    at,
  ]);
const events = async (kind: string, tag: string) => {
  const { rows } = await db.pool.query<{ percent: number }>(
    "select (payload ->> 'percent')::integer as percent from ops_agent_events where kind = $1 and tags = array[$2] order by id",
    [kind, tag],
  );
  return rows.map((row) => row.percent);
};

test('fifty who reserve at once, in several processes, never pass the limit', async () => {
  for (const isolation of ['read committed', 'repeatable read']) {
    await db.pool.query('delete from ops_spend; delete from ops_budget_use');
    const answers = await atOnce<{ reservation: string | null; code?: string }>(
      db.urlFor('openclaw_worker'),
      "select reservation from reserve_spend('minimax', 'm2', 0.4, agent => 'scout')",
      { times: 50, isolation },
    );
    const given = answers.filter((answer) => 'reservation' in answer && answer.reservation !== null);
    assert.ok(isolation === 'read committed' ? given.length === 5 : given.length <= 5, `${isolation}: ${given.length}`);
    assert.ok((await use('all'))!.reserved <= 2, isolation);
    for (const answer of answers) if (answer.code) assert.match(answer.code, /^40(001|P01)$/);
  }
});

test("the day's calls that cost have one quota, whoever asks; what is free has none; the holder of a job holds its reservation", async () => {
  await db.pool.query(`select set_policy('quota.tasks', '{"api_call": 3}')`);
  await db.pool.query('delete from ops_quota_use');
  for (const provider of ['minimax', 'brave', 'xai']) await reserveSpend(db.pool, { provider, amountUsd: 0.01 });
  const refused = await held(reserveSpend(db.pool, { provider: 'openrouter', amountUsd: 0.01 }));
  assert.is(refused.reasonCode, 'quota');
  assert.match(refused.message, /the 3 calls of today/);
  assert.ok(refused.retryAt);
  assert.ok(await reserveSpend(db.pool, { provider: 'local', amountUsd: 0 }));
  await db.pool.query('delete from ops_quota_use');
  const { rows: jobs } = await db.pool.query("select add_job('echo', '{\"n\": 1}') as id");
  await db.pool.query(
    "update graphile_worker._private_jobs set locked_by = 'pool-x', locked_at = now() where id = $1",
    [jobs[0]!.id],
  );
  const id = await reserveSpend(db.pool, { provider: 'minimax', amountUsd: 0.01, jobId: jobs[0]!.id });
  const { rows } = await db.pool.query('select holder from ops_spend where id = $1', [id]);
  assert.equal(rows, [{ holder: 'pool-x' }]);
  await db.pool.query(`select set_policy('quota.tasks', '{"web_search": 50, "api_call": 200, "git_commit": 20}')`);
  await db.pool.query('delete from graphile_worker._private_jobs');
});

test('a reservation becomes what the call cost; a released one costs nothing; each ends once', async () => {
  const first = await reserveSpend(db.pool, { provider: 'minimax', model: 'm2', amountUsd: 0.5, agent: 'scout' });
  const second = await reserveSpend(db.pool, { provider: 'minimax', amountUsd: 0.5 });
  assert.equal(await use('all'), { spent: 0, reserved: 1 });
  assert.is(await settleSpend(db.pool, first, { costUsd: 0.2, promptTokens: 10, completionTokens: 5 }), true);
  assert.is(await settleSpend(db.pool, first, { costUsd: 9 }), false);
  const { rows } = await db.pool.query('select release_spend($1) as once, release_spend($1) as twice', [second]);
  assert.equal(rows[0], { once: true, twice: false });
  assert.equal(await use('all'), { spent: 0.2, reserved: 0 });
  assert.equal(await use('agent:scout'), { spent: 0.2, reserved: 0 });
  assert.equal(await use('provider:minimax'), { spent: 0.2, reserved: 0 });
  const result = await withSpend(db.pool, { provider: 'xai', amountUsd: 1 }, async () => ({
    result: 'yes',
    costUsd: 0.3,
  }));
  assert.is(result, 'yes');
  const failed = withSpend(db.pool, { provider: 'xai', amountUsd: 1 }, () => Promise.reject(new Error('500')));
  assert.is((await failed.catch((error: Error) => error.message)) as string, '500');
  assert.equal(await use('all'), { spent: 0.5, reserved: 0 });
});

test('an unknown price, a missing or malformed policy and a limit of 0 refuse', async () => {
  assert.is((await held(reserveSpend(db.pool, { provider: 'new', amountUsd: null }))).reasonCode, 'price_unknown');
  await db.pool.query(`select set_policy('budget.usd', '{"day": 0, "month": 20, "mission": 2}')`);
  assert.is((await held(reserveSpend(db.pool, { provider: 'new', amountUsd: 0.000001 }))).reasonCode, 'budget');
  await reserveSpend(db.pool, { provider: 'free', amountUsd: 0 });
  for (const breach of [
    `delete from ops_policy where key = 'budget.usd'`,
    `update ops_policy set value = '{"day": "lots"}' where key = 'budget.usd'`,
  ]) {
    const client = await db.admin.connect();
    try {
      // In a transaction that ends in a rollback: the other tests have their policy back.
      await client.query(`begin; alter table ops_policy disable trigger user; ${breach}`);
      const { rows } = await client.query(`select reason_code from reserve_spend('minimax', 'm2', 0.1)`);
      assert.is(rows[0].reason_code, 'policy', breach);
    } finally {
      await client.query('rollback');
      client.release();
    }
  }
  const limited = connectAs(db, 'binaryrogue');
  assert.is((await refusal(limited.query(`select reserve_spend('minimax', 'm2', 0.1)`))).code, '42501');
  await limited.end();
});

test('each limit counts for itself, and is told at 75, 90 and 100 percent once', async () => {
  await db.pool.query(
    `select set_policy('budget.agents', '{"scout": {"day": 1}}'), set_policy('budget.providers', '{"brave": {"month": 0.5}}')`,
  );
  assert.match(
    (await held(reserveSpend(db.pool, { provider: 'brave', amountUsd: 0.6 }))).message,
    /provider:brave in \d{4}-\d\d:/,
  );
  for (const amountUsd of [0.7, 0.06, 0.15])
    await reserveSpend(db.pool, { provider: 'xai', amountUsd, agent: 'scout' });
  const full = await held(reserveSpend(db.pool, { provider: 'xai', amountUsd: 0.1, agent: 'scout' }));
  assert.match(full.message, /agent:scout in \d{4}-\d\d-\d\d: \$0\.91 of \$1/);
  assert.ok(full.retryAt!.getTime() > Date.now() && full.retryAt!.getUTCHours() === 0);
  assert.equal(await events('budget.warning', 'agent:scout'), [75, 90]);
  assert.equal(await events('budget.exhausted', 'agent:scout'), [100]);
  await reserveSpend(db.pool, { provider: 'xai', amountUsd: 0.5, agent: 'atlas' });
});

test('the day and the month turn in UTC, whatever zone the session has', async () => {
  const client = await db.pool.connect();
  try {
    await client.query("set timezone = 'Pacific/Auckland'");
    await setClock('2026-10-31 23:59:59Z');
    await reserveSpend(client, { provider: 'xai', amountUsd: 2 });
    assert.is(
      (await held(reserveSpend(client, { provider: 'xai', amountUsd: 1 }))).retryAt!.toISOString(),
      '2026-11-01T00:00:00.000Z',
    );
    await setClock('2026-11-01 00:00:00Z');
    await reserveSpend(client, { provider: 'xai', amountUsd: 2 });
    const { rows } = await client.query("select period from ops_budget_use where key = 'all' order by period");
    assert.equal(
      rows.map((row) => row.period),
      ['2026-10', '2026-10-31', '2026-11', '2026-11-01'],
    );
  } finally {
    await client.query('reset timezone');
    client.release();
  }
});

test('three hundred calls in five hours, and the next when the oldest is five hours old', async () => {
  await setClock('2026-06-01 10:00:00Z');
  await db.pool.query(`select reserve_spend('minimax', 'm2', 0) from generate_series(1, 299)`);
  await setClock('2026-06-01 12:00:00Z');
  await reserveSpend(db.pool, { provider: 'minimax', amountUsd: 0 });
  const full = await held(reserveSpend(db.pool, { provider: 'minimax', amountUsd: 0 }));
  assert.is(full.reasonCode, 'calls');
  assert.is(full.retryAt!.toISOString(), '2026-06-01T15:00:00.000Z');
  assert.equal(await events('budget.warning', 'calls:minimax'), [75, 90]);
  assert.equal(await events('budget.exhausted', 'calls:minimax'), [100]);
  await setClock('2026-06-01 15:00:00Z');
  await reserveSpend(db.pool, { provider: 'minimax', amountUsd: 0 });
});

test('what a dead worker reserved comes back; a call that went through all the same is paid', async () => {
  const insert = `insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency, state) values ('gone', 'gone', 'missions', 'h', 'b', 1, 's', 1, 'dead')`;
  await db.pool.query(insert);
  const lost = await reserveSpend(db.pool, { provider: 'xai', amountUsd: 2, holder: 'gone' });
  await reserveSpend(db.pool, { provider: 'xai', amountUsd: 1.5 });
  assert.equal(await use('all'), { spent: 0, reserved: 1.5 });
  assert.is(await settleSpend(db.pool, lost, { costUsd: 0.1 }), true);
  assert.equal(await use('all'), { spent: 0.1, reserved: 1.5 });
});

test('a mission’s calls draw on what it was let in with', async () => {
  await db.pool.query(
    `select reserve_spend('estimate', null, 1.5, mission_id => 7, kind => 'estimate', keep => '1 year')`,
  );
  assert.is((await held(reserveSpend(db.pool, { provider: 'xai', amountUsd: 1 }))).reasonCode, 'budget');
  await reserveSpend(db.pool, { provider: 'xai', amountUsd: 1, missionId: '7' });
  assert.equal(await use('all'), { spent: 0, reserved: 1.5 });
  await reserveSpend(db.pool, { provider: 'xai', amountUsd: 0.8, missionId: '7' });
  assert.equal(await use('all'), { spent: 0, reserved: 1.8 });
  assert.is(
    (await held(reserveSpend(db.pool, { provider: 'xai', amountUsd: 0.3, missionId: '7' }))).reasonCode,
    'budget',
  );
});

test.run();
