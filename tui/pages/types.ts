import type { Section } from '../feed/sections.ts';
import type { State } from '../feed/state.ts';
import type { PageUi, Place } from '../session/ui.ts';
import type { Panel, Rect } from '../view/frame.ts';
import type { Glyphs } from '../view/glyphs.ts';

/** All that a page is made of: it is a function of this and of nothing else. */
export interface PageInput {
  readonly state: State;
  readonly place: Place;
  readonly ui: PageUi;
  readonly area: Rect;
  /** The database's clock, ms. */
  readonly now: number;
  readonly glyphs: Glyphs;
}

/** A row that the cursor can be on. */
export interface RowRef {
  /** `m12`, `j104`, `step:3`: what the cursor and the acts hold on to. */
  readonly id: string;
  readonly state: string;
  /** Where enter leads. */
  readonly open?: Place;
  /** What y copies; its id unless said. */
  readonly copy?: string;
  /** Whether enter folds and unfolds it here. */
  readonly folds?: boolean;
  /** More that acts need. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface PageView {
  readonly panels: readonly Panel[];
  readonly rows: readonly RowRef[];
  /** Index into rows; -1 where there is nothing to choose. */
  readonly cursor: number;
  /** The screen rows of the list, for the mouse: the first row's y and its index. */
  readonly listAt?: { readonly y: number; readonly first: number; readonly height: number };
}

/** What the table of actions is asked to do to a row. */
export interface ActTarget {
  readonly args: readonly string[];
  readonly options?: Readonly<Record<string, string | boolean>>;
  /** What it is done to, as it is typed to confirm: `m12`. */
  readonly target: string;
}

export interface Act {
  readonly key: string;
  readonly label: string;
  readonly help: string;
  /** Its name in the table of actions. */
  readonly action: string;
  /** A text that the act needs, asked for first. */
  readonly ask?: { readonly question: string; readonly option?: string; readonly optional?: boolean };
  /** Confirmed by its typed id although the action itself would not ask. */
  readonly confirm?: true;
  /** Not on rows but on all that match conditions that are asked for: counted first, then confirmed by that number. */
  readonly bulk?: true;
  /** The arguments for this row (for a group, of each in it); or why it cannot be done, as a sentence. */
  readonly on: (row: RowRef) => ActTarget | readonly ActTarget[] | string;
}

export interface Page {
  readonly name: string;
  readonly title: string;
  /** The number key; pages without one are reached by the palette. */
  readonly key?: string;
  /** Of one thing: reached by enter from a list, or by its id. */
  readonly detailOf?: string;
  /** The tab's word where there is little room. */
  readonly short?: string;
  /** One line for the help. */
  readonly about: string;
  readonly sections: readonly Section[];
  /** The states that the key `s` goes through. */
  readonly filters?: readonly string[];
  readonly acts: readonly Act[];
  readonly view: (input: PageInput) => PageView;
}
