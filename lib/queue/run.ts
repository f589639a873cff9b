/** Why a job's signal aborts. A task may let it through; the ending is decided by it, not by what the task throws. */
export class JobAborted extends Error {
  readonly why: 'cancelled' | 'stopping' | 'timeout' | 'lease_lost' | 'paused';
  /** Not to be fetched again for this long. */
  readonly delayMs: number;
  constructor(why: JobAborted['why'], message: string, delayMs = 0) {
    super(message);
    this.delayMs = delayMs;
    this.name = 'JobAborted';
    this.why = why;
  }
}

export interface RunningJob {
  readonly id: string;
  readonly task: string;
  readonly startedAt: number;
  abort(reason: JobAborted): void;
}

const GRACE_MS = 5_000;

/** The runs of this process while somebody watches its event loop: those that go on, and the tasks of those that have ended since they were asked for. */
let remembered: { active: Set<Run>; ended: Set<string> } | undefined;

/** @returns how to forget them again. */
export function rememberRuns(): () => void {
  const mine = { active: new Set<Run>(), ended: new Set<string>() };
  remembered = mine;
  return () => {
    if (remembered === mine) remembered = undefined;
  };
}

/** The tasks that run or have ended since this was last asked; those that carry others' steps only where nothing else ran. */
export function takeTasksRun(): string[] {
  if (!remembered) return [];
  const { active, ended } = remembered;
  const tasks = new Set([...ended, ...[...active].map((run) => run.task)]);
  ended.clear();
  if (tasks.size > 1) tasks.delete('mission');
  return [...tasks];
}

/**
 * One attempt of one job, and its end by force. The signal and the timers are made when somebody looks or time passes: a
 * short job is over before either, and would pay more for them than for its work.
 */
export class Run implements RunningJob {
  readonly id: string;
  readonly task: string;
  /** By the monotonic clock, as all times of endings are: a host's clock may be set while a job runs. */
  readonly startedAt = performance.now();
  /** Why it was aborted, if it was. */
  reason: JobAborted | undefined;
  ended = false;
  #controller: AbortController | undefined;
  #onAbort: (() => void) | undefined;
  #limit: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;

  constructor(id: string, task: string) {
    this.id = id;
    this.task = task;
    remembered?.active.add(this);
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.reason) this.#controller.abort(this.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: JobAborted): void {
    if (this.reason || this.ended) return;
    this.reason = reason;
    this.#controller?.abort(reason);
    this.#onAbort?.();
  }

  limit(ms: number, timeoutMs: number): void {
    this.#limit = setTimeout(() => this.abort(new JobAborted('timeout', `timed out after ${timeoutMs} ms`)), ms);
  }

  /**
   * A task that ignores its signal must not hold the job for ever. What it does after that is fenced: its lease is given up
   * by the ending that follows. Its late error is nobody's: the abort's reason has been recorded.
   */
  untilAborted<T>(work: Promise<T>, graceMs = GRACE_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#onAbort = () => {
        clearTimeout(this.#grace);
        this.#grace = setTimeout(() => reject(this.reason), graceMs);
      };
      if (this.reason) this.#onAbort();
      Promise.resolve(work).then(resolve, reject);
    });
  }

  end(): void {
    this.ended = true;
    // timeLimit() still knows of it until this turn of the loop is over, and must not keep what the job was made of.
    this.#onAbort = undefined;
    this.#controller = undefined;
    if (remembered?.active.delete(this)) remembered.ended.add(this.task);
    clearTimeout(this.#limit);
    clearTimeout(this.#grace);
  }
}

/** Limits the runs of one task. Their timers are set once this turn of the loop is over, for those that still run. */
export function timeLimit(timeoutMs: number): (run: Run) => void {
  let started: { run: Run; at: number }[] = [];
  const arm = () => {
    const runs = started;
    started = [];
    const now = performance.now();
    for (const { run, at } of runs) if (!run.ended) run.limit(Math.max(0, timeoutMs - (now - at)), timeoutMs);
  };
  return (run) => {
    if (started.length === 0) setImmediate(arm);
    started.push({ run, at: performance.now() });
  };
}
