import os from 'node:os';
import { messageOf } from '../../lib/errors/index.ts';
import { ensureServers } from '../../lib/servers/index.ts';
import { temporaryHome } from '../harness/temporaryHome.ts';
import { machineCpu } from './cpu.ts';
import { prepareSides } from './databases.ts';
import { backlog } from './measures/backlog.ts';
import { backup } from './measures/backup.ts';
import { bulk } from './measures/bulk.ts';
import { commands } from './measures/commands.ts';
import { curves } from './measures/curves.ts';
import { gate } from './measures/gate.ts';
import { latency } from './measures/latency.ts';
import { learning } from './measures/learning.ts';
import { ledger } from './measures/ledger.ts';
import { memory } from './measures/memory.ts';
import { missions } from './measures/missions.ts';
import { parked } from './measures/parked.ts';
import { reactions } from './measures/reactions.ts';
import { screen } from './measures/screen.ts';
import { single } from './measures/single.ts';
import type { Measure } from './measures/types.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { printResult, printTable, type Result } from './report.ts';

// `npm run bench`: what the product costs over plain graphile-worker on a durable Postgres of its own. Both take turns within
// each round and the ratio of a round is what counts, because the speed of a machine is no property of the product. The
// exit code is 1 where a floor is missed; with --small only counts are judged.

/** Of the machine's CPU, while the measure ran. */
const OTHERS = 'taken by other processes, % of CPU';
const QUIET = 15;

const MEASURES: Record<string, Measure> = {
  ledger,
  bulk,
  single,
  latency,
  backlog,
  missions,
  curves,
  parked,
  gate,
  backup,
  reactions,
  learning,
  commands,
  memory,
  screen,
};

async function main(options: BenchOptions): Promise<number> {
  const { home, layout, remove } = temporaryHome();
  const interrupted = (signal: NodeJS.Signals) => {
    // What this process started ends with it: workers by their channel, servers by the reaper.
    process.exit(128 + os.constants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupted);
  const progress = (line: string) => console.error(`  .. ${line}`);
  const results: Result[] = [];
  const missed: string[] = [];
  try {
    const { postgres, redis } = await ensureServers({ layout, durable: true, onProgress: progress });
    console.log(
      JSON.stringify({
        postgres: postgres.version,
        node: process.version,
        cpus: os.availableParallelism(),
        ...options,
      }),
    );
    const sides = await prepareSides(postgres);
    for (const [name, measure] of Object.entries(MEASURES)) {
      if (options.only !== undefined && options.only !== name) continue;
      const before = machineCpu(sides.postmaster);
      const result = await measure({ sides, server: postgres, redis, options, home, progress });
      const after = machineCpu(sides.postmaster);
      const others = (100 * (after.othersMs - before.othersMs)) / (after.totalMs - before.totalMs);
      result.figures[OTHERS] = Math.max(0, others);
      results.push(result);
      missed.push(...printResult(result, !options.small));
    }
    await sides.end();
  } finally {
    await remove();
  }
  printTable(results, !options.small);
  if (options.small) {
    console.log('\nsmall: every measure ran and its counts are right; speed was not judged');
    return 0;
  }
  console.log(missed.length === 0 ? '\nevery floor is met' : `\nmissed: ${missed.join('; ')}`);
  if (missed.length > 0 && results.some(({ figures }) => figures[OTHERS]! > QUIET)) {
    console.log(`other processes took over ${QUIET} % of this machine: measure again when it is quiet`);
  }
  return missed.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(readOptions(process.argv.slice(2), Object.keys(MEASURES)));
} catch (error) {
  console.error(process.env.OPENCLAW_DEBUG ? error : `${messageOf(error)}\n${USAGE}`);
  process.exitCode = 1;
}
