import type { Config } from '../config/index.ts';
import type { Pool } from '../db/index.ts';
import type { Logger } from '../log/index.ts';

/**
 * The table of actions: whatever a person can do, from whatever surface. A surface (command line, Telegram, screen) only
 * turns what was typed into `input`, checks `who`, confirms by `danger`, and shows the result; its help comes from here.
 */
export interface Action {
  /** `<noun> <verb>`, or one word. */
  readonly name: string;
  readonly title: string;
  readonly args?: readonly Argument[];
  readonly options?: readonly Option[];
  readonly who: 'viewer' | 'operator';
  /** none: reads, or easily undone; confirm: hard to reverse. */
  readonly danger: 'none' | 'confirm';
  /** It works while Postgres is away as well; what it then asks of `db` fails with E_NOT_RUNNING. */
  readonly withoutDatabase?: true;
  /** An example line, for the help. */
  readonly example?: string;
  readonly run: (context: ActionContext, input: ActionInput) => Promise<ActionResult>;
}

export interface Argument {
  readonly name: string;
  readonly description: string;
  readonly optional?: boolean;
}

export interface Option {
  /** As commander writes it: `--state <state>`. */
  readonly flags: string;
  readonly description: string;
  readonly choices?: readonly string[];
  readonly default?: string | boolean;
}

export interface ActionInput {
  readonly args: readonly (string | undefined)[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

export interface ActionContext {
  readonly db: Pool;
  readonly config: Config;
  readonly log: Logger;
  /** Tells a person how it goes while an action waits. */
  readonly say: (line: string) => void;
  /** Asks the person at a terminal, `hidden` without showing what is typed. Surfaces that others may read over (a chat) have none. */
  readonly ask?: (question: string, options?: { hidden?: boolean }) => Promise<string>;
  /** Writes a part of the result as it comes. Surfaces without it show the result at its end. */
  readonly print?: (line: string) => void;
  /** Aborts when the person gives up waiting. */
  readonly signal: AbortSignal;
}

export interface ActionResult {
  /** The result for programs. */
  readonly json: unknown;
  /** The same for people. */
  readonly text: string;
  /** 0 unless said: 1 failed, 3 pending. */
  readonly exitCode?: number;
}
