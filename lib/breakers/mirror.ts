import type { Redis } from 'ioredis';
import type { Queryable } from '../db/index.ts';

interface Breaker {
  name: string;
  state: string;
  failures: number;
  opens: number;
  open_until: Date | null;
  updated_at: string;
}

/**
 * Copies the breakers that changed after `since` (all without it) to `circuit:breaker:<name>`, for whoever looks there; nothing
 * of this system reads them. Returns the newest change, for the next call.
 */
export async function mirrorBreakers(db: Queryable, redis: Redis, since?: string): Promise<string | undefined> {
  const { rows } = await db.query<Breaker>(
    `select name, state, failures, opens, open_until, updated_at::text as updated_at from ops_breakers
     where $1::timestamptz is null or updated_at > $1 order by updated_at limit 1000`,
    [since ?? null],
  );
  if (rows.length === 0) return since;
  const pipeline = redis.pipeline();
  for (const { name, state, failures, opens, open_until } of rows) {
    pipeline.hset(`circuit:breaker:${name}`, {
      state,
      failures,
      opens,
      open_until: open_until?.toISOString() ?? '',
    });
  }
  await pipeline.exec();
  return rows.at(-1)!.updated_at;
}
