import { type Drain, drainOnce, preparePeer } from '../missionRuns.ts';
import type { Ratio, Result } from '../report.ts';
import { spreadOf, turns } from '../stats.ts';
import type { Bench } from './types.ts';

/** In flight at once, with what is wanted there: missions/s at least, CPU at most, of the peer's. */
const WANTED = [
  { inFlight: 1, raw: {}, dbos: { rate: 3 } },
  { inFlight: 24, raw: { rate: 2, cpu: 0.4 }, dbos: { rate: 15 } },
  { inFlight: 200, raw: { rate: 3, cpu: 0.3 }, dbos: { rate: 25 } },
] as const;
type Wanted = { rate?: number; cpu?: number };

/**
 * Missions of five steps that do nothing, one after another, each step recorded with its outcome and its event: ours against
 * one graphile-worker job a mission that commits each step by itself, in tables of the same meaning; and against DBOS, which keeps
 * a workflow's state and its steps' outputs.
 */
export async function missions({ sides, options, home, progress }: Bench): Promise<Result> {
  const drains = new Map<string, Drain[]>();
  await preparePeer(sides.raw);
  const wanted = WANTED.filter(({ inFlight }) => !options.small || inFlight === 24);
  for (let round = 0; round < options.rounds; round++) {
    for (const { inFlight } of wanted) {
      for (const side of turns([sides.raw, sides.ours, sides.dbos], round)) {
        // Enough for a second or so of each: DBOS is slower by an order, and one at once by another.
        const share =
          (inFlight === 1 ? 0.2 : 1) *
          (side.name === 'dbos' ? 0.2 : 1) *
          (side.name === 'ours' && inFlight > 1 ? 3 : 1);
        const count = Math.max(10, Math.ceil(options.missions * share));
        const drain = await drainOnce(side, inFlight, count, { sides, options, home });
        const key = `${side.name}, ${inFlight} in flight`;
        drains.set(key, [...(drains.get(key) ?? []), drain]);
        const cpu = Math.round(drain.workerUs + drain.postgresUs);
        progress(`missions round ${round + 1} ${key}: ${Math.round(drain.perSecond)} missions/s, ${cpu} us a mission`);
      }
    }
  }
  const ratios = wanted.flatMap(({ inFlight, raw, dbos }) => {
    const against = (peer: string, { rate, cpu }: Wanted): Ratio[] => {
      const of = (value: (drain: Drain) => number) =>
        drains
          .get(`ours, ${inFlight} in flight`)!
          .map((drain, at) => value(drain) / value(drains.get(`${peer}, ${inFlight} in flight`)![at]!));
      return [
        {
          name: `missions/s of ${peer}'s, ${inFlight} in flight`,
          values: of(({ perSecond }) => perSecond),
          ...(rate && { atLeast: rate }),
        },
        {
          name: `CPU a mission of ${peer}'s, ${inFlight} in flight`,
          values: of(({ workerUs, postgresUs }) => workerUs + postgresUs),
          ...(cpu && { atMost: cpu }),
        },
      ];
    };
    return [...against('raw', raw), ...against('dbos', dbos)];
  });
  const figures = [...drains].flatMap(([key, made]) => [
    [`${key}: missions/s`, spreadOf(made.map((drain) => drain.perSecond)).median],
    [`${key}: worker CPU us/mission`, spreadOf(made.map((drain) => drain.workerUs)).median],
    [`${key}: Postgres CPU us/mission`, spreadOf(made.map((drain) => drain.postgresUs)).median],
    [`${key}: peak MB`, spreadOf(made.map((drain) => drain.peakMb)).median],
  ]);
  return { measure: 'missions', figures: Object.fromEntries(figures), ratios };
}
