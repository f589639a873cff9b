import type { Queryable } from '../db/index.ts';

/** What is known of one choice: outcomes that count for about the last thirty, in ms and USD in all. */
export interface Arm {
  readonly name: string;
  readonly outcomes: number;
  readonly successes: number;
  readonly ms: number;
  readonly cost: number;
}

export interface Weights {
  /** Successes that a second, and a dollar, are worth. */
  readonly second: number;
  readonly dollar: number;
  /** How often the choice is left to chance, so that one who got better is noticed. */
  readonly explore: number;
}

export const WEIGHTS: Weights = { second: 0.005, dollar: 2, explore: 0.03 };

/**
 * The order in which to ask, by Thompson sampling (Thompson 1933): each choice's success rate is drawn from its Beta
 * posterior, less what its time and cost are worth. Outcomes fade (ops_drifts.recent_*), so a choice that went bad is left
 * within a few dozen outcomes and one that is not asked any more becomes uncertain again.
 */
export function order(arms: readonly Arm[], random: () => number = Math.random, weights: Weights = WEIGHTS): string[] {
  const worth = arms.map((arm) => {
    const n = Math.max(arm.outcomes, 1e-9);
    const rate = beta(arm.successes + 1, Math.max(0, arm.outcomes - arm.successes) + 1, random);
    const price = arm.outcomes > 0 ? (weights.second * arm.ms) / n / 1000 + (weights.dollar * arm.cost) / n : 0;
    return { name: arm.name, worth: rate - price };
  });
  worth.sort((a, b) => b.worth - a.worth);
  const names = worth.map(({ name }) => name);
  if (names.length > 1 && random() < weights.explore) {
    const [chosen] = names.splice(Math.floor(random() * names.length), 1);
    names.unshift(chosen!);
  }
  return names;
}

/** The candidates of a task in the order in which to ask them; those that were never asked come in by chance. */
export async function learnedOrder(
  db: Queryable,
  task: string,
  candidates: readonly string[],
  random: () => number = Math.random,
): Promise<string[]> {
  const { rows } = await db.query<{ provider: string; outcomes: number; successes: number; ms: number; cost: number }>(
    `select provider, sum(recent_outcomes) as outcomes, sum(recent_successes) as successes, sum(recent_ms) as ms, sum(recent_cost) as cost
     from ops_drifts where task = $1 and provider = any ($2::text[]) group by provider`,
    [task, candidates],
  );
  const known = new Map(rows.map((row) => [row.provider, row]));
  const none = { outcomes: 0, successes: 0, ms: 0, cost: 0 };
  return order(
    candidates.map((name) => ({ ...(known.get(name) ?? none), name })),
    random,
  );
}

/** A draw from Beta(a, b), a and b at least 1, as a quotient of Gamma draws. */
function beta(a: number, b: number, random: () => number): number {
  const x = gamma(a, random);
  return x / (x + gamma(b, random));
}

/** A draw from Gamma(shape, 1), shape at least 1: Marsaglia and Tsang, "A simple method for generating gamma variables" (2000). */
function gamma(shape: number, random: () => number): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** Box and Muller (1958). `1 - random()` keeps 0 out of the logarithm. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
