import { mirrorBreakers } from '../breakers/mirror.ts';
import type { Bus } from '../bus/index.ts';
import type { Pool, PoolClient, Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { cacheMemory } from '../memory/cache.ts';

export interface DoorbellOptions {
  /** With a connection of its own: the lock that elects one process is held on it. */
  db: Pool;
  bus: Bus;
  log: Logger;
}

const LOOK_MS = 1000;
/** One process of all rings for missions. */
const LOCK = "hashtextextended('openclaw:mission-doorbell', 0)";
/** Gone after a FLUSHALL: then everything is written anew. */
const MARK = 'mission:states:since';
const ENDED_KEPT_S = 86_400;
const ROWS = 1000;
const ENDS = new Set(['mission.succeeded', 'mission.failed', 'mission.cancelled']);
/** Looks between two copies of memory. */
const MEMORY_EVERY = 30;

interface Changed {
  id: string;
  state: string;
  wait_reason: string | null;
  epoch: number;
  trace_id: string;
  admitted: boolean;
}

/**
 * Says on Redis what Postgres has: `mission:queue` rings when a mission was admitted, `outcome:learn` when one has ended,
 * `reaction:trigger` when a rule told an agent, `mission:<id>:state` tells the state. It
 * follows the events of missions, in order of (transaction, id) and below the oldest running transaction. Nothing depends
 * on it: with Redis away, or in another process, missions run as ever.
 */
export function ringForMissions({ db, bus, log }: DoorbellOptions): { stop: () => Promise<void> } {
  let client: PoolClient | undefined;
  let cursor: { tx: string; id: string } | undefined;
  let breakersAt: string | undefined;
  let reaction: string | undefined;
  let looks = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const elected = async (): Promise<PoolClient | undefined> => {
    if (client) return client;
    const candidate = await db.connect();
    const { rows } = await candidate.query<{ mine: boolean }>(`select pg_try_advisory_lock(${LOCK}) as mine`);
    if (!rows[0]!.mine) {
      candidate.release();
      return undefined;
    }
    candidate.once('error', (error) => {
      candidate.release(error);
      client = undefined;
      cursor = undefined;
    });
    client = candidate;
    return client;
  };

  const look = async () => {
    const redis = bus.keys();
    const own = redis && (await elected());
    if (!redis || !own) return;
    if (!cursor || (await redis.exists(MARK)) === 0) {
      const { rows } = await own.query<{ tx: string }>('select pg_snapshot_xmin(pg_current_snapshot())::text as tx');
      cursor = { tx: rows[0]!.tx, id: '0' };
      const open = await own.query<Changed>(
        'select id, state, wait_reason, epoch, trace_id, false as admitted from ops_missions where finished_at is null order by id limit 10000',
      );
      await tell(open.rows);
      breakersAt = undefined;
      looks = 0;
      await redis.set(MARK, new Date().toISOString());
    }
    breakersAt = await mirrorBreakers(own, redis, breakersAt);
    reaction = await ringForReactions(own, bus, reaction);
    if (looks++ % MEMORY_EVERY === 0) await cacheMemory(own, redis);
    const news = await own.query<{ tx: string; id: string; mission_id: string; kind: string }>(
      `select tx::text, id, mission_id, kind from ops_agent_events
       where (tx, id) > ($1::xid8, $2) and tx < pg_snapshot_xmin(pg_current_snapshot()) and kind like 'mission.%' and mission_id is not null order by tx, id limit ${ROWS}`,
      [cursor.tx, cursor.id],
    );
    const last = news.rows.at(-1);
    if (!last) return;
    const changed = await own.query<Changed>(
      'select id, state, wait_reason, epoch, trace_id, id = any ($2::bigint[]) as admitted from ops_missions where id = any ($1::bigint[])',
      [
        news.rows.map((row) => row.mission_id),
        news.rows.filter((row) => row.kind === 'mission.approved').map((row) => row.mission_id),
      ],
    );
    await tell(changed.rows);
    const ended = news.rows.findLast((row) => ENDS.has(row.kind));
    if (ended) await bus.publish('outcome:learn', 'mission', `m${ended.mission_id}`);
    cursor = { tx: last.tx, id: last.id };
  };

  const tell = async (missions: readonly Changed[]) => {
    const redis = bus.keys();
    if (!redis) return;
    const pipeline = redis.pipeline();
    for (const { id, state, wait_reason, epoch } of missions) {
      const key = `mission:${id}:state`;
      pipeline.hset(key, { state, wait_reason: wait_reason ?? '', epoch, told_at: new Date().toISOString() });
      if (['succeeded', 'failed', 'cancelled'].includes(state)) pipeline.expire(key, ENDED_KEPT_S);
      else pipeline.persist(key);
    }
    await pipeline.exec();
    for (const { id, trace_id, admitted } of missions)
      if (admitted) await bus.publish('mission:queue', 'mission', `m${id}`, trace_id);
  };

  const tick = () => {
    if (stopped) return;
    look()
      .catch((error: unknown) =>
        log.debug({ err: error }, 'the doorbell of missions did not ring; the next second tries again'),
      )
      .finally(() => {
        if (!stopped) timer = setTimeout(tick, LOOK_MS);
      });
  };
  tick();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      client?.release(true);
      client = undefined;
    },
  };
}

/**
 * Rings for the agents that rules told something since `after`, an id of a decision; returns where to go on. Ids commit out of
 * order, so a ring may be missed: the agent has been notified by Postgres, in the transaction of the decision.
 */
async function ringForReactions(db: Queryable, bus: Bus, after: string | undefined): Promise<string> {
  const { rows } = await db.query<{ last: string; told: { agent: string; message: string; trace: string }[] }>(
    `select coalesce(max(d.id), $1, 0) as last,
            coalesce(json_agg(json_build_object('agent', a.recipient, 'message', a.id::text, 'trace', a.trace_id)) filter (where a.id is not null and $1 is not null), '[]') as told
     from ops_reactions d left join agent_messages a on a.id = d.message_id
     where d.id > coalesce($1::bigint, (select max(id) from ops_reactions) - 1)`,
    [after ?? null],
  );
  for (const { agent, message, trace } of rows[0]!.told)
    await bus.publish('reaction:trigger', 'agent_message', `${agent}/${message}`, trace);
  return rows[0]!.last;
}
