import { setTimeout as sleep } from 'node:timers/promises';
import { clockMs, clusterCpuMs } from '../cpu.ts';
import type { Side } from '../databases.ts';
import type { Result } from '../report.ts';
import { spreadOf, turns } from '../stats.ts';
import { spawnWorker } from '../workerProcess.ts';
import type { Bench } from './types.ts';

const STEPS = ['a', 'b', 'c', 'd', 'e'];
/** In flight at once, with what is wanted there: missions/s at least, CPU at most, of the peer's. */
const WANTED = [
  { inFlight: 1, rate: undefined, cpu: undefined },
  { inFlight: 24, rate: 2, cpu: 0.4 },
  { inFlight: 200, rate: 3, cpu: 0.3 },
];

interface Drain {
  perSecond: number;
  workerUs: number;
  postgresUs: number;
  peakMb: number;
}

/**
 * Missions of five steps that do nothing, one after another, each step recorded with its outcome and its event: ours against
 * one graphile-worker job a mission that commits each step by itself, in tables of the same meaning.
 */
export async function missions({ sides, options, home, progress }: Bench): Promise<Result> {
  const drains = new Map<string, Drain[]>();
  await preparePeer(sides.raw);
  const wanted = WANTED.filter(({ inFlight }) => !options.small || inFlight === 24);
  for (let round = 0; round < options.rounds; round++) {
    for (const { inFlight } of wanted) {
      const count = inFlight === 1 ? Math.ceil(options.missions / 5) : options.missions;
      for (const side of turns([sides.raw, sides.ours], round)) {
        const drain = await drainOnce(side, inFlight, count, { sides, options, home });
        const key = `${side.name}, ${inFlight} in flight`;
        drains.set(key, [...(drains.get(key) ?? []), drain]);
        const cpu = Math.round(drain.workerUs + drain.postgresUs);
        progress(`missions round ${round + 1} ${key}: ${Math.round(drain.perSecond)} missions/s, ${cpu} us a mission`);
      }
    }
  }
  const ratios = wanted.flatMap(({ inFlight, rate, cpu }) => {
    const of = (value: (drain: Drain) => number) =>
      drains
        .get(`ours, ${inFlight} in flight`)!
        .map((drain, at) => value(drain) / value(drains.get(`raw, ${inFlight} in flight`)![at]!));
    return [
      {
        name: `missions/s, ${inFlight} in flight`,
        values: of(({ perSecond }) => perSecond),
        ...(rate && { atLeast: rate }),
      },
      {
        name: `CPU a mission, ${inFlight} in flight`,
        values: of(({ workerUs, postgresUs }) => workerUs + postgresUs),
        ...(cpu && { atMost: cpu }),
      },
    ];
  });
  const figures = [...drains].flatMap(([key, made]) => [
    [`${key}: missions/s`, spreadOf(made.map((drain) => drain.perSecond)).median],
    [`${key}: worker CPU us/mission`, spreadOf(made.map((drain) => drain.workerUs)).median],
    [`${key}: Postgres CPU us/mission`, spreadOf(made.map((drain) => drain.postgresUs)).median],
    [`${key}: peak MB`, spreadOf(made.map((drain) => drain.peakMb)).median],
  ]);
  return { measure: 'missions', figures: Object.fromEntries(figures), ratios };
}

/** What a plain program would keep: a ledger row, and for each step its state, an outcome and an event, indexed for reading. */
async function preparePeer(side: Side): Promise<void> {
  await side.pool.query(`
    create table if not exists peer_missions (id bigint primary key, state text not null default 'approved', started_at timestamptz, finished_at timestamptz);
    create table if not exists peer_steps (mission_id bigint, name text, state text not null, output jsonb, started_at timestamptz, finished_at timestamptz, primary key (mission_id, name));
    create table if not exists peer_outcomes (id bigint generated always as identity primary key, mission_id bigint, name text, task text, success boolean, state text, duration_ms float8, created_at timestamptz default now());
    create index if not exists peer_outcomes_created on peer_outcomes (created_at);
    create table if not exists peer_events (id bigint generated always as identity primary key, kind text not null, mission_id bigint, payload jsonb, created_at timestamptz default now());
    create index if not exists peer_events_mission on peer_events (mission_id, id);
    create index if not exists peer_events_created on peer_events (created_at);
    insert into graphile_worker._private_tasks (identifier) values ('onejob') on conflict do nothing`);
}

