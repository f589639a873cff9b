import { readFileSync } from 'node:fs';
import { type Arm, order } from '../../../lib/learning/choice.ts';
import { seeded } from '../../harness/seeded.ts';
import { clockMs } from '../cpu.ts';
import type { Side } from '../databases.ts';
import type { Result } from '../report.ts';
import { quantile } from '../stats.ts';
import type { Bench } from './types.ts';

const TABLES = [
  'ops_outcome_rows',
  'job_history',
  'ops_cursors',
  'ops_outcome_days',
  'ops_outcome_durations',
  'ops_outcome_attempts',
  'ops_outcome_errors',
  'ops_drifts',
  'ops_learned_changes',
  'ops_approvals',
  'ops_memory',
];
const BATCH = 20_000;

/** That it learns, and how quickly; and how quickly memory is searched. Seeds are fixed. */
export async function learning({ sides, options, progress }: Bench): Promise<Result> {
  const side = sides.ours;
  await side.reset(TABLES);
  const worlds = Array.from({ length: 10 }, (_, seed) => regret(seed + 1, options.small ? 600 : 6000));
  progress(`learning: regret ${worlds.map((share) => share.toFixed(2)).join(' ')} of uniform choice's`);
  const noticed = await outcomesUntilNoticed(side, options.small ? 3 : 21);
  progress(`learning: a fall is noticed after ${noticed.join(', ')} outcomes`);
  const proposed = await stationary(side, options.small ? 1 : 20, options.small ? 500 : 5000);
  progress(`learning: ${proposed} changes are proposed in stationary worlds`);
  const { perSecond, growth } = await catchUp(side, options.outcomes);
  progress(`learning: caught up at ${Math.round(perSecond)} outcomes/s; memory grew by ${growth.toFixed(2)}`);
  const searches = await searchTimes(side, options.memories);
  progress(`learning: memory search p95 ${quantile(searches, 0.95).toFixed(1)} ms`);
  await side.reset(TABLES);
  return {
    measure: 'learning',
    figures: { 'outcomes caught up/s': perSecond, 'memory search p95 ms': quantile(searches, 0.95) },
    ratios: [
      { name: "regret to uniform choice's", values: worlds, atMost: 0.4 },
      { name: 'outcomes until a fall is noticed', values: noticed, atMost: 30 },
      { name: 'changes proposed in stationary worlds', values: [proposed], atMost: 1 },
      { name: 'outcomes caught up/s', values: [perSecond], atLeast: 20_000 },
      { name: 'memory of the last tenth to the first', values: [growth], atMost: 1.5 },
      { name: 'memory search p95 ms', values: [quantile(searches, 0.95)], atMost: 50 },
    ],
  };
}

/**
 * Three providers, on the whole one better than another, whose success and price drift by a slow wave of each, so that who is best changes. Worth of a call: its
 * success less twice its price in dollars, as the choice weighs it. Regret: what the best fixed choice has more, to what it has more than a
 * uniform one.
 */
function regret(seed: number, calls: number): number {
  const random = seeded(seed);
  const shift = [random(), random(), random()];
  const mean = [0.8, 0.65, 0.5];
  const truth = (at: number, t: number) => {
    const turn = 2 * Math.PI * ((1.5 * t) / calls + shift[at]!);
    return { rate: mean[at]! + 0.15 * Math.sin(turn), usd: 0.02 + 0.015 * Math.cos(turn) };
  };
  const worth = (at: number, t: number) => truth(at, t).rate - 2 * truth(at, t).usd;
  let arms: Arm[] = ['0', '1', '2'].map((name) => ({ name, outcomes: 0, successes: 0, ms: 0, cost: 0 }));
  const fixed = [0, 0, 0];
  let chosen = 0;
  for (let t = 0; t < calls; t++) {
    const pick = Number(order(arms, random)[0]);
    const { rate, usd } = truth(pick, t);
    const won = random() < rate ? 1 : 0;
    arms = arms.map((arm, at) =>
      at === pick
        ? {
            ...arm,
            outcomes: 0.97 * arm.outcomes + 1,
            successes: 0.97 * arm.successes + won,
            cost: 0.97 * arm.cost + usd,
          }
        : arm,
    );
    chosen += worth(pick, t);
    for (const at of [0, 1, 2]) fixed[at]! += worth(at, t);
  }
  const best = Math.max(...fixed);
  const uniform = (fixed[0]! + fixed[1]! + fixed[2]!) / 3;
  return (best - chosen) / (best - uniform);
}

