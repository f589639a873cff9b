import { PATTERNS } from './secretPatterns.ts';
import { spellingsOf } from './secretSpellings.ts';

const REPLACEMENT = '$<keep>[redacted]';

const known = new Set<string>();
let textPattern: RegExp | undefined;
let jsonPattern: RegExp | undefined;

/**
 * From now on these values are replaced in whatever is scrubbed: as they are, URI-encoded, JSON-escaped, in base64.
 * Values under 6 characters are left alone: they are parts of ordinary words.
 */
export function addSecrets(values: Iterable<string>): void {
  for (const value of values) {
    for (const spelling of spellingsOf(value)) {
      if (known.has(spelling)) continue;
      known.add(spelling);
      textPattern = undefined;
      jsonPattern = undefined;
    }
  }
}

/** The text with `[redacted]` for each known secret and for what looks like one. Linear in the length of the text. */
export function scrub(text: string): string {
  textPattern ??= patternOf(known);
  return text.replace(textPattern, REPLACEMENT);
}

/** Whether scrub would change the text. */
export function holdsSecret(text: string): boolean {
  textPattern ??= patternOf(known);
  textPattern.lastIndex = 0;
  return textPattern.test(text);
}

/** As scrub, for JSON text: the result is valid JSON where the text was. */
export function scrubJsonText(json: string): string {
  jsonPattern ??= patternOf([...known].filter(isJsonContent));
  return json.replace(jsonPattern, (match: string, ...given) => {
    const { keep } = given.at(-1) as { keep?: string };
    if (keep !== undefined) return `${keep}[redacted]`;
    // What begins inside of an escape is not the secret, and half an escape is no JSON; the secret may be what follows it.
    const rest = restOfEscape(json, given.at(-3) as number);
    return rest === 0 ? '[redacted]' : match.slice(0, rest) + scrubJsonText(match.slice(rest));
  });
}

/** The longest first: a secret that holds another is taken as a whole. */
function patternOf(spellings: Iterable<string>): RegExp {
  const exact = [...spellings].sort((a, b) => b.length - a.length).map(literal);
  return new RegExp([...exact, ...PATTERNS].join('|'), 'g');
}

function literal(text: string): string {
  // Among digits a number would be found inside of other numbers, times above all.
  if (/^\d+$/.test(text)) return `(?<!\\d)${text}(?!\\d)`;
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** Anything else is met in JSON text only by chance, across the ends of two strings. */
function isJsonContent(spelling: string): boolean {
  try {
    return typeof JSON.parse(`"${spelling}"`) === 'string';
  } catch {
    return false;
  }
}

/** How much of an escape, `\n` or `\u001b`, is still to come at `offset`: 0 outside of one. */
function restOfEscape(json: string, offset: number): number {
  const [, slashes = '', code] = /(\\+)(u[0-9a-f]{0,3})?$/.exec(json.slice(Math.max(0, offset - 256), offset)) ?? [];
  if (slashes.length % 2 === 0) return 0;
  if (code !== undefined) return 5 - code.length;
  return json[offset] === 'u' ? 5 : 1;
}
