import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { DEFINITION, defineTask } from '../../../lib/tasks/index.ts';
import { payloadFields, payloadPredicate } from '../../../lib/tasks/predicate.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('the predicate that the database holds a payload against');
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

const fieldsOf = (schema: z.ZodType) =>
  payloadFields(
    defineTask({ title: 'x', payload: schema, effect: 'read' }, async () => undefined)[DEFINITION].payloadSchema,
  );

/** Whether the database takes each payload, asked in one query. */
async function taken(cases: readonly { predicate: string; payload: unknown }[]): Promise<boolean[]> {
  const { rows } = await database.pool.query<{ taken: boolean }>(
    `select (p.payload::jsonb @@ p.predicate::jsonpath) is true as taken
     from unnest($1::text[], $2::text[]) with ordinality p(payload, predicate, n) order by n`,
    [cases.map(({ payload }) => JSON.stringify(payload)), cases.map(({ predicate }) => predicate)],
  );
  return rows.map((row) => row.taken);
}

/** An object may have a `toString` that is none. */
function numberOf(value: unknown): number {
  try {
    return Number(value);
  } catch {
    return Number.NaN;
  }
}

const KINDS: Record<string, () => z.ZodType> = {
  string: () => z.string(),
  short: () => z.string().max(3),
  date: () => z.iso.date(),
  number: () => z.number(),
  int: () => z.int(),
  whole: () => z.number().int().min(-5),
  boolean: () => z.boolean(),
  null: () => z.null(),
  literal: () => z.literal('a'),
  literals: () => z.literal(['a', 1, true, null]),
  enum: () => z.enum(['a', 'b']),
  array: () => z.array(z.number()),
  tuple: () => z.tuple([z.string(), z.number()]),
  record: () => z.record(z.string(), z.number()),
  object: () => z.object({ a: z.string() }),
  union: () => z.union([z.string(), z.int(), z.null()]),
  unionOfObjects: () => z.discriminatedUnion('k', [z.object({ k: z.literal('x') }), z.object({ k: z.literal('y') })]),
  intersection: () => z.intersection(z.object({ a: z.string() }), z.object({ b: z.string().optional() })),
  any: () => z.any(),
  unknown: () => z.unknown(),
  coercedNumber: () => z.coerce.number(),
  coercedString: () => z.coerce.string(),
  coercedBoolean: () => z.coerce.boolean(),
  coercedDate: () => z.coerce.date(),
  preprocessed: () => z.preprocess(numberOf, z.number()),
  transformed: () => z.string().transform(Number),
  piped: () => z.string().transform(Number).pipe(z.number().min(0)),
  caught: () => z.number().catch(0),
  lazy: () => z.lazy(() => z.string()),
  stringbool: () => z.stringbool(),
  readonly: () => z.array(z.string()).readonly(),
  custom: () => z.custom<string>((value) => value !== 7),
  nan: () => z.union([z.nan(), z.string()]),
};
const WRAPPERS: Record<string, (inner: z.ZodType) => z.ZodType> = {
  plain: (inner) => inner,
  optional: (inner) => inner.optional(),
  nullable: (inner) => inner.nullable(),
  nullish: (inner) => inner.nullish(),
  defaulted: (inner) => inner.default('a' as never),
  described: (inner) => inner.describe('of something'),
  refined: (inner) => inner.refine(() => true),
};
const KEYS = ['a', 'b', 'with blank', 'q"uote', 'back\\slash', '$path', 'ünï', '😀', '', '1', 'last', '@', 'a.b', "'"];

