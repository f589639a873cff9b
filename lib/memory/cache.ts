import type { Redis } from 'ioredis';
import type { Queryable } from '../db/index.ts';

/** Of each owner, the memories that are surest and newest. */
const KEPT = 20;

/** Writes `memory:<agent>` (and `memory:all` for everybody's) as JSON lists; ops_memory is what counts. */
export async function cacheMemory(db: Queryable, redis: Redis): Promise<void> {
  const { rows } = await db.query<{ owner: string; memories: unknown }>(
    `select owner, jsonb_agg(jsonb_build_object('id', id, 'kind', kind, 'text', text, 'confidence', confidence) order by place) as memories
     from (select coalesce(agent, 'all') as owner, id, kind, text, confidence, row_number() over (partition by agent order by confidence desc, id desc) as place
           from ops_memory where superseded_by is null and not untrusted) m
     where place <= ${KEPT} group by owner limit 100`,
  );
  if (rows.length === 0) return;
  const pipeline = redis.pipeline();
  for (const { owner, memories } of rows) pipeline.set(`memory:${owner}`, JSON.stringify(memories), 'EX', 600);
  await pipeline.exec();
}
