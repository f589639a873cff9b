import { randomUUID } from 'node:crypto';
import type { Queryable } from '../db/index.ts';
import { messageOf } from '../errors/index.ts';
import { type Logger, scrub } from '../log/index.ts';
import { HeldError } from '../policy/held.ts';
import { JobAborted } from '../queue/run.ts';

export interface BreakerOptions {
  /** Whether an error says that the service fails. Default: every error, but not our own abort and not what policy holds back. */
  counts?: (error: unknown) => boolean;
  signal?: AbortSignal;
  log?: Logger;
}

interface Admission {
  admitted: boolean;
  probe: boolean;
  failures: number;
  opens: number;
  open_until: Date | null;
  threshold: number | null;
  reason: string | null;
}

/**
 * Calls a service unless its breaker is open. The state is Postgres's, so that all processes share it: each call restores cockatiel's policy from
 * there, and what the policy makes of the call's end goes back. `minimax` is short for `service:minimax`.
 *
 * @throws HeldError while the breaker is open or another process has the probe; whatever `work` throws.
 */
export async function withBreaker<T>(
  db: Pick<Queryable, 'query'>,
  name: string,
  work: (signal: AbortSignal) => Promise<T>,
  { counts = isFailure, signal, log }: BreakerOptions = {},
): Promise<T> {
  const breaker = name.includes(':') ? name : `service:${name}`;
  const by = randomUUID();
  const { rows } = await db.query<Admission>('select * from breaker_admit($1, $2)', [breaker, by]);
  const admission = rows[0]!;
  if (!admission.admitted) {
    throw new HeldError('breaker', admission.reason!, admission.open_until, `openclaw breakers reset ${breaker}`);
  }
  const policy = await restorePolicy(admission, counts);
  let ok: boolean | null = true;
  policy.onFailure(({ handled }) => {
    ok = !handled;
  });
  try {
    return await policy.execute((context) => work(context.signal), signal);
  } catch (error) {
    // A call that we ended ourselves says nothing of the service: the probe is free for another.
    if (isAbort(error, signal)) ok = null;
    throw error;
  } finally {
    // A call that went well changes nothing where nothing was wrong.
    if (ok !== true || admission.probe || admission.failures > 0)
      await report(db, breaker, ok, by, policy.lastFailure, log);
  }
}

async function restorePolicy(admission: Admission, counts: (error: unknown) => boolean) {
  const { CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } = await import('cockatiel');
  const { probe, failures, opens, threshold } = admission;
  return circuitBreaker(handleWhen(counts), {
    breaker: new ConsecutiveBreaker(threshold!),
    // How long it stays open is the database's to say, by its own clock.
    halfOpenAfter: 0,
    initialState: {
      ownState: probe
        ? { value: CircuitState.Open, openedAt: 0, attemptNo: Math.max(1, opens) }
        : { value: CircuitState.Closed },
      breakerState: failures,
    },
  });
}

async function report(
  db: Pick<Queryable, 'query'>,
  breaker: string,
  ok: boolean | null,
  by: string,
  failure: unknown,
  log: Logger | undefined,
): Promise<void> {
  const cause = typeof failure === 'object' && failure !== null && 'error' in failure ? failure.error : failure;
  try {
    await db.query('select breaker_report($1, $2, $3, $4)', [
      breaker,
      ok,
      by,
      ok === false ? scrub(messageOf(cause)) : null,
    ]);
  } catch (error) {
    // The call has ended, and its result is the caller's; a probe that nobody reports ends by its own time.
    log?.warn({ err: error, breaker }, 'the end of a call was not counted');
  }
}

function isFailure(error: unknown): boolean {
  return !(error instanceof HeldError) && !(error instanceof JobAborted);
}

function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return error instanceof JobAborted || (signal?.aborted === true && error === signal.reason);
}
