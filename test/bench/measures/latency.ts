import { setTimeout as sleep } from 'node:timers/promises';
import { clockMs } from '../cpu.ts';
import type { Side } from '../databases.ts';
import type { Result } from '../report.ts';
import { quantile, spreadOf, turns } from '../stats.ts';
import { spawnWorker } from '../workerProcess.ts';
import type { Bench } from './types.ts';

const INTERVAL_MS = 50;
const CONCURRENCY = 8;
/** The first ones find plans and connections cold. */
const WARM_UP = 5;

const CALL = {
  raw: "select from graphile_worker.add_job('noop', $1::json)",
  ours: "select add_job('noop', $1::jsonb)",
} as const;

/** From the call that queues a job to the job's start, at 20 jobs a second and one job a fetch. */
export async function latency({ sides, options, home, progress }: Bench): Promise<Result> {
  const waits: Record<Side['name'], number[][]> = { raw: [], ours: [] };
  for (let round = 0; round < options.rounds; round++) {
    for (const side of turns([sides.raw, sides.ours], round)) {
      const measured = await waitsOf(side, { sides, options, home });
      waits[side.name].push(measured);
      progress(
        `latency round ${round + 1} ${side.name}: p50 ${quantile(measured, 0.5).toFixed(2)} ms, p95 ${quantile(measured, 0.95).toFixed(2)} ms`,
      );
    }
  }
  const at = (side: Side['name'], share: number) => waits[side].map((round) => quantile(round, share));
  const ratio = (share: number) => at('ours', share).map((value, round) => value / at('raw', share)[round]!);
  return {
    measure: 'latency',
    figures: {
      'raw p50 ms': spreadOf(at('raw', 0.5)).median,
      'raw p95 ms': spreadOf(at('raw', 0.95)).median,
      'ours p50 ms': spreadOf(at('ours', 0.5)).median,
      'ours p95 ms': spreadOf(at('ours', 0.95)).median,
    },
    ratios: [
      { name: 'p50', values: ratio(0.5), atMost: 1.3 },
      { name: 'p95', values: ratio(0.95) },
    ],
  };
}

async function waitsOf(
  side: Side,
  { sides, options, home }: Pick<Bench, 'sides' | 'options' | 'home'>,
): Promise<number[]> {
  await side.reset();
  await side.settle();
  const jobs = WARM_UP + Math.round(options.latencyMs / INTERVAL_MS);
  const worker = await spawnWorker();
  const { url, readerUrl } = side;
  const { postmaster } = sides;
  await worker.start({
    side: side.name,
    url,
    readerUrl,
    home,
    concurrency: CONCURRENCY,
    localQueueSize: 0,
    jobs,
    postmaster,
  });
  await sleep(200);
  const from = clockMs();
  for (let n = 0; n < jobs; n++) {
    await sleep(Math.max(0, from + n * INTERVAL_MS - clockMs()));
    await side.pool.query({ name: 'bench_call', text: CALL[side.name], values: [JSON.stringify({ at: clockMs() })] });
  }
  await worker.ran();
  const { waitsMs } = await worker.usage();
  await worker.stop();
  if (waitsMs.length !== jobs) throw new Error(`${side.name}: ${waitsMs.length} of ${jobs} jobs started`);
  return waitsMs.slice(WARM_UP);
}
