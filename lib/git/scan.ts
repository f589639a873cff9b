import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Secret } from '../config/index.ts';
import { PATTERNS } from '../log/secretPatterns.ts';
import { spellingsOf } from '../log/secretSpellings.ts';

export interface Finding {
  readonly file: string;
  readonly line: number;
  /** Which secret, by its name, or that it looks like one; never its value. */
  readonly what: string;
}

/** A line with this word is believed to be an example, unless it holds a secret that is known. */
const ALLOWED = /openclaw:allow-secret/;
/** More than any note has; what is larger is named instead of read. */
const SIZE_LIMIT = 32 << 20;

/**
 * The rules of the scrubber: whatever it would take out of a log line must not be in a commit, so that both know the same
 * secrets. The configured values are looked for exactly, in each spelling.
 */
export function scanFiles(root: string, files: readonly string[], secrets: readonly Secret[]): Finding[] {
  const looks = new RegExp(PATTERNS.join('|'), 'g');
  const exact = secrets.flatMap(({ name, value }) => [...spellingsOf(value)].map((spelling) => ({ name, spelling })));
  return files.flatMap((file) => {
    const full = path.join(root, file);
    if (statSync(full).size > SIZE_LIMIT) return [{ file, line: 0, what: 'too large to be looked at' }];
    // One character a byte, so that what is no text is looked at as well.
    const bytes = readFileSync(full);
    const text = bytes.includes(0) ? bytes.toString('latin1') : bytes.toString('utf8');
    return scanText(file, text, looks, exact);
  });
}

function scanText(
  file: string,
  text: string,
  looks: RegExp,
  exact: readonly { name: string; spelling: string }[],
): Finding[] {
  const found = new Map<string, Finding>();
  const add = (offset: number, what: string) => {
    const line = text.slice(0, offset).split('\n').length;
    found.set(`${line} ${what}`, { file, line, what });
  };
  for (const { name, spelling } of exact) {
    for (let at = text.indexOf(spelling); at >= 0; at = text.indexOf(spelling, at + spelling.length))
      add(at, `the value of ${name}`);
  }
  for (const match of text.matchAll(looks)) {
    const at = match.index + (match.groups?.keep?.length ?? 0);
    const start = text.lastIndexOf('\n', at) + 1;
    const end = text.indexOf('\n', at);
    if (!ALLOWED.test(text.slice(start, end < 0 ? undefined : end)))
      add(at, 'what looks like a key, token or password');
  }
  return [...found.values()].sort((a, b) => a.line - b.line);
}
