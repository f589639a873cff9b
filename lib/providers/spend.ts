import type { Queryable } from '../db/index.ts';
import { reserveSpend, settleSpend } from '../policy/index.ts';
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
  const reservation = await reserveSpend(db, {
    provider: planned.provider,
    ...(planned.model !== null && { model: planned.model }),
    amountUsd: planned.mostUsd ?? null,
    ...(origin.agent && { agent: origin.agent }),
    missionId: origin.missionId,
    jobId: origin.jobId,
    task: planned.task,
    traceId: origin.traceId,
  });
  const startedAt = performance.now();
  const end = async (result: EndedCall) => {
    // The reservation first: should this process die between the two, money is right and one outcome is missing.
    await settleSpend(db, reservation, result);
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
