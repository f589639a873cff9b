import * as assert from 'uvu/assert';
import { createPool } from '../../../lib/db/index.ts';
import { freshDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('pools of connections');

test('a refused statement keeps its connection; one that is ended is replaced', async () => {
  const database = await freshDatabase();
  const pool = createPool(database.urlFor('openclaw_worker'), { name: 'kept', max: 1 });
  const pid = async () => (await pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;
  const first = await pid();
  assert.is((await refusal(pool.query('select nothing'))).code, '42703');
  assert.is((await refusal(pool.query({ text: 'select $1::integer', values: ['x'] }))).code, '22P02');
  assert.is(await pid(), first);
  assert.is((await refusal(pool.query('select pg_terminate_backend(pg_backend_pid())'))).code, '57P01');
  const second = await pid();
  assert.is.not(second, first);
  await database.admin.query('select pg_terminate_backend($1, 5000)', [second]);
  // It may be handed out before its end is noticed: that one query fails, and no further one.
  await pid().catch(() => undefined);
  assert.type(await pid(), 'number');
  await pool.end();
  await database.drop();
});

test.run();
