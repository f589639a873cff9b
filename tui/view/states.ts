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

/** Why a mission waits, for people; what is not here is a name that they know. */
const WAITS: Readonly<Record<string, string>> = {
  approval: 'waits for an answer',
  backoff: 'tries again',
  paused: 'is paused',
  queued: 'is about to go on',
  step_unknown: 'a step may or may not have happened',
  needs: 'waits for its steps',
  breaker: 'a breaker is open',
  quota: 'a quota is used up',
  budget: 'a budget is used up',
  calls: 'calls are used up',
  limit: 'waits for a place',
  sleep: 'sleeps',
  policy: 'policy does not allow it now',
};

/** @param at when it is looked at again, as a clock shows it. */
export function waitText(reason: string, at?: string): string {
  const [kind, name] = reason.split(':');
  const text = WAITS[reason] ?? (kind === 'signal' ? `waits for the signal ${name}` : `waits for ${reason}`);
  if (!at || reason === 'paused') return text;
  return `${text} ${reason === 'backoff' ? 'at' : 'until'} ${at}`;
}
