/** A row of ops_controls. */
export interface Control {
  scope: 'all' | 'agent' | 'task' | 'mission' | 'schedule';
  target: string;
  hard: boolean;
}

/** What wants to start or goes on. */
export interface Subject {
  task?: string;
  agent?: string | null;
  mission?: string;
}

/**
 * What is paused, as this process last read it. A start asks `confirm()` first: what was read longer than a second ago is
 * read again, so that nothing starts a second after a pause, and a process that was stopped or cut off starts nothing at all
 * before it knows that it still holds its lease.
 */
export class ControlState {
  #controls: readonly Control[] = [];
  /** Both clocks: the monotonic one stands still while a machine sleeps, the other one may be set back. */
  #read = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };
  #reading: Promise<void> | undefined;
  readonly #clock: { monotonic: () => number; wall: () => number };
  /** Reads the state anew and calls `update`; rejects when the database does not answer. */
  readonly #readAnew: () => Promise<void>;
  #onChange: (() => void)[] = [];

  constructor(readAnew: () => Promise<void>, clock = { monotonic: () => performance.now(), wall: () => Date.now() }) {
    this.#readAnew = readAnew;
    this.#clock = clock;
  }

  /** `askedAt`: when the question was sent, not when its answer came. */
  update(controls: readonly Control[], askedAt: { monotonic: number; wall: number }): void {
    const changed = JSON.stringify(controls) !== JSON.stringify(this.#controls);
    this.#controls = controls;
    this.#read = askedAt;
    if (changed) for (const tell of this.#onChange) tell();
  }

  now(): { monotonic: number; wall: number } {
    return { monotonic: this.#clock.monotonic(), wall: this.#clock.wall() };
  }

  ageMs(): number {
    const { monotonic, wall } = this.now();
    return Math.max(monotonic - this.#read.monotonic, wall - this.#read.wall);
  }

  /** Nothing to wait for while the state is fresh, which is nearly always. @throws when it cannot be read. */
  confirm(maxAgeMs = 1000): Promise<void> | undefined {
    if (this.ageMs() <= maxAgeMs) return undefined;
    this.#reading ??= this.#readAnew().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** The control that is in the way, a hard one first. */
  pausedBy({ task, agent, mission }: Subject): Control | undefined {
    if (this.#controls.length === 0) return undefined;
    const found = this.#controls.filter(
      ({ scope, target }) =>
        scope === 'all' ||
        (scope === 'task' && target === task) ||
        (scope === 'agent' && target === agent) ||
        (scope === 'mission' && target === mission),
    );
    return found.find((control) => control.hard) ?? found[0];
  }

  get pausesAnything(): boolean {
    return this.#controls.length > 0;
  }

  /** Whether any agent is paused: only then is it worth asking on whose behalf a job runs. */
  get pausesAgents(): boolean {
    return this.#controls.some((control) => control.scope === 'agent');
  }

  onChange(tell: () => void): void {
    this.#onChange.push(tell);
  }
}
