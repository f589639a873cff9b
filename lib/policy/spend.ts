import type { Queryable } from '../db/index.ts';
import { HeldError, type HoldReason } from './held.ts';

export interface SpendRequest {
  provider: string;
  model?: string;
  /** The most that the call can cost; null where the price is not known, which refuses it. */
  amountUsd: number | null;
  agent?: string;
  missionId?: string | null;
  stepId?: string | null;
  jobId?: string | null;
  task?: string;
  /** The pool that calls: what it reserved is given back when it is dead. */
  holder?: string;
  /** Given back after this long, whoever lives. */
  keepMs?: number;
  traceId?: string | null;
}

export interface Settlement {
  costUsd: number;
  promptTokens?: number;
  completionTokens?: number;
}

const KEEP_MS = 15 * 60_000;

/** @returns the reservation's id. @throws HeldError when a budget, a window of calls or an unknown price says no. */
export async function reserveSpend(db: Pick<Queryable, 'query'>, request: SpendRequest): Promise<string> {
  const { rows } = await db.query<{
    reservation: string | null;
    reason_code: HoldReason | null;
    reason: string | null;
    retry_at: Date | null;
  }>(`select * from reserve_spend($1, $2, $3, $4, $5, $6, $7, $8, $9, $10 * interval '1 millisecond', $11)`, [
    request.provider,
    request.model ?? null,
    request.amountUsd,
    request.agent ?? null,
    request.missionId ?? null,
    request.stepId ?? null,
    request.jobId ?? null,
    request.task ?? null,
    request.holder ?? null,
    request.keepMs ?? KEEP_MS,
    request.traceId ?? null,
  ]);
  const answer = rows[0]!;
  if (answer.reservation !== null) return answer.reservation;
  throw new HeldError(
    answer.reason_code!,
    answer.reason!,
    answer.retry_at,
    REMEDIES[answer.reason_code!] ?? 'openclaw cost',
  );
}

const REMEDIES: Partial<Record<HoldReason, string>> = {
  budget: 'openclaw cost shows where it went; openclaw policy set budget.usd gives more',
  quota: 'openclaw quota shows it; openclaw policy set quota.tasks gives more',
  calls: 'wait for the window, or use another provider',
  price_unknown: 'add the model’s price to config/providers/',
  policy: 'openclaw policy list',
};

/** @returns false when it was settled or released before. */
export async function settleSpend(
  db: Pick<Queryable, 'query'>,
  reservation: string,
  { costUsd, promptTokens, completionTokens }: Settlement,
): Promise<boolean> {
  const { rows } = await db.query<{ settled: boolean }>('select settle_spend($1, $2, $3, $4) as settled', [
    reservation,
    costUsd,
    promptTokens ?? null,
    completionTokens ?? null,
  ]);
  return rows[0]!.settled;
}

export async function releaseSpend(db: Pick<Queryable, 'query'>, reservation: string): Promise<boolean> {
  const { rows } = await db.query<{ released: boolean }>('select release_spend($1) as released', [reservation]);
  return rows[0]!.released;
}

/**
 * One call that costs: reserved before it, settled with what it says it cost, released when it throws. Where a failed call was
 * charged nevertheless, settle it in `call` and do not throw.
 *
 * @throws HeldError when there is no budget for it; whatever the call throws.
 */
export async function withSpend<T>(
  db: Pick<Queryable, 'query'>,
  request: SpendRequest,
  call: () => Promise<{ result: T } & Settlement>,
): Promise<T> {
  const reservation = await reserveSpend(db, request);
  let answer: { result: T } & Settlement;
  try {
    answer = await call();
  } catch (error) {
    // Should this fail too, the reservation ends by itself; the call's error is what is to be told.
    await releaseSpend(db, reservation).catch(() => undefined);
    throw error;
  }
  await settleSpend(db, reservation, answer);
  return answer.result;
}
