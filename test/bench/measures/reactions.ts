import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { startWorkers } from '../../../lib/workers/process.ts';
import { clockMs, clusterCpuMs } from '../cpu.ts';
import type { Side } from '../databases.ts';
import type { Result } from '../report.ts';
import { quantile, spreadOf } from '../stats.ts';
import { BENCH_TASKS } from '../worker/protocol.ts';
import type { Bench } from './types.ts';

const KINDS = 40;
const TABLES = [
  'ops_reaction_rules',
  'ops_reactions',
  'ops_agent_events',
  'ops_missions',
  'ops_mission_steps',
  'ops_mission_proposals',
  'ops_outcome_rows',
  'ops_approvals',
  'agent_messages',
  'gate_counters',
];
const PLAN = { kind: 'bench', steps: [{ name: 'only', task: 'noop', payload: {} }] };

/**
 * What an event costs that rules want. 200 rules, five a kind: of each event one rule does not match, one is over its cap or its
 * condition fails, one rolls, one rests, one tells an agent, so that most decisions say why not, and some fire. All that fires
 * goes through the gate. Speed is of the worker's own pool, from the first decision to the commit of the last.
 */
export async function reactions(bench: Bench): Promise<Result> {
  const { sides, options, progress } = bench;
  const side = sides.ours;
  const drained: Record<string, number[]> = { statements: [], singles: [] };
  const waits: number[] = [];
  const costs: number[] = [];
  for (let round = 0; round < Math.min(options.rounds, 3); round++) {
    for (const [how, atOnce] of [
      ['statements', 100],
      ['singles', 1],
    ] as const) {
      const perSecond = await drain(bench, atOnce);
      drained[how]!.push(perSecond);
      progress(`reactions round ${round + 1}, ${how}: ${Math.round(perSecond)} events/s`);
    }
    const [few, many] = [await costOf(bench, 10), await costOf(bench, 1000)];
    costs.push(many / few);
    progress(
      `reactions round ${round + 1}: ${few.toFixed(0)} us an event with 10 rules, ${many.toFixed(0)} with 1,000`,
    );
    const measured = await latencies(bench);
    waits.push(quantile(measured, 0.95));
    progress(
      `reactions round ${round + 1}: commit to decision p50 ${quantile(measured, 0.5).toFixed(1)} ms, p95 ${quantile(measured, 0.95).toFixed(1)} ms`,
    );
  }
  await clear(side);
  return {
    measure: 'reactions',
    figures: {
      'events/s, inserted 100 a statement': spreadOf(drained.statements!).median,
      'events/s, inserted one by one': spreadOf(drained.singles!).median,
      'commit to decision p95 ms at 50 events/s': spreadOf(waits).median,
    },
    ratios: [
      { name: 'events decided/s, 100 a statement', values: drained.statements!, atLeast: 3000 },
      { name: 'events decided/s, one by one', values: drained.singles! },
      { name: 'ms from commit to decision, p95', values: waits, atMost: 150 },
      { name: 'CPU an event, 1,000 rules to 10', values: costs, atMost: 3 },
    ],
  };
}

async function clear(side: Side): Promise<void> {
  await side.reset(TABLES);
  await side.pool.query('insert into gate_counters default values');
}

async function prepare({ sides }: Bench): Promise<Side> {
  const side = sides.ours;
  await clear(side);
  await side.pool.query(
    "insert into ops_agents (id, number, name, role, identity, identity_hash) values ('scout', 3, 'Scout', 'research', '{}', 'x') on conflict do nothing",
  );
  await side.pool.query(
    `select set_policy('gate.caps', '{"active_missions": 100000, "steps_per_day": 1000000}', 'the bench')`,
  );
  return side;
}

const put = (side: Side, rules: readonly object[]) =>
  side.pool.query('select count(put_rule(r)) from jsonb_array_elements($1) r', [JSON.stringify(rules)]);

function rulesOf(kind: number): object[] {
  const of = (name: string, fields: object) => ({ name: `${name}_${kind}`, kind: `user.b${kind}`, ...fields });
  return [
    of('other_tags', { plan: PLAN, tags_all: ['never'] }),
    of('capped', { plan: PLAN, condition: '$.payload.n > 125', daily_cap: 1 }),
    of('rolls', { plan: PLAN, probability: 0.01 }),
    of('rests', { plan: PLAN, kind: `user.b${kind}*`, cooldown: '1 hour' }),
    of('tells', { agent: 'scout', cooldown: '1 hour', cooldown_key: '$.payload.host' }),
  ];
}

/** Of kind user.b1 also user.b10 to user.b19 want the rule with the star: they are counted like the database counts them. */
const EXPECTED = `
  select count(*)::integer as decisions from ops_agent_events e join ops_reaction_rules r on e.kind like r.kind_like
  where r.tags_all = '{}' and (r.condition is null or (e.payload ->> 'n')::integer > 125)`;

