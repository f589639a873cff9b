import * as assert from 'uvu/assert';
import { loops } from '../../../lib/health/checks/loops.ts';
import type { ProbeContext } from '../../../lib/health/types.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { Run } from '../../../lib/queue/run.ts';
import { type Blocked, tellBlocked, watchLoop } from '../../../lib/workers/loopWatch.ts';
import { freshDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { eventually } from '../../harness/workers.ts';

const test = suite('a task that blocks its process');

/** Nothing else runs in this process meanwhile. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('it is told by name, whether it still runs or has ended; a stop without any task is not told', async () => {
  const told: Blocked[] = [];
  const watch = watchLoop((blocked) => told.push(blocked), { blockedMs: 400, tellMs: 0 });
  const nextLook = () => new Promise((resolve) => setTimeout(resolve, 300));
  await nextLook();
  block(900);
  await nextLook();
  assert.equal(told, []);
  const waits = new Run('1', 'waits');
  const ends = new Run('2', 'hash_all');
  block(900);
  ends.end();
  await eventually(async () => told.length > 0, 'it is told');
  assert.equal(told[0]!.tasks.toSorted(), ['hash_all', 'waits']);
  assert.ok(told[0]!.ms >= 400);
  waits.end();
  watch.stop();
});

test('health warns of it, with the task', async () => {
  const database = await freshDatabase();
  const context = { db: database.pool } as unknown as ProbeContext;
  assert.is((await loops.probe(context)).verdict, 'pass');
  const tell = tellBlocked(database.pool, createLogger({ name: 'test', level: 'silent' }));
  tell({ ms: 4200, times: 1, cpu_ms: 4100, tasks: ['hash_all'] });
  tell({ ms: 2500, times: 2, cpu_ms: 2400, tasks: ['hash_all', 'other'] });
  const found = await eventually(async () => {
    const finding = await loops.probe(context);
    return /^3 times/.test(finding.summary) && finding;
  }, 'both are counted');
  assert.equal(found, {
    verdict: 'warn',
    summary: '3 times within 15 minutes, 4.2 s at most, while hash_all, other ran',
  });
  await database.drop();
});

test.run();
