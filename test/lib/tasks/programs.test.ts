import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { processStartOf } from '../../../lib/workers/identity.ts';
import type { Workers } from '../../../lib/workers/process.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';
import { eventually, startTestWorkers } from '../../harness/workers.ts';

const test = suite('a task may be any program');
const { home, layout } = temporaryHome();
let database: TestDatabase;
let workers: Workers;

const FAMILY = path.join(home, 'family');
const familyOf = (child: string) => `#!/usr/bin/env bash
${child}
echo "$! $$" > ${JSON.stringify(FAMILY)}.partial
mv ${JSON.stringify(FAMILY)}.partial ${JSON.stringify(FAMILY)}
sleep 300
`;

const PROGRAMS: Record<string, string> = {
  'echo.d/report': `#!/usr/bin/env bash
payload=$(cat)
printf '{"stdin": %s, "format": "%s", "task": "%s", "job": "%s", "attempt": %s, "of": %s, "key": "%s"}' "$payload" \\
  "$GRAPHILE_WORKER_PAYLOAD_FORMAT" "$GRAPHILE_WORKER_TASK_IDENTIFIER" "$GRAPHILE_WORKER_JOB_ID" "$GRAPHILE_WORKER_JOB_ATTEMPTS" \\
  "$GRAPHILE_WORKER_JOB_MAX_ATTEMPTS" "$OPENCLAW_IDEMPOTENCY_KEY"
`,
  words: '#!/bin/sh\necho plain words\n',
  silent: '#!/bin/sh\nexit 0\n',
  talkative: '#!/bin/sh\nhead -c 200000 /dev/zero | tr "\\0" x\n',
  exits: '#!/usr/bin/env bash\ncode=$(sed \'s/[^0-9]//g\')\necho "ending with $code" >&2\nexit "$code"\n',
  unreadable: '#!/nonexistent/interpreter\n',
  deaf: '#!/bin/sh\nexec 0<&-\nexit 0\n',
  // Both leave a child that hears no SIGTERM; of the first it also holds the output open.
  deafChild: familyOf('(trap "" TERM; exec sleep 300) &'),
  childApart: familyOf('(trap "" TERM; exec sleep 300) > /dev/null 2>&1 &'),
  leaves: `#!/usr/bin/env bash
sleep 300 > /dev/null 2>&1 &
echo $!
`,
};

test.before(async () => {
  for (const [name, text] of Object.entries(PROGRAMS)) {
    const file = path.join(layout.tasks, name.replace('echo.d/', 'sub/'));
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, 0o755);
  }
  database = await freshDatabase({ source: 'cli' });
  workers = await startTestWorkers(database, { env: { OPENCLAW_HOME: home } });
});
test.after(async () => {
  await workers.stop('test');
  await database.drop();
});

const query = async (sql: string, values?: unknown[]) => (await database.pool.query(sql, values)).rows;
const add = async (task: string, payload: object = {}, attempts: number | null = null): Promise<string> =>
  (await query('select add_job($1, $2, max_attempts => $3) as id', [task, JSON.stringify(payload), attempts]))[0].id;
const whenState = (id: string, states: string[]) =>
  eventually(async () => {
    const [job] = await query('select * from task_queue where id = $1', [id]);
    return states.includes(job.state) && job;
  }, `j${id} is ${states}`);
const ended = (id: string) => whenState(id, ['succeeded', 'failed', 'cancelled']);

test('it gets the payload on its standard input and the job in its environment, and its output is the result', async () => {
  const id = await add('sub/report', { city: 'Wien', quote: `'"` });
  const job = await ended(id);
  assert.is(job.state, 'succeeded', job.last_error);
  assert.equal(job.result, {
    stdin: { payload: { city: 'Wien', quote: `'"` } },
    format: 'json',
    task: 'sub/report',
    job: id,
    attempt: 1,
    of: 4,
    key: `j${id}`,
  });
});

test('an output that is no JSON is a text, none is null, and a long one is cut', async () => {
  assert.equal((await ended(await add('words'))).result, { stdout: 'plain words\n' });
  assert.is((await ended(await add('silent'))).result, null);
  assert.is((await ended(await add('deaf', { text: 'x'.repeat(60_000) }))).state, 'succeeded');
  const { result } = await ended(await add('talkative'));
  assert.equal([result.truncated, result.bytes], [true, 200_000]);
  assert.ok(result.stdout.length <= 65_536);
});

test('exit code 0 is success, 78 is a failure for good, any other one is tried again', async () => {
  assert.is((await ended(await add('exits', { code: 0 }))).state, 'succeeded');
  const configuration = await ended(await add('exits', { code: 78 }));
  assert.equal(
    [configuration.state, configuration.attempts, configuration.error_class],
    ['failed', 1, 'E_TASK_PROGRAM'],
  );
  assert.match(configuration.last_error, /exited with code 78: ending with 78/);
  const again = await whenState(await add('exits', { code: 1 }), ['retrying']);
  assert.equal([again.attempts, again.max_attempts], [1, 4]);
  assert.match(again.last_error, /exited with code 1: ending with 1/);
  const last = await ended(await add('exits', { code: 3 }, 1));
  assert.equal([last.state, last.attempts], ['failed', 1]);
});

test('a program that cannot be started fails for good, with the remedy', async () => {
  const job = await ended(await add('unreadable'));
  assert.equal([job.state, job.attempts, job.error_class], ['failed', 1, 'E_TASK_PROGRAM']);
  assert.match(job.last_error, /could not be started/);
});

test('whatever payload is no object fails for good', async () => {
  const [{ id }] = await query("select (graphile_worker.add_job('words', '[1]')).id as id");
  const job = await ended(id);
  assert.equal([job.state, job.attempts, job.error_class], ['failed', 1, 'E_PAYLOAD']);
});

const isAlive = (pid: number) => processStartOf(pid) !== undefined;
/** The pids of the program and its child, once both run. */
const family = () =>
  eventually(async () => {
    if (!existsSync(FAMILY)) return undefined;
    const pids = readFileSync(FAMILY, 'utf8').trim().split(' ').map(Number);
    rmSync(FAMILY);
    return pids;
  }, 'the program has started its child');

test('a timeout ends the program with its child, though that is deaf', async () => {
  const plan = { kind: 'family', steps: [{ name: 'a', task: 'deafChild', timeout: '1 s', retries: 0 }] };
  const [{ id }] = await query('select add_mission($1) as id', [JSON.stringify(plan)]);
  const pids = await family();
  assert.ok(pids.every(isAlive));
  const step = await eventually(async () => {
    const [found] = await query('select * from ops_mission_steps where mission_id = $1 and finished_at is not null', [
      id,
    ]);
    return found;
  }, 'the step ends');
  assert.equal([step.state, step.error_class], ['failed', 'timeout']);
  await eventually(async () => !pids.some(isAlive), 'nobody is left', 7000);
});

test('a cancelled job ends its program with its child, though that is deaf and apart', async () => {
  const id = await add('childApart');
  const pids = await family();
  assert.ok(pids.every(isAlive));
  await query('select cancel_job($1)', [id]);
  assert.is((await ended(id)).state, 'cancelled');
  await eventually(async () => !pids.some(isAlive), 'nobody is left', 3000);
});

test('what a program leaves behind when it succeeds ends with it', async () => {
  const job = await ended(await add('leaves'));
  assert.is(job.state, 'succeeded');
  await eventually(async () => !isAlive(Number(job.result)), 'its child has ended', 3000);
});

test.run();
