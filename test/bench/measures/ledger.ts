import { setTimeout as sleep } from 'node:timers/promises';
import { clockMs, clusterCpuMs } from '../cpu.ts';
import type { Side } from '../databases.ts';
import { enqueue, liveJobs } from '../enqueue.ts';
import type { Result } from '../report.ts';
import { spreadOf, turns } from '../stats.ts';
import { spawnWorker } from '../workerProcess.ts';
import type { Bench } from './types.ts';

const CONCURRENCY = 24;
const LOCAL_QUEUE = 500;

interface Drain {
  jobsPerSecond: number;
  workerUs: number;
  postgresUs: number;
  peakMb: number;
}

/**
 * One worker process drains jobs that were queued before; ours keeps history, result and timings of each. CPU and time are
 * counted from the first job's start to the moment when the last job's end is committed.
 */
export async function ledger({ sides, options, home, progress }: Bench): Promise<Result> {
  const drains: Record<Side['name'], Drain[]> = { raw: [], ours: [] };
  for (let round = 0; round < options.rounds; round++) {
    for (const side of turns([sides.raw, sides.ours], round)) {
      const drain = await drainOnce(side, sides.postmaster, options, home);
      drains[side.name].push(drain);
      const cpu = Math.round(drain.workerUs + drain.postgresUs);
      progress(`ledger round ${round + 1} ${side.name}: ${Math.round(drain.jobsPerSecond)} jobs/s, ${cpu} us a job`);
    }
  }
  const ratios = (of: (drain: Drain) => number) => drains.ours.map((drain, at) => of(drain) / of(drains.raw[at]!));
  const median = (side: Side['name'], of: (drain: Drain) => number) => spreadOf(drains[side].map(of)).median;
  const figuresOf = (side: Side['name']) => ({
    [`${side} jobs/s`]: median(side, (drain) => drain.jobsPerSecond),
    [`${side} worker CPU us/job`]: median(side, (drain) => drain.workerUs),
    [`${side} Postgres CPU us/job`]: median(side, (drain) => drain.postgresUs),
    [`${side} peak MB`]: median(side, (drain) => drain.peakMb),
  });
  return {
    measure: 'ledger',
    figures: { ...figuresOf('raw'), ...figuresOf('ours') },
    ratios: [
      { name: 'jobs/s', values: ratios((drain) => drain.jobsPerSecond), atLeast: 0.6 },
      { name: 'CPU a job', values: ratios((drain) => drain.workerUs + drain.postgresUs), atMost: 1.6 },
      { name: 'worker CPU a job', values: ratios((drain) => drain.workerUs) },
      { name: 'Postgres CPU a job', values: ratios((drain) => drain.postgresUs) },
    ],
  };
}

async function drainOnce(
  side: Side,
  postmaster: number,
  { jobs, profile }: Bench['options'],
  home: string,
): Promise<Drain> {
  await side.reset();
  await enqueue(side, jobs);
  await side.settle();
  const worker = await spawnWorker(profile);
  const { url, readerUrl } = side;
  await worker.start({
    side: side.name,
    url,
    readerUrl,
    home,
    concurrency: CONCURRENCY,
    localQueueSize: LOCAL_QUEUE,
    jobs,
    postmaster,
  });
  await worker.ran();
  while ((await liveJobs(side)) > 0) await sleep(3);
  const endedAtMs = clockMs();
  const clusterMs = clusterCpuMs(postmaster);
  const usage = await worker.usage();
  await worker.stop();
  if (side.name === 'ours') await checkHistory(side, jobs);
  return {
    jobsPerSecond: jobs / ((endedAtMs - usage.startedAtMs) / 1000),
    workerUs: (usage.workerMs * 1000) / jobs,
    postgresUs: ((clusterMs - usage.clusterMs) * 1000) / jobs,
    peakMb: usage.peakMb,
  };
}

async function checkHistory(side: Side, jobs: number): Promise<void> {
  const { rows } = await side.pool.query(
    `select count(*)::integer as rows, count(*) filter (where state = 'succeeded')::integer as succeeded,
            count(*) filter (where result ->> 'ok' = 'true' and result ->> 'n' = payload ->> 'n')::integer as results,
            count(*) filter (where started_at between created_at and finished_at)::integer as timed,
            (select count(distinct job)::integer from ops_outcomes where success and duration_ms >= 0) as outcomes
     from job_history`,
  );
  const expected = { rows: jobs, succeeded: jobs, results: jobs, timed: jobs, outcomes: jobs };
  if (JSON.stringify(rows[0]) !== JSON.stringify(expected)) {
    throw new Error(`history is ${JSON.stringify(rows[0])}, expected ${JSON.stringify(expected)}`);
  }
}
