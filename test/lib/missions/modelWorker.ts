import { goByAnswers, hasWork, nextCheckpoint, recoverSteps, takeAnswers } from '../../../lib/missions/decide.ts';
import { loadSteps } from '../../../lib/missions/loadSteps.ts';
import { missionChange } from '../../../lib/missions/missionChange.ts';
import { addTo } from '../../../lib/missions/pending.ts';
import { askAbout, stepsToAsk } from '../../../lib/missions/questions.ts';
import { runsAhead } from '../../../lib/missions/runAhead.ts';
import { emptyEnd, openState, type SegmentState } from '../../../lib/missions/state.ts';
import type { Checkpoint, StepEnd } from '../../../lib/missions/types.ts';
import type { CheckpointWriter } from '../../../lib/missions/writer.ts';
import type { Database } from '../../../lib/tasks/runtime.ts';

/** What the task is of every step that is planned as one that reads. */
const READS = { effect: 'read', durable: false, limits: null } as const;

export type HowItEnds = 'succeeded' | 'failed' | 'retried';

/**
 * A worker that a test moves by hand: the real statements and the real decisions of a segment, but each turn of it, and each end of
 * a step, happens when the test says so. What it knows is in memory only, as a process's is.
 */
export class ModelWorker {
  poolId = '';
  #job: string | undefined;
  #state: SegmentState | undefined;
  #ends: StepEnd[] = [];
  /** What happened and is not committed yet, as PendingCheckpoints holds it. */
  #held: Checkpoint | undefined;
  readonly #db: Database;
  readonly #writer: CheckpointWriter;
  readonly #name: string;
  #lives = 0;

  constructor(name: string, db: Database, writer: CheckpointWriter) {
    this.#name = name;
    this.#db = db;
    this.#writer = writer;
  }

  get runs(): boolean {
    return this.#state !== undefined;
  }

