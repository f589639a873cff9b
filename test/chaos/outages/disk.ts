import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPool } from '../../../lib/db/index.ts';
import { type Outage, randomMark, untilWorkEnds } from './outage.ts';
import { fillUp } from './smallDisk.ts';
import type { World } from './world.ts';

/** So long that workers have given up waiting and are started again ever more rarely. */
const HELD_S = 45;

const say = (line: string) => console.log(`      ${line}`);
const codeOf = (error: unknown) => (error as { code?: string }).code ?? (error as Error).message;

/**
 * The whole system on a disk that has not a block left: `openclaw up`, its logs, Postgres and Redis. First data find no room
 * (statements are refused), then the write-ahead log (Postgres stops, and cannot start). Then there is room again.
 */
export const DISK: Record<string, Outage> = {
  'disk full, below everything': {
    promised: { median: 15, most: 30 },
    diskMb: 500,
    run: async (world) => {
      const up = await world.startUp();
      const filler = path.join(world.home, 'filler');
      const fill = () => fillUp(world.disk!, filler, world.dataDir);
      const ids = [
        ...(await world.submit(randomMark('disk'), 5, 60)),
        ...(await world.submit(randomMark('disk'), 800, 60)),
      ];
      await world.until(
        async () => (await world.query("select from ops_missions where state = 'succeeded'")).length > 10,
        'work is under way',
      );
      fill();
      const data = await fullForData(world, fill);
      const log = await fullForLog(world, fill);
      // What an operator may do then: it needs no room. The supervisor tries to bring both back as long as it lasts.
      await world.stopServers();
      for (let n = 0; n < HELD_S; n++) {
        await sleep(1000);
        fill();
      }
      if (up.process.exitCode !== null) throw new Error(`up ended with ${up.process.exitCode}`);
      rmSync(filler);
      const tookS = await untilWorkEnds(world);
      const facts = await world.assertSound(ids);
      // Full again, it can be stopped in order.
      fill();
      up.process.kill('SIGTERM');
      const code = await up.exit;
      if (code !== 0) throw new Error(`up ended with ${code}`);
      return { tookS: [tookS], facts: `${data}, ${log}; up stays, and stops in order on a full disk; ${facts}` };
    },
  },
};

/** For some seconds each statement that needs a new block is refused. */
async function fullForData(world: World, fill: () => void): Promise<string> {
  let refused = 0;
  for (let n = 0; n < 5; n++) {
    const answer = await world
      .query(`insert into test_starts (mark) select repeat('x', 1000) from generate_series(1, 30000)`)
      .then(() => 'went in', codeOf);
    if (answer === 'went in') throw new Error('the disk was not full');
    refused += 1;
    fill();
    await sleep(1000);
  }
  const line = `${refused} inserts refused (53100)`;
  say(line);
  return line;
}

/** Until Postgres cannot write its log any more, which ends it. */
async function fullForLog(world: World, fill: () => void): Promise<string> {
  const admin = createPool(world.adminUrl, { name: 'outage-wal', max: 1 });
  try {
    for (let n = 0; n < 100; n++) {
      const answer = await admin
        .query(`select pg_logical_emit_message(false, 'outage', repeat('x', 1000000)) from generate_series(1, 20)`)
        .then(() => undefined, codeOf);
      fill();
      if (answer !== undefined) {
        const line = `the write-ahead log found no room after ${(n + 1) * 20} MB at most (${answer})`;
        say(line);
        return line;
      }
    }
    throw new Error('the write-ahead log found room for 2 GB on a full disk');
  } finally {
    await admin.end();
  }
}