const insert = (side: Side, task: string, outcomes: readonly boolean[]) =>
  side.pool.query(
    `insert into ops_outcome_rows (task, provider, success, state, duration_ms, error_class)
     select $1, 'p', ok, case when ok then 'succeeded' else 'failed' end, 800 + 400 * random(), case when not ok then 'server' end from unnest($2::boolean[]) ok`,
    [task, outcomes],
  );
const learn = async (side: Side) => {
  const { rows } = await side.pool.query<{ learned: number }>('select learn($1) as learned', [BATCH]);
  return rows[0]!.learned;
};

/** From 93 to 45 of a hundred, looked at every outcome. */
async function outcomesUntilNoticed(side: Side, worlds: number): Promise<number[]> {
  const random = seeded(11);
  const noticed: number[] = [];
  for (let world = 0; world < worlds; world++) {
    const task = `falls_${world}`;
    await insert(
      side,
      task,
      Array.from({ length: 200 }, () => random() < 0.93),
    );
    await learn(side);
    let seen = 0;
    for (; seen < 100; seen++) {
      const { rows } = await side.pool.query('select from ops_drifts where task = $1 and drifts > 0', [task]);
      if (rows.length > 0) break;
      await insert(side, task, [random() < 0.45]);
      await learn(side);
    }
    noticed.push(seen);
  }
  return noticed;
}

/** Of the built-in task `fetch_url`, so that a change of its policy could be proposed; looked at every 250 outcomes. */
async function stationary(side: Side, worlds: number, outcomes: number): Promise<number> {
  const random = seeded(29);
  let proposed = 0;
  for (let world = 0; world < worlds; world++) {
    await side.reset(TABLES);
    const rate = 0.6 + 0.38 * random();
    for (let n = 0; n < outcomes; n += 250) {
      await insert(
        side,
        'fetch_url',
        Array.from({ length: 250 }, () => random() < rate),
      );
      await learn(side);
      const { rows } = await side.pool.query<{ made: number }>('select propose_changes() as made');
      proposed += rows[0]!.made;
    }
  }
  return proposed;
}

async function catchUp(side: Side, outcomes: number): Promise<{ perSecond: number; growth: number }> {
  await side.reset(TABLES);
  await side.pool.query(
    `insert into ops_outcome_rows (task, provider, model, success, state, attempt, duration_ms, cost_usd, error_class, error_fingerprint)
     select 'task_' || n % 20, 'p' || n % 3, 'm', n % 11 <> 0, case when n % 11 <> 0 then 'succeeded' else 'failed' end, 1 + n % 3, 10 + n % 5000, 0.001,
            case when n % 11 = 0 then 'server' end, case when n % 11 = 0 then md5((n % 7)::text) end from generate_series(1, $1::integer) n`,
    [outcomes],
  );
  await side.settle();
  const client = await side.pool.connect();
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    // What is its own: shared buffers count for a backend only as it touches them.
    const ownKb = () => {
      const status = readFileSync(`/proc/${rows[0]!.pid}/status`, 'utf8');
      return Number(/RssAnon:\s+(\d+)/.exec(status)![1]);
    };
    const from = clockMs();
    let learned = 0;
    let early = 0;
    while (learned < outcomes) {
      const { rows: batch } = await client.query<{ learned: number }>('select learn($1) as learned', [BATCH]);
      if (batch[0]!.learned === 0) throw new Error(`the learner stopped at ${learned} of ${outcomes}`);
      learned += batch[0]!.learned;
      if (early === 0 && learned >= outcomes / 10) early = ownKb();
    }
    const perSecond = (learned / (clockMs() - from)) * 1000;
    const { rows: sums } = await client.query<{ n: number }>(
      'select sum(outcomes)::integer as n from ops_outcome_days',
    );
    if (sums[0]!.n !== outcomes) throw new Error(`${sums[0]!.n} of ${outcomes} outcomes are in the statistics`);
    return { perSecond, growth: ownKb() / early };
  } finally {
    client.release();
  }
}

const WORDS = ['backup', 'provider', 'timeout', 'upload', 'queue', 'retry', 'model', 'signal', 'disk', 'night'];

async function searchTimes(side: Side, memories: number): Promise<number[]> {
  await side.pool.query(
    `insert into ops_memory (kind, text) select 'lesson', format('Note %s: %s after %s of %s', n, ($2::text[])[1 + n % 10], ($2::text[])[1 + (n / 10) % 10], md5(n::text)) from generate_series(1, $1::integer) n`,
    [memories, WORDS],
  );
  await side.settle();
  const times: number[] = [];
  for (let n = 0; n < 60; n++) {
    const from = clockMs();
    await side.pool.query('select * from search_memory($1)', [`${WORDS[n % 10]} ${WORDS[(n * 3) % 10]}`]);
    times.push(clockMs() - from);
  }
  return times.slice(5);
}
