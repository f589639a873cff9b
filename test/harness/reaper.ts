import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { layoutOf } from '../../lib/config/layout.ts';
import { stopServers } from '../../lib/servers/index.ts';
import { removeHome } from './temporaryHome.ts';

// What reaper.sh leaves to it: the homes of a test that is gone in which servers were started. They run on, which is what
// they are made for.

const LIMIT_MS = 90_000;
/** A server that was spawned in the very moment of the kill shows itself after this. */
const SETTLE_MS = 500;

const homes = (await text(process.stdin)).split('\n').filter((home) => home && existsSync(home));
setTimeout(() => {
  process.stderr.write('the homes of a test were not removed in time\n');
  process.exit(1);
}, LIMIT_MS).unref();

const reap = async (home: string, step: () => Promise<unknown>) => {
  try {
    await step();
  } catch (error) {
    process.stderr.write(`${home}, a test's home, is still there: ${error}\n`);
    process.exitCode = 1;
  }
};
for (const home of homes) await reap(home, () => stopServers({ layout: layoutOf(home) }));
if (homes.length > 0) await sleep(SETTLE_MS);
for (const home of homes) await reap(home, () => removeHome(home));
