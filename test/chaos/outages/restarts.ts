import { type Outage, randomMark, seconds } from './outage.ts';

export const RESTARTS: Record<string, Outage> = {
  'rolling restart of two workers under load': {
    // s, from a worker's SIGTERM until its successor works; the other one works all the time.
    promised: { median: 10, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const marks = { quick: randomMark('roll'), long: randomMark('roll') };
      const ids = [...(await world.submit(marks.quick, 20, 200)), ...(await world.submit(marks.long, 2000, 40))];
      await world.query(
        `insert into task_queue (task, payload) select case when n % 8 = 0 then 'wait' else 'echo' end, jsonb_build_object('n', n, 'ms', 1000, 'mark', 'job') from generate_series(1, 400) n`,
      );
      await world.until(async () => (await world.starts(marks.long)) > 4, 'work is under way');
      const tookS: number[] = [];
      for (const old of [...world.workers]) {
        const since = performance.now();
        const before = new Set(world.workers);
        old.process.kill('SIGTERM');
        const code = await old.exit;
        if (code !== 0) throw new Error(`a worker ended with ${code}`);
        await world.startWorker();
        tookS.push(seconds(since));
        if (world.workers.every((worker) => before.has(worker))) throw new Error('no other worker came');
      }
      await world.allEnd();
      const facts = await world.assertSound(ids);
      await world.assertNobodyDied();
      const [counts] = await world.query<Record<string, number>>(
        `select (select count(*)::integer from job_history where task in ('wait', 'echo') and state = 'succeeded') as jobs,
                (select max(attempts)::integer from job_history) as attempts, (select max(attempt)::integer from ops_mission_steps) as attempt,
                (select count(*)::integer from ops_missions where epoch > 1) as moved`,
      );
      if (counts!.jobs !== 400 || counts!.attempts !== 1 || counts!.attempt !== 1 || counts!.moved === 0)
        throw new Error(`NOT SOUND: ${JSON.stringify(counts)}`);
      return {
        tookS,
        facts: `400 jobs and every step at their first attempt, ${counts!.moved} missions changed their worker; ${facts}`,
      };
    },
  },
};
