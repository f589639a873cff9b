import { type Outage, seconds, takenOver } from './outage.ts';

export const DEATHS: Record<string, Outage> = {
  'worker killed, same host': {
    promised: { median: 3, most: 15 },
    run: async (world, times) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const tookS: number[] = [];
      const ids: string[] = [];
      for (let n = 0; n < times; n++) {
        const { id, tookS: one } = await takenOver(world, 'kill', (victim) => void victim.process.kill('SIGKILL'));
        tookS.push(one);
        ids.push(id);
        await world.until(async () => world.workers.length === 2, 'the killed one is started again');
        await Promise.all(world.workers.map((worker) => world.works(worker)));
      }
      return { tookS, facts: await world.assertSound(ids) };
    },
  },
  'kill -9 in a durable function: in a step, between steps, while parked': {
    promised: { median: 3, most: 15 },
    // One worker: its own restart is the recovery.
    run: async (world) => {
      await world.startWorker();
      const tookS: number[] = [];
      const facts: string[] = [];
      for (const at of ['in', 'between', 'parked'] as const) {
        const [row] = await world.query<{ id: string }>(`select add_mission('function', '{"flow": "staged"}') as id`);
        const id = row!.id;
        const happened = async (what: string) =>
          (await world.query('select from test_happened where mission = $1 and what = $2', [id, what])).length;
        const is = async (condition: string) =>
          (await world.query(`select from ops_missions where id = $1 and ${condition}`, [id])).length === 1;
        await world.until(async () => (await happened(REACHED[at])) > 0, `it comes to ${REACHED[at]}`);
        if (at === 'parked') await world.until(() => is("state = 'waiting'"), 'it is parked');
        const begun = await happened('begins');
        world.workers[0]!.process.kill('SIGKILL');
        const since = performance.now();
        // A parked one is nobody's: what is told to it while nobody works must not be lost.
        if (at === 'parked') await world.query(`select signal($1, 'go')`, [id]);
        await world.until(async () => (await happened('begins')) > begun, 'it goes on');
        tookS.push(seconds(since));
        if (at !== 'parked') await world.query(`select signal($1, 'go')`, [id]);
        await world.until(() => is('finished_at is not null'), 'it ends');
        const [counts] = await world.query<Record<string, unknown>>(
          `select m.state, (select count(*)::integer from test_happened where mission = m.id and what = 'one') as one,
                  (select count(*)::integer from ops_outcomes where mission_id = m.id) as outcomes, (select count(distinct step_id)::integer from ops_outcomes where mission_id = m.id) as steps
           from ops_missions m where m.id = $1`,
          [id],
        );
        if (counts!.state !== 'succeeded' || counts!.one !== 1 || counts!.outcomes !== counts!.steps)
          throw new Error(`NOT SOUND: ${at}: ${JSON.stringify(counts)}`);
        facts.push(
          `${at}: ${tookS.at(-1)!.toFixed(1)} s, its first step ran once, ${counts!.outcomes} outcomes of ${counts!.steps} steps`,
        );
        await world.until(async () => world.workers.length === 1, 'the worker is started again');
        await world.works(world.workers[0]!);
      }
      return { tookS, facts: facts.join('; ') };
    },
  },
};

const REACHED = { in: 'in', between: 'one', parked: 'parks' } as const;
