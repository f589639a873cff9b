import cron, { type ScheduledTask } from 'node-cron';
import type { Bus } from '../bus/index.ts';
import type { Config } from '../config/index.ts';
import { createPool, type Pool, type Singleton, singletonName, takeSingleton, transaction } from '../db/index.ts';
import { messageOf, type OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { BEAT_MS, createHeart, type Doing } from './beat.ts';
import { onClockJump } from './clockJump.ts';
import { createDoorbell } from './doorbell.ts';
import { actAs, collecting, handleMessage, type MessageRow, type Parts } from './handle.ts';
import { loadIdentity } from './identity.ts';
import { loadDefinition, registerAgent } from './load.ts';
import type { AgentDefinition, Tick } from './types.ts';

export interface AgentOptions {
  id: string;
  /** Holds SOUL.md and agent.ts. */
  folder: string;
  config: Config;
  databaseUrl: string;
  bus: Bus;
  log: Logger;
  /** How long to wait while another instance runs; Infinity for a standby. */
  waitMs?: number;
  /** In place of what the folder's agent.ts defines. */
  definition?: AgentDefinition;
  signal?: AbortSignal;
}

export interface RunningAgent {
  readonly id: string;
  /** Settles when it cannot go on: its singleton is lost. */
  readonly ended: Promise<OpenClawError>;
  /** The message in hand is finished, or begun again by the next start; resolves within `limitMs`. */
  stop(limitMs?: number): Promise<void>;
}

/** Everything comes by the doorbell; this is for the ring that was lost. */
const LOOK_MS = 5000;
/** What a person changed (start, stop, the identity) is noticed by then. */
const LOOK_AT_MOST_MS = 500;
const STOP_LIMIT_MS = 8000;
/** The database is away, say: the message is begun again after this. */
const TROUBLE_MS = 1000;

/** The one loop that every agent is an instance of. @throws E_TAKEN (75), E_IDENTITY and E_AGENT (78). */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { id, config, bus } = options;
  const log = options.log.child({ agent: id });
  const definition = options.definition ?? (await loadDefinition(options.folder));
  let loaded = await loadIdentity(config.layout, id, options.folder);
  const pool = createPool(options.databaseUrl, {
    name: singletonName(`agent:${id}`),
    max: 2 + (definition.concurrency ?? 1),
    actor: `agent:${id}`,
    source: 'agent',
    log,
  });
  let only: Singleton;
  try {
    await registerAgent(pool, loaded);
    only = await takeSingleton({
      url: options.databaseUrl,
      name: `agent:${id}`,
      listen: ['agent:message'],
      log,
      ...(options.waitMs !== undefined && { waitMs: options.waitMs }),
      ...(options.signal && { signal: options.signal }),
    });
  } catch (error) {
    await pool.end();
    throw error;
  }
  const stopping = new AbortController();
  const heart = createHeart(id, { db: pool, bus, log });
  const bell = createDoorbell();
  only.onNotification((_channel, agent) => agent === id && bell.ring());
  const subscription = bus.subscribe(['gateway:events', 'reaction:trigger'], {
    onRing: (ring) => ring.ref.startsWith(`${id}/`) && bell.ring(),
    onConnected: bell.ring,
  });
  const inHand = new Map<string, MessageRow>();
  let wanted: 'running' | 'stopped' = 'running';
  const doing = (): Doing =>
    stopping.signal.aborted ? 'stopping' : inHand.size > 0 ? 'busy' : wanted === 'stopped' ? 'stopped' : 'idle';
  const job = () => [...inHand.values()].map((row) => `${row.kind} ${row.id}`).join(', ');
  const parts = (): Parts => ({
    agent: id,
    identity: loaded.identity,
    config,
    log,
    signal: stopping.signal,
    db: pool,
  });

  const refresh = async () => {
    const fresh = await loadIdentity(config.layout, id, options.folder);
    if (fresh.hash !== loaded.hash || fresh.fault !== loaded.fault) {
      if (fresh.fault)
        log.error({ fault: fresh.fault }, 'the identity file is faulty; the last good one stays in force');
      else log.info({ file: fresh.file }, 'a new identity is in force');
      loaded = fresh;
      await registerAgent(pool, loaded);
    }
  };
  let lookedAt = Number.NEGATIVE_INFINITY;
  const look = async () => {
    if (performance.now() - lookedAt < LOOK_AT_MOST_MS) return;
    lookedAt = performance.now();
    const { rows } = await pool.query<{ wanted: 'running' | 'stopped' }>(
      'select wanted from ops_agents where id = $1',
      [id],
    );
    const now = rows[0]?.wanted ?? 'running';
    if (now !== wanted) {
      log.info({ wanted: now }, now === 'stopped' ? 'told to stop: messages are kept' : 'told to go on');
      wanted = now;
      await heart.beat(doing(), job());
    }
    await refresh();
  };

  const work = async (row: MessageRow) => {
    try {
      const how = await handleMessage(row, definition, parts(), pool);
      if (how === 'handled' || how === 'failed')
        void bus.publish('outcome:learn', 'agent_message', `${id}/${row.id}`, row.trace_id);
      if (how === 'lost') log.warn({ message: row.id }, 'a message had ended already; nothing was written');
    } catch (error) {
      log.warn({ err: error, message: row.id }, 'a message could not be ended; it is begun again');
      await pause(TROUBLE_MS, stopping.signal);
    } finally {
      inHand.delete(row.id);
      heart.show(doing(), job());
      bell.ring();
    }
  };
  const running = new Set<Promise<void>>();
  const run = async () => {
    while (!stopping.signal.aborted) {
      bell.silence();
      let row: MessageRow | undefined;
      try {
        await look();
        if (wanted === 'running' && inHand.size < (definition.concurrency ?? 1) && !stopping.signal.aborted) {
          const { rows } = await pool.query<MessageRow>('select * from claim_agent_message($1, $2)', [
            id,
            [...inHand.keys()],
          ]);
          row = rows[0];
        }
      } catch (error) {
        log.warn({ err: error }, 'the messages could not be looked at; trying again');
        await pause(TROUBLE_MS, stopping.signal);
        continue;
      }
      if (!row) {
        // A ring within the half second that was not looked at is looked at after it.
        if (performance.now() - lookedAt > 50) setTimeout(bell.ring, LOOK_AT_MOST_MS).unref();
        await bell.wait(LOOK_MS, stopping.signal);
        continue;
      }
      inHand.set(row.id, row);
      heart.show('busy', job());
      const one = work(row);
      running.add(one);
      void one.finally(() => running.delete(one));
    }
  };

  await heart.beat('starting');
  const ticks: ScheduledTask[] = (definition.ticks ?? []).map((tick) =>
    cron.schedule(
      tick.cron,
      () => (wanted === 'running' && !stopping.signal.aborted ? runTick(tick, parts(), pool) : undefined),
      // A clock that is set forward by an hour passes thousands of them.
      { noOverlap: true, timezone: 'UTC', name: `${id}:${tick.name}`, suppressMissedWarning: true },
    ),
  );
  const jumps = onClockJump(() => {
    log.warn('the clock of this host was set; what is done by it is planned anew');
    for (const tick of ticks) {
      void tick.stop();
      void tick.start();
    }
  });
  await pool.query("insert into ops_agent_events (kind, agent, payload) values ('agent.started', $1, $2)", [
    id,
    JSON.stringify({
      pid: process.pid,
      identity: loaded.hash.slice(0, 12),
      ...(loaded.fault && { fault: loaded.fault }),
    }),
  ]);
  const beats = setInterval(
    () =>
      void heart
        .beat(doing(), job())
        .catch((error: unknown) => log.warn({ err: error }, `no beat: ${messageOf(error)}`)),
    BEAT_MS,
  );
  const loop = run();
  log.info({ pid: process.pid }, 'the agent runs');
  await heart.beat('idle');

  const stop = async (limitMs = STOP_LIMIT_MS) => {
    if (stopping.signal.aborted) return;
    clearInterval(beats);
    jumps.stop();
    for (const tick of ticks) await tick.destroy();
    subscription.stop();
    heart.show('stopping', job());
    stopping.abort();
    bell.ring();
    await within(Promise.allSettled([loop, ...running]), limitMs);
    await heart.beat('ended').catch((error: unknown) => log.warn({ err: error }, 'the last beat was not written'));
    heart.close();
    await only.release();
    await within(pool.end(), 1000);
    log.info('the agent has stopped');
  };
  return { id, ended: only.lost, stop };
}

async function runTick(tick: Tick, parts: Parts, pool: Pool): Promise<void> {
  try {
    const { context, writes } = collecting(parts, undefined);
    await tick.run(context);
    if (writes.length === 0) return;
    await transaction(pool, async (tx) => {
      await actAs(tx, `agent:${parts.agent}`, 'agent', crypto.randomUUID());
      for (const write of writes) await write(tx);
    });
  } catch (error) {
    parts.log.error({ err: error, tick: tick.name }, 'a tick failed; the next one tries again');
  }
}

/** No longer than `ms`; nothing of the waiting stays behind, which would keep the process. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
