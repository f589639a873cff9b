import type { Queryable } from '../db/index.ts';
import { messageOf } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { CLAIM, LOAD_STEPS } from './claimStatement.ts';
import { type GroupParts, groupStatement } from './groupStatement.ts';
import type { Checkpoint, CheckpointResult, Claim, Claimed, MissionRow, StepEnd, StepRow } from './types.ts';

/** Claims missions and commits checkpoints; those that wait while one group is being committed form the next. There is no timer. */
export interface CheckpointWriter {
  submit: (checkpoint: Checkpoint) => Promise<CheckpointResult>;
  /** Null: this job may not claim it. */
  claim: (claim: Claim) => Promise<Claimed | null>;
}

interface Waiting<Asked, Result> {
  asked: Asked;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}
type Member =
  | ({ kind: 'checkpoint' } & Waiting<Checkpoint, CheckpointResult>)
  | ({ kind: 'claim' } & Waiting<Claim, Claimed | null>);

/** What the statement says of a mission that is still of the member's epoch. */
type Owned = { cancelRequested: boolean; open: boolean; signalSeq: number };

const GROUP_LIMIT = 256;
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
    for (const member of waiting) {
      const { mission } = member.asked;
      bytes += outputBytes(member);
      if (group.length >= limit || missions.has(mission) || (bytes > GROUP_BYTES && group.length > 0))
        left.push(member);
      else {
        missions.add(mission);
        group.push(member);
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
    submit: (asked) => new Promise((resolve, reject) => push({ kind: 'checkpoint', asked, resolve, reject })),
    claim: (asked) => new Promise((resolve, reject) => push({ kind: 'claim', asked, resolve, reject })),
  };
}

function outputBytes({ asked }: Member): number {
  if (!('ends' in asked)) return 0;
  return asked.ends.reduce((sum, { output }) => sum + (output?.length ?? 0), asked.change?.output?.length ?? 0);
}

async function claimAlone(db: Queryable, { mission, job, pool }: Claim): Promise<Claimed | null> {
  const { rows } = await db.query<MissionRow>({ name: 'openclaw_claim', text: CLAIM, values: [mission, job, pool] });
  return rows[0] ? { mission: rows[0], steps: null, begun: [] } : null;
}

interface GroupAnswer {
  mine: Map<string, Owned>;
  /** Missions that another transaction holds. */
  busy: Set<string>;
  claimed: Map<string, Claimed>;
}

async function commitGroup(db: Queryable, group: Member[]): Promise<GroupAnswer> {
  const claims: string[] = [];
  const members: string[] = [];
  const parts: GroupParts = {
    claims: false,
    checkpoints: false,
    ends: false,
    requeues: false,
    starts: false,
    changes: false,
  };
  for (const member of group) {
    if (member.kind === 'claim') claims.push(JSON.stringify(member.asked));
    else addRows(members, member.asked, parts);
  }
  parts.claims = claims.length > 0;
  parts.checkpoints = members.length > 0;
  const { name, text } = groupStatement(parts);
  const { rows } = await db.query<{
    mine?: [string | number, boolean, boolean, number][] | null;
    busy?: string[] | null;
    claimed?: ClaimedJson[] | null;
  }>({ name, text, values: [claims, members].filter((list) => list.length > 0).map((list) => `[${list.join(',')}]`) });
  const row = rows[0]!;
  return {
    mine: new Map(
      (row.mine ?? []).map(([id, cancelRequested, open, signalSeq]) => [
        String(id),
        { cancelRequested, open, signalSeq },
      ]),
    ),
    busy: new Set(row.busy ?? []),
    claimed: new Map((row.claimed ?? []).map((one) => [one.id, claimedOf(one)])),
  };
}

type FreshStep = [
  id: string,
  name: string,
  position: number,
  task: string,
  payload: StepRow['payload'],
  needs: string[],
  maxAttempts: number,
  timeoutMs: number,
  effect: StepRow['effect'],
  idempotencyKey: string,
  untrusted: boolean,
  approval: StepRow['approval'],
];
type ClaimedJson = MissionRow & { steps: FreshStep[] | null; begun: string[] | null };

