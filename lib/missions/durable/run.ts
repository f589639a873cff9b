import { OpenClawError } from '../../errors/index.ts';
import { JobAborted } from '../../queue/runJob.ts';
import { PermanentError } from '../../tasks/define.ts';
import type { TaskRuntime } from '../../tasks/runtime.ts';
import type { Asked, MissionRow, StepRow } from '../types.ts';
import { badName, functionChanged, usedTwice } from './errors.ts';
import type { Recorded, StepRecord } from './recorder.ts';
import { LOAD_ANSWERS, LOAD_RECORDED, LOAD_SIGNALS } from './recordStatement.ts';
import type { DurableFinish, DurableOptions, RecordedStep, Signal } from './types.ts';

interface Wait {
  reason: string;
  /** Of performance.now(). */
  dueAt: number;
  isReady: () => boolean;
  wake: (how: 'ready' | 'due') => void;
}

/** A wait above this parks the mission; below it, parking costs more than waiting. */
const PARK_ABOVE_MS = 5_000;
/** Nothing but waits for this long: the function stands still. Code outside of steps has this long to get to its next one. */
const STANDSTILL_MS = 50;
const STEPS_LIMIT = 10_000;
/** Behind the steps of a plan, of which there are 200 at most. */
const FIRST_POSITION = 201;
const TIMER_LIMIT_MS = 2_147_483_647;
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._:/@#-]{0,199}$/u;

/** Given to a function that is over: what it awaits does not come, and it is forgotten with it. */
const NEVER = new Promise<never>(() => undefined);

/**
 * One run of a durable function: what it has recorded, what it waits for, and when it stands still. A function that stands
 * still for longer than a moment is dropped as it is, like one whose worker was killed: its mission parks, and a later run
 * goes through the recorded outputs to the same place.
 */
export class DurableRun {
  readonly options: DurableOptions;
  readonly prefix: string;
  /** Something from outside came in: what the function gives is not to be believed. */
  untrusted = false;
  recorded = new Map<string, RecordedStep>();
  /** The signal_seq that what it has read is as new as: whatever came later, it has not seen. */
  lookedAt = -1;
  #signals: Signal[] = [];
  #reading: Promise<void> = Promise.resolve();
  #called = new Set<string>();
  #counts = new Map<string, number>();
  #waits = new Set<Wait>();
  #active = 0;
  #stillness: NodeJS.Timeout | undefined;
  #over = false;
  #settle!: (finish: DurableFinish) => void;
  readonly finished: Promise<DurableFinish>;
  readonly #closing = new AbortController();
  readonly signal: AbortSignal;

