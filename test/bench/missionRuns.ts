import { setTimeout as sleep } from 'node:timers/promises';
import { clockMs, clusterCpuMs } from './cpu.ts';
import type { Side } from './databases.ts';
import type { Bench } from './measures/types.ts';
import { spawnWorker } from './workerProcess.ts';

export const STEPS = ['a', 'b', 'c', 'd', 'e'];

export interface Drain {
  perSecond: number;
  workerUs: number;
  postgresUs: number;
  peakMb: number;
}

type Where = Pick<Bench, 'sides' | 'options' | 'home'>;

export type AnySide = Side<'raw' | 'ours' | 'dbos'>;

interface Kind {
  /** Tables that a run begins with empty. */
  tables: readonly string[];
  submit: (side: AnySide, count: number) => Promise<void>;
  /** How many have not ended. */
  open: string;
  /** missions, steps, outcomes and events, as each side keeps them; what it does not keep is left out. */
  counts: string;
}

const NAMES = ['missions', 'steps', 'outcomes', 'events'] as const;

export const OUR_MISSIONS = [
  'ops_missions',
  'ops_mission_steps',
  'ops_mission_proposals',
  'ops_outcome_rows',
  'ops_approvals',
];

const KINDS: Record<AnySide['name'], Kind> = {
  ours: {
    tables: OUR_MISSIONS,
    submit: async (side, count) => {
      await addMissions(side, count);
      await side.pool.query(
        "select count(ensure_job(id)) from ops_missions where state = 'approved' and job_id is null",
      );
    },
    open: "select count(*)::integer as open from ops_missions where state in ('approved', 'running')",
    counts: countsOf([
      "ops_missions where state = 'succeeded'",
      "ops_mission_steps where state = 'succeeded'",
      'ops_outcome_rows',
      "ops_agent_events where kind = 'step.succeeded'",
    ]),
  },
  raw: {
    tables: ['peer_missions', 'peer_steps', 'peer_outcomes', 'peer_events'],
    submit: async (side, count) =>
      void (await side.pool.query(
        `with m as (insert into peer_missions (id) select n from generate_series(1, $1::integer) n returning id)
         select count(*) from m, lateral graphile_worker.add_job('onejob', json_build_object('mission', m.id)) j`,
        [count],
      )),
    open: 'select count(*)::integer as open from peer_missions where finished_at is null',
    counts: countsOf([
      "peer_missions where state = 'succeeded'",
      "peer_steps where state = 'succeeded'",
      'peer_outcomes',
      "peer_events where kind = 'step.succeeded'",
    ]),
  },
  dbos: {
    tables: [],
    // Called directly by its own process, which is the cheapest way that it has.
    submit: async () => {},
    open: "select count(*)::integer as open from dbos.workflow_status where status <> 'SUCCESS'",
    counts: `select (select count(*)::integer from dbos.workflow_status where status = 'SUCCESS') as missions, (select count(*)::integer from dbos.operation_outputs) as steps`,
  },
};

function countsOf(sources: readonly string[]): string {
  return `select ${sources.map((source, at) => `(select count(*)::integer from ${source}) as ${NAMES[at]}`).join(', ')}`;
}

/** Missions of five steps that follow each other, as the gate would store them. `state` other than approved: for a backlog that is not run. */
export async function addMissions(
  side: AnySide,
  count: number,
  state: 'approved' | 'waiting' | 'succeeded' = 'approved',
): Promise<void> {
  const ended = state === 'succeeded';
  await side.pool.query(
    `with m as (
       insert into ops_missions (kind, title, plan, source, actor, state, wait_reason, wake_at, finished_at)
       select 'bench', 'bench', '{"kind": "bench"}', 'sql', 'sql:bench', $2, case when $2 = 'waiting' then 'sleep' end,
              case when $2 = 'waiting' then now() + interval '1 day' end, case when $3 then now() end
       from generate_series(1, $1::integer) returning id)
     insert into ops_mission_steps (mission_id, name, position, task, needs, max_attempts, timeout_ms, effect, idempotency_key, state, finished_at)
       select m.id, chr(97 + n), n, 'noop', case when n > 0 then array[chr(96 + n)] else '{}' end, 3, 60000, 'read', m.id || '/' || n,
              case when $3 then 'succeeded' else 'queued' end, case when $3 then now() end
       from m, generate_series(0, 4) n`,
    [count, state, ended],
  );
}

/** What a plain program would keep: a ledger row, and for each step its state, an outcome and an event, indexed for reading. */
export async function preparePeer(side: Side): Promise<void> {
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

/** A fresh process drains `count` missions from empty tables; every count is checked. */
export async function drainOnce(side: AnySide, inFlight: number, count: number, where: Where): Promise<Drain> {
  const kind = KINDS[side.name];
  await side.reset(kind.tables);
  await kind.submit(side, count);
  await side.settle();
  const drain = await drainWaiting(side, inFlight, count, where);
  const { rows } = await side.pool.query<Record<string, number>>(kind.counts);
  for (const [name, value] of Object.entries(rows[0]!)) {
    const expected = name === 'missions' ? count : count * STEPS.length;
    if (value !== expected) throw new Error(`${side.name} recorded ${value} ${name}, expected ${expected}`);
  }
  return drain;
}

/** The first `count` of what waits; more may wait than that, and is left. */
export async function drainWaiting(
  side: AnySide,
  inFlight: number,
  count: number,
  { sides, options, home }: Where,
): Promise<Drain> {
  const { url, readerUrl, name } = side;
  const kind = KINDS[name];
  const openNow = async () => (await side.pool.query<{ open: number }>(kind.open)).rows[0]!.open;
  const left = name === 'dbos' ? 0 : (await openNow()) - count;
  const worker = await spawnWorker(options.profile);
  await worker.start({
    side: name,
    url,
    readerUrl,
    home,
    concurrency: inFlight,
    localQueueSize: Math.max(500, inFlight),
    jobs: count * STEPS.length,
    postmaster: sides.postmaster,
  });
  await worker.ran();
  let open = await openNow();
  while (open > left) {
    await sleep(5);
    open = await openNow();
  }
  const endedAtMs = clockMs();
  const clusterMs = clusterCpuMs(sides.postmaster);
  const usage = await worker.usage();
  await worker.stop();
  const ended = count + left - open;
  return {
    perSecond: ended / ((endedAtMs - usage.startedAtMs) / 1000),
    workerUs: (usage.workerMs * 1000) / ended,
    postgresUs: ((clusterMs - usage.clusterMs) * 1000) / ended,
    peakMb: usage.peakMb,
  };
}
