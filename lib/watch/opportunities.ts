import type { Queryable } from '../db/index.ts';
import { sampleHost } from '../host/index.ts';

interface Opportunity {
  readonly asset: string;
  readonly title: string;
  readonly rationale: string;
  readonly suggested_action: string;
  readonly confidence: number;
  readonly address: string;
}

const LASTS_HOURS = 24;
const WAITS_S = 30;
/** Of the machine's cores, by the load of a minute. */
const IDLE_SHARE = 0.5;
const ROOM_BYTES = 1 << 30;

/**
 * What could be better, from what was measured: signals of type `opportunity`, for a person to read. Found again it is the
 * same signal until it expires.
 */
export async function watchOpportunities(db: Queryable, sample: typeof sampleHost = sampleHost): Promise<number> {
  const found = [...(await idleMachine(db, sample)), ...(await cheaperModel(db))];
  if (found.length === 0) return 0;
  await db.query('select count(*) from add_research_signals($1::jsonb, $2::jsonb)', [
    JSON.stringify(
      found.map((one) => ({
        ...one,
        type: 'opportunity',
        venue: 'openclaw',
        risk_level: 'low',
        lasts_hours: LASTS_HOURS,
        score: one.confidence,
      })),
    ),
    JSON.stringify({ query: 'what was measured here', agent: 'atlas' }),
  ]);
  return found.length;
}

/** Work waits for a place while the machine has nothing to do. */
async function idleMachine(db: Queryable, sample: typeof sampleHost): Promise<Opportunity[]> {
  const { rows } = await db.query<{ pool: string; concurrency: number; waiting: number; oldest_s: number }>(
    `select w.pool, sum(w.concurrency)::integer as concurrency, q.waiting, q.oldest_s
     from workers w, lateral (
       select count(*)::integer as waiting, extract(epoch from now() - min(j.run_at))::float8 as oldest_s
       from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id join ops_tasks o on o.identifier = t.identifier and o.pool = w.pool
       where j.locked_at is null and j.run_at <= now() and j.attempts < j.max_attempts) q
     where w.state = 'live' and w.pool in ('missions', 'upkeep')
     group by w.pool, q.waiting, q.oldest_s
     having sum(cardinality(w.running)) >= sum(w.concurrency) and q.waiting > sum(w.concurrency) and q.oldest_s > $1 order by w.pool`,
    [WAITS_S],
  );
  if (rows.length === 0) return [];
  const { cpu, memory } = await sample();
  if (!cpu || !memory || cpu.load_1m / cpu.count > IDLE_SHARE || memory.available_bytes < ROOM_BYTES) return [];
  return rows.map(({ pool, concurrency, waiting, oldest_s }) => ({
    asset: `pool ${pool}`,
    title: `More jobs at once in the pool ${pool} would cost nothing`,
    rationale: `${waiting} jobs wait, the oldest for ${Math.round(oldest_s)} s, all ${concurrency} places are taken, and the load is ${cpu.load_1m} on ${cpu.count} cores`,
    suggested_action: `set OPENCLAW_CONCURRENCY_${pool.toUpperCase()} to ${concurrency * 2}, then restart`,
    confidence: 0.7,
    address: `openclaw://pool/${pool}/concurrency`,
  }));
}

/** Of two models that answer as reliably, the one that is asked more costs at least twice as much a call. */
async function cheaperModel(db: Queryable): Promise<Opportunity[]> {
  const { rows } = await db.query<{ dear: string; cheap: string; dear_usd: number; cheap_usd: number; calls: number }>(
    `with used as (
       select provider || '/' || model as id, count(*)::integer as calls, avg(success::integer)::float8 as well, avg(cost_usd)::float8 as usd
       from ops_outcomes where task = 'model_call' and model is not null and created_at > now() - interval '7 days' group by 1 having count(*) >= 20)
     select d.id as dear, c.id as cheap, d.usd as dear_usd, c.usd as cheap_usd, d.calls from used d join used c on c.id <> d.id
     where c.well >= d.well - 0.02 and c.well >= 0.9 and d.usd > 2 * c.usd and d.calls >= c.calls order by d.usd - c.usd desc limit 1`,
  );
  return rows.map(({ dear, cheap, dear_usd, cheap_usd, calls }) => ({
    asset: dear,
    title: `${cheap} answers as reliably as ${dear}, for less than half`,
    rationale: `in 7 days ${calls} calls of ${dear} at $${dear_usd.toFixed(5)} each; ${cheap} at $${cheap_usd.toFixed(5)}`,
    suggested_action: `put ${cheap} before ${dear} in config/failover.json, after a look at its answers`,
    confidence: 0.6,
    address: `openclaw://models/${dear}/${cheap}`,
  }));
}
