import os from 'node:os';
import type { Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { rememberRuns, takeTasksRun } from '../queue/run.ts';

// A task that computes, or waits in a synchronous call, for seconds blocks whatever shares its process: the leases, other jobs, and
// in the crew of `up` the gateway as well. It is told by name, since nothing else shows it.

const LOOK_MS = 250;
const BLOCKED_MS = 2000;
/** One event for all that blocked within it. */
const TELL_MS = 10_000;

export interface Blocked {
  /** The longest time that the loop stood still. */
  readonly ms: number;
  readonly times: number;
  /** What of it was computing; the rest was waiting in a synchronous call, or a machine without time for this process. */
  readonly cpu_ms: number;
  /** What ran meanwhile. */
  readonly tasks: readonly string[];
}

/** Looks at the event loop of this process while jobs run in it; `tell` is called at most every 10 s. */
export function watchLoop(tell: (blocked: Blocked) => void, { blockedMs = BLOCKED_MS, tellMs = TELL_MS } = {}) {
  const forget = rememberRuns();
  let lookedAt = performance.now();
  let cpu = process.cpuUsage();
  let found: Blocked | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  const timer = setInterval(() => {
    const now = performance.now();
    const ms = Math.round(now - lookedAt - LOOK_MS);
    const used = process.cpuUsage(cpu);
    const tasks = takeTasksRun();
    lookedAt = now;
    cpu = process.cpuUsage();
    if (ms >= blockedMs && tasks.length > 0) {
      const cpuMs = Math.round((used.user + used.system) / 1000);
      found = {
        ms: Math.max(ms, found?.ms ?? 0),
        times: (found?.times ?? 0) + 1,
        cpu_ms: Math.max(cpuMs, found?.cpu_ms ?? 0),
        tasks: [...new Set([...(found?.tasks ?? []), ...tasks])].slice(0, 8),
      };
    }
    if (!found || now - toldAt < tellMs) return;
    tell(found);
    found = undefined;
    toldAt = now;
  }, LOOK_MS);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      forget();
    },
  };
}

/** A line in the log and an event, which health, the screen and rules read. */
export function tellBlocked(db: Queryable, log: Logger) {
  return (blocked: Blocked) => {
    const { ms, tasks } = blocked;
    log.warn(
      blocked,
      `the event loop stood still for ${(ms / 1000).toFixed(1)} s while ${tasks.join(', ')} ran: everything in this process waited`,
    );
    db.query(
      "insert into ops_agent_events (kind, severity, payload, tags) values ('worker.blocked', 'warning', $1, $2)",
      [JSON.stringify({ ...blocked, host: os.hostname(), pid: process.pid }), tasks],
    ).catch((error: unknown) => log.warn({ err: error }, 'that the loop was blocked was not recorded'));
  };
}
