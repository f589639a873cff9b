import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';

const test = suite('plans are checked whole at their one door');
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

type Step = Record<string, unknown>;
const plan = (steps: unknown, rest: Step = {}) => ({ kind: 'test', steps, ...rest });

async function faultsOf(value: unknown): Promise<string[]> {
  const { rows } = await database.pool.query<{ at: string; message: string }>('select * from plan_faults($1)', [
    JSON.stringify(value),
  ]);
  return rows.map((row) => `${row.at}: ${row.message}`);
}
/** Each pattern is met by exactly one fault, and no fault is left over. */
function assertFaults(faults: readonly string[], expected: readonly RegExp[]): void {
  for (const pattern of expected)
    assert.is(faults.filter((fault) => pattern.test(fault)).length, 1, `${pattern} in\n${faults.join('\n')}`);
  assert.is(faults.length, expected.length, faults.join('\n'));
}

test('a sound plan has no faults', async () => {
  const steps = [
    { name: 'a', task: 'echo', payload: { n: 1 }, retries: 0, timeout: '30 s' },
    {
      name: 'b',
      task: 'echo',
      needs: ['a'],
      payload: { n: { $path: '$.steps.a.output.n', default: null } },
      timeout: 5000,
    },
    { name: 'c', task: 'wait', needs: ['a', 'b'], payload: { ms: { $path: '$.input.ms' } } },
  ];
  const more = {
    title: 'A plan',
    description: 'of three',
    input: { ms: 1 },
    output: { at: [{ $path: '$.steps.c.output' }] },
  };
  assert.equal(await faultsOf(plan(steps, more)), []);
});

const MANY = plan(
  [
    { name: 'Bad Name', task: 'noop' },
    { name: 'a', task: 'noop', retry: 3, retries: 1.5 },
    { name: 'a', task: 'noop', timeout: 'soon' },
    { name: 'long', task: 'noop', timeout: '30 d' },
    { name: 'never', task: 'noop', timeout: '0 s' },
    { task: 'noop', needs: ['gone'] },
    { name: 'b', task: 'noop', needs: 'a' },
    { name: 'c', task: 'noop', needs: ['d'] },
    { name: 'd', task: 'noop', needs: ['c', 'nowhere', null] },
    { name: 'e', task: 'nope' },
    { name: 'f' },
    { name: 'g', task: 'mission' },
    { name: 'h', task: 'echo', payload: [1] },
    { name: 'i', task: 'echo', payload: { n: 'x' } },
    { name: 'j', task: 'wait', payload: { mark: { $path: '$.input.mark' } } },
    {
      name: 'k',
      task: 'echo',
      payload: { n: { $path: '$.steps.' }, text: { $path: 7 }, deep: [{ $path: '$.x', or: 1 }] },
    },
    { name: 'l', task: 'echo', payload: { n: { $path: '$.steps.a.output' }, text: { $path: '$.steps.zzz.output' } } },
    { name: 'm', task: 'echo', payload: { n: 'x', text: { $path: '$.input.text' } } },
    { name: true, task: 'noop' },
    'a step',
  ],
  { kind: 'Not A Kind', title: '', input: [], output: { $path: '$[' }, extra: 1 },
);
const MANY_FAULTS = [
  /^plan: unknown key "extra"; known keys are kind, title, description, input, steps, output, function$/,
  /^kind: is "Not A Kind", expected a name like host_report/,
  /^title: expected a text of 1 to 200 characters/,
  /^input: is a JSON array, expected an object/,
  /^output: "\$\[" is not an SQL\/JSON path/,
  /^steps\[0\] Bad Name: name is "Bad Name"/,
  /^steps\[1\] a: unknown key "retry"; known keys are name, task/,
  /^steps\[1\] a: retries is 1\.5, expected a whole number from 0 to 99/,
  /^steps\[2\] a: the name is used twice/,
  /^steps\[2\] a: timeout is "soon"/,
  /^steps\[3\] long: timeout is "30 d", .* at most 7 days/,
  /^steps\[4\] never: timeout is "0 s"/,
  /^steps\[5\]: name is missing/,
  /^steps\[5\]: needs "gone", which is no step of this plan/,
  /^steps\[6\] b: needs is a JSON string, expected an array/,
  /^steps\[7\] c: needs itself, directly or through others: a cycle/,
  /^steps\[8\] d: needs itself/,
  /^steps\[8\] d: needs "nowhere", which is no step/,
  /^steps\[8\] d: needs holds a JSON null/,
  /^steps\[9\] e: task is "nope", which is not a known task/,
  /^steps\[10\] f: task is missing/,
  /^steps\[11\] g: task "mission" runs missions and cannot be a step/,
  /^steps\[12\] h: payload is a JSON array, expected an object/,
  /^steps\[13\] i: key "n" of the payload of task echo is a JSON string, expected integer/,
  /^steps\[14\] j: payload lacks the required key "ms" of task wait/,
  /^steps\[15\] k: payload\.n: "\$\.steps\." is not an SQL\/JSON path/,
  /^steps\[15\] k: payload\.text: expected \{"\$path"/,
  /^steps\[15\] k: payload\.deep\[0\]: expected \{"\$path"/,
  /^steps\[16\] l: payload\.n reads step "a" without needing it; add it to needs/,
  /^steps\[16\] l: payload\.text reads step "zzz", which is no step/,
  /^steps\[17\] m: key "n" of the payload of task echo is a JSON string/,
  /^steps\[18\] true: name is true/,
  /^steps\[19\]: is a JSON string, expected an object/,
];

test('a plan with many faults gets all of them named at once', async () =>
  assertFaults(await faultsOf(MANY), MANY_FAULTS));

test('a plan that is no plan has one fault', async () => {
  assertFaults(await faultsOf(null), [/^plan: is a JSON null, expected an object/]);
  assertFaults(await faultsOf([]), [/^plan: is a JSON array/]);
  for (const steps of [undefined, {}, [], 'x'])
    assertFaults(await faultsOf(plan(steps)), [/^steps: expected an array with at least one step/]);
  const many = Array.from({ length: 201 }, (_, n) => ({ name: `s${n}`, task: 'noop' }));
  assertFaults(await faultsOf(plan(many)), [/^steps: has 201 steps, at most 200/]);
  assertFaults(await faultsOf(plan([], { description: 'x'.repeat(262_144) })), [
    /^plan: has \d+ bytes, at most 262144/,
  ]);
  const { rows } = await database.pool.query('select * from plan_faults(null)');
  assert.equal(rows, [{ at: 'plan', message: 'is SQL null, expected an object with kind, title and steps' }]);
});

test('add_mission refuses a faulty plan with OC007, every fault in its detail, and stores nothing', async () => {
  const refused = await refusal(
    database.pool.query('select add_mission($1, $2, priority => 40000)', [JSON.stringify(MANY), '[]']),
  );
  assert.is(refused.code, 'OC007');
  const all = [...MANY_FAULTS, /^input: is a JSON array, expected an object$/, /^priority: is 40000/];
  assert.match(refused.message, new RegExp(`the plan has ${all.length} faults; nothing was stored`));
  assert.is(refused.detail.split('\n').length, all.length);
  const one = await refusal(
    database.pool.query('select add_mission($1)', [JSON.stringify(plan([{ name: 'a', task: 'nope' }]))]),
  );
  assert.match(one.message, /has 1 fault;/);
  const { rows } = await database.pool.query(
    `select (select count(*)::integer from ops_missions) as missions, (select count(*)::integer from ops_mission_steps) as steps,
            (select count(*)::integer from ops_mission_proposals) as proposals, (select count(*)::integer from job_requests) as jobs`,
  );
  assert.equal(rows[0], { missions: 0, steps: 0, proposals: 0, jobs: 0 });
});

/** Steps s0 … sN with random needs among them, forwards and backwards. */
const graphs = fc
  .integer({ min: 1, max: 12 })
  .chain((size) =>
    fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 2 * size }).map((edges) => ({ size, edges })),
  );
