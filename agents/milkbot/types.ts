import type { Button } from '../../lib/agents/index.ts';
import type { Config } from '../../lib/config/index.ts';
import type { Pool } from '../../lib/db/index.ts';
import type { Logger } from '../../lib/log/index.ts';

export type Role = 'viewer' | 'operator' | 'owner';

/** Who wrote, where. Looked up anew for every update: a revoked device is refused at its next word. */
export interface Person {
  readonly userId: number;
  readonly chatId: number;
  readonly device: string;
  readonly name: string;
  readonly role: Role;
}

/** What a command works with. `db` is the transaction of the whole update: its change, its answer and its end are one commit. */
export interface ChatContext {
  readonly db: Pool;
  readonly config: Config;
  readonly log: Logger;
  readonly person: Person;
  readonly signal: AbortSignal;
  readonly inboxId: string;
}

export interface Answer {
  readonly text: string;
  /** The text is Telegram's HTML. */
  readonly html?: boolean;
  readonly buttons?: readonly (readonly Button[])[];
  /** In place of this message of the outbox, rather than as a new one. */
  readonly edits?: string;
  /** The mission that this message shows from now on, until it ends. */
  readonly follows?: string;
  /** What takes its time: made after the commit, while the chat goes on, and drawn in place of this answer. */
  readonly later?: () => Promise<Answer>;
}

export interface Command {
  readonly name: string;
  readonly title: string;
  readonly role: Role;
  /** How its arguments are written. */
  readonly usage?: string;
  /** Left out of the menu: it is reached by buttons. */
  readonly hidden?: boolean;
  run(context: ChatContext, args: readonly string[], confirmed: boolean): Promise<Answer>;
}

const RANK: Record<Role, number> = { viewer: 0, operator: 1, owner: 2 };
export const mayDo = (role: Role, wanted: Role) => RANK[role] >= RANK[wanted];
