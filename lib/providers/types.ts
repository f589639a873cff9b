import type { z } from 'zod';
import type { CallFault } from './schemas.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** For whom a call is made: its budget, its outcome row, its trace, and the run whose loops are guarded. */
export interface CallOrigin {
  readonly agent?: string;
  readonly missionId?: string | null;
  readonly jobId?: string | null;
  readonly traceId?: string | null;
  /** One run: `m12`, `j104`, `agent:scout:i3`. Identical calls are counted in it. */
  readonly run: string;
}

export interface ChatRequest<T = unknown> {
  readonly messages: readonly ChatMessage[];
  /** The answer has this shape, or the call fails. Its name is what the model is told. */
  readonly shape?: { readonly name: string; readonly schema: z.ZodType<T> };
  readonly purpose: string;
  readonly origin: CallOrigin;
  /** `provider/model` or a provider; unset: failover's order. */
  readonly model?: string;
  readonly outputTokens?: number;
  readonly temperature?: number;
  readonly signal?: AbortSignal;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costUsd: number;
}

export interface ChatAnswer<T = unknown> {
  readonly text: string;
  /** Of the shape that was asked for; undefined where none was. */
  readonly data: T;
  readonly provider: string;
  readonly model: string;
  readonly usage: Usage;
  /** Models that were asked before it, and why they gave no answer. */
  readonly passedOver: readonly { readonly id: string; readonly fault: string; readonly message: string }[];
  /** Parts of the messages were left out to fit the window. */
  readonly shortened: boolean;
}

/** One call that failed, told apart by `fault`. The message never holds a key. */
export class CallError extends Error {
  readonly fault: CallFault;
  readonly retryAfterMs: number | undefined;
  constructor(fault: CallFault, message: string, details: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'CallError';
    this.fault = fault;
    this.retryAfterMs = details.retryAfterMs;
  }
}
