import type { Queryable } from '../db/index.ts';
import { HeldError, type HoldReason } from '../policy/held.ts';

/** Asked before each start of a job or step. Nothing is to be awaited where the task has no limit. */
export interface StartGate {
  /** @throws HeldError when the task may not start now. */
  admit: (task: string) => Promise<void> | undefined;
}

/** What is known of policy is at most this old when something starts. */
const IN_FORCE_MS = 1000;
/** When nobody knows when it will be different. */
const LOOK_AGAIN_MS = 60_000;

/**
 * Tasks with a quota, and those that somebody stopped, ask the database at each start, where it is spent under the quota's row lock; the others start
 * without a query. Which tasks those are is read when something starts and a second has gone by.
 */
export function createStartGate(db: Pick<Queryable, 'query'>): StartGate {
  let guarded: ReadonlySet<string> | null = null;
  let at = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  const look = () => {
    looking ??= (async () => {
      const asked = performance.now();
      const { rows } = await db.query<{ tasks: string[] | null }>('select guarded_tasks() as tasks');
      guarded = rows[0]!.tasks && new Set(rows[0]!.tasks);
      at = asked;
    })().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  // Starts of a task that come while its question is under way are asked for together by the next: one row holds a task's quota, and a
  // transaction a start made twenty of them wait for each other.
  const asking = new Map<string, { waiting: PromiseWithResolvers<void>[] }>();

  const ask = (task: string): Promise<void> => {
    const own = Promise.withResolvers<void>();
    const under = asking.get(task);
    if (under) under.waiting.push(own);
    else {
      const batch = { waiting: [own] };
      asking.set(task, batch);
      void askInTurn(task, batch);
    }
    return own.promise;
  };

  const askInTurn = async (task: string, batch: { waiting: PromiseWithResolvers<void>[] }) => {
    while (batch.waiting.length > 0) {
      const asked = batch.waiting.splice(0);
      try {
        const { granted, held } = await spendStarts(db, task, asked.length);
        asked.forEach((start, at) => {
          if (at < granted) start.resolve();
          else start.reject(held());
        });
      } catch (error) {
        for (const start of asked) start.reject(error);
      }
    }
    asking.delete(task);
  };

  const needsAsking = (task: string) => guarded === null || guarded.has(task);
  return {
    admit: (task) => {
      if (performance.now() - at < IN_FORCE_MS) return needsAsking(task) ? ask(task) : undefined;
      return look().then(
        () => (needsAsking(task) ? ask(task) : undefined),
        (error: Error) => {
          // Without an answer nothing starts.
          throw new HeldError(
            'policy',
            `policy could not be read: ${error.message}`,
            new Date(Date.now() + 2000),
            'openclaw health',
          );
        },
      );
    },
  };
}

async function spendStarts(db: Pick<Queryable, 'query'>, task: string, wanted: number) {
  const { rows } = await db.query<{
    granted: number;
    reason_code: HoldReason | null;
    reason: string;
    retry_at: Date | null;
    wait_ms: number | null;
  }>({
    name: 'openclaw_start_task',
    text: 'select *, extract(epoch from retry_at - clock_now())::float8 * 1000 as wait_ms from start_task($1, $2)',
    values: [task, wanted],
  });
  const { granted, reason_code, reason, retry_at, wait_ms } = rows[0]!;
  const held = () => {
    const remedy =
      reason_code === 'breaker' ? `openclaw breakers reset task:${task}` : 'openclaw policy show quota.tasks';
    return new HeldError(reason_code ?? 'policy', reason, retry_at, remedy, wait_ms ?? undefined);
  };
  return { granted, held };
}

/** Why policy gave a job or step back, and for how long. */
export interface Hold {
  readonly code: HoldReason;
  readonly reason: string;
  readonly delayMs: number;
  readonly until: Date | null;
}

/** Whether policy holds it back for a time, and for how long; an unknown price does not mend itself. */
export function holdOf(error: unknown): Hold | undefined {
  if (!(error instanceof HeldError) || error.reasonCode === 'price_unknown') return undefined;
  const wait = error.retryAt === null ? LOOK_AGAIN_MS : error.waitMs;
  return { code: error.reasonCode, reason: error.message, delayMs: Math.max(1000, wait), until: error.retryAt };
}
