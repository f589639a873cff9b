import type { Queryable } from '../db/index.ts';
import { durationMs } from '../tasks/duration.ts';
import { readySteps } from './dag.ts';
import type { SegmentState } from './state.ts';
import type { Asked, StepRow } from './types.ts';

/** Steps that a person has to be asked about: ready ones whose plan says so, and those of which nobody knows whether they happened. */
export function stepsToAsk(state: SegmentState): StepRow[] {
  if (state.cancelRequested) return [];
  return [
    ...readySteps(state.steps).filter((step) => step.approval && step.attempt === 0 && !step.asked),
    ...state.steps.filter((step) => step.state === 'unknown' && !step.asked),
  ];
}

interface Question {
  kind: 'step' | 'unknown';
  question: string;
  options: string[];
  detail: Record<string, unknown>;
  who: string;
  expiresMs: number | null;
  onExpiry: string | null;
}

/** Fenced by the epoch, and the same question when it is open already. @returns false when the mission is another epoch's. */
export async function askAbout(db: Pick<Queryable, 'query'>, state: SegmentState, step: StepRow): Promise<boolean> {
  const { kind, question, options, detail, who, expiresMs, onExpiry } = questionOf(state, step);
  const { rows } = await db.query<{ asked: Asked | null }>(
    `select to_jsonb(a) as asked from ask_for_step($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9::float8 * interval '1 millisecond', $10) q(id) join ops_approvals a on a.id = q.id`,
    [
      state.mission.id,
      state.mission.epoch,
      step.id,
      kind,
      question,
      options,
      JSON.stringify(detail),
      who,
      expiresMs,
      onExpiry,
    ],
  );
  const asked = rows[0]?.asked;
  if (!asked) return false;
  step.asked = asked;
  if (step.state === 'queued') step.state = 'waiting';
  return true;
}

function questionOf(state: SegmentState, step: StepRow): Question {
  const dependants = dependantsOf(state.steps, step).join(', ');
  const others = dependants === '' ? '' : `; ${dependants} need it`;
  if (step.state === 'unknown') {
    return {
      kind: 'unknown',
      question: `Did step "${step.name}" (task ${step.task}) happen? Its worker died while it ran, and its effect is outside.`,
      options: ['done', 'retry', 'fail'],
      detail: {
        effects: {
          done: `it is taken as done, its output is null unless --output gives it${others}`,
          retry: `it runs again; if it had happened, it happens twice unless the other side knows the key ${step.idempotency_key}`,
          fail: `it fails${dependants === '' ? ' and the mission with it' : `, and ${dependants} are skipped`}`,
        },
        idempotency_key: step.idempotency_key,
        payload: step.payload,
      },
      who: 'operator',
      expiresMs: null,
      onExpiry: null,
    };
  }
  const { question, expires, on_expiry, who = 'operator' } = step.approval!;
  return {
    kind: 'step',
    question,
    options: ['approve', 'reject'],
    detail: {
      effects: {
        approve: `step "${step.name}" starts: task ${step.task}, effect ${step.effect}, payload ${JSON.stringify(step.payload).slice(0, 500)}`,
        reject: `it fails${dependants === '' ? ' and the mission with it' : `, and ${dependants} are skipped`}`,
      },
    },
    who,
    expiresMs: expires === undefined ? null : durationMs(expires),
    onExpiry: on_expiry ?? null,
  };
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