const keys = fc.constantFrom(...KEYS);
const values = fc.oneof(
  fc.constantFrom<unknown>(
    'a',
    'b',
    '5',
    'true',
    '2026-01-01',
    '',
    1,
    0,
    -1,
    1.5,
    1e21,
    -0.0,
    true,
    false,
    null,
    [],
    {},
    [1],
    ['a', 1],
    { a: 'x' },
    { k: 'x' },
  ),
  fc.jsonValue({ maxDepth: 2 }),
);
const fields = fc.uniqueArray(
  fc.tuple(keys, fc.constantFrom(...Object.keys(KINDS)), fc.constantFrom(...Object.keys(WRAPPERS))),
  {
    selector: ([key]) => key,
    maxLength: 4,
  },
);
const objects = fc.constantFrom<(shape: Record<string, z.ZodType>) => z.ZodType>(
  z.object,
  z.looseObject,
  z.strictObject,
);
const storable = (value: unknown) => !/\\u(0000|d[89a-f])/i.test(JSON.stringify(value));

test('whatever zod takes, the predicate takes', async () => {
  const given = fc.sample(
    fc.tuple(fields, objects, fc.array(fc.dictionary(keys, values), { minLength: 5, maxLength: 5 })),
    600,
  );
  const cases = given.flatMap(([chosen, object, payloads]) => {
    const schema = object(
      Object.fromEntries(chosen.map(([key, kind, wrapper]) => [key, WRAPPERS[wrapper]!(KINDS[kind]!())])),
    );
    const predicate = payloadPredicate(fieldsOf(schema));
    return payloads
      .filter(storable)
      .map((payload) => ({ predicate, payload, chosen, zod: schema.safeParse(payload).success }));
  });
  const answers = await taken(cases);
  for (const [index, { zod, payload, chosen, predicate }] of cases.entries())
    if (zod) assert.ok(answers[index], `${JSON.stringify(payload)} for ${JSON.stringify(chosen)}\n${predicate}`);
  assert.ok(cases.filter(({ zod }) => zod).length > 300, 'zod takes enough of them');
  assert.ok(answers.filter((answer) => !answer).length > 300, 'and the predicate refuses enough');
});

test('each kind of field, by itself, takes what zod takes', async () => {
  const samples = [
    ...fc.sample(values.filter(storable), 100),
    'a',
    '5',
    5,
    5.5,
    true,
    null,
    [],
    {},
    ['x', 1],
    { a: 'x' },
    { k: 'y' },
  ];
  for (const [kind, make] of Object.entries(KINDS)) {
    for (const [wrapper, wrap] of Object.entries(WRAPPERS)) {
      const schema = z.object({ x: wrap(make()) });
      const predicate = payloadPredicate(fieldsOf(schema));
      const payloads = [{}, ...samples.map((x) => ({ x }))].filter((payload) => schema.safeParse(payload).success);
      const answers = await taken(payloads.map((payload) => ({ predicate, payload })));
      for (const [index, payload] of payloads.entries())
        assert.ok(answers[index], `${wrapper} ${kind} ${JSON.stringify(payload)}: ${predicate}`);
    }
  }
});

test('the predicate refuses a missing key and a wrong type at the top level, and looks into no array', async () => {
  const predicate = payloadPredicate(fieldsOf(z.object({ n: z.int(), s: z.string().optional() })));
  const refused = [
    {},
    { n: '1' },
    { n: 1.5 },
    { n: null },
    { n: 1, s: 2 },
    [{ n: 1 }],
    [],
    1,
    'n',
    null,
    { n: [1] },
    { N: 1 },
  ];
  const accepted = [{ n: 1 }, { n: 1.0 }, { n: -3e20 }, { n: 1, s: '' }, { n: 1, more: {} }];
  assert.equal(
    await taken(refused.map((payload) => ({ predicate, payload }))),
    refused.map(() => false),
  );
  assert.equal(
    await taken(accepted.map((payload) => ({ predicate, payload }))),
    accepted.map(() => true),
  );
});

test('any key makes a predicate that Postgres reads', async () => {
  const names = fc.sample(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom(...KEYS)), 500);
  const cases = names.map((name) => ({
    predicate: payloadPredicate(fieldsOf(z.object({ [name]: z.string().optional() }))),
    payload: {},
  }));
  assert.ok((await taken(cases)).every(Boolean));
});

test.run();
