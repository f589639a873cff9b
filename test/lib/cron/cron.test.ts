import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { parseCrontab } from 'graphile-worker';
import * as assert from 'uvu/assert';
import { CODE_ROOT, type Config, loadConfig } from '../../../lib/config/index.ts';
import { nextRuns, readCrontabs } from '../../../lib/cron/index.ts';
import { freshDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('schedules');

/** The ids of the built-in crontab, in its order; each of its tasks exists. */
const BUILT_IN = [...readFileSync(path.join(CODE_ROOT, 'crontab'), 'utf8').matchAll(/^[^#\s].*[?&]id=(\w+)/gm)].map(
  (match) => match[1]!,
);
const BUILT_IN_TASKS = globSync('*.ts', { cwd: path.join(CODE_ROOT, 'tasks') }).map((file) => path.parse(file).name);
const KNOWN = new Map([...BUILT_IN_TASKS, 'noop', 'echo'].map((task) => [task, 4]));

/** A home with these files in .openclaw/cron. */
function homeWith(files: Record<string, string>): { home: string; config: Config } {
  const { home, layout } = temporaryHome();
  mkdirSync(layout.cron, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(layout.cron, name), text);
  return { home, config: loadConfig({ env: { OPENCLAW_HOME: home } }) };
}
const item = (line: string) => parseCrontab(line)[0]!;
const runsOf = (times: string, from: string, count: number) =>
  nextRuns(item(`${times} noop`), new Date(from), count).map((at) => at.toISOString().replace(':00.000Z', ''));

test('next runs are those of a calendar', () => {
  const from = '2026-11-22T17:04:30Z';
  const known: [string, string[]][] = [
    ['*/5 * * * *', ['2026-11-22T17:05', '2026-11-22T17:10', '2026-11-22T17:15']],
    ['4 17 * * *', ['2026-11-23T17:04', '2026-11-24T17:04', '2026-11-25T17:04']],
    ['17 3 * * *', ['2026-11-23T03:17', '2026-11-24T03:17', '2026-11-25T03:17']],
    ['0 0 1 1 *', ['2027-01-01T00:00', '2028-01-01T00:00', '2029-01-01T00:00']],
    ['0 12 * * 1', ['2026-11-23T12:00', '2026-11-30T12:00', '2026-12-07T12:00']],
    ['0 12 * * 7', ['2026-11-29T12:00', '2026-12-06T12:00', '2026-12-13T12:00']],
    ['0 0 31 * *', ['2026-12-31T00:00', '2027-01-31T00:00', '2027-03-31T00:00']],
    // As cron does: a day of the month or a day of the week.
    ['0 0 13 * 5', ['2026-11-27T00:00', '2026-12-04T00:00', '2026-12-11T00:00']],
    ['59 23 31 12 *', ['2026-12-31T23:59', '2027-12-31T23:59', '2028-12-31T23:59']],
  ];
  for (const [times, runs] of known) assert.equal(runsOf(times, from, 3), runs, times);
});

test('a run is after the moment asked from, never at it', () => {
  assert.equal(runsOf('*/5 * * * *', '2026-01-01T00:05:00.000Z', 1), ['2026-01-01T00:10']);
  assert.equal(runsOf('*/5 * * * *', '2026-01-01T00:04:59.999Z', 1), ['2026-01-01T00:05']);
});

test('29 February is found years ahead, and 30 February is found not at all', () => {
  assert.equal(runsOf('0 0 29 2 *', '2026-11-22T00:00:00Z', 1), ['2028-02-29T00:00']);
  assert.equal(runsOf('0 0 29 2 *', '2028-02-29T00:00:00Z', 1), ['2032-02-29T00:00']);
  assert.equal(runsOf('0 0 30 2 *', '2026-11-22T00:00:00Z', 1), []);
});

type Field = number[] | null;
interface Spec {
  minute: Field;
  hour: Field;
  date: Field;
  month: Field;
  day: Field;
}

const subset = (min: number, max: number) =>
  fc.oneof(fc.constant(null), fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 }));
const spec = fc.record({
  minute: subset(0, 59),
  hour: subset(0, 23),
  date: subset(1, 31),
  month: subset(1, 12),
  day: subset(0, 6),
});
const text = (field: number[] | null) => field?.join(',') ?? '*';
const upTo = (field: number[] | null, count: number) =>
  (field ?? Array.from({ length: count }, (_, n) => n)).toSorted((a, b) => a - b);

/** Day by day, which is not how it is done in lib/cron. */
function bruteForce({ minute, hour, date, month, day }: Spec, from: number, count: number): number[] {
  const runs: number[] = [];
  for (
    let midnight = from - (from % 86_400_000);
    runs.length < count && midnight < from + 5 * 365 * 86_400_000;
    midnight += 86_400_000
  ) {
    const at = new Date(midnight);
    if (month && !month.includes(at.getUTCMonth() + 1)) continue;
    const dateFits = date?.includes(at.getUTCDate());
    const dayFits = day?.includes(at.getUTCDay());
    if (date && day ? !dateFits && !dayFits : (date && !dateFits) || (day && !dayFits)) continue;
    for (const h of upTo(hour, 24))
      for (const m of upTo(minute, 60)) {
        const run = midnight + h * 3_600_000 + m * 60_000;
        if (run > from && runs.length < count) runs.push(run);
      }
  }
  return runs;
}
test('next runs are those of a brute force, for random schedules', () => {
  const froms = fc.date({ min: new Date('2024-01-01'), max: new Date('2030-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(spec, froms, (given, from) => {
      const line = `${text(given.minute)} ${text(given.hour)} ${text(given.date)} ${text(given.month)} ${text(given.day)}`;
      const runs = nextRuns(item(`${line} noop`), from, 4).map((at) => at.getTime());
      const expected = bruteForce(given, from.getTime(), 4);
      assert.equal(runs.slice(0, expected.length), expected, `${line} from ${from.toISOString()}`);
    }),
    { numRuns: 40 },
  );
});

test("the operator's files are read beside the built-in crontab", async () => {
  const { config } = homeWith({
    'own.crontab': '# mine\n\n0 4 * * * noop ?id=own&max=2 {"a": 1}\r\n  \n5 4 * * * echo',
    'b.crontab': '*/10 * * * * noop ?id=second\r\n',
    'notes.txt': 'no crontab at all\n',
  });
  const { schedules, faults } = await readCrontabs(config, KNOWN);
  assert.equal(faults, []);
  assert.equal(
    schedules.map((schedule) => schedule.id),
    [...BUILT_IN, 'second', 'own', 'echo'],
  );
  const own = schedules.find((schedule) => schedule.id === 'own')!;
  assert.equal(
    [own.task, own.line, path.basename(own.file)],
    ['noop', '0 4 * * * noop ?id=own&max=2 {"a": 1}', 'own.crontab'],
  );
  assert.equal([own.item.payload, own.item.options.maxAttempts], [{ a: 1 }, 2]);
  assert.is(schedules.find((schedule) => schedule.id === 'echo')!.item.options.maxAttempts, 4, 'those of its task');
});

test('a faulty line is named with its file and number, and the others stay', async () => {
  const { config, home } = homeWith({
    'faulty.crontab': [
      '0 4 * * * noop ?id=good',
      '0 25 * * * noop ?id=hour',
      'noop',
      '0 4 * * * nope ?id=unknown',
      '0 4 * * * noop ?id=good',
      '0 4 * * * noop ?id=payload {"a": }',
      '0 4 * * * noop ?id=option&often=1',
      '1 1 * * * retention ?id=retention',
      '0 5 * * * echo ?id=last',
    ].join('\n'),
  });
  mkdirSync(path.join(home, '.openclaw/cron/folder.crontab'));
  const { schedules, faults } = await readCrontabs(config, KNOWN);
  assert.equal(
    schedules.map((schedule) => schedule.id),
    [...BUILT_IN, 'good', 'last'],
  );
  const messages: Record<number, RegExp> = {
    2: /Too large value '25'/,
    3: /./,
    4: /unknown task "nope"/,
    5: /the id "good" is used by .*faulty\.crontab; give this one an id of its own/,
    6: /payload/i,
    7: /often/,
    8: /the id "retention" is used by .*crontab/,
  };
  const inFile = faults.filter((fault) => fault.file.endsWith('faulty.crontab'));
  assert.equal(
    inFile.map((fault) => fault.line),
    Object.keys(messages).map(Number),
  );
  for (const fault of inFile) assert.match(fault.message, messages[fault.line]!);
  assert.match(faults.find((fault) => fault.file.endsWith('folder.crontab'))?.message ?? '', /cannot be read/);
});

test('two workers plan each run once, and what was missed too', async () => {
  const database = await freshDatabase();
  const crontab = { 'own.crontab': '* * * * * noop ?id=minutely&fill=10m {"from": "cron"}\n' };
  await database.pool.query(
    "insert into graphile_worker._private_known_crontabs (identifier, known_since) values ('minutely', now() - interval '1 hour')",
  );
  const start = () => startTestWorkers(database, { withCron: true, env: { OPENCLAW_HOME: homeWith(crontab).home } });
  const planned = async () => {
    const { rows } = await database.pool.query<{ ts: string; state: string; source: string; actor: string }>(
      "select payload -> '_cron' ->> 'ts' as ts, state, source, actor from task_queue where payload ->> 'from' = 'cron'",
    );
    return rows;
  };
  const first = await Promise.all([start(), start()]);
  try {
    const rows = await eventually(async () => {
      const now = await planned();
      return now.length >= 9 && now.every((row) => row.state === 'succeeded') && now;
    }, 'ten minutes are made up for');
    assert.ok(rows.length <= 11, `${rows.length} runs`);
    assert.is(new Set(rows.map((row) => row.ts)).size, rows.length, 'each minute once');
    assert.ok(rows.every((row) => row.source === 'cron' && row.actor === 'cron'));
  } finally {
    await Promise.all(first.map((worker) => worker.stop('test')));
  }
  const before = (await planned()).length;
  const third = await start();
  await third.stop('test');
  const after = await planned();
  assert.ok(after.length <= before + 1, 'a restart makes nothing up twice');
  assert.is(new Set(after.map((row) => row.ts)).size, after.length);
  await database.drop();
});

test.run();
