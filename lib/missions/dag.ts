import type { StepRow } from './types.ts';

export const TERMINAL = new Set(['succeeded', 'failed', 'skipped', 'cancelled', 'unknown']);

/** A need that can no longer succeed strands its dependants: they are skipped, and theirs with them. */
const BROKEN = new Set(['failed', 'skipped', 'cancelled']);

// A segment asks at each turn, and 200 missions take turns in one process: nothing is made for the answer but the answer.

const indexes = new WeakMap<readonly StepRow[], ReadonlyMap<string, StepRow>>();

function byName(steps: readonly StepRow[]): ReadonlyMap<string, StepRow> {
  let index = indexes.get(steps);
  if (!index) {
    index = new Map(steps.map((step) => [step.name, step]));
    indexes.set(steps, index);
  }
  return index;
}

function isReady(step: StepRow, index: ReadonlyMap<string, StepRow>): boolean {
  if (step.state !== 'queued') return false;
  for (const need of step.needs) if (index.get(need)?.state !== 'succeeded') return false;
  return true;
}

/** The queued steps whose needs have all succeeded. */
export function readySteps(steps: readonly StepRow[]): StepRow[] {
  const index = byName(steps);
  return steps.filter((step) => isReady(step, index));
}

/** Those of them that wait for no person's word, and durable functions that stand still: they start again when it is time. */
export function startableSteps(steps: readonly StepRow[]): StepRow[] {
  const index = byName(steps);
  return steps.filter((step) => (isReady(step, index) ? waitsForNobody(step) : isSuspended(step)));
}

const waitsForNobody = (step: StepRow) => !step.approval || step.attempt > 0 || step.asked?.answer === 'approve';

/** A durable function that stands still; a step that waits for a person has its question open. */
export function isSuspended(step: StepRow): boolean {
  return step.state === 'waiting' && step.asked?.state !== 'open';
}

/** The queued steps that a failed need strands, directly or through others. */
export function strandedSteps(steps: readonly StepRow[]): readonly { step: StepRow; because: string }[] {
  if (!steps.some((step) => BROKEN.has(step.state))) return [];
  const states = new Map<string, string>(steps.map((step) => [step.name, step.state]));
  const stranded: { step: StepRow; because: string }[] = [];
  for (let grew = true; grew; ) {
    grew = false;
    for (const step of steps) {
      if (states.get(step.name) !== 'queued') continue;
      const because = step.needs.find((need) => BROKEN.has(states.get(need) ?? ''));
      if (because === undefined) continue;
      states.set(step.name, 'skipped');
      stranded.push({ step, because });
      grew = true;
    }
  }
  return stranded;
}

/** The steps that no other step needs: their outputs are the mission's, where its plan names none. */
export function leafSteps(steps: readonly StepRow[]): StepRow[] {
  const needed = new Set(steps.flatMap((step) => step.needs));
  return steps.filter((step) => !needed.has(step.name));
}