/** By removing what nothing is needed for (Kahn), which is not how the database does it. */
function isAcyclic({ size, edges }: { size: number; edges: [number, number][] }): boolean {
  let left = edges;
  const nodes = new Set(Array.from({ length: size }, (_, n) => n));
  for (let removed = true; removed; ) {
    removed = false;
    for (const node of nodes)
      if (!left.some(([, to]) => to === node)) {
        nodes.delete(node);
        left = left.filter(([from]) => from !== node);
        removed = true;
      }
  }
  return nodes.size === 0;
}

test('a random graph of needs is accepted if and only if it has no cycle', async () => {
  await fc.assert(
    fc.asyncProperty(graphs, async (graph) => {
      const steps = Array.from({ length: graph.size }, (_, n) => ({
        name: `s${n}`,
        task: 'noop',
        needs: graph.edges.filter(([from]) => from === n).map(([, to]) => `s${to}`),
      }));
      const faults = await faultsOf(plan(steps));
      assert.is(faults.length === 0, isAcyclic(graph), faults.join('\n'));
    }),
    { numRuns: 300 },
  );
});

test('two hundred steps in a chain are checked in a moment', async () => {
  const chain = Array.from({ length: 200 }, (_, n) => ({
    name: `s${n}`,
    task: 'noop',
    needs: n > 0 ? [`s${n - 1}`] : [],
  }));
  const before = performance.now();
  assert.equal(await faultsOf(plan(chain)), []);
  const last = { name: 's0', task: 'noop', needs: ['s199'] };
  assert.is((await faultsOf(plan([last, ...chain.slice(1)]))).length, 200, 'each of them is in the cycle');
  assert.ok(performance.now() - before < 3000, `took ${performance.now() - before} ms`);
});

test.run();
