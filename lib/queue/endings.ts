import type { Hold } from './startGate.ts';

/**
 * How a job's run ended, noted by the wrapper that ran it and read by the statement that removes or releases the job
 * (graphile-worker itself passes on no result and only a message).
 *
 *   running --returned--> done       removed, history `succeeded` with its result
 *           --threw-----> retry      released, run again after the task's own backoff
 *           --threw-----> final      removed, history `failed` or `cancelled`
 *           --stopping--> give_back  released at once (or to be fetched after a delay), its attempt refunded
 *
 * Times are of performance.now().
 */
export type Ending =
  | { kind: 'done'; startedAt: number; finishedAt: number; result: string | null }
  | { kind: 'retry'; startedAt: number; message: string; delayMs: number }
  | {
      kind: 'final';
      startedAt: number;
      finishedAt: number;
      message: string;
      errorClass: string;
      state: 'failed' | 'cancelled';
    }
  | {
      kind: 'give_back';
      startedAt: number;
      delayMs?: number;
      /** What of policy held it back, for whoever asks why it does not start. */
      held?: Hold;
    };

/**
 * Counted and not noted as an ending: such a job may be let in and fetched again before graphile-worker has said that the
 * first run of it failed.
 */
export class GoneJobs {
  readonly #counts = new Map<string, number>();

  add(jobId: string): void {
    this.#counts.set(jobId, (this.#counts.get(jobId) ?? 0) + 1);
  }

  /** Whether one of its runs ended so; it is forgotten then. */
  take(jobId: string): boolean {
    const count = this.#counts.get(jobId);
    if (count === undefined) return false;
    if (count > 1) this.#counts.set(jobId, count - 1);
    else this.#counts.delete(jobId);
    return true;
  }
}

/** By job id. An entry is taken when its statement is built, so the map never outgrows the jobs in flight. */
export type Endings = Map<string, Ending>;
