import { type Outage, seconds } from './outage.ts';
import type { World } from './world.ts';

const LIMIT = 2;

export const PLACES: Record<string, Outage> = {
  'a worker killed that holds places of a limit by key': {
    promised: { median: 3, most: 15 },
    run: async (world, times) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const tookS: number[] = [];
      let runs = 0;
      for (let n = 0; n < times; n++) {
        await world.query('truncate test_runs');
        // The places of one key are asked for by jobs, by steps of plans and by what functions invoke.
        const steps = ['x', 'y'].map((name) => ({ name, task: 'perHost', payload: { host: 'a', ms: 400 } }));
        await world.query('select add_mission($1::jsonb) from generate_series(1, 3)', [
          JSON.stringify({ kind: 'places', steps }),
        ]);
        for (let m = 0; m < 2; m++) await world.submitFunction('limited', { host: 'a', ms: 400 });
        await world.query(
          `insert into task_queue (task, payload) select 'perHost', '{"host": "a", "ms": 400}' from generate_series(1, 6)`,
        );
        const { victim, holders } = await holderOfPlaces(world);
        victim.process.kill('SIGKILL');
        const since = performance.now();
        await victim.exit;
        // It is over for them; each begins anew.
        await world.query(
          'update test_runs set ended_at = clock_timestamp() where ended_at is null and holder = any ($1)',
          [holders],
        );
        await world.until(
          async () =>
            (
              await world.query('select from test_runs where holder = any ($1) group by holder having count(*) > 1', [
                holders,
              ])
            ).length === holders.length,
          'they begin anew',
        );
        tookS.push(seconds(since));
        await world.allEnd();
        runs += await assertPlaces(world);
        await world.until(async () => world.workers.length === 2, 'the killed one is started again');
        await Promise.all(world.workers.map((worker) => world.works(worker)));
      }
      return {
        tookS,
        facts: `${runs} pieces of work through ${LIMIT} places, each ended once, never more at once, no place is left`,
      };
    },
  },
};

/** A worker by which a piece of limited work runs now, and the keys of all that it runs. */
async function holderOfPlaces(world: World) {
  for (;;) {
    await world.until(
      async () => (await world.query('select from test_runs where ended_at is null')).length > 0,
      'it runs',
    );
    const rows = await world.query<{ pid: number; holders: string[] }>(
      `select w.pid, array_agg(r.holder) as holders from test_runs r
       left join graphile_worker._private_jobs j on r.holder = 'j' || j.id
       left join ops_missions m on r.holder like 'm' || m.id || '/%'
       join workers w on w.pool_id = coalesce(j.locked_by, m.worker) and w.state = 'live'
       where r.ended_at is null group by w.pid`,
    );
    const victim = world.workers.find(({ process: child }) => child.pid === rows[0]?.pid);
    if (victim) return { victim, holders: rows[0]!.holders };
  }
}

/** All ended, each once, and no more than there are places at a time. */
async function assertPlaces(world: World): Promise<number> {
  const [counts] = await world.query<Record<string, number>>(
    `select (select count(distinct holder)::integer from test_runs) as holders,
            (select count(*)::integer from limit_slots) + (select count(*)::integer from limit_waits) as left_over,
            (select max(n)::integer from (select (select count(*) from test_runs b where b.started_at <= a.started_at and (b.ended_at is null or b.ended_at > a.started_at)) n from test_runs a) c) as at_once,
            (select count(*)::integer from ops_missions where state <> 'succeeded') + (select count(*)::integer from job_history where state <> 'succeeded') as failed`,
  );
  const { holders, left_over, at_once, failed } = counts!;
  if (holders !== 18 || left_over !== 0 || at_once! > LIMIT || failed !== 0)
    throw new Error(`NOT SOUND: ${JSON.stringify(counts)}`);
  return holders;
}