function claimedOf({ steps, begun, ...mission }: ClaimedJson): Claimed {
  const begunIds = new Set(begun ?? []);
  return {
    mission,
    steps: steps?.map((step) => freshStep(step, mission.epoch, begunIds)) ?? null,
    begun: begun ?? [],
  };
}

/** A step to which nothing has happened but, maybe, that the claim started it. */
function freshStep(
  [
    id,
    name,
    position,
    task,
    payload,
    needs,
    max_attempts,
    timeout_ms,
    effect,
    idempotency_key,
    untrusted,
    approval,
  ]: FreshStep,
  epoch: number,
  begun: ReadonlySet<string>,
): StepRow {
  const isBegun = begun.has(id);
  return {
    id,
    name,
    position,
    task,
    payload,
    needs,
    state: isBegun ? 'running' : 'queued',
    attempt: isBegun ? 1 : 0,
    max_attempts,
    timeout_ms,
    effect,
    idempotency_key,
    epoch: isBegun ? epoch : 0,
    output: null,
    error_class: null,
    error: null,
    untrusted,
    wait_ms: 0,
    approval,
    asked: null,
    version: null,
    progressed: false,
  };
}

/** What a claim that was not the first one has to look up. */
export async function loadSteps(db: Queryable, missionId: string): Promise<StepRow[]> {
  const { rows } = await db.query<StepRow>({ name: 'openclaw_load_steps', text: LOAD_STEPS, values: [missionId] });
  return rows;
}

/** One row, or as many as it has of what it has most. Outputs are JSON text already. */
function addRows(
  rows: string[],
  { mission, epoch, ends, requeues, starts, change }: Checkpoint,
  parts: GroupParts,
): void {
  if (ends.length > 0) parts.ends = true;
  if (requeues.length > 0) parts.requeues = true;
  if (starts.length > 0) parts.starts = true;
  if (change) parts.changes = true;
  for (let at = 0; at < Math.max(1, ends.length, requeues.length, starts.length); at++) {
    let row = `{"mission":${mission},"epoch":${epoch}`;
    const [end, requeue, start] = [ends[at], requeues[at], starts[at]];
    if (end) row += endText(end);
    if (requeue)
      row += `,"r_step":${requeue.step},"r_state":"${requeue.state}","r_attempt":${requeue.attempt},"r_delay_ms":${requeue.delay_ms}${errorText('r', requeue)}`;
    if (start) row += `,"s_step":${start.step},"s_attempt":${start.attempt}`;
    if (change && at === 0)
      row += `,"c_state":"${change.state}","c_reason":${JSON.stringify(change.wait_reason)},"c_wake_ms":${change.wake_ms},"c_output":${change.output},"c_seen":${change.seen}${errorText('c', change)}`;
    rows.push(`${row}}`);
  }
}

function endText(end: StepEnd): string {
  const resolves = end.resolves ? ',"e_resolves":true' : '';
  return `,"e_step":${end.step},"e_state":"${end.state}","e_output":${end.output},"e_untrusted":${end.untrusted},"e_ms":${end.duration_ms},"e_bytes":${end.input_bytes}${errorText('e', end)}${resolves}`;
}

function errorText(
  prefix: string,
  { error_class, error }: { error_class: string | null; error: string | null },
): string {
  if (error_class === null && error === null) return '';
  return `,"${prefix}_error_class":${JSON.stringify(error_class)},"${prefix}_error":${JSON.stringify(error)}`;
}

/** SQLSTATE classes 08 (connection), 40 (serialization, deadlock), 57P (shutdown), 53 (resources), and errors of the socket. */
export function isTransient(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string')
    return /^(08|40|53|57P)/.test(code) || /^(ECONN|EPIPE|ETIMEDOUT|ENOENT|EHOST)/.test(code);
  return /connection terminated|connection ended|timeout exceeded when trying to connect/i.test(messageOf(error));
}
