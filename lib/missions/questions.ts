import type { Queryable } from '../db/index.ts';
import { toJson } from '../log/index.ts';
import { durationMs } from '../tasks/duration.ts';
import { readySteps } from './dag.ts';
import type { SegmentState } from './state.ts';
import type { Asked, MissionRow, StepRow } from './types.ts';

/** Steps that a person has to be asked about: ready ones whose plan says so, and those of which nobody knows whether they happened. */
export function stepsToAsk(state: SegmentState): StepRow[] {
  if (state.cancelRequested) return [];
  const unknown = state.steps.filter((step) => step.state === 'unknown' && step.asked?.kind !== 'unknown');
  const planned = state.steps.some(isToBeAskedFirst) ? readySteps(state.steps).filter(isToBeAskedFirst) : [];
  return [...planned, ...unknown];
}

const isToBeAskedFirst = (step: StepRow) => step.approval !== null && step.attempt === 0 && !step.asked;

export interface Question {
  kind: 'step' | 'unknown' | 'code';
  question: string;
  options: string[];
  detail: Record<string, unknown>;
  who: string;
  expiresMs: number | null;
  onExpiry: string | null;
}

/** Fenced by the epoch, and the same question when it is open already. @returns null when the mission is another epoch's. */
export async function askQuestion(
  db: Pick<Queryable, 'query'>,
  mission: Pick<MissionRow, 'id' | 'epoch'>,
  step: string,
  { kind, question, options, detail, who, expiresMs, onExpiry }: Question,
): Promise<Asked | null> {
  const { rows } = await db.query<{ asked: Asked | null }>(
    `select ask_for_step($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9::float8 * interval '1 millisecond', $10) as asked`,
    [mission.id, mission.epoch, step, kind, question, options, toJson(detail), who, expiresMs, onExpiry],
  );
  return rows[0]?.asked ?? null;
}

/** @returns false when the mission is another epoch's. */
export async function askAbout(db: Pick<Queryable, 'query'>, state: SegmentState, step: StepRow): Promise<boolean> {
  const dependants = dependantsOf(state.steps, step);
  const question = step.state === 'unknown' ? questionOfUnknown(step, dependants) : questionBefore(step, dependants);
  step.asked = await askQuestion(db, state.mission, step.id, question);
  // Its answer is another than that of what it was asked before.
  state.answered.delete(step.id);
  if (step.asked && step.state === 'queued') step.state = 'waiting';
  return step.asked !== null;
}

export function questionOfUnknown(
  step: Pick<StepRow, 'name' | 'task' | 'idempotency_key'> & { payload: unknown },
  dependants: readonly string[],
): Question {
  return {
    kind: 'unknown',
    question: `Did step "${step.name}" (task ${step.task}) happen? Its worker died while it ran, and its effect is outside.`,
    options: ['done', 'retry', 'fail'],
    detail: {
      effects: {
        done: `it is taken as done; its output is null unless --output gives it${dependants.length > 0 ? `; ${dependants.join(', ')} go on` : ''}`,
        retry: `it runs again; if it had happened, it happens twice, unless the other side knows the key ${step.idempotency_key}`,
        fail: failureOf(dependants),
      },
      idempotency_key: step.idempotency_key,
      payload: step.payload,
    },
    who: 'operator',
    expiresMs: null,
    onExpiry: null,
  };
}

function questionBefore(step: StepRow, dependants: readonly string[]): Question {
  const { question, expires, on_expiry, who = 'operator' } = step.approval!;
  return {
    kind: 'step',
    question,
    options: ['approve', 'reject'],
    detail: {
      effects: {
        approve: `step "${step.name}" starts: task ${step.task}, effect ${step.effect}, payload ${JSON.stringify(step.payload).slice(0, 500)}`,
        reject: failureOf(dependants),
      },
    },
    who,
    expiresMs: expires === undefined ? null : durationMs(expires),
    onExpiry: on_expiry ?? null,
  };
}

function failureOf(dependants: readonly string[]): string {
  return dependants.length === 0
    ? 'it fails, and the mission with it'
    : `it fails, and ${dependants.join(', ')} are skipped`;
}

function dependantsOf(steps: readonly StepRow[], step: StepRow): string[] {
  const reached = new Set([step.name]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const other of steps) {
      if (reached.has(other.name) || !other.needs.some((need) => reached.has(need))) continue;
      reached.add(other.name);
      grew = true;
    }
  }
  return [...reached].slice(1);
}
