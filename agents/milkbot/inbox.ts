import type { Update } from 'grammy/types';
import type { Config } from '../../lib/config/index.ts';
import type { Pool } from '../../lib/db/index.ts';
import type { Logger } from '../../lib/log/index.ts';
import type { TelegramApi } from '../../lib/telegram/index.ts';
import type { Answer } from './types.ts';

export interface InboxRow {
  id: string;
  kind: string;
  chat_id: string | null;
  user_id: string | null;
  payload: Update;
  trace_id: string;
  attempts: number;
}

export interface Surroundings {
  api: TelegramApi;
  username: string;
  config: Config;
  db: Pool;
  log: Logger;
  signal: AbortSignal;
  /** Work that no chat waits for; what of it the end of this process cuts off is lost. */
  aside: (work: () => Promise<unknown>) => void;
  /** Rings for an agent that was told something. */
  told: (agent: string, message: string, trace: string) => void;
}

export type Outcome = 'answered' | 'routed' | 'ignored' | 'refused' | 'failed';

export interface Ending {
  route: string;
  outcome: Outcome;
  error?: string;
  /** After the commit: what may be lost (a spinner that stops, a code that is sent anew). */
  after?: () => Promise<unknown>;
  /** What is drawn in place of the answer when it is made. */
  later?: { outboxId: string; make: () => Promise<Answer> };
}
