import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('a payload takes from earlier steps by SQL/JSON paths');
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

async function resolve(payload: unknown, document: unknown): Promise<unknown> {
  const { rows } = await database.pool.query<{ resolved: unknown }>('select resolve_paths($1, $2) as resolved', [
    JSON.stringify(payload),
    JSON.stringify(document),
  ]);
  return rows[0]!.resolved;
}
const ODD = 'quote \' and " and \\ and $path and {"$path": "$.a"} and ünïcödé 😀';
const DOCUMENT = {
  input: { city: 'Wien', 'odd key': ODD, zero: 0, no: false, none: null, empty: [], list: [1, [2, 3], { four: 4 }] },
  steps: { search: { state: 'succeeded', output: { urls: ['https://a/', 'https://b/'], rows: [{ n: 1 }, { n: 5 }] } } },
};

test('what is no path stays as it is', async () => {
  for (const payload of [
    {},
    [],
    1,
    'x',
    null,
    true,
    { a: [{ b: [[], {}] }], path: '$.a', $paths: '$.a' },
    { text: ODD },
  ])
    assert.equal(await resolve(payload, DOCUMENT), payload);
});

test('paths are replaced wherever they stand, in objects and nested arrays', async () => {
  const payload = {
    city: { $path: '$.input.city' },
    nested: [[{ $path: '$.input.list[2].four' }, { deep: { $path: '$.steps.search.output.urls[1]' } }], []],
    whole: { $path: '$.steps.search.output' },
    filtered: { $path: '$.steps.search.output.rows[*] ? (@.n > 2).n' },
    last: { $path: '$.input.list[last]' },
    sized: { $path: '$.steps.search.output.urls.size()' },
  };
  assert.equal(await resolve(payload, DOCUMENT), {
    city: 'Wien',
    nested: [[4, { deep: 'https://b/' }], []],
    whole: DOCUMENT.steps.search.output,
    filtered: 5,
    last: { four: 4 },
    sized: 2,
  });
});

test('quotes, backslashes and what looks like a path in a value are data', async () => {
  assert.is(await resolve({ $path: '$.input."odd key"' }, DOCUMENT), ODD);
  assert.equal(await resolve({ $path: '$.found' }, { found: { $path: '$.input.city' } }), { $path: '$.input.city' });
});

test('false, 0, null and an empty list are found, and no default takes their place', async () => {
  for (const [key, value] of [
    ['zero', 0],
    ['no', false],
    ['none', null],
    ['empty', []],
  ] as const)
    assert.equal(await resolve({ $path: `strict $.input.${key}`, default: 'd' }, DOCUMENT), value, key);
});

test('a default, null too, stands where a path finds nothing', async () => {
  for (const value of ['d', null, 0, { a: [1] }, { $path: '$.input.city' }])
    assert.equal(await resolve([{ $path: '$.input.nowhere[3]', default: value }], DOCUMENT), [value]);
});

test('a path that finds nothing and has no default raises OC009, which names it', async () => {
  const refused = await refusal(resolve({ a: [{ $path: '$.steps.gone.output' }] }, DOCUMENT));
  assert.is(refused.code, 'OC009');
  assert.match(refused.message, /path \$\.steps\.gone\.output finds nothing/);
  assert.match(refused.hint, /"default"/);
});

test('whatever JSON a step gives comes through its path unchanged', async () => {
  const json = fc.jsonValue({ noUnicodeString: false }).filter((value) => {
    const text = JSON.stringify(value);
    // What Postgres's jsonb cannot hold never gets into an output: it is dropped when the step ends.
    return !/\\u(0000|d[89a-f])/i.test(text) && text.isWellFormed();
  });
  await fc.assert(
    fc.asyncProperty(json, async (value) => {
      const document = { steps: { a: { output: value } } };
      const resolved = await resolve({ x: [{ $path: '$.steps.a.output' }] }, document);
      assert.equal(JSON.stringify(resolved), JSON.stringify(await resolve({ x: [value] }, {})));
    }),
    { numRuns: 150 },
  );
});

test('a step reads the input, the mission and the ended steps', async () => {
  const plan = {
    kind: 'reads',
    title: 'Reads',
    input: { a: 1, b: 2 },
    steps: [
      { name: 'first', task: 'noop' },
      {
        name: 'second',
        task: 'echo',
        needs: ['first'],
        payload: {
          input: { $path: '$.input' },
          kind: { $path: '$.mission.kind' },
          id: { $path: '$.mission.id' },
          state: { $path: '$.steps.first.state' },
          error: { $path: '$.steps.first.error' },
        },
      },
    ],
  };
  const { rows } = await database.pool.query<{ id: number }>('select add_mission($1, $2)::integer as id', [
    JSON.stringify(plan),
    '{"b": 3}',
  ]);
  const { id } = rows[0]!;
  const payloadOf = async () =>
    (
      await database.pool.query(
        "select step_payload(id) as p from ops_mission_steps where mission_id = $1 and name = 'second'",
        [id],
      )
    ).rows[0].p;
  assert.is((await refusal(payloadOf())).code, 'OC009', 'a step that has not ended is not read');
  const step = "update ops_mission_steps set state = $2, finished_at = $3 where mission_id = $1 and name = 'first'";
  await database.pool.query(step, [id, 'running', null]);
  await database.pool.query(step, [id, 'succeeded', new Date()]);
  assert.equal(await payloadOf(), { input: { a: 1, b: 3 }, kind: 'reads', id, state: 'succeeded', error: null });
});

test.run();
