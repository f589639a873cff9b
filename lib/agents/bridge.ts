import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Bus } from '../bus/index.ts';
import { createPool, type Pool, singletonName, takeSingleton } from '../db/index.ts';
import type { OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { every } from '../workers/every.ts';
import { type Beat, BRIDGE_KEY, insertBeat, STATUS_TTL_S, statusKey } from './beat.ts';

export interface Bridge {
  readonly ended: Promise<OpenClawError>;
  stop(): Promise<void>;
}

export interface BridgeOptions {
  databaseUrl: string;
  bus: Bus;
  log: Logger;
  waitMs?: number;
  roundMs?: number;
}

const ROUND_MS = 2000;
/** Agents write straight into Postgres when the bridge was silent for so long. */
const BRIDGE_TTL_S = 20;

const BEAT = z.object({
  agent: z.string().regex(/^[a-z][a-z0-9_]{0,31}$/),
  host: z.string().min(1).max(255),
  pid: z.coerce.number().int().positive(),
  seq: z.coerce.number().int().positive(),
  status: z.enum(['starting', 'idle', 'busy', 'stopped', 'stopping', 'ended']),
  current_job: z.string().max(2000),
  rss_bytes: z.coerce.number().int().nonnegative(),
  loop_lag_ms: z.coerce.number().nonnegative(),
  beat_at: z.iso.datetime(),
});

/**
 * Status keys of Redis -> rows of agent_heartbeats and rings on agent:heartbeat. After a FLUSHALL it writes the keys of
 * living agents anew from their rows. @throws E_TAKEN (75).
 */
export async function startBridge({
  databaseUrl,
  bus,
  log,
  waitMs,
  roundMs = ROUND_MS,
}: BridgeOptions): Promise<Bridge> {
  const pool = createPool(databaseUrl, {
    name: singletonName('bridge'),
    max: 2,
    actor: 'system',
    source: 'agent',
    log,
  });
  const only = await takeSingleton({
    url: databaseUrl,
    name: 'bridge',
    log,
    ...(waitMs !== undefined && { waitMs }),
  }).catch(async (error: unknown) => {
    await pool.end();
    throw error;
  });
  const seen = new Map<string, number>();
  let bad = 0;
  const round = async () => {
    const keys = bus.keys();
    if (!keys) return;
    await keys.set(BRIDGE_KEY, new Date().toISOString(), 'EX', BRIDGE_TTL_S);
    const { rows } = await pool.query<{ id: string }>('select id from ops_agents order by id');
    for (const { id } of rows) {
      const hash = await keys.hgetall(statusKey(id));
      if (Object.keys(hash).length === 0) {
        await restoreKey(pool, keys, id);
        continue;
      }
      const parsed = BEAT.safeParse(hash);
      if (!parsed.success || parsed.data.agent !== id) {
        bad += 1;
        if (bad === 1 || bad % 100 === 0) log.warn({ agent: id, dropped: bad }, 'a bad status key was dropped');
        await keys.del(statusKey(id));
        continue;
      }
      const beat: Beat = parsed.data;
      if (seen.get(id) === beat.seq) continue;
      const isNew = await insertBeat(pool, beat, 'bridge');
      seen.set(id, beat.seq);
      if (isNew) await bus.publish('agent:heartbeat', 'beat', `${id}/${beat.seq}`);
    }
  };
  const rounds = every(roundMs, round, (error) =>
    log.warn({ err: error }, 'a round of the bridge failed; the next one tries again'),
  );
  const stopSoon = bus.subscribe([], {
    onRing: () => undefined,
    onConnected: () => void round().catch(() => undefined),
  });
  // Agents that beat now find it there.
  await round().catch(() => undefined);
  log.info({ pid: process.pid }, 'the bridge runs');
  return {
    ended: only.lost,
    stop: async () => {
      rounds.stop();
      stopSoon.stop();
      await bus
        .keys()
        ?.del(BRIDGE_KEY)
        .catch(() => undefined);
      await only.release();
      await pool.end();
    },
  };
}

/** The last row of an agent that lives: the key was lost (FLUSHALL, a restart without data), not the agent. */
async function restoreKey(pool: Pool, keys: Redis, id: string): Promise<void> {
  const { rows } = await pool.query<Record<string, string | number | null>>(
    `select h.agent, h.host, h.pid, h.seq::text, h.status, coalesce(h.current_job, '') as current_job, coalesce(h.rss_bytes, 0)::text as rss_bytes,
            coalesce(h.loop_lag_ms, 0)::text as loop_lag_ms, to_char(h.beat_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as beat_at
     from agent_heartbeats h where h.agent = $1 and h.status <> 'ended' and clock_now() - h.received_at < agent_alive_limit()
     order by h.received_at desc limit 1`,
    [id],
  );
  if (!rows[0]) return;
  // An agent that wrote its key meanwhile is right.
  if ((await keys.exists(statusKey(id))) === 1) return;
  await keys.hset(statusKey(id), rows[0] as Record<string, string>);
  await keys.expire(statusKey(id), STATUS_TTL_S);
}
