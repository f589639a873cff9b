import assert from 'node:assert/strict';
import type { Queryable } from '../../../lib/db/index.ts';
import { loadSteps } from '../../../lib/missions/loadSteps.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('loadSteps');

/** Answers when it is told to, with one step a mission. */
function fakeDatabase() {
  const asked: { missions: string[]; answer: (error?: Error) => void }[] = [];
  const db = {
    query: ({ values }: { values: [string[]] }) =>
      new Promise((resolve, reject) => {
        const [missions] = values;
        const rows = missions.map((mission) => ({ mission, id: `${mission}0`, name: 'a' }));
        asked.push({ missions, answer: (error) => (error ? reject(error) : resolve({ rows })) });
      }),
  } as unknown as Queryable;
  return { db, asked };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('missions that are taken up at once are loaded by one query, what comes meanwhile by the next', async () => {
  const { db, asked } = fakeDatabase();
  const first = ['1', '2', '3'].map((mission) => loadSteps(db, mission));
  await turn();
  const meanwhile = ['4', '1', '1'].map((mission) => loadSteps(db, mission));
  await turn();
  assert.deepEqual(
    asked.map(({ missions }) => missions),
    [['1', '2', '3']],
  );
  asked[0]!.answer();
  assert.deepEqual(
    (await Promise.all(first)).map(([step]) => step!.id),
    ['10', '20', '30'],
  );
  await turn();
  asked[1]!.answer();
  await turn();
  asked[2]!.answer();
  const [four, one, again] = await Promise.all(meanwhile);
  assert.deepEqual([asked[1]!.missions, asked[2]!.missions], [['4', '1'], ['1']]);
  assert.equal(four![0]!.id, '40');
  // Each has rows of its own: a segment changes what it holds.
  assert.notEqual(one![0], again![0]);
});

test('an error is told to all who asked, and the next are asked for again; a mission without steps has none', async () => {
  const { db, asked } = fakeDatabase();
  const failing = ['1', '2'].map((mission) => loadSteps(db, mission));
  await turn();
  asked[0]!.answer(new Error('cut'));
  for (const each of failing) await assert.rejects(each, /cut/);
  const next = loadSteps(db, '3');
  await turn();
  asked[1]!.answer();
  assert.equal((await next).length, 1);
  const { db: empty } = { db: { query: async () => ({ rows: [] }) } as unknown as Queryable };
  assert.deepEqual(await loadSteps(empty, '9'), []);
});

test.run();
