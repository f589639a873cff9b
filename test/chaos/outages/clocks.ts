import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Outage, randomMark, throughOutage, untilWorkEnds } from './outage.ts';
import type { World } from './world.ts';

const HOUR_MS = 3_600_000;
const JUMP_MS = 6000;

export const CLOCKS: Record<string, Outage> = {
  "the database's clock jumps by an hour, there and back": {
    promised: { median: 5, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const { tookS, facts } = await throughOutage(world, 'clock', async () => {
        const from = performance.now();
        while (performance.now() - from < JUMP_MS) {
          await world.query(
            `insert into clock_override (at) values (clock_timestamp() + interval '1 hour') on conflict (only_row) do update set at = excluded.at`,
          );
          await sleep(50);
        }
        await world.query('delete from clock_override');
      });
      await world.assertNobodyDied();
      return { tookS: [tookS], facts: `nobody was taken for dead; ${facts}` };
    },
  },
  "the hosts' clocks are set by an hour, forward and back, while steps run": {
    promised: { median: 5, most: 15 },
    run: async (world) => {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'openclaw-clock-'));
      try {
        return await setHostClocks(world, path.join(folder, 'offset'));
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  },
};

/** The clock of both workers goes an hour forward, then an hour back from the true one, then is right again: work must not notice. */
async function setHostClocks(world: World, file: string) {
  const set = (ms: number) => writeFileSync(file, String(ms));
  set(0);
  const env = {
    TEST_CLOCK: file,
    NODE_OPTIONS: `--import=${path.join(import.meta.dirname, '../../harness/hostClock.ts')} --disable-warning=ExperimentalWarning`,
  };
  await Promise.all([world.startWorker({ env }), world.startWorker({ env })]);
  const tookS: number[] = [];
  const ids: string[] = [];
  const functions: string[] = [];
  for (const ms of [HOUR_MS, -HOUR_MS, 0]) {
    const mark = randomMark('host');
    ids.push(...(await world.submit(mark, 5, 20)), ...(await world.submit(mark, 1500, 16)));
    // What waits for a time: a parked mission, and a job that fails once.
    functions.push(await world.submitFunction('sleep', { ms: 6000 }), await world.submitFunction('caught', {}));
    await world.query(`select add_job('perHost', '{"host": "a", "fail": true}') from generate_series(1, 4)`);
    await world.until(async () => (await world.starts(mark)) > 0, 'steps run');
    set(ms);
    tookS.push(await untilWorkEnds(world));
    const asked = await world.submitFunction('hostTime', {});
    await world.allEnd();
    const [told] = await world.query<{ ms: number }>('select output::float8 as ms from ops_missions where id = $1', [
      asked,
    ]);
    if (Math.abs(told!.ms - Date.now() - ms) > 60_000) throw new Error(`the workers' clock was not set: ${told!.ms}`);
  }
  const facts = await world.assertSound(ids);
  await world.assertNobodyDied();
  const [odd] = await world.query<{ n: number; retried: number; jobs: number; late: number }>(
    `select count(*) filter (where started_at < created_at - interval '1 second' or finished_at < started_at or finished_at > now() + interval '1 second')::integer as n,
            count(*) filter (where task = 'perHost' and attempts = 2)::integer as retried, count(*) filter (where task = 'perHost')::integer as jobs,
            (select count(*)::integer from ops_missions where id = any ($1) and (state <> 'succeeded' or finished_at > created_at + interval '30 seconds')) as late
     from job_history`,
    [functions],
  );
  if (odd!.n > 0 || odd!.retried !== 12 || odd!.jobs !== 12 || odd!.late > 0)
    throw new Error(`NOT SOUND: ${JSON.stringify(odd)}`);
  const [twice] = await world.query<{ n: number }>(
    'select count(*)::integer as n from ops_mission_steps where attempt > 1 and parent_step_id is null',
  );
  if (twice!.n > 0) throw new Error(`${twice!.n} steps ran twice`);
  return {
    tookS,
    facts: `nobody was taken for dead, no step ran twice, 12 jobs were tried again in time, history has the database's times; ${facts}`,
  };
}