async function insertEvents(side: Side, count: number, atOnce: number): Promise<void> {
  for (let from = 0; from < count; from += atOnce)
    await side.pool.query(
      `insert into ops_agent_events (kind, payload) select 'user.b' || n % ${KINDS}, jsonb_build_object('n', n / ${KINDS}, 'host', 'h' || n % 7) from generate_series($1::integer, $2::integer) n`,
      [from, Math.min(count, from + atOnce) - 1],
    );
}

async function startReactor({ sides, home }: Bench) {
  const config = loadConfig({
    env: { OPENCLAW_HOME: home, DATABASE_URL: sides.ours.url, OPENCLAW_TASK_DIRS: BENCH_TASKS },
  });
  return startWorkers({
    config,
    log: createLogger({ name: 'bench', level: 'silent' }),
    workerUrl: sides.ours.url,
    readerUrl: sides.ours.readerUrl,
    pools: ['reactions'],
    withCron: false,
    onFatal: (error) => {
      throw error;
    },
  });
}

async function drain(bench: Bench, atOnce: number): Promise<number> {
  const side = await prepare(bench);
  await put(side, Array.from({ length: KINDS }, (_, kind) => rulesOf(kind)).flat());
  await insertEvents(side, bench.options.events, atOnce);
  const { rows: wanted } = await side.pool.query<{ decisions: number }>(EXPECTED);
  await side.settle();
  const workers = await startReactor(bench);
  try {
    const look = `select count(*)::integer as decisions, (extract(epoch from clock_timestamp() - min(created_at)) * 1000)::float8 as ms from ops_reactions`;
    const deadline = Date.now() + 120_000;
    for (;;) {
      const { rows } = await side.pool.query<{ decisions: number; ms: number | null }>(look);
      const { decisions, ms } = rows[0]!;
      if (decisions === wanted[0]!.decisions) return (bench.options.events / ms!) * 1000;
      if (Date.now() > deadline) throw new Error(`${decisions} of ${wanted[0]!.decisions} decisions are stored`);
      await sleep(10);
    }
  } finally {
    await workers.stop('the measure is over');
  }
}

/** CPU of Postgres, in us, for an event from its insert to its decisions; two rules want it, however many others there are. */
async function costOf(bench: Bench, rules: number): Promise<number> {
  const side = await prepare(bench);
  const EVENTS = bench.options.small ? 40 : 2000;
  await put(
    side,
    Array.from({ length: rules }, (_, n) =>
      n < 10
        ? { name: `mine_${n}`, kind: `user.b${n >> 1}`, plan: PLAN, probability: 0 }
        : { name: `other_${n}`, kind: n % 2 === 0 ? `user.other${n}` : `user.many${n}.*`, plan: PLAN },
    ),
  );
  await side.settle();
  const client = await side.pool.connect();
  try {
    const decide = async (count: number) => {
      for (let n = 0; n < count; n += 10) {
        const { rows } = await client.query<{ ids: string[] }>(
          "with e as (insert into ops_agent_events (kind, payload) select 'user.b' || n % 5, jsonb_build_object('n', n) from generate_series(1, 10) n returning id) select array_agg(id) as ids from e",
        );
        await client.query('select react($1::bigint[])', [rows[0]!.ids]);
      }
    };
    await decide(200);
    const before = clusterCpuMs(bench.sides.postmaster);
    await decide(EVENTS);
    return ((clusterCpuMs(bench.sides.postmaster) - before) * 1000) / EVENTS;
  } finally {
    client.release();
  }
}

/** From the answer to an insert's commit to the moment when its decision is seen, at 50 events a second. */
async function latencies(bench: Bench): Promise<number[]> {
  const side = await prepare(bench);
  await put(side, Array.from({ length: KINDS }, (_, kind) => rulesOf(kind)).flat());
  await side.settle();
  const workers = await startReactor(bench);
  const committed = new Map<string, number>();
  const waits: number[] = [];
  const count = bench.options.small ? 20 : 400;
  let inserting = true;
  const look = async () => {
    const deadline = Date.now() + 60_000;
    while (inserting || committed.size > 0) {
      if (committed.size > 0) {
        const { rows } = await side.pool.query<{ id: string }>(
          'select distinct event_id as id from ops_reactions where event_id = any ($1)',
          [[...committed.keys()]],
        );
        const now = clockMs();
        for (const { id } of rows) {
          waits.push(now - committed.get(id)!);
          committed.delete(id);
        }
      }
      if (Date.now() > deadline) throw new Error(`${committed.size} events were never decided`);
      await sleep(2);
    }
  };
  try {
    await sleep(500);
    const looking = look();
    const from = clockMs();
    for (let n = 0; n < count; n++) {
      await sleep(Math.max(0, from + n * 20 - clockMs()));
      const { rows } = await side.pool.query<{ id: string }>(
        `insert into ops_agent_events (kind, payload) values ('user.b' || $1::integer % ${KINDS}, jsonb_build_object('n', $1::integer, 'host', 'h' || $1::integer % 7)) returning id`,
        [n],
      );
      committed.set(rows[0]!.id, clockMs());
    }
    inserting = false;
    await looking;
  } finally {
    inserting = false;
    await workers.stop('the measure is over');
  }
  // The first ones find plans and connections cold.
  return waits.slice(5);
}
