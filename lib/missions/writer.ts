import type { Queryable } from '../db/index.ts';
import { messageOf } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { CHECKPOINT } from './checkpointStatement.ts';
import type { Checkpoint, CheckpointResult } from './types.ts';

/** Commits checkpoints; those that wait while one group is being committed form the next. There is no timer. */
export interface CheckpointWriter {
  submit: (checkpoint: Checkpoint) => Promise<CheckpointResult>;
}

interface Member {
  checkpoint: Checkpoint;
  resolve: (result: CheckpointResult) => void;
  reject: (error: unknown) => void;
}

/** What the statement says of a mission that is still of the member's epoch. */
type Owned = { cancelRequested: boolean; open: boolean; signalSeq: number };

const GROUP_LIMIT = 256;
/** A checkpoint that cannot be stored for this long makes its segment fail; the job is then tried again. */
const CONNECTION_RETRIES = 30;
const CONNECTION_RETRY_MS = 1000;

export function createWriter(db: Queryable, log: Logger): CheckpointWriter {
  const waiting: Member[] = [];
  let busy = false;

  const flush = async () => {
    busy = true;
    while (waiting.length > 0) {
      // Sorted by mission, as every group is: two writers lock in the same order.
      const group = nextGroup().sort((a, b) => Number(BigInt(a.checkpoint.mission) - BigInt(b.checkpoint.mission)));
      await commit(group);
    }
    busy = false;
  };

  /**
   * One member a mission: the statement joins what is to be written by mission, so that a stale segment of a mission beside
   * its successor would be taken for it. What is left waits for the next group.
   */
  const nextGroup = (): Member[] => {
    const missions = new Set<string>();
    const group: Member[] = [];
    for (let index = 0; index < waiting.length && group.length < GROUP_LIMIT; ) {
      const { mission } = waiting[index]!.checkpoint;
      if (missions.has(mission)) index++;
      else {
        missions.add(mission);
        group.push(...waiting.splice(index, 1));
      }
    }
    return group;
  };

  const commit = async (group: Member[]): Promise<void> => {
    try {
      const mine = await commitWithRetries(
        db,
        group.map((member) => member.checkpoint),
        log,
      );
      for (const { checkpoint, resolve } of group)
        resolve({
          accepted: mine.has(checkpoint.mission),
          cancelRequested: false,
          open: false,
          signalSeq: 0,
          ...mine.get(checkpoint.mission),
        });
    } catch (error) {
      if (group.length === 1) return group[0]!.reject(error);
      // One bad member (an output that jsonb refuses, say) must not fail the others: each alone.
      log.warn({ err: error, members: group.length }, 'a group of checkpoints was refused; committing each alone');
      for (const member of group) await commit([member]);
    }
  };

  return {
    submit: (checkpoint) =>
      new Promise((resolve, reject) => {
        waiting.push({ checkpoint, resolve, reject });
        if (!busy) {
          busy = true;
          setImmediate(() => void flush());
        }
      }),
  };
}

async function commitWithRetries(db: Queryable, group: Checkpoint[], log: Logger): Promise<Map<string, Owned>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await commitOnce(db, group);
    } catch (error) {
      if (!isTransient(error) || attempt > CONNECTION_RETRIES) throw error;
      // Whether it was committed is unknown; the same members again is safe (see the statement).
      log.warn({ err: error, attempt }, 'checkpoints were not acknowledged; sending them again');
      await new Promise((resolve) => setTimeout(resolve, CONNECTION_RETRY_MS));
    }
  }
}

async function commitOnce(db: Queryable, group: Checkpoint[]): Promise<Map<string, Owned>> {
  const withMission = <T>(pick: (checkpoint: Checkpoint) => readonly T[]) =>
    group.flatMap((checkpoint) => pick(checkpoint).map((item) => ({ mission: checkpoint.mission, ...item })));
  const ends = withMission((checkpoint) => checkpoint.ends).map((end) => rawJson(end, end.output));
  const changes = withMission((checkpoint) => (checkpoint.change ? [checkpoint.change] : [])).map((change) =>
    rawJson(change, change.output),
  );
  const { rows } = await db.query<{ mine: [string | number, boolean, boolean, number][] | null }>({
    name: 'openclaw_checkpoint',
    text: CHECKPOINT,
    values: [
      JSON.stringify(group.map(({ mission, epoch }) => ({ mission, epoch }))),
      `[${ends.join(',')}]`,
      JSON.stringify(withMission((checkpoint) => checkpoint.requeues)),
      JSON.stringify(withMission((checkpoint) => checkpoint.starts)),
      `[${changes.join(',')}]`,
    ],
  });
  return new Map(
    (rows[0]?.mine ?? []).map(([id, cancelRequested, open, signalSeq]) => [
      String(id),
      { cancelRequested, open, signalSeq },
    ]),
  );
}

/** The object as JSON with `output`, which is JSON text already, put in as it is. */
function rawJson(item: { output: string | null }, output: string | null): string {
  return `${JSON.stringify({ ...item, output: undefined }).slice(0, -1)},"output":${output ?? 'null'}}`;
}

/** SQLSTATE classes 08 (connection), 40 (serialization, deadlock), 57P (shutdown), 53 (resources), and errors of the socket. */
export function isTransient(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string')
    return /^(08|40|53|57P)/.test(code) || /^(ECONN|EPIPE|ETIMEDOUT|ENOENT|EHOST)/.test(code);
  return /connection terminated|connection ended|timeout exceeded when trying to connect/i.test(messageOf(error));
}
