import pg from 'pg';
import * as assert from 'uvu/assert';
import { createPool, takeSingleton } from '../../../lib/db/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { eventually } from '../../harness/workers.ts';

const test = suite('one of a name on a database', { timeoutMs: 60_000 });
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const url = () => database.urlFor('openclaw_worker');

/** A process of another host that has the lock and stands still: its sessions are open, nothing in it answers. */
async function stoppedHolder(name: string) {
  const application_name = `openclaw/${name} elsewhere 99`;
  const client = new pg.Client({ connectionString: url(), application_name });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('select pg_advisory_lock(7246002, hashtext($1))', [name]);
  const pool = createPool(url(), { name: `${name} elsewhere 99` });
  await pool.query('select');
  return { pool, end: () => Promise.all([client.end().catch(() => undefined), pool.end()]) };
}

const sessionsOf = async (name: string) =>
  (await database.admin.query('select from pg_stat_activity where application_name like $1', [`openclaw/${name} %`]))
    .rowCount;

test('whoever stands still loses its lock and its sessions to one that waits; whoever answers keeps both', async () => {
  const answering = await takeSingleton({ url: url(), name: 'answering' });
  let lost = false;
  void answering.lost.then(() => {
    lost = true;
  });
  const holder = await stoppedHolder('stopped');
  assert.is(await sessionsOf('stopped'), 2);
  const [taken, refused] = await Promise.all([
    takeSingleton({ url: url(), name: 'stopped', waitMs: Number.POSITIVE_INFINITY }),
    refusal(takeSingleton({ url: url(), name: 'answering', waitMs: 5000 })),
  ]);
  assert.is(refused.code, 'E_TAKEN');
  assert.match(refused.message, new RegExp(`process ${process.pid} on `));
  assert.not.ok(lost);
  await eventually(async () => (await sessionsOf('stopped')) === 1, 'none but the new one is left');
  await taken.release();
  await answering.release();
  await holder.end();
});

test.run();
