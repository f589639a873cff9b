import type { Logger } from '../log/index.ts';
import { Run } from '../queue/run.ts';
import { JobAborted } from '../queue/runJob.ts';
import type { DurableRun } from './durable/index.ts';
import { runStep, type StepFinish, type StepRun } from './runStep.ts';
import { emptyEnd, pauseOf, type SegmentState } from './state.ts';
import type { StepRow } from './types.ts';

/** The steps of one segment that run now; each that ends is in the state's `finished`, and is told. */
export class RunningSteps {
  readonly #state: SegmentState;
  readonly #shared: Omit<StepRun, 'step' | 'own' | 'onDurable'>;
  readonly #log: Logger;
  readonly #tell: () => void;
  readonly #running = new Map<StepRow, Run>();
  readonly #functions = new Map<StepRow, DurableRun>();
  #aborted: JobAborted | undefined;

  constructor(state: SegmentState, shared: Omit<StepRun, 'step' | 'own' | 'onDurable'>, log: Logger, tell: () => void) {
    this.#state = state;
    this.#shared = shared;
    this.#log = log;
    this.#tell = tell;
  }

  start(step: StepRow): void {
    this.#state.inFlight.add(step.id);
    const own = new Run(step.id, step.task);
    this.#running.set(step, own);
    if (this.#aborted) own.abort(this.#aborted);
    const onDurable = (run: DurableRun) => void this.#functions.set(step, run);
    void runStep({ ...this.#shared, step, own, onDurable }).then(
      (finish) => this.#ended(finish),
      (error: unknown) => {
        this.#log.error({ step: step.name, err: error }, 'a step ended in a way that is not provided for');
        const end = emptyEnd(step, 'failed', 'E_UNREADABLE', 'the error of the step could not be read');
        this.#ended({ step, end });
      },
    );
  }

  #ended(finish: StepFinish): void {
    this.#state.inFlight.delete(finish.step.id);
    this.#running.delete(finish.step);
    this.#functions.delete(finish.step);
    this.#state.finished.push(finish);
    this.#tell();
  }

  /** What runs now, and what would still start. */
  abort(reason: JobAborted): void {
    this.#aborted ??= reason;
    for (const own of this.#running.values()) own.abort(reason);
  }

  /** Those that a hard pause stops. */
  abortPaused(): void {
    for (const [step, own] of this.#running) {
      const control = pauseOf(this.#state, step);
      if (control?.hard) own.abort(new JobAborted('paused', `paused: ${control.scope} ${control.target}`));
    }
  }

  /** Durable functions look for what they wait for. */
  async lookAgain(): Promise<void> {
    await Promise.all([...this.#functions.values()].map((run) => run.look()));
  }
}
