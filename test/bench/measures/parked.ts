import { setTimeout as sleep } from 'node:timers/promises';
import { clusterCpuMs, processCpuMs, residentMb } from '../cpu.ts';
import { addMissions, OUR_MISSIONS } from '../missionRuns.ts';
import type { Result } from '../report.ts';
import { spreadOf } from '../stats.ts';
import { spawnWorker } from '../workerProcess.ts';
import type { Bench } from './types.ts';

/** Of one core: what an idle system may take more with parked missions than without. */
const MORE_CPU = 0.01;
const MORE_MB = 10;

/** What missions that sleep cost a system with nothing else to do: its worker and Postgres, beside none. */
export async function parked({ sides, options, home, progress }: Bench): Promise<Result> {
  const side = sides.ours;
  const figures: Record<string, number> = {};
  const none: { cpu: number; mb: number }[] = [];
  const some: { cpu: number; mb: number }[] = [];
  // Alternating: what an idle system takes differs by a percent of a core from one minute to the next.
  for (const many of Array.from({ length: options.rounds }, () => [0, options.parked]).flat()) {
    await side.reset(OUR_MISSIONS);
    if (many > 0) await addMissions(side, many, 'waiting');
    await side.settle();
    const worker = await spawnWorker();
    await worker.start({
      side: 'ours',
      url: side.url,
      readerUrl: side.readerUrl,
      home,
      concurrency: 24,
      localQueueSize: 0,
      jobs: 0,
      postmaster: sides.postmaster,
    });
    // Its start is done.
    await sleep(options.idleMs / 3);
    const cpu = () => processCpuMs(worker.pid) + clusterCpuMs(sides.postmaster);
    const before = cpu();
    await sleep(options.idleMs);
    const share = (cpu() - before) / options.idleMs;
    const mb = residentMb(worker.pid);
    await worker.stop();
    (many === 0 ? none : some).push({ cpu: share, mb });
    progress(`parked ${many}: ${(share * 100).toFixed(2)} % of a core, ${Math.round(mb)} MB`);
  }
  await side.reset(OUR_MISSIONS);
  for (const [many, made] of [
    [0, none],
    [options.parked, some],
  ] as const) {
    figures[`${many} parked: CPU, % of a core`] = spreadOf(made.map(({ cpu }) => cpu * 100)).median;
    figures[`${many} parked: worker's memory MB`] = spreadOf(made.map(({ mb }) => mb)).median;
  }
  return {
    measure: 'parked',
    figures,
    ratios: [
      {
        name: 'of a core more than with none',
        values: some.map(({ cpu }, at) => cpu - none[at]!.cpu),
        atMost: MORE_CPU,
      },
      { name: 'MB more than with none', values: some.map(({ mb }, at) => mb - none[at]!.mb), atMost: MORE_MB },
    ],
  };
}
