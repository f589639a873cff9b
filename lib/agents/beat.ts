import os from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Bus } from '../bus/index.ts';
import type { Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';

export const BEAT_MS = 30_000;
/** The status key of an agent that is silent for longer is gone by itself. */
export const STATUS_TTL_S = 120;
/** The bridge's own sign of life: without it a beat in Redis would reach nobody. */
export const BRIDGE_KEY = 'bridge:status';

export const statusKey = (agent: string) => `agent:${agent}:status`;

export type Doing = 'starting' | 'idle' | 'busy' | 'stopped' | 'stopping' | 'ended';

export interface Beat {
  agent: string;
  host: string;
  pid: number;
  seq: number;
  status: Doing;
  current_job: string;
  rss_bytes: number;
  loop_lag_ms: number;
  beat_at: string;
}

const RESOLUTION_MS = 20;

/** Beats of one agent: into Redis for the bridge, or straight into Postgres where that would reach nobody. */
export function createHeart(agent: string, { db, bus, log }: { db: Queryable; bus: Bus; log: Logger }) {
  const lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  lag.enable();
  let seq = 0;
  let last: Beat | undefined;
  const measure = (status: Doing, job: string): Beat => ({
    agent,
    host: os.hostname(),
    pid: process.pid,
    seq,
    status,
    current_job: job,
    rss_bytes: process.memoryUsage.rss(),
    loop_lag_ms: Math.max(0, lag.percentile(99) / 1e6 - RESOLUTION_MS),
    beat_at: new Date().toISOString(),
  });
  const intoRedis = async (beat: Beat): Promise<boolean> => {
    const keys = bus.keys();
    if (!keys) return false;
    const key = statusKey(agent);
    const answers = await keys
      .multi()
      .del(key)
      .hset(key, { ...beat })
      .expire(key, STATUS_TTL_S)
      .exists(BRIDGE_KEY)
      .exec();
    return answers?.at(-1)?.[1] === 1;
  };
  return {
    /** A beat that counts: a row of agent_heartbeats comes of it. */
    beat: async (status: Doing, job = ''): Promise<void> => {
      // Seconds since 1970 in the upper part: a process that got the pid of an earlier one does not repeat its beats.
      seq = Math.max(seq + 1, Date.now());
      last = measure(status, job);
      lag.reset();
      const reached = await intoRedis(last).catch(() => false);
      if (!reached || status === 'ended') await insertBeat(db, last, 'direct');
    },
    /** What it does now, for whoever looks at the key; the next beat makes it a row. */
    show: (status: Doing, job = ''): void => {
      if (!last) return;
      last = { ...measure(status, job), loop_lag_ms: last.loop_lag_ms };
      void intoRedis(last).catch((error: unknown) => log.debug({ err: error }, 'the status key was not written'));
    },
    close: () => lag.disable(),
  };
}

export async function insertBeat(db: Queryable, beat: Beat, via: 'bridge' | 'direct'): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into agent_heartbeats (agent, host, pid, seq, status, via, current_job, rss_bytes, loop_lag_ms, beat_at)
     values ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, $9, $10) on conflict (agent, host, pid, seq) do nothing`,
    [
      beat.agent,
      beat.host,
      beat.pid,
      beat.seq,
      beat.status,
      via,
      beat.current_job,
      beat.rss_bytes,
      beat.loop_lag_ms,
      beat.beat_at,
    ],
  );
  return rowCount === 1;
}
