import type { Feed } from '../feed/feed.ts';
import type { State } from '../feed/state.ts';
import type { Page, PageView, RowRef } from '../pages/types.ts';
import type { Port } from '../terminal/port.ts';
import type { ThemeName } from '../view/theme.ts';
import type { Actor } from './actor.ts';
import type { Overlay, Prompt } from './overlays.ts';
import type { PageUi, Place } from './ui.ts';

export type Tone = 'good' | 'bad' | 'warn' | 'info';
/** A question that does something with what was typed. */
export type Asking = Overlay & { done?: (typed: string) => void };

/** What a viewer has before it: changed by keys and dialogs, drawn by the session. */
export interface Seat {
  place: Place;
  /** The places before this one. */
  readonly trail: Place[];
  theme: ThemeName;
  mouse: boolean;
  frozen?: { state: State; at: number } | undefined;
  overlay?: Asking | undefined;
  prompt?: Prompt | undefined;
}

/** The seat with what can be done at it. */
export interface Desk {
  readonly seat: Seat;
  readonly feed: Feed;
  readonly actor: Actor;
  readonly port: Port;
  readonly now: () => number;
  readonly page: () => Page;
  readonly ui: () => PageUi;
  readonly view: () => PageView | undefined;
  /** Under the cursor. */
  readonly row: () => RowRef | undefined;
  readonly draw: () => void;
  readonly redraw: () => void;
  readonly say: (text: string, style?: Tone) => void;
  readonly goTo: (next: Place, remember?: boolean) => void;
  readonly moveTo: (index: number) => void;
  readonly finish: (reason: string) => void;
}
