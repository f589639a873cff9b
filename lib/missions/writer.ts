import type { Queryable } from '../db/index.ts';
import { messageOf } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { claimAlone, commitGroup } from './commitGroup.ts';
import type { Checkpoint, CheckpointResult, Claim, Claimed } from './types.ts';

/** Claims missions and commits checkpoints; those that wait while one group is being committed form the next. There is no timer. */
export interface CheckpointWriter {
  /** Until `onTaken` it may be added to; then it is on its way, once or again, as it is. */
  submit: (checkpoint: Checkpoint, onTaken?: () => void) => Promise<CheckpointResult>;
  /** Null: this job may not claim it. */
  claim: (claim: Claim) => Promise<Claimed | null>;
}

interface Waiting<Asked, Result> {
  asked: Asked;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}
type Member =
  | ({ kind: 'checkpoint'; onTaken: (() => void) | undefined } & Waiting<Checkpoint, CheckpointResult>)
  | ({ kind: 'claim' } & Waiting<Claim, Claimed | null>);

const GROUP_LIMIT = 256;
/** Of steps that end or start: a member may have many, and a group holds its missions' rows as long as all of them take. */
const GROUP_ROWS = 2000;
/** Of outputs: a large one goes by itself, so that nothing waits for it. */
const GROUP_BYTES = 1_048_576;
/** From so many members on, two groups of half the size are under way: while one commits, the other is made. Below it, two small ones cost more than one. */
const TWO_GROUPS_FROM = 50;
/** A checkpoint that cannot be stored for this long makes its segment fail; the job is then tried again. */
const CONNECTION_RETRIES = 30;
const CONNECTION_RETRY_MS = 1000;
/** A mission that somebody's open transaction holds is asked for again after this long. */
const BUSY_RETRY_MS = 20;

export function createWriter(db: Queryable, log: Logger): CheckpointWriter {
  const waiting: Member[] = [];
  let underWay = 0;
  let groups = 0;
  let scheduled = false;

  const flush = () => {
    scheduled = false;
    const all = waiting.length + underWay;
    const most = all >= TWO_GROUPS_FROM ? 2 : 1;
    const limit = Math.min(GROUP_LIMIT, most === 2 ? Math.ceil(all / 2) : GROUP_LIMIT);
    while (groups < most && waiting.length > 0) {
      // Sorted by mission: rows of a group are reached in the order of their index.
      const group = nextGroup(limit).sort((a, b) => Number(a.asked.mission) - Number(b.asked.mission));
      underWay += group.length;
      groups++;
      void commit(group).finally(() => {
        underWay -= group.length;
        groups--;
        // Not at once: what follows from this group is asked for in this turn of the loop, and belongs into the next one.
        schedule();
      });
    }
  };

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  };

  const push = (member: Member) => {
    waiting.push(member);
    schedule();
  };

  /**
   * One member a mission: the statement joins what is to be written by mission, so that a stale segment of a mission beside
   * its successor would be taken for it. What is left waits for the next group.
   */
  const nextGroup = (limit: number): Member[] => {
    const missions = new Set<string>();
    const group: Member[] = [];
    const left: Member[] = [];
    let bytes = 0;
    let rows = 0;
    for (const member of waiting) {
      const { mission } = member.asked;
      bytes += outputBytes(member);
      rows += 'ends' in member.asked ? member.asked.ends.length + member.asked.starts.length : 1;
      const isFull = group.length >= limit || bytes > GROUP_BYTES || rows > GROUP_ROWS;
      if (missions.has(mission) || (isFull && group.length > 0)) left.push(member);
      else {
        missions.add(mission);
        group.push(member);
        if (member.kind === 'checkpoint') member.onTaken?.();
      }
    }
    waiting.splice(0, waiting.length, ...left);
    return group;
  };

  const commit = async (group: Member[]): Promise<void> => {
    try {
      await commitWithRetries(group);
    } catch (error) {
      if (group.length === 1) return group[0]!.reject(error);
      // One bad member (an output that jsonb refuses, say) must not fail the others: each alone.
      log.warn({ err: error, members: group.length }, 'a group of checkpoints was refused; committing each alone');
      for (const member of group) await commit([member]);
    }
  };

  const commitWithRetries = async (group: Member[]): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await commitOnce(group);
      } catch (error) {
        if (!isTransient(error) || attempt > CONNECTION_RETRIES) throw error;
        // Whether it was committed is unknown; the same members again is safe (see the statement).
        log.warn({ err: error, attempt }, 'checkpoints were not acknowledged; sending them again');
        await new Promise((resolve) => setTimeout(resolve, CONNECTION_RETRY_MS));
      }
    }
  };

  const commitOnce = async (group: Member[]): Promise<void> => {
    const answer = await commitGroup(db, group);
    const refused: (Member & { kind: 'claim' })[] = [];
    for (const member of group) {
      if (member.kind === 'claim') {
        const claimed = answer.claimed.get(member.asked.mission);
        if (claimed) member.resolve(claimed);
        else refused.push(member);
      } else if (answer.busy.has(member.asked.mission)) setTimeout(push, BUSY_RETRY_MS, member).unref();
      else {
        const own = answer.mine.get(member.asked.mission);
        member.resolve({ accepted: own !== undefined, cancelRequested: false, open: false, signalSeq: 0, ...own });
      }
    }
    // Beside the groups: one of them may wait for whoever holds its mission.
    for (const member of refused) claimAlone(db, member.asked).then(member.resolve, member.reject);
  };

  return {
    submit: (asked, onTaken) =>
      new Promise((resolve, reject) => push({ kind: 'checkpoint', asked, onTaken, resolve, reject })),
    claim: (asked) => new Promise((resolve, reject) => push({ kind: 'claim', asked, resolve, reject })),
  };
}

function outputBytes({ asked }: Member): number {
  if (!('ends' in asked)) return 0;
  return asked.ends.reduce((sum, { output }) => sum + (output?.length ?? 0), asked.change?.output?.length ?? 0);
}

/** SQLSTATE classes 08 (connection), 40 (serialization, deadlock), 57P (shutdown), 53 (resources), and errors of the socket. */
export function isTransient(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string')
    return /^(08|40|53|57P)/.test(code) || /^(ECONN|EPIPE|ETIMEDOUT|ENOENT|EHOST)/.test(code);
  return /connection terminated|connection ended|timeout exceeded when trying to connect/i.test(messageOf(error));
}