  constructor(options: DurableOptions) {
    this.options = options;
    this.prefix = options.mission.plan.function === undefined ? `${options.body.name}/` : '';
    this.signal = AbortSignal.any([options.signal, this.#closing.signal]);
    this.finished = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get over(): boolean {
    return this.#over;
  }

  load(): Promise<void> {
    return this.#read(async (runtime, mission, body) => {
      const steps = await runtime.db.query<RecordedStep>(LOAD_RECORDED, [body.id]);
      const signals = await runtime.db.query<Signal>(LOAD_SIGNALS, [mission.id]);
      this.recorded = new Map(steps.rows.map((row) => [row.name, row]));
      this.#signals = signals.rows;
    });
  }

  /** One reading after the other; only when it is there has it been looked at. */
  #read(work: (runtime: TaskRuntime, mission: MissionRow, body: StepRow) => Promise<void>): Promise<void> {
    const { runtime, mission, body } = this.options;
    const read = this.#reading.then(async () => {
      const seen = this.options.seen();
      await work(runtime, mission, body);
      this.lookedAt = seen;
    });
    // The next reading does not depend on this one; whoever asked for it gets its error.
    this.#reading = read.catch(() => undefined);
    return read;
  }

  start(work: () => Promise<unknown>): Promise<DurableFinish> {
    const { signal } = this.options;
    const onAbort = () => void this.#abort();
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    this.#moved();
    Promise.resolve()
      .then(work)
      .then(
        (value) => this.finish({ kind: 'returned', value }),
        (error: unknown) => this.finish({ kind: 'threw', error }),
      );
    return this.finished;
  }

  finish(finish: DurableFinish): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#stillness);
    this.#closing.abort(new JobAborted('lease_lost', 'the function is over'));
    this.#waits.clear();
    this.#settle(finish);
  }

  /** What runs gets its signal and a few seconds, and its end is recorded before the run is over. */
  async #abort(): Promise<void> {
    const deadline = performance.now() + ABORT_GRACE_MS;
    while (this.#active > 0 && !this.#over && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    this.finish({ kind: 'aborted' });
  }

  /** Takes a name for a step of this kind. @returns what is recorded of it. @throws when the name does not fit. */
  claim(name: string, kind: RecordedStep['kind'], of: (row: RecordedStep) => string = () => kind, now: string = kind) {
    if (typeof name !== 'string' || !NAME.test(name)) throw badName(name);
    const full = this.prefix + name;
    if (this.#called.has(full) || full === this.options.body.name) throw usedTwice(name);
    if (this.#called.size >= STEPS_LIMIT) {
      throw new PermanentError('E_TOO_MANY_STEPS', `a mission has at most ${STEPS_LIMIT} steps`, {
        remedy: 'let one step do more, or invoke other missions',
      });
    }
    this.#called.add(full);
    const row = this.recorded.get(full);
    if (row && row.kind !== kind) throw functionChanged(name, row.kind, kind);
    if (row && of(row) !== now) throw functionChanged(name, of(row), now);
    return { full, row };
  }

  /** The n-th of an unnamed kind: `sleep`, `sleep_2`, ... */
  numbered(base: string): string {
    const n = (this.#counts.get(base) ?? 0) + 1;
    this.#counts.set(base, n);
    return n === 1 ? base : `${base}_${n}`;
  }

  /** Recorded names that the function did not come to this time. */
  unused(): string[] {
    return [...this.recorded.keys()].filter((name) => !this.#called.has(name));
  }

  /** Commits what a step has come to. Once the mission is another's, nothing goes on here. */
  async record(step: Omit<StepRecord, 'parent' | 'position'>): Promise<Recorded> {
    const { recorder, mission, body } = this.options;
    const position = Math.min(FIRST_POSITION + this.#called.size, 32_000);
    const result = await recorder.record(mission.id, mission.epoch, { ...step, parent: body.id, position });
    if (!result.accepted) return this.lost();
    this.options.onNews(result.signalSeq, result.cancelRequested);
    return this.#over ? NEVER : result;
  }

  /** Runs what is not a wait: while it does, the function does not stand still. */
  async busy<T>(work: () => Promise<T>): Promise<T> {
    if (this.#over) return NEVER;
    this.#active += 1;
    this.#moved();
    try {
      const result = await work();
      return this.#over ? await NEVER : result;
    } finally {
      this.#active -= 1;
      this.#moved();
    }
  }

  /** Until it is ready (looked at whenever something came in) or due. */
  until(reason: string, waitMs: number | null, isReady: () => boolean): Promise<'ready' | 'due'> {
    if (this.#over) return NEVER;
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const wait: Wait = {
        reason,
        dueAt: waitMs === null ? Number.POSITIVE_INFINITY : performance.now() + waitMs,
        isReady,
        wake: (how) => {
          clearTimeout(timer);
          this.#waits.delete(wait);
          this.#moved();
          resolve(how);
        },
      };
      if (waitMs !== null) timer = setTimeout(() => !this.#over && wait.wake('due'), Math.min(waitMs, TIMER_LIMIT_MS));
      timer?.unref();
      this.#waits.add(wait);
      this.#moved();
    });
  }

  /** Something came for the mission: signals and answers are read, and what waited for one goes on. */
  look(): Promise<void> {
    this.looks += 1;
    return this.#read(async (runtime, mission, body) => {
      const signals = await runtime.db.query<Signal>(LOAD_SIGNALS, [mission.id]);
      const answers = await runtime.db.query<{ name: string; asked: Asked | null; child: RecordedStep['child'] }>(
        LOAD_ANSWERS,
        [body.id],
      );
      this.#signals = signals.rows;
      for (const { name, asked, child } of answers.rows) {
        if (asked) this.answers.set(name, asked);
        if (child) this.children.set(name, child);
      }
      for (const wait of [...this.#waits]) if (wait.isReady()) wait.wake('ready');
    });
  }

  /** How often something came. */
  looks = 0;
  /** By full name: questions and what was answered. */
  readonly answers = new Map<string, Asked>();
  /** By full name: invoked missions that have ended. */
  readonly children = new Map<string, NonNullable<RecordedStep['child']>>();
  readonly never = NEVER;

  /** The mission is another's: nothing goes on here. */
  lost(): Promise<never> {
    this.finish({ kind: 'lost' });
    return NEVER;
  }

  nextSignal(name: string) {
    return this.#signals.find((signal) => signal.name === name && !this.options.taken.has(signal.id));
  }

  #moved(): void {
    clearTimeout(this.#stillness);
    if (this.#over || this.#active > 0) return;
    // Without a step or a wait it is the function's own code that takes so long.
    const still = this.#waits.size > 0;
    this.#stillness = setTimeout(
      () => (still ? this.#stand() : this.#stuck()),
      still ? STANDSTILL_MS : this.options.task.timeoutMs,
    );
  }

  #stand(): void {
    const soonest = [...this.#waits].reduce((first, wait) => (wait.dueAt < first.dueAt ? wait : first));
    const ms = soonest.dueAt - performance.now();
    if (ms <= PARK_ABOVE_MS) return;
    const reasons = [...this.#waits].map((wait) => wait.reason);
    const reason = reasons.find((each) => each === 'step_unknown' || each === 'approval') ?? soonest.reason;
    this.finish({ kind: 'suspended', wakeMs: Number.isFinite(ms) ? ms : null, reason });
  }

  #stuck(): void {
    const { timeoutMs } = this.options.task;
    const error = new OpenClawError('timeout', `its own code ran for ${timeoutMs} ms without coming to a step`, {
      remedy: 'put what takes long into a step',
    });
    this.finish({ kind: 'threw', error });
  }
}

const ABORT_GRACE_MS = 4_500;
