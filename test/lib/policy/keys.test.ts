import * as assert from 'uvu/assert';
import { POLICY_KEYS, type PolicyName, readPolicy, schemaOf } from '../../../lib/policy/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { connectAs, refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('policy: keys and versions');
let db: TestDatabase;
const names = Object.keys(POLICY_KEYS) as PolicyName[];

test.before(async () => {
  db = await freshDatabase();
});
test.after(() => db.drop());

const set = async (key: string, value: unknown, reason: string | null = null) => {
  const { rows } = await db.pool.query<{ version: number }>('select set_policy($1, $2::jsonb, $3) as version', [
    key,
    JSON.stringify(value),
    reason,
  ]);
  return rows[0]!.version;
};

test('the database holds the schema of each key as zod writes it, and a sound default', async () => {
  const { rows } = await db.pool.query<{ key: string; schema: unknown; value: unknown }>(
    'select key, schema, sound_policy(key) as value from ops_policy_keys order by key',
  );
  assert.equal(
    rows.map((row) => row.key),
    [...names].sort(),
  );
  for (const { key, schema, value } of rows) {
    assert.equal(schema, schemaOf(key as PolicyName), `ops_policy_keys has another schema of ${key}`);
    assert.ok(value !== null, `${key} has no sound default`);
    assert.equal(POLICY_KEYS[key as PolicyName].schema.parse(value), value, key);
    assert.ok(POLICY_KEYS[key as PolicyName].doc.length > 20, `${key} says what it decides`);
  }
});

test('zod and SQL refuse the same values', async () => {
  const { rows: defaults } = await db.pool.query<{ key: PolicyName; value: unknown }>(
    'select distinct on (key) key, value from ops_policy order by key, version desc',
  );
  const odd: unknown[] = [
    null,
    true,
    0,
    -1,
    1.5,
    1e12,
    '',
    '7 days',
    '0 days',
    '1 fortnight',
    '7 days\n',
    'a b',
    [],
    {},
  ];
  const samples = defaults.flatMap(({ key, value }) => [
    { key, value },
    ...odd.map((sample) => ({ key, value: sample })),
    ...variations(value, odd).map((sample) => ({ key, value: sample })),
  ]);
  const { rows } = await db.pool.query<{ fault: string | null }>(
    "select policy_fault(s.value ->> 'key', s.value -> 'value') as fault from jsonb_array_elements($1::jsonb) with ordinality s(value, n) order by n",
    [JSON.stringify(samples)],
  );
  let refused = 0;
  for (const [index, { key, value }] of samples.entries()) {
    const byZod = POLICY_KEYS[key].schema.safeParse(value).success;
    const { fault } = rows[index]!;
    assert.is(fault === null, byZod, `${key} ${JSON.stringify(value)}: SQL says ${fault ?? 'sound'}`);
    if (!byZod) refused++;
  }
  assert.ok(refused > 300 && samples.length - refused > 50, `${refused} of ${samples.length} are refused`);
});

/** The value with one part of it replaced, left out, or a stranger put beside it. */
function variations(value: unknown, odd: readonly unknown[]): unknown[] {
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) {
    return [
      ...odd.map((sample) => [...value, sample]),
      ...value.flatMap((item, index) => variations(item, odd).map((other) => value.with(index, other))),
    ];
  }
  return [
    ...odd.map((sample) => ({ ...value, stranger: sample })),
    { ...value, 'not a name!': 1 },
    ...Object.entries(value).flatMap(([key, item]) => [
      Object.fromEntries(Object.entries(value).filter(([other]) => other !== key)),
      ...[...odd, ...variations(item, odd)].map((other) => ({ ...value, [key]: other })),
    ]),
  ];
}

test('a change is a version with actor, act and event; the same value again is none; a rollback is a new version', async () => {
  assert.is(await set('budget.usd', { day: 5, month: 50, mission: 5 }, 'a busy week'), 2);
  assert.is(await set('budget.usd', { day: 5, month: 50, mission: 5 }), 2);
  const { rows } = await db.pool.query<{ version: number }>("select rollback_policy('budget.usd') as version");
  assert.is(rows[0]!.version, 3);
  assert.equal(await readPolicy(db.pool, 'budget.usd'), { day: 2, month: 20, mission: 2 });
  const { rows: history } = await db.pool.query(
    "select version, actor, reason from ops_policy where key = 'budget.usd' order by version",
  );
  assert.equal(history.map((row) => row.reason).slice(1), ['a busy week', 'back to version 1']);
  assert.is(history[1].actor, 'sql:openclaw_worker');
  const { rows: told } = await db.pool.query(
    `select (select count(*)::integer from ops_agent_events where kind = 'policy.changed' and tags = array['budget.usd']) as events,
            (select count(*)::integer from agent_events where verb = 'policy set' and target = 'budget.usd' and before is not null) as acts`,
  );
  assert.equal(told[0], { events: 2, acts: 2 });
});

test('what does not fit is refused from every side, and the value in force stays', async () => {
  const malformed = await refusal(set('quota.tasks', { web_search: 'many' }));
  assert.is(malformed.code, 'OC009');
  assert.match(malformed.message, /quota\.tasks\.web_search is "many", expected an integer/);
  const unknown = await refusal(set('quota.task', {}));
  assert.is(unknown.code, 'OC011');
  assert.match(unknown.hint, /quota\.tasks/);
  const byHand = await refusal(
    db.pool.query(`insert into ops_policy (key, version, value) values ('quota.tasks', 2, '"none"')`),
  );
  assert.is(byHand.code, 'OC009');
  const limited = connectAs(db, 'binaryrogue');
  assert.is((await refusal(limited.query(`select set_policy('gate.caps', '{}')`))).code, '42501');
  await limited.end();
  assert.equal(await readPolicy(db.pool, 'quota.tasks'), { web_search: 50, api_call: 200, git_commit: 20 });
});

test('ten who set one key at once make ten versions, or fewer where they agree', async () => {
  await Promise.all(
    Array.from({ length: 10 }, (_, index) => set('gate.caps', { active_missions: 10 + index, steps_per_day: 5 })),
  );
  const { rows } = await db.pool.query(
    "select count(*)::integer as versions, max(version) as newest from ops_policy where key = 'gate.caps'",
  );
  assert.equal(rows[0], { versions: 11, newest: 11 });
});

test.run();
