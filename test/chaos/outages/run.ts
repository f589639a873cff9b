import { parseArgs } from 'node:util';
import { messageOf } from '../../../lib/errors/index.ts';
import { CLOCKS } from './clocks.ts';
import { DEATHS } from './deaths.ts';
import { DISK } from './disk.ts';
import type { Outage } from './outage.ts';
import { PLACES } from './places.ts';
import { RESTARTS } from './restarts.ts';
import { SERVERS } from './servers.ts';
import { SILENCE } from './silence.ts';
import { type SmallDisk, smallDisk } from './smallDisk.ts';
import { World } from './world.ts';

// `npm run chaos -- outages [--only <name>] [--times N] [--counts]`: one outage after another on real processes. Each counts outcomes in the
// database, says how long the work stood still, and fails where that is more than is promised; with --counts only the counts
// are judged, for a machine whose speed nobody knows.

const OUTAGES: Record<string, Outage> = {
  ...DEATHS,
  ...PLACES,
  ...SILENCE,
  ...RESTARTS,
  ...SERVERS,
  ...CLOCKS,
  ...DISK,
};
const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    times: { type: 'string', default: '5' },
    counts: { type: 'boolean' },
  },
});

/** What is to be taken away, however the run ends; after a SIGKILL the homes' own reaper and the next run do it. */
let current: { world?: World; disk?: SmallDisk } = {};
let clearing: Promise<void> | undefined;
function clear(): Promise<void> {
  clearing ??= (async ({ world, disk }) => {
    try {
      await world?.close();
    } finally {
      disk?.end();
    }
  })(current).finally(() => {
    current = {};
    clearing = undefined;
  });
  return clearing;
}

const NEVER = new Promise<never>(() => undefined);
let interrupted = false;
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => {
    interrupted = true;
    console.log(`${signal}: what was set up is taken away`);
    clear()
      .catch((error: unknown) => console.log(`      ${messageOf(error)}`))
      .finally(() => process.exit(code));
  });

async function tryOutage(name: string, { promised, run, diskMb }: Outage): Promise<boolean> {
  const disk = diskMb === undefined ? undefined : smallDisk(diskMb);
  if (disk && 'skipped' in disk) {
    console.log(`skip  ${name}: ${disk.skipped}`);
    return true;
  }
  const world = new World(disk);
  current = { world, ...(disk && { disk }) };
  try {
    await world.open();
    const result = await run(world, Number(values.times));
    const sorted = [...result.tookS].sort((a, b) => a - b);
    const [median, most] = [sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
    const kept = median <= promised.median && most <= promised.most;
    console.log(
      `${kept ? 'ok  ' : 'LATE'}  ${name}: ${median.toFixed(1)} s at the median (promised ${promised.median}), ${most.toFixed(1)} s at most (${promised.most}); ${result.facts}`,
    );
    return kept || values.counts === true;
  } catch (error) {
    // It fails because its world is taken away.
    if (interrupted) return NEVER;
    console.log(`FAIL  ${name}: ${messageOf(error)}`);
    return false;
  } finally {
    await clear();
  }
}

const wanted = Object.entries(OUTAGES).filter(
  ([name]) => !values.only || values.only.some((part) => name.includes(part)),
);
if (wanted.length === 0) throw new Error(`--only: there are ${Object.keys(OUTAGES).join('; ')}`);
let sound = true;
for (const [name, outage] of wanted) sound = (await tryOutage(name, outage)) && sound;
process.exit(sound ? 0 : 1);
