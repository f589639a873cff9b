import { EXIT, OpenClawError } from '../errors/index.ts';

export type HoldReason = 'quota' | 'budget' | 'calls' | 'price_unknown' | 'policy' | 'breaker' | 'paused';

/**
 * Policy says: not now. Whoever runs a job or a step parks it until `retryAt` and gives its attempt back; nothing is tried before.
 * Null: no time is known at which it would be different, so that somebody has to change something.
 */
export class HeldError extends OpenClawError {
  readonly reasonCode: HoldReason;
  readonly retryAt: Date | null;
  /** ms until then, by the database's clock where it said so. */
  readonly waitMs: number;

  constructor(reasonCode: HoldReason, message: string, retryAt: Date | null, remedy: string, waitMs?: number) {
    super(`E_HELD_${reasonCode.toUpperCase()}`, message, { remedy, exitCode: EXIT.tempfail });
    this.name = 'HeldError';
    this.reasonCode = reasonCode;
    this.retryAt = retryAt;
    this.waitMs = waitMs ?? (retryAt?.getTime() ?? Date.now()) - Date.now();
  }
}
