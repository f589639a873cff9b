import * as assert from 'uvu/assert';
import { loadConfig } from '../../../lib/config/index.ts';
import { transaction } from '../../../lib/db/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { createRecorder } from '../../../lib/missions/durable/index.ts';
import { runSegment } from '../../../lib/missions/segment.ts';
import { createWriter } from '../../../lib/missions/writer.ts';
import { createContext } from '../../../lib/tasks/context.ts';
import { loadTasks } from '../../../lib/tasks/index.ts';
import type { Database, TaskRuntime } from '../../../lib/tasks/runtime.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { TEST_TASKS } from '../../harness/template.ts';
import { testEnvironment } from '../../harness/workers.ts';

const test = suite('claims and fences of missions', { timeoutMs: 60_000 });
let database: TestDatabase;
let runtime: TaskRuntime;

test.before(async () => {
  database = await freshDatabase();
  const db: Database = {
    query: database.pool.query.bind(database.pool) as Database['query'],
    transaction: (work) => transaction(database.pool, work),
  };
  runtime = {
    config: loadConfig({ env: testEnvironment(database) }),
    log: createLogger({ name: 'test', level: 'silent' }),
    db,
    reader: db,
    paths: db,
    registry: await loadTasks([TEST_TASKS]),
  };
});
test.after(() => database.drop());

async function submitHeld(steps: number, pool: string): Promise<{ mission: string; job: string }> {
  const plan = {
    kind: 'held',
    steps: Array.from({ length: steps }, (_, n) => ({
      name: `s${n}`,
      task: 'noop',
      needs: n > 0 ? [`s${n - 1}`] : [],
    })),
  };
  const { rows } = await database.pool.query<{ mission: string }>('select add_mission($1) as mission', [
    JSON.stringify(plan),
  ]);
  const { mission } = rows[0]!;
  const held = await database.pool.query<{ id: string }>(
    'update graphile_worker._private_jobs set locked_by = $2, locked_at = now(), attempts = 1 where id = (select job_id from ops_missions where id = $1) returning id',
    [mission, pool],
  );
  return { mission, job: held.rows[0]!.id };
}

function segment(mission: string, job: string, poolId: string): Promise<unknown> {
  const signal = new AbortController().signal;
  const facts = {
    jobId: job,
    task: 'mission',
    attempt: 1,
    maxAttempts: 100,
    traceId: null,
    missionId: null,
    stepName: null,
    idempotencyKey: `j${job}`,
    scope: `j${job}`,
    fence: { kind: 'job', jobId: job, poolId },
  } as const;
  return runSegment({
    runtime,
    writer: createWriter(runtime.db, runtime.log),
    recorder: createRecorder(runtime.db, runtime.log),
    missionId: mission,
    context: createContext(runtime, facts, signal),
    poolId,
  });
}

test('50 claimers of a mission of 20 steps: each step has one outcome, and every other claimer is fenced', async () => {
  const { mission, job } = await submitHeld(20, 'pool-a');
  const ended = await Promise.allSettled(Array.from({ length: 50 }, () => segment(mission, job, 'pool-a')));
  const { rows } = await database.pool.query(
    `select m.state, m.epoch, (select count(*)::integer from ops_outcomes where mission_id = m.id) as outcomes,
            (select count(distinct step_id)::integer from ops_outcomes where mission_id = m.id and success) as steps
     from ops_missions m where id = $1`,
    [mission],
  );
  assert.equal({ ...rows[0], epoch: rows[0].epoch > 1 }, { state: 'succeeded', epoch: true, outcomes: 20, steps: 20 });
  const codes = ended
    .filter((result) => result.status === 'rejected')
    .map((result) => (result as PromiseRejectedResult).reason.code);
  assert.equal([...new Set(codes)], ['E_FENCED']);
});

test('a job that its pool no longer holds claims nothing', async () => {
  const { mission, job } = await submitHeld(1, 'pool-b');
  assert.equal(await segment(mission, job, 'pool-that-lost-it'), { mission, state: 'not_claimed' });
  const { rows } = await database.pool.query('select state, epoch from ops_missions where id = $1', [mission]);
  assert.equal(rows[0], { state: 'approved', epoch: 0 });
});

test('a job that is not the one of the mission claims nothing', async () => {
  const { mission } = await submitHeld(1, 'pool-c');
  const { rows } = await database.pool.query<{ id: string }>(
    `with j as (insert into graphile_worker._private_jobs (task_id, payload, locked_by, locked_at) select id, '{}', 'pool-c', now() from graphile_worker._private_tasks where identifier = 'mission' returning id) select id from j`,
  );
  assert.equal(await segment(mission, rows[0]!.id, 'pool-c'), { mission, state: 'not_claimed' });
});

