import type { z } from 'zod';
import type { REQUEST } from './research.ts';

const CALLED = /^@?scout\b[\s,:;.!-]*/i;
const VERB = /^(please\s+)?(research|look up|find out|search( for)?|what is new( (about|in|with))?)\b[\s,:;-]*/i;
const DEEP = /\b(deep|deeply|in depth|thorough|thoroughly)\b/i;

/** "scout, research the newest Node" -> what is to be looked for, and how deep; undefined when it says nothing to look for. */
export function requestIn(text: string): z.input<typeof REQUEST> | undefined {
  const said = text.replace(CALLED, '').trim();
  const query = said.replace(VERB, '').trim() || said;
  if (query.length < 3) return undefined;
  return { query: query.slice(0, 400), depth: DEEP.test(said) ? 'deep' : 'quick' };
}
