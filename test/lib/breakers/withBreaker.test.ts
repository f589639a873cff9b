import * as assert from 'uvu/assert';
import { withBreaker } from '../../../lib/breakers/index.ts';
import { HeldError } from '../../../lib/policy/index.ts';
import { JobAborted } from '../../../lib/queue/run.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { atOnce } from '../../harness/processes.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('breakers', { timeoutMs: 60_000 });
let db: TestDatabase;

test.before(async () => {
  db = await freshDatabase();
});
test.before.each(async () => {
  await db.pool.query('delete from ops_breakers; delete from clock_override');
  await setClock('2026-06-01 10:00:00Z');
});
test.after(() => db.drop());

const setClock = (at: string) =>
  db.pool.query('insert into clock_override (at) values ($1) on conflict (only_row) do update set at = excluded.at', [
    at,
  ]);
const fails = (name = 'brave') =>
  withBreaker(db.pool, name, () => Promise.reject(new Error('503 from upstream'))).catch((error: Error) => error);
const works = (name = 'brave') => withBreaker(db.pool, name, async () => 'yes').catch((error: Error) => error);
const row = async (name = 'service:brave') => {
  const { rows } = await db.pool.query<{ state: string; failures: number; opens: number; open_until: Date | null }>(
    'select state, failures, opens, open_until from ops_breakers where name = $1',
    [name],
  );
  return rows[0];
};

test('three failures in a row open it; a success between them starts the count anew', async () => {
  await fails();
  await fails();
  assert.is(await works(), 'yes');
  await fails();
  await fails();
  assert.is((await row())!.state, 'closed');
  await fails();
  assert.equal(await row(), { state: 'open', failures: 3, opens: 1, open_until: new Date('2026-06-01T10:15:00Z') });
  let called = 0;
  const refused = await withBreaker(db.pool, 'brave', async () => called++).catch((error: Error) => error);
  assert.instance(refused, HeldError);
  assert.is((refused as HeldError).retryAt!.toISOString(), '2026-06-01T10:15:00.000Z');
  assert.match((refused as HeldError).message, /3 failures in a row/);
  assert.is(called, 0);
  assert.is(await works('perplexity'), 'yes');
});

test('half-open breaker never re-opens: a failed probe opens it for twice as long, up to the most; a good one closes it', async () => {
  for (let count = 0; count < 3; count++) await fails();
  for (const [at, until] of [
    ['10:15', '10:45'],
    ['10:45', '11:45'],
    ['11:45', '12:45'],
  ]) {
    await setClock(`2026-06-01 ${at}:00Z`);
    assert.not.instance(await fails(), HeldError);
    assert.is((await row())!.open_until!.toISOString(), `2026-06-01T${until}:00.000Z`);
    assert.instance(await works(), HeldError);
  }
  await setClock('2026-06-01 12:45:00Z');
  assert.is(await works(), 'yes');
  assert.equal(await row(), { state: 'closed', failures: 0, opens: 0, open_until: null });
  const { rows } = await db.pool.query(
    "select kind, count(*)::integer as n from ops_agent_events where kind like 'breaker.%' and tags = array['service:brave'] and payload ->> 'breaker' is not null group by kind order by kind",
  );
  assert.ok(rows.find((event) => event.kind === 'breaker.half_open')!.n >= 4);
});

test('of fifty in several processes one is the probe', async () => {
  for (let count = 0; count < 3; count++) await fails();
  await setClock('2026-06-01 10:20:00Z');
  const answers = await atOnce<{ admitted: boolean; probe: boolean }>(
    db.urlFor('openclaw_worker'),
    "select admitted, probe from breaker_admit('service:brave', gen_random_uuid()::text)",
    { times: 50 },
  );
  assert.is(answers.filter((answer) => 'admitted' in answer && answer.admitted).length, 1);
});

test('a probe whose process died, or that we ended ourselves, leaves the next one free', async () => {
  for (let count = 0; count < 3; count++) await fails();
  await setClock('2026-06-01 10:20:00Z');
  await db.pool.query("select breaker_admit('service:brave', 'a process that died')");
  assert.instance(await works(), HeldError);
  await setClock('2026-06-01 10:26:00Z');
  const aborted = await withBreaker(db.pool, 'brave', () => Promise.reject(new JobAborted('stopping', 'stop'))).catch(
    (error) => error,
  );
  assert.instance(aborted, JobAborted);
  assert.is((await row())!.state, 'open');
  assert.is(await works(), 'yes');
});

test('what does not count is no failure, and a late failure of an open breaker changes nothing', async () => {
  const counts = (error: unknown) => !/bad request/.test(String(error));
  for (let count = 0; count < 4; count++) {
    await withBreaker(db.pool, 'brave', () => Promise.reject(new Error('bad request')), { counts }).catch(
      () => undefined,
    );
  }
  assert.is(await row(), undefined);
  let end: () => void = () => undefined;
  const began = Promise.withResolvers<void>();
  const late = withBreaker(db.pool, 'brave', () => {
    began.resolve();
    return new Promise((_resolve, reject) => {
      end = () => reject(new Error('late'));
    });
  }).catch((error: Error) => error.message);
  await began.promise;
  for (let count = 0; count < 3; count++) await fails();
  end();
  assert.is(await late, 'late');
  assert.equal(await row(), { state: 'open', failures: 3, opens: 1, open_until: new Date('2026-06-01T10:15:00Z') });
});

test('a person trips and resets one, with an act; a malformed policy admits nothing', async () => {
  await db.pool.query("select trip_breaker('service:brave', '2 h', 'their outage')");
  assert.match(String(await works()), /their outage/);
  const { rows } = await db.pool.query("select reset_breaker('service:brave') as was");
  assert.is(rows[0].was, 'open');
  assert.is(await works(), 'yes');
  assert.is((await refusal(db.pool.query("select trip_breaker('brave')"))).code, 'OC009');
  assert.is((await refusal(db.pool.query("select reset_breaker('service:none')"))).code, 'OC011');
  const { rows: acts } = await db.pool.query(
    "select verb from agent_events where target = 'service:brave' order by id",
  );
  assert.equal(
    acts.map((act) => act.verb),
    ['breakers trip', 'breakers reset'],
  );
  const client = await db.admin.connect();
  try {
    await client.query(
      "begin; alter table ops_policy disable trigger user; delete from ops_policy where key = 'breaker.services'",
    );
    const answer = await client.query("select admitted from breaker_admit('service:brave', 'x')");
    assert.is(answer.rows[0].admitted, false);
  } finally {
    await client.query('rollback');
    client.release();
  }
});

test.run();
