import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { durationMs } from '../../../lib/tasks/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('lengths of time');
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

test('a length of time is a number of ms, or a text with its unit', () => {
  const known: [number | string, number][] = [
    [0, 0],
    [1500, 1500],
    ['500 ms', 500],
    ['30 s', 30_000],
    ['5m', 300_000],
    ['2 hours', 7_200_000],
    ['1 day', 86_400_000],
    ['1.5 min', 90_000],
    ['0.001 s', 1],
  ];
  for (const [value, ms] of known) assert.is(durationMs(value), ms, String(value));
});

test('what is none is refused with what is expected', () => {
  for (const value of ['', 'soon', '5', '5 w', '-1 s', '1e3 s', -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    try {
      durationMs(value);
    } catch (error) {
      assert.is((error as { code: string }).code, 'E_DURATION');
      assert.match((error as { expected: string }).expected, /"30 s"/);
      continue;
    }
    assert.unreachable(`${value} was taken`);
  }
});

const texts = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('', ' ', '\t', '\n', '\u00a0', '-', '0'),
      fc.oneof(
        fc.nat().map(String),
        fc.constantFrom('0', '1', '999999999', '1000000000', '1.5', '0.001', '2.0005', '.5', '1e3', '٣'),
      ),
      fc.constantFrom('', ' ', '\r\n', '\u2003', '\v', '.'),
      fc.constantFrom(
        'ms',
        's',
        'sec',
        'secs',
        'second',
        'seconds',
        'm',
        'min',
        'mins',
        'minutes',
        'h',
        'hours',
        'd',
        'day',
        'days',
        'w',
        'S',
        '',
      ),
      fc.constantFrom('', ' ', '\n', 'x', '\ufeff'),
    )
    .map((parts) => parts.join('')),
  fc
    .tuple(fc.nat({ max: 999_999_999 }), fc.nat({ max: 999 }), fc.constantFrom('ms', 's', 'm', 'h', 'd'))
    .map(([whole, part, unit]) => `${whole}.${String(part).padStart(3, '0')} ${unit}`),
  fc.string(),
);
const orNull = (value: number | string) => {
  try {
    return durationMs(value);
  } catch {
    return null;
  }
};

test('TypeScript and SQL read the same length of time', async () => {
  const samples = fc.sample(texts, 3000).filter((text) => !text.includes('\0') && text.isWellFormed());
  const { rows } = await database.pool.query<{ ms: string | null }>(
    'select duration_ms(to_jsonb(t.text)) as ms from unnest($1::text[]) with ordinality t(text, n) order by n',
    [samples],
  );
  const sql = rows.map((row) => (row.ms === null ? null : Number(row.ms)));
  // A number of JavaScript is exact up to 2^53 ms, which are 285,000 years.
  const exact = (ms: number | null) => (ms !== null && ms > Number.MAX_SAFE_INTEGER ? 'for ever' : ms);
  for (const [index, text] of samples.entries())
    assert.is(exact(sql[index]!), exact(orNull(text)), JSON.stringify(text));
  assert.ok(sql.filter((ms) => ms !== null).length > 500, 'enough of them are lengths of time');
  const numbers = fc.sample(fc.integer({ min: 1, max: 604_800_000 }), 300);
  const { rows: ofNumbers } = await database.pool.query<{ ms: string }>(
    'select duration_ms(to_jsonb(n)) as ms from unnest($1::bigint[]) with ordinality t(n, at) order by at',
    [numbers],
  );
  assert.equal(
    ofNumbers.map((row) => Number(row.ms)),
    numbers.map((number) => durationMs(number)),
  );
});

test.run();
