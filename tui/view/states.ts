import type { Span, Style } from './frame.ts';
import type { Glyphs } from './glyphs.ts';

const STYLES: Record<string, Style> = {
  succeeded: 'good',
  failed: 'bad',
  running: 'info',
  waiting: 'warn',
  retrying: 'warn',
  unknown: 'bad',
  cancelled: 'dim',
  skipped: 'dim',
  approved: 'plain',
  queued: 'plain',
  paused: 'warn',
};

/** A state with its sign and its word, so that it needs no colour. */
export function stateSpan(state: string, glyphs: Glyphs, word = state): Span {
  return [`${glyphs.states[state] ?? ' '} ${word}`, STYLES[state] ?? 'plain'];
}

export const styleOf = (state: string): Style => STYLES[state] ?? 'plain';