test('a checkpoint that is sent twice is accepted twice and written once', async () => {
  const { mission } = await submitHeld(1, 'pool-d');
  await database.pool.query("update ops_missions set state = 'running', epoch = 1 where id = $1", [mission]);
  const { rows } = await database.pool.query<{ id: string }>('select id from ops_mission_steps where mission_id = $1', [
    mission,
  ]);
  const step = rows[0]!.id;
  const writer = createWriter(runtime.db, runtime.log);
  const end = {
    step,
    state: 'succeeded',
    output: '{"n":1}',
    error_class: null,
    error: null,
    untrusted: false,
    duration_ms: 1,
    input_bytes: 2,
  } as const;
  const change = {
    state: 'succeeded',
    wait_reason: null,
    wake_ms: null,
    output: null,
    error_class: null,
    error: null,
    seen: 0,
  } as const;
  const begin = { mission, epoch: 1, ends: [], requeues: [], starts: [{ step, attempt: 1 }], change: null };
  const finish = { mission, epoch: 1, ends: [end], requeues: [], starts: [], change };
  for (const [checkpoint, open] of [
    [begin, true],
    [begin, true],
    [finish, true],
    [finish, false],
  ] as const) {
    assert.equal(await writer.submit({ ...checkpoint }), {
      accepted: true,
      cancelRequested: false,
      open,
      signalSeq: 0,
    });
  }
  assert.equal((await writer.submit({ ...finish, epoch: 0 })).accepted, false, 'another epoch is fenced');
  const counts = await database.pool.query(
    `select (select attempt from ops_mission_steps where id = $1) as attempt, (select count(*)::integer from ops_outcomes where step_id = $1) as outcomes,
            (select count(*)::integer from ops_agent_events where mission_id = $2 and kind = 'mission.succeeded') as told`,
    [step, mission],
  );
  assert.equal(counts.rows[0], { attempt: 1, outcomes: 1, told: 1 });
});

test('a stale segment beside its successor in one process is fenced, though both wait for the same group', async () => {
  const { mission } = await submitHeld(1, 'pool-f');
  await database.pool.query("update ops_missions set state = 'running', epoch = 2 where id = $1", [mission]);
  const { rows } = await database.pool.query<{ id: string }>(
    "update ops_mission_steps set state = 'running', attempt = 1 where mission_id = $1 returning id",
    [mission],
  );
  const writer = createWriter(runtime.db, runtime.log);
  const end = (output: string) => ({
    step: rows[0]!.id,
    state: 'succeeded' as const,
    output,
    error_class: null,
    error: null,
    untrusted: false,
    duration_ms: 1,
    input_bytes: 2,
  });
  const checkpoint = (epoch: number, output: string) =>
    writer.submit({ mission, epoch, ends: [end(output)], requeues: [], starts: [], change: null });
  const [stale, current] = await Promise.all([checkpoint(1, '"stale"'), checkpoint(2, '"current"')]);
  assert.equal([stale.accepted, current.accepted], [false, true]);
  const { rows: kept } = await database.pool.query('select output from ops_mission_steps where mission_id = $1', [
    mission,
  ]);
  assert.is(kept[0].output, 'current');
});

test('one member that the database refuses does not fail the others of its group', async () => {
  const writer = createWriter(runtime.db, runtime.log);
  const members = await Promise.all(
    [0, 1, 2].map(async (n) => {
      const { mission } = await submitHeld(1, `pool-e${n}`);
      await database.pool.query("update ops_missions set state = 'running', epoch = 1 where id = $1", [mission]);
      const { rows } = await database.pool.query<{ id: string }>(
        "update ops_mission_steps set state = 'running', attempt = 1 where mission_id = $1 returning id",
        [mission],
      );
      const output = n === 1 ? '{"broken":' : '{}';
      return {
        mission,
        epoch: 1,
        ends: [
          {
            step: rows[0]!.id,
            state: 'succeeded' as const,
            output,
            error_class: null,
            error: null,
            untrusted: false,
            duration_ms: 1,
            input_bytes: 1,
          },
        ],
        requeues: [],
        starts: [],
        change: null,
      };
    }),
  );
  const results = await Promise.allSettled(members.map((member) => writer.submit(member)));
  assert.equal(
    results.map((result) => result.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
});

test.run();
