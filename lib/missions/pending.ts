import type { Checkpoint, CheckpointResult } from './types.ts';
import type { CheckpointWriter } from './writer.ts';

/** Of outputs that are not committed yet. Beyond it the segment waits, so that memory stays bounded and a group small. */
const MOST_BYTES = 262_144;

interface Tell {
  answer: (result: CheckpointResult, checkpoint: Checkpoint) => void;
  failure: () => void;
}

/**
 * What a segment has to write and does not wait for. One checkpoint at a time is under way, so that they are committed in
 * their order; what comes meanwhile is added to the next, and to one that the writer has not taken yet.
 */
export class PendingCheckpoints {
  readonly #writer: CheckpointWriter;
  readonly #tell: Tell;
  /** Not taken by the writer, in their order; what is sealed is not added to. */
  readonly #waiting: { checkpoint: Checkpoint; sealed: boolean }[] = [];
  #underWay: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  #bytes = 0;

  constructor(writer: CheckpointWriter, tell: Tell) {
    this.#writer = writer;
    this.#tell = tell;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  get isFull(): boolean {
    return this.#bytes > MOST_BYTES;
  }

  /** A requeue only after settled(): one statement does not change a step twice. */
  add(part: Checkpoint): void {
    for (const { output } of part.ends) this.#bytes += output?.length ?? 0;
    const last = this.#waiting.at(-1);
    if (last && !last.sealed) addTo(last.checkpoint, part);
    else this.#waiting.push({ checkpoint: part, sealed: false });
    this.#submit();
  }

  /** What comes from here on is a checkpoint of its own: when the database refuses it, what was added so far is not refused with it. */
  seal(): void {
    const last = this.#waiting.at(-1);
    if (last) last.sealed = true;
  }

  /** Everything is committed. @throws what the database says of a checkpoint that cannot be stored. */
  async settled(): Promise<void> {
    while (this.#underWay) await this.#underWay;
    if (this.#failure) throw this.#failure.error;
  }

  #submit(): void {
    const first = this.#waiting[0];
    if (this.#underWay || this.#failure || !first) return;
    const { checkpoint } = first;
    // One that was passed over is taken again.
    const onTaken = () => {
      if (this.#waiting[0] === first) this.#waiting.shift();
    };
    this.#underWay = this.#writer.submit(checkpoint, onTaken).then(
      (result) => {
        onTaken();
        for (const { output } of checkpoint.ends) this.#bytes -= output?.length ?? 0;
        this.#underWay = undefined;
        this.#tell.answer(result, checkpoint);
        this.#submit();
      },
      (error: unknown) => {
        this.#underWay = undefined;
        this.#failure = { error };
        this.#tell.failure();
      },
    );
  }
}

/** The parts are of one mission and in their order; the later one requeues nothing. */
export function addTo(open: Checkpoint, { ends, requeues, starts, change }: Checkpoint): void {
  for (const end of ends) {
    const at = open.starts.findIndex(({ step }) => step === end.step);
    if (at >= 0) end.attempt = open.starts.splice(at, 1)[0]!.attempt;
    open.ends.push(end);
  }
  open.requeues.push(...requeues);
  open.starts.push(...starts);
  open.change ??= change;
}
