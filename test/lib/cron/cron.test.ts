import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { Logger, parseCrontab, run } from 'graphile-worker';
import * as assert from 'uvu/assert';
import { CODE_ROOT, type Config, loadConfig } from '../../../lib/config/index.ts';
import { nextRuns, readCrontabs, startPlanner } from '../../../lib/cron/index.ts';
import { createPool } from '../../../lib/db/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { GoneJobs } from '../../../lib/queue/endings.ts';
import { keepLedger } from '../../../lib/queue/ledger.ts';
import { freshDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';
import { eventually } from '../../harness/workers.ts';

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

test('a line says what becomes of missed runs', async () => {
  const { config } = homeWith({
    'own.crontab': [
      '0 4 * * * noop ?id=stock_skip',
      '0 4 * * * noop ?id=stock_one&fill=2d&jobKey=k',
      '0 4 * * * noop ?id=stock_all&fill=2d',
      '0 4 * * * noop ?missed=one {"a": "?missed=all"}',
      '0 4 * * * echo ?missed=all&id=all&priority=1',
      '0 4 * * * noop ?id=faulty&missed=often',
    ].join('\n'),
  });
  const { schedules, faults } = await readCrontabs(config, KNOWN);
  const own = schedules.slice(BUILT_IN.length);
  assert.equal(
    own.map(({ id, missed, madeUpForMs }) => `${id} ${missed} ${madeUpForMs / 86_400_000}`),
    ['stock_skip skip 31', 'stock_one one 2', 'stock_all all 2', 'noop one 31', 'all all 31'],
  );
  assert.equal([own[3]!.item.payload, own[4]!.item.options.priority], [{ a: '?missed=all' }, 1]);
  assert.equal(
    faults.map((fault) => fault.message),
    ['missed=often: expected skip, one or all'],
  );
  const rule = (id: string) => schedules.find((schedule) => schedule.id === id)!.missed;
  assert.equal(['backup', 'retention', 'host_sample'].map(rule), ['one', 'one', 'skip']);
});

const MINUTE_MS = 60_000;

test('cron matched on the current minute: each planned run is one row across workers, queued, made up for, or missed', async () => {
  const database = await freshDatabase();
  const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
  // Each worker has a home of its own, as on two hosts.
  const crontab = {
    'own.crontab': [
      '* * * * * noop ?id=skipping {"from": "skip"}',
      '* * * * * noop ?id=one&missed=one {"from": "one"}',
      '* * * * * noop ?id=every&missed=all&jobKey=every {"from": "all"}',
      '* * * * * noop ?id=resting&missed=all {"from": "rest"}',
    ].join('\n'),
  };
  const log = createLogger({ name: 'test', level: 'silent' });
  const start = () => startPlanner(database.pool, homeWith(crontab).config, KNOWN, log);
  await start();
  // As if all had been down for an hour, in which one schedule was paused half-way.
  await query(
    "update ops_schedules set known_since = now() - interval '2 hours', settled_until = now() - interval '1 hour'",
  );
  await query('delete from ops_cron_runs');
  await query("update graphile_worker._private_known_crontabs set last_execution = now() - interval '1 hour'");
  await query("select pause('schedule', 'resting', false, 'a test')");
  await query("update ops_controls set since = now() - interval '30 minutes'");
  const until = Date.now() - MINUTE_MS;

  const [planner] = await Promise.all([start(), start(), start()]);
  const runs = await query(
    `select r.schedule, r.state, r.made_up, r.planned_for, r.job_id, q.source, q.actor, q.payload -> '_cron' ->> 'ts' as ts
     from ops_cron_runs r left join task_queue q on q.id = r.job_id where r.planned_for <= $1 order by 1, 4`,
    [new Date(until)],
  );
  const of = (id: string, state: string) => runs.filter((run) => run.schedule === id && run.state === state);
  const counts = (id: string) => ['queued', 'missed', 'paused'].map((state) => of(id, state).length);
  const total = counts('skipping')[1]! + counts('skipping')[0]!;
  assert.ok(total >= 58 && total <= 61, `${total} minutes`);
  assert.equal(counts('one'), [1, total - 1, 0]);
  assert.equal(counts('every'), [total, 0, 0]);
  assert.is(new Set(of('every', 'queued').map((run) => run.job_id)).size, total, 'a key does not merge them');
  // Within five minutes it is late, not missed.
  assert.equal(counts('skipping'), [1, total - 1, 0]);
  const [rested, before] = [of('resting', 'paused').length, of('resting', 'missed').length];
  assert.ok(rested >= 29 && rested <= 31 && rested + before === total, `${rested} paused, ${before} missed`);
  for (const run of runs.filter(({ job_id }) => job_id !== null)) {
    assert.equal([run.source, run.actor, run.made_up], ['cron', 'cron', true]);
    assert.is(new Date(run.ts).getTime(), run.planned_for.getTime());
  }
  const events = await query(
    "select payload ->> 'schedule' as id, payload ->> 'made_up' as made_up from ops_agent_events where kind = 'cron.missed' and payload ->> 'rule' = 'all' order by 1",
  );
  assert.equal(events, [
    { id: 'every', made_up: String(total) },
    { id: 'resting', made_up: '0' },
  ]);

  await planner.look();
  await start();
  const [again] = await query('select count(*)::int as n from ops_cron_runs where planned_for <= $1', [
    new Date(until),
  ]);
  assert.is(again.n, runs.length, 'nothing is made up twice');

  // The statement that graphile-worker's own is replaced by.
  const plan = (at: number, ...ids: string[]) =>
    query('select plan_runs($1, $2) as planned', [
      JSON.stringify(
        ids.map((identifier) => ({
          identifier,
          job: { task: 'noop', payload: {}, jobKey: 'k', jobKeyMode: 'replace' },
        })),
      ),
      new Date(at),
    ]).then(([row]) => row.planned);
  const minute = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS + 10 * MINUTE_MS;
  const both = await Promise.all([plan(minute, 'a', 'b', 'resting'), plan(minute, 'b', 'a', 'resting')]);
  assert.is(both[0] + both[1], 2, 'each once, the paused one not at all');
  assert.is(await plan(minute + MINUTE_MS, 'a'), 1);
  assert.is(await plan(Date.now() - 3 * MINUTE_MS, 'c'), 0, 'a late tick is for the rule to settle');
  assert.equal(
    await query('select schedule, state from ops_cron_runs where planned_for >= $1 order by schedule, planned_for', [
      new Date(minute),
    ]),
    [
      { schedule: 'a', state: 'replaced' },
      { schedule: 'a', state: 'queued' },
      { schedule: 'b', state: 'replaced' },
      { schedule: 'resting', state: 'paused' },
    ],
  );

  // And it is: a minute that graphile-worker itself plans gets its row.
  const pgPool = createPool(database.urlFor('openclaw_worker'), { name: 'test:ticks' });
  keepLedger(pgPool, { endings: new Map(), held: new Set(), gone: new GoneJobs(), log });
  await query(
    "insert into graphile_worker._private_known_crontabs (identifier, known_since) values ('stock', now() - interval '1 hour')",
  );
  const runner = await run({
    pgPool,
    noHandleSignals: true,
    taskList: {},
    logger: new Logger(() => () => undefined),
    parsedCronItems: parseCrontab('* * * * * noop ?id=stock&fill=2m'),
  });
  await eventually(async () => (await query("select from ops_cron_runs where schedule = 'stock'")).length > 0, 'a row');
  await runner.stop();
  await pgPool.end();
  await database.drop();
});

test.run();