const SUBMIT = {
  raw: `with m as (insert into peer_missions (id) select n from generate_series(1, $1::integer) n returning id)
        select count(*) from m, lateral graphile_worker.add_job('onejob', json_build_object('mission', m.id)) j`,
  ours: `with m as (
           insert into ops_missions (kind, title, plan, source, actor) select 'bench', 'bench', '{"kind": "bench"}', 'sql', 'sql:bench' from generate_series(1, $1::integer) returning id),
         s as (
           insert into ops_mission_steps (mission_id, name, position, task, needs, max_attempts, timeout_ms, effect, idempotency_key)
           select m.id, chr(97 + n), n, 'noop', case when n > 0 then array[chr(96 + n)] else '{}' end, 3, 60000, 'read', m.id || '/' || n from m, generate_series(0, 4) n)
         select count(*) from m`,
};

async function drainOnce(
  side: Side,
  inFlight: number,
  count: number,
  { sides, options, home }: Pick<Bench, 'sides' | 'options' | 'home'>,
): Promise<Drain> {
  const ours = side.name === 'ours';
  await side.reset(
    ours
      ? ['ops_missions', 'ops_mission_steps', 'ops_mission_proposals', 'ops_outcome_rows', 'ops_approvals']
      : ['peer_missions', 'peer_steps', 'peer_outcomes', 'peer_events'],
  );
  await side.pool.query(SUBMIT[side.name], [count]);
  if (ours) await side.pool.query('select count(ensure_job(id)) from ops_missions');
  await side.settle();
  const worker = await spawnWorker(options.profile);
  const { url, readerUrl } = side;
  await worker.start({
    side: side.name,
    url,
    readerUrl,
    home,
    concurrency: inFlight,
    localQueueSize: Math.max(500, inFlight),
    jobs: count * STEPS.length,
    postmaster: sides.postmaster,
  });
  await worker.ran();
  const table = ours ? 'ops_missions' : 'peer_missions';
  const open = `select count(*)::integer as open from ${table} where finished_at is null`;
  while ((await side.pool.query<{ open: number }>(open)).rows[0]!.open > 0) await sleep(5);
  const endedAtMs = clockMs();
  const clusterMs = clusterCpuMs(sides.postmaster);
  const usage = await worker.usage();
  await worker.stop();
  await checkFacts(side, count);
  return {
    perSecond: count / ((endedAtMs - usage.startedAtMs) / 1000),
    workerUs: (usage.workerMs * 1000) / count,
    postgresUs: ((clusterMs - usage.clusterMs) * 1000) / count,
    peakMb: usage.peakMb,
  };
}

async function checkFacts(side: Side, count: number): Promise<void> {
  const [missionsTable, steps, outcomes, events] =
    side.name === 'ours'
      ? ['ops_missions', 'ops_mission_steps', 'ops_outcome_rows', 'ops_agent_events']
      : ['peer_missions', 'peer_steps', 'peer_outcomes', 'peer_events'];
  const { rows } = await side.pool.query(
    `select (select count(*)::integer from ${missionsTable} where state = 'succeeded') as missions,
            (select count(*)::integer from ${steps} where state = 'succeeded') as steps,
            (select count(*)::integer from ${outcomes}) as outcomes,
            (select count(*)::integer from ${events} where kind = 'step.succeeded') as events`,
  );
  const expected = { missions: count, steps: count * 5, outcomes: count * 5, events: count * 5 };
  if (JSON.stringify(rows[0]) !== JSON.stringify(expected))
    throw new Error(`${side.name} recorded ${JSON.stringify(rows[0])}, expected ${JSON.stringify(expected)}`);
}
