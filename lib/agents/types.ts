import type { z } from 'zod';
import type { Config } from '../config/index.ts';
import type { Pool, Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import type { Identity } from './identity.ts';

/** What an agent is told: a row of agent_messages. */
export interface AgentMessage {
  readonly id: string;
  readonly kind: string;
  readonly payload: Record<string, unknown>;
  readonly sender: string;
  /** Where an answer goes, if anywhere. */
  readonly replyTo: string | null;
  /** The text comes from outside; what follows from it has no side effect without approval. */
  readonly untrusted: boolean;
  readonly traceId: string;
  /** 1 for the first start. A message that was begun before a crash is begun again. */
  readonly attempt: number;
}

/** What an agent's own code works with. */
export interface AgentContext {
  readonly agent: string;
  readonly identity: Identity;
  readonly config: Config;
  readonly log: Logger;
  /** Aborts when the process stops: what is not finished then is begun again. */
  readonly signal: AbortSignal;
  /** As the worker's role, acting as this agent; each statement is a transaction of its own. */
  readonly db: Pool;
  /**
   * Written in the one transaction that ends the message (or the tick): all of it, once, or nothing. Whatever must not
   * happen twice belongs here and not into `db`.
   */
  later(write: (tx: Queryable) => Promise<unknown>): void;
  /** Answers where the message wants its answer; with a text that is empty, or nowhere to answer to, nothing. */
  reply(text: string, options?: ReplyOptions): void;
  /** Tells another agent something. */
  tell(agent: string, kind: string, payload: Record<string, unknown>): void;
  /** A fact for ops_agent_events. */
  event(kind: string, payload: Record<string, unknown>, severity?: 'info' | 'warning' | 'error' | 'critical'): void;
}

export interface ReplyOptions {
  /** The text is HTML as Telegram takes it; otherwise it is plain. */
  html?: boolean;
  buttons?: readonly (readonly Button[])[];
  severity?: 'info' | 'warning' | 'error' | 'critical';
}

export interface Button {
  label: string;
  /** A command of the chat without its slash: `approve`. */
  action: string;
  args?: readonly string[];
  /** Only this person may press it. */
  for_user?: number;
  /** An interval of Postgres: `60 s`. */
  expires_in?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: a table of handlers holds payloads of every type
export interface Handler<P = any> {
  readonly title: string;
  readonly payload: z.ZodType<P>;
  /** What it returns is stored as the message's result. A thrown error is tried again, unless it is a PermanentError. */
  run(payload: P, context: AgentContext & { readonly message: AgentMessage }): Promise<unknown>;
}

/** Something that an agent does by itself. What must not be missed is a schedule in `crontab`, not this. */
export interface Tick {
  readonly name: string;
  /** node-cron's six fields, UTC: `*\/15 * * * * *`. */
  readonly cron: string;
  run(context: AgentContext): Promise<void>;
}

export interface AgentDefinition {
  readonly handlers: Readonly<Record<string, Handler>>;
  readonly ticks?: readonly Tick[];
  /** Messages that are handled at once. Default 1: in order. */
  readonly concurrency?: number;
}

export function defineAgent(definition: AgentDefinition): AgentDefinition {
  return definition;
}

/** Types the handler's payload by its schema. */
export function handler<P>(one: Handler<P>): Handler<P> {
  return one;
}
