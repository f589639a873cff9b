import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { freshDatabase } from '../harness/database.ts';
import { seeded } from '../harness/seeded.ts';
import { eventually, testEnvironment } from '../harness/workers.ts';

/**
 * `npm run chaos`: jobs and missions, three workers, SIGKILLs at random moments. Counts in the database at the end: every
 * job ended once, every step of every mission has one outcome. Prints how long the dead's work waited.
 */
const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    missions: { type: 'string', default: '100' },
    kills: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
  },
});
const [jobs, missions, kills, seed] = [values.jobs, values.missions, values.kills, values.seed].map(Number) as [
  number,
  number,
  number,
  number,
];
const random = seeded(seed);
/** Two that only read, one that changes something, and another that reads: long enough that kills meet them. */
const STEPS = ['a', 'b', 'c', 'd'];
const say = (line: string) => process.stdout.write(`${line}\n`);

const database = await freshDatabase();
const workers: ChildProcess[] = [0, 1, 2].map(() => startWorker());
await Promise.all(workers.map(working));
say(`seed ${seed}: ${jobs} jobs, ${missions} missions of ${STEPS.length} steps, 3 workers, ${kills} SIGKILLs`);

// Missions first: behind ten thousand jobs they would begin when the kills are over.
const plan = {
  kind: 'chaos',
  steps: STEPS.map((name, index) => ({
    name,
    task: name === 'c' ? 'change' : 'pause',
    payload: { n: 400 },
    needs: index > 0 ? [STEPS[index - 1]] : [],
  })),
};
await database.pool.query('select count(add_mission($1)) from generate_series(1, $2::integer)', [
  JSON.stringify(plan),
  missions,
]);
// Half of the jobs wait a little, so that kills meet running ones; enough attempts that no kill exhausts one.
await database.pool.query(
  `select count(*) from add_jobs((select jsonb_agg(jsonb_build_object('identifier', case when n % 2 = 0 then 'echo' else 'pause' end, 'payload', jsonb_build_object('n', n % 7), 'max_attempts', 50)) from generate_series(1, $1::integer) n))`,
  [jobs],
);

for (let kill = 1; kill <= kills; kill++) {
  await new Promise((resolve) => setTimeout(resolve, 100 + random() * 900));
  const index = Math.floor(random() * workers.length);
  // A kill that meets a process which does not work yet would show nothing.
  await working(workers[index]!);
  workers[index]!.kill('SIGKILL');
  workers[index] = startWorker();
}

const started = Date.now();
await eventually(
  async () => {
    const { rows } = await database.pool.query<{ live: number; open: number }>(
      `select (select count(*)::integer from graphile_worker._private_jobs) as live, (select count(*)::integer from ops_missions where finished_at is null) as open`,
    );
    return rows[0]!.live === 0 && rows[0]!.open === 0;
  },
  'everything ends',
  300_000,
);
say(`drained ${((Date.now() - started) / 1000).toFixed(1)} s after the last kill`);

const { rows } = await database.pool.query<Record<string, number>>(
  `select (select count(*)::integer from job_requests where task <> 'mission') as asked,
          (select count(*)::integer from job_history h join job_requests r on r.id = h.job_id where h.task <> 'mission') as ended,
          (select count(*)::integer from job_history where task <> 'mission' and state <> 'succeeded') as failed,
          (select count(*)::integer from ops_missions) as missions,
          (select count(*)::integer from ops_missions where state = 'succeeded') as succeeded,
          (select count(*)::integer from ops_outcomes where step_id is not null) as outcomes,
          (select count(*)::integer from ops_outcomes where step_id is null) as of_jobs,
          (select count(distinct job)::integer from ops_outcomes where step_id is null) as once,
          (select count(distinct step_id)::integer from ops_outcomes) as steps,
          (select count(*)::integer from ops_agent_events where kind = 'worker.died') as died,
          (select count(*)::integer from ops_missions where epoch > 1) as resumed`,
);
const counts = rows[0]!;
say(JSON.stringify(counts));
for (const worker of workers) worker.kill('SIGTERM');
await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
await database.drop();

const sound =
  (kills === 0 || (counts.died ?? 0) > 0) &&
  counts.asked === jobs &&
  counts.ended === jobs &&
  counts.failed === 0 &&
  counts.succeeded === missions &&
  counts.of_jobs === jobs &&
  counts.once === jobs &&
  counts.outcomes === STEPS.length * missions &&
  counts.steps === STEPS.length * missions;
say(sound ? 'none missing, none doubled' : 'NOT SOUND');
process.exit(sound ? 0 : 1);

async function working(worker: ChildProcess): Promise<void> {
  const live = "select from workers where pid = $1 and state = 'live'";
  await eventually(async () => (await database.pool.query(live, [worker.pid])).rowCount, 'the worker works', 60_000);
}

/** Without schedules: what a minute queues while this runs was not asked for here, and some of it is for pools that nobody runs. Its channel ends it with this process. */
function startWorker(): ChildProcess {
  return spawn(path.join(CODE_ROOT, 'bin/openclaw'), ['worker', 'missions', 'upkeep', '--no-cron'], {
    env: testEnvironment(database),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
