import type { Queryable } from '../db/index.ts';
import { messageOf } from '../errors/index.ts';
import { isSuspended, leafSteps, startableSteps, TERMINAL } from './dag.ts';
import { allowedSteps, type SegmentState, soonestStartMs } from './state.ts';
import type { MissionChange } from './types.ts';

/** A wait above this parks the mission, so that it holds no worker; below it, parking costs more than waiting. */
const PARK_ABOVE_MS = 5_000;
/** How the classes of errors begin by which policy holds a step back (HeldError). */
const HELD = 'E_HELD_';
/** A pause's end wakes what it held up; this is for a mission that parked in the moment of the end. */
const PAUSED_LOOK_MS = 30_000;

/** The mission's end, once every step has one; a park, when nothing can go on for a while; else null. Asked when nothing runs. */
export async function missionChange(state: SegmentState, db: Pick<Queryable, 'query'>): Promise<MissionChange | null> {
  const { steps, mission } = state;
  const unknown = steps.some((step) => step.state === 'unknown');
  if (steps.every((step) => TERMINAL.has(step.state))) {
    if (state.cancelRequested)
      return ended('cancelled', null, 'cancelled', `cancelled by ${mission.cancel_requested_by ?? 'request'}`);
    if (unknown) return parked(state, 'step_unknown', null);
    const failed = steps.find((step) => step.state === 'failed');
    if (failed) return ended('failed', null, failed.error_class, `step ${failed.name}: ${failed.error}`);
    if (steps.some((step) => step.state !== 'succeeded'))
      return ended('cancelled', null, 'cancelled', 'a step of it was cancelled');
    return succeeded(state, db);
  }
  const soonest = soonestStartMs(state);
  if (soonest <= PARK_ABOVE_MS) return null;
  if (allowedSteps(state).length < startableSteps(steps).length)
    return parked(state, 'paused', Math.min(soonest, PAUSED_LOOK_MS));
  const asked = steps.some((step) => step.state === 'waiting' && step.asked?.state === 'open');
  const waits = steps.find((step) => isSuspended(step) && step.waitsFor)?.waitsFor;
  const otherwise = heldBy(state) ?? (soonest < Number.POSITIVE_INFINITY ? 'backoff' : 'needs');
  const reason = unknown ? 'step_unknown' : asked ? 'approval' : (waits ?? otherwise);
  return parked(state, reason, soonest < Number.POSITIVE_INFINITY ? soonest : null);
}

/** quota, budget, calls, breaker or policy, where one of these holds a step back. */
function heldBy({ steps }: SegmentState): string | undefined {
  const held = steps.find((step) => step.state === 'queued' && step.error_class?.startsWith(HELD));
  return held?.error_class?.slice(HELD.length).toLowerCase();
}

/** With the plan's `output`, evaluated by Postgres as every path is; else the outputs of the steps that no other needs. */
async function succeeded({ mission, steps }: SegmentState, db: Pick<Queryable, 'query'>): Promise<MissionChange> {
  if (mission.plan.function !== undefined) return ended('succeeded', JSON.stringify(steps[0]!.output), null, null);
  if (mission.plan.output === undefined) {
    return ended(
      'succeeded',
      JSON.stringify(Object.fromEntries(leafSteps(steps).map((step) => [step.name, step.output]))),
      null,
      null,
    );
  }
  const document = {
    input: mission.input,
    mission: { id: mission.id, kind: mission.kind, title: mission.title },
    steps: Object.fromEntries(steps.map(({ name, state, output, error }) => [name, { state, output, error }])),
  };
  try {
    const { rows } = await db.query<{ output: unknown }>('select resolve_paths($1::jsonb, $2::jsonb) as output', [
      JSON.stringify(mission.plan.output),
      JSON.stringify(document),
    ]);
    return ended('succeeded', JSON.stringify(rows[0]?.output ?? null), null, null);
  } catch (error) {
    // OC009: the path finds nothing; class 22: it cannot be evaluated on this document. Neither mends itself.
    if (!/^(OC009$|57014$|22)/.test(String((error as { code?: unknown }).code))) throw error;
    return ended(
      'failed',
      null,
      'E_OUTPUT',
      `every step succeeded, but the plan's output did not resolve: ${messageOf(error)}`,
    );
  }
}

function parked({ seen }: SegmentState, reason: string, wakeMs: number | null): MissionChange {
  return { state: 'waiting', wait_reason: reason, wake_ms: wakeMs, output: null, error_class: null, error: null, seen };
}

function ended(
  state: 'succeeded' | 'failed' | 'cancelled',
  output: string | null,
  errorClass: string | null,
  error: string | null,
): MissionChange {
  return { state, wait_reason: null, wake_ms: null, output, error_class: errorClass, error, seen: 0 };
}