  /** A new process under the same name; a predecessor's memory is gone with it. */
  async start(): Promise<void> {
    this.#forget();
    this.#lives += 1;
    this.poolId = `${this.#name}-${this.#lives}-${Math.random().toString(36).slice(2)}`;
    await this.#db.query(
      `insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency, session_tag) values ($1, $1, 'missions', 'model', 'boot', 1, '1', 1, $1)`,
      [this.poolId],
    );
  }

  /** SIGKILL: nothing is told to anybody. */
  kill(): void {
    this.poolId = '';
    this.#forget();
  }

  #forget(): void {
    this.#job = undefined;
    this.#state = undefined;
    this.#ends = [];
    this.#held = undefined;
  }

  /** Starts that only this worker knows of. */
  get unrecorded(): number {
    if (!this.#held) return 0;
    return this.#held.starts.length + this.#held.ends.filter(({ attempt }) => attempt !== undefined).length;
  }

  /** As graphile-worker fetches. */
  async fetch(): Promise<void> {
    if (!this.poolId || this.#job) return;
    const { rows } = await this.#db.query<{ id: string }>(
      `update graphile_worker._private_jobs set locked_by = $1, locked_at = now(), attempts = attempts + 1
       where id = (select id from graphile_worker._private_jobs where locked_at is null and run_at <= now() order by priority, run_at, id limit 1 for update skip locked) returning id`,
      [this.poolId],
    );
    this.#job = rows[0]?.id;
  }

  /** One turn of the segment; a claim first. */
  async turn(mission: string): Promise<void> {
    if (!this.#job) return;
    if (!this.#state) return this.#claim(mission);
    const state = this.#state;
    const { rows } = await this.#db.query<{ signal_seq: number }>('select signal_seq from ops_missions where id = $1', [
      mission,
    ]);
    if (rows[0]!.signal_seq > state.seen) await this.#readNews(rows[0]!.signal_seq);
    this.#ends.push(...goByAnswers(state));
    const { checkpoint, begun } = nextCheckpoint(state, this.#ends, false);
    this.#ends = [];
    const toAsk = stepsToAsk(state);
    if (state.inFlight.size + begun.length + checkpoint.requeues.length + toAsk.length === 0)
      checkpoint.change = await missionChange(state, this.#db);
    const ahead = begun.filter((step) => runsAhead(state.mission, step, READS));
    for (const step of ahead) state.inFlight.add(step.id);
    const isWaitedFor =
      checkpoint.change !== null || checkpoint.requeues.length > 0 || begun.length > ahead.length || toAsk.length > 0;
    if (checkpoint.requeues.length > 0 && !(await this.commit())) return;
    if (hasWork(checkpoint)) {
      if (this.#held) addTo(this.#held, checkpoint);
      else this.#held = checkpoint;
    }
    if (isWaitedFor && !(await this.commit())) return;
    for (const step of begun) state.inFlight.add(step.id);
    for (const step of toAsk) if (!(await askAbout(this.#db, state, step))) return this.#leave(false);
  }

  /** The writer takes what is held. @returns whether the segment goes on. */
  async commit(): Promise<boolean> {
    const checkpoint = this.#held;
    this.#held = undefined;
    if (!checkpoint) return true;
    const result = await this.#writer.submit(checkpoint);
    const { change } = checkpoint;
    const parkedTooLate = change?.state === 'waiting' && result.signalSeq !== change.seen;
    if (!result.accepted || !result.open || (change && !parkedTooLate)) {
      await this.#leave(result.accepted);
      return false;
    }
    if (result.cancelRequested) this.cancelled();
    return true;
  }

  /** A cancel arrives: what runs is aborted. */
  cancelled(): void {
    const state = this.#state;
    if (!state || state.cancelRequested) return;
    state.cancelRequested = true;
    for (const id of [...state.inFlight]) {
      const step = state.steps.find((one) => one.id === id)!;
      state.inFlight.delete(id);
      state.finished.push({ step, end: emptyEnd(step, 'cancelled', 'cancelled', 'aborted') });
    }
  }

  /** The first step that runs ends. */
  finish(how: HowItEnds): void {
    const state = this.#state;
    const id = state && [...state.inFlight][0];
    if (!state || id === undefined) return;
    state.inFlight.delete(id);
    const step = state.steps.find((one) => one.id === id)!;
    if (how === 'retried' && step.attempt < step.max_attempts) {
      const requeue = {
        step: id,
        state: 'queued',
        attempt: step.attempt,
        delay_ms: 0,
        error_class: 'again',
        error: 'again',
      } as const;
      state.finished.push({ step, requeue });
    } else if (how === 'succeeded')
      state.finished.push({ step, end: { ...emptyEnd(step, 'succeeded', null, null), output: '{}' } });
    else state.finished.push({ step, end: emptyEnd(step, 'failed', 'broken', 'it broke') });
  }

  async #claim(mission: string): Promise<void> {
    const claimed = await this.#writer.claim({ mission, job: this.#job!, pool: this.poolId });
    if (!claimed) {
      await this.#db.query('select park_paused($1, $2), park_broken($1, $2)', [mission, this.#job]);
      return this.#leave(true);
    }
    this.#state = openState(claimed.mission, claimed.steps ?? (await loadSteps(this.#db, mission)));
    for (const id of claimed.begun) this.#state.inFlight.add(id);
    this.#ends = recoverSteps(this.#state, () => undefined);
  }

  async #readNews(seen: number): Promise<void> {
    const state = this.#state!;
    state.seen = seen;
    takeAnswers(state, await loadSteps(this.#db, state.mission.id));
  }

  /** The job's end as the worker's ledger writes it; a fenced segment's job fails and is tried again, where it is still held. */
  async #leave(well: boolean): Promise<void> {
    const job = this.#job!;
    this.#forget();
    if (well)
      await this.#db.query('select end_succeeded_jobs($1, $2, $3, $4, $5)', [[job], [null], [0], [0], this.poolId]);
    else
      await this.#db.query('select end_failed_jobs($1, $2)', [
        JSON.stringify([{ id: job, kind: 'retry', message: 'fenced', delay_ms: 0 }]),
        this.poolId,
      ]);
  }
}
