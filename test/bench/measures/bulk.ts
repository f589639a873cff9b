import type { Pool } from '../../../lib/db/index.ts';
import { createPool } from '../../../lib/db/index.ts';
import { clockMs } from '../cpu.ts';
import { ADD_JOBS, jobsJson, liveJobs } from '../enqueue.ts';
import type { Result } from '../report.ts';
import { spreadOf, turns } from '../stats.ts';
import type { Bench } from './types.ts';

const ROWS = 1000;

interface Way {
  name: string;
  /** The way of the peer that it is compared with: the one whose rows are made in the same place. */
  peer?: string;
  side: 'raw' | 'ours';
  pool: Pool;
  text: string;
  values: unknown[];
}

const INSERT = `insert into task_queue (task, payload) select 'noop', jsonb_build_object('n', n) from generate_series(1, ${ROWS}) n`;
const RAW_ARRAY = `select count(*) from graphile_worker.add_jobs(array(
  select row('noop', json_build_object('n', n), null, null, null, null, null, null)::graphile_worker.job_spec from generate_series(1, ${ROWS}) n))`;

/** A thousand jobs in one statement, each its own transaction. */
export async function bulk({ sides, options, progress }: Bench): Promise<Result> {
  const statements = options.small ? 2 : 8;
  const limited = createPool(sides.limitedUrl, { name: 'bench:limited', max: 1 });
  const json = [jobsJson(ROWS)];
  const ways: Way[] = [
    { name: 'raw add_jobs, SQL array', side: 'raw', pool: sides.raw.pool, text: RAW_ARRAY, values: [] },
    { name: 'raw add_jobs, JSON', side: 'raw', pool: sides.raw.pool, text: ADD_JOBS.raw, values: json },
    {
      name: 'insert as worker',
      peer: 'raw add_jobs, SQL array',
      side: 'ours',
      pool: sides.ours.pool,
      text: INSERT,
      values: [],
    },
    {
      name: 'insert as binaryrogue',
      peer: 'raw add_jobs, SQL array',
      side: 'ours',
      pool: limited,
      text: INSERT,
      values: [],
    },
    {
      name: 'add_jobs as worker',
      peer: 'raw add_jobs, JSON',
      side: 'ours',
      pool: sides.ours.pool,
      text: ADD_JOBS.ours,
      values: json,
    },
    {
      name: 'add_jobs as binaryrogue',
      peer: 'raw add_jobs, JSON',
      side: 'ours',
      pool: limited,
      text: ADD_JOBS.ours,
      values: json,
    },
  ];
  const rates = new Map(ways.map(({ name }) => [name, [] as number[]]));
  try {
    for (let round = 0; round < options.rounds; round++) {
      for (const side of [sides.raw, sides.ours]) await side.reset();
      for (const side of [sides.raw, sides.ours]) await side.settle();
      for (const way of ways) await way.pool.query(way.text, way.values);
      const totals = new Map(ways.map(({ name }) => [name, 0]));
      // A statement of each way in turn: a noise of the machine falls on all of them.
      for (let turn = 0; turn < statements; turn++) {
        for (const way of turns(ways, turn)) {
          const from = clockMs();
          await way.pool.query(way.text, way.values);
          totals.set(way.name, totals.get(way.name)! + clockMs() - from);
        }
      }
      for (const [name, ms] of totals) rates.get(name)!.push((statements * ROWS) / (ms / 1000));
      for (const side of [sides.raw, sides.ours]) {
        const expected = ways.filter((way) => way.side === side.name).length * (statements + 1) * ROWS;
        const live = await liveJobs(side);
        if (live !== expected) throw new Error(`${side.name} queued ${live} jobs, expected ${expected}`);
      }
      progress(
        `bulk round ${round + 1}: ${[...rates].map(([name, all]) => `${name} ${Math.round(all.at(-1)!)}`).join(', ')} rows/s`,
      );
    }
  } finally {
    await limited.end();
  }
  return {
    measure: 'bulk',
    figures: Object.fromEntries([...rates].map(([name, all]) => [`${name}, rows/s`, spreadOf(all).median])),
    ratios: ways.flatMap(({ name, peer }) =>
      peer
        ? [
            {
              name: `${name}, rows/s`,
              values: rates.get(name)!.map((rate, at) => rate / rates.get(peer)![at]!),
              atLeast: 0.6,
            },
          ]
        : [],
    ),
  };
}
