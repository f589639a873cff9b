import type { Queryable } from '../db/index.ts';
import { CLAIM } from './claimStatement.ts';
import { type GroupParts, groupStatement } from './groupStatement.ts';
import type { Checkpoint, Claim, Claimed, MissionRow, StepEnd, StepRow } from './types.ts';

/** What a group is made of, by mission: a checkpoint of one that runs, or a claim of one that shall. */
export type GroupPart = { kind: 'checkpoint'; asked: Checkpoint } | { kind: 'claim'; asked: Claim };

/** What the statement says of a mission that is still of the member's epoch. */
type Owned = { cancelRequested: boolean; open: boolean; signalSeq: number };

export interface GroupAnswer {
  mine: Map<string, Owned>;
  /** Missions that another transaction holds. */
  busy: Set<string>;
  claimed: Map<string, Claimed>;
}

export async function commitGroup(db: Queryable, group: readonly GroupPart[]): Promise<GroupAnswer> {
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
  const attempt = end.attempt === undefined ? '' : `,"e_attempt":${end.attempt}`;
  // Recorded by one statement with the only step that it followed, its times are right by themselves.
  const isBehind = end.follows !== undefined && end.follows > (end.attempt === undefined ? 0 : 1);
  const follows = isBehind ? ',"e_follows":true' : '';
  const ago = end.ended_at === undefined ? '' : `,"e_ago":${performance.now() - end.ended_at}`;
  return `,"e_step":${end.step},"e_state":"${end.state}","e_output":${end.output},"e_untrusted":${end.untrusted},"e_ms":${end.duration_ms},"e_bytes":${end.input_bytes}${errorText('e', end)}${resolves}${attempt}${ago}${follows}`;
}

function errorText(
  prefix: string,
  { error_class, error }: { error_class: string | null; error: string | null },
): string {
  if (error_class === null && error === null) return '';
  return `,"${prefix}_error_class":${JSON.stringify(error_class)},"${prefix}_error":${JSON.stringify(error)}`;
}

export async function claimAlone(db: Queryable, { mission, job, pool }: Claim): Promise<Claimed | null> {
  const { rows } = await db.query<MissionRow>({ name: 'openclaw_claim', text: CLAIM, values: [mission, job, pool] });
  return rows[0] ? { mission: rows[0], steps: null, begun: [] } : null;
}
