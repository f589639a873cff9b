import { addMissions, type Drain, drainWaiting, OUR_MISSIONS } from '../missionRuns.ts';
import type { Result } from '../report.ts';
import { round, spreadOf } from '../stats.ts';
import type { Bench } from './types.ts';

const IN_FLIGHT = 24;
const ROUNDS = 3;
const AT_ONCE = 20_000;
/** What a mission costs beside so much may be at most this of what it costs beside nothing. */
const AT_MOST = 4 / 3;

/** What a mission costs with nothing beside it, and with many that wait, are parked, or have ended. */
export async function curves({ sides, options, home, progress }: Bench): Promise<Result> {
  const side = sides.ours;
  const count = options.missions * (options.small ? 1 : 3);
  const states = [
    { name: 'nothing beside', state: 'succeeded', many: 0 },
    { name: `${options.backlog} waiting`, state: 'approved', many: options.backlog },
    { name: `${options.backlog} parked`, state: 'waiting', many: options.backlog },
    { name: `${options.history} finished`, state: 'succeeded', many: options.history },
  ] as const;
  const costs = new Map<string, Drain[]>();
  for (const { name, state, many } of states) {
    await side.reset(OUR_MISSIONS);
    for (let done = 0; done < many; done += AT_ONCE) await addMissions(side, Math.min(AT_ONCE, many - done), state);
    if (state === 'approved')
      await side.pool.query("select count(ensure_job(id)) from ops_missions where state = 'approved'");
    for (let n = 0; n < (options.small ? 1 : ROUNDS); n++) {
      // Those of this round are fetched before the others that wait.
      await addMissions(side, count);
      await side.pool.query("update ops_missions set priority = -1 where state = 'approved' and job_id is null");
      await side.pool.query(
        "select count(ensure_job(id)) from ops_missions where state = 'approved' and job_id is null",
      );
      await side.settle();
      const drain = await drainWaiting(side, IN_FLIGHT, count, { sides, options, home });
      costs.set(name, [...(costs.get(name) ?? []), drain]);
      progress(
        `curves, ${name}: ${Math.round(drain.perSecond)} missions/s, ${Math.round(drain.workerUs + drain.postgresUs)} us a mission`,
      );
    }
  }
  await side.reset(OUR_MISSIONS);
  const costOf = ({ workerUs, postgresUs }: Drain) => workerUs + postgresUs;
  const base = spreadOf(costs.get('nothing beside')!.map(costOf)).median;
  return {
    measure: 'curves',
    figures: Object.fromEntries(
      [...costs].flatMap(([name, made]) => [
        [`${name}: missions/s`, round(spreadOf(made.map((drain) => drain.perSecond)).median)],
        [`${name}: CPU us/mission`, round(spreadOf(made.map(costOf)).median)],
        [`${name}: peak MB`, round(spreadOf(made.map((drain) => drain.peakMb)).median)],
      ]),
    ),
    ratios: [...costs]
      .filter(([name]) => name !== 'nothing beside')
      .map(([name, made]) => ({
        name: `CPU a mission of that beside nothing, ${name}`,
        values: made.map((drain) => costOf(drain) / base),
        atMost: AT_MOST,
      })),
  };
}
