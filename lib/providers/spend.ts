import type { Queryable } from '../db/index.ts';
import { HeldError, type HoldReason } from '../policy/held.ts';
import type { CallOrigin } from './types.ts';

export interface PlannedCall {
  readonly task: 'model_call' | 'search_call';
  readonly provider: string;
  readonly model: string | null;
  readonly origin: CallOrigin;
  readonly inputBytes: number;
  /** The most that it can cost; undefined where the price is not known, which no budget lets through. */
  readonly mostUsd: number | undefined;
}

export interface EndedCall {
  readonly costUsd: number;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly fault?: string;
}

/**
 * One call from its reservation to its price and its outcome row. `call` says what it really cost; a call that throws costs
 * what `costOfError` says.
 *
 * @throws HeldError before anything is sent: what a budget says is final until its day or window turns; what `call` throws.
 */
export async function spending<T>(
  db: Queryable,
  planned: PlannedCall,
  call: () => Promise<{ value: T; ended: EndedCall }>,
  ended: (error: unknown) => EndedCall,
): Promise<T> {
  const { origin } = planned;
  const { rows } = await db.query<{
    reservation: string | null;
    reason_code: HoldReason;
    reason: string;
    retry_at: Date | null;
  }>(
    `select (r).* from (select reserve_spend($1, model => $2, amount_usd => $3, agent => $4, mission_id => $5, job => $6, task => $7, trace_id => $8) as r) reserved`,
    [
      planned.provider,
      planned.model,
      planned.mostUsd ?? null,
      origin.agent ?? null,
      origin.missionId ?? null,
      origin.jobId ?? null,
      planned.task,
      origin.traceId ?? null,
    ],
  );
  const answer = rows[0]!;
  if (answer.reservation === null) {
    const remedy =
      answer.reason_code === 'price_unknown'
        ? 'give the price (usd_per_million, usd_per_call) in config/providers/'
        : 'openclaw cost shows where it went; openclaw policy set budget.usd ... raises the limit';
    throw new HeldError(answer.reason_code, answer.reason, answer.retry_at, remedy);
  }
  const startedAt = performance.now();
  const end = async (result: EndedCall) => {
    // The reservation first: should this process die between the two, money is right and one outcome is missing.
    await db.query('select settle_spend($1, $2, prompt_tokens => $3, completion_tokens => $4)', [
      answer.reservation,
      result.costUsd,
      result.promptTokens ?? null,
      result.completionTokens ?? null,
    ]);
    await db.query('select record_call($1::jsonb)', [
      JSON.stringify({
        task: planned.task,
        provider: planned.provider,
        model: planned.model,
        mission_id: origin.missionId ?? null,
        job: origin.jobId ?? null,
        agent: origin.agent ?? null,
        trace_id: origin.traceId ?? null,
        duration_ms: Math.round(performance.now() - startedAt),
        input_bytes: planned.inputBytes,
        fault: result.fault ?? null,
        prompt_tokens: result.promptTokens ?? null,
        completion_tokens: result.completionTokens ?? null,
        cost_usd: result.costUsd,
      }),
    ]);
  };
  let done: { value: T; ended: EndedCall };
  try {
    done = await call();
  } catch (error) {
    await end(ended(error));
    throw error;
  }
  await end(done.ended);
  return done.value;
}
