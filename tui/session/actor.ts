import type { Action } from '../../lib/actions/types.ts';

export interface ActionFacts {
  readonly name: string;
  readonly title: string;
  readonly who: 'viewer' | 'operator';
  readonly danger: 'none' | 'confirm';
  readonly args: readonly { readonly name: string; readonly optional?: boolean }[];
  readonly options: Action['options'];
}

export interface Performed {
  readonly ok: boolean;
  readonly text: string;
  /** What the action gives to programs. */
  readonly json?: unknown;
}

/** Who sits before a screen, and what may be done in that name. */
export interface Actor {
  readonly name: string;
  readonly role: 'viewer' | 'operator';
  /** The table of actions; empty until it was loaded. */
  table: () => readonly ActionFacts[];
  load: () => Promise<void>;
  /** Why this person may not do it, as a sentence. */
  refuses: (action: string) => string | undefined;
  perform: (
    action: string,
    args: readonly string[],
    options?: Readonly<Record<string, string | boolean>>,
  ) => Promise<Performed>;
  /** The states that these ids have now. */
  statesOf: (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}
