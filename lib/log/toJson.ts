import { messageOf, OpenClawError } from '../errors/index.ts';
import { holdsSecret, scrub } from './secrets.ts';

/** Values under these names are redacted whatever they look like; `token` is not among them, as pages have tokens too. */
const SECRET_NAMES = 'pass(?:word|wd|phrase)|secret|api[_-]?key|private[_-]?key|authorization';
const SECRET_NAME = new RegExp(`(?:${SECRET_NAMES})$`, 'i');
/** In JSON text: a string, so perhaps a key, that ends as such a name. */
const SECRET_NAME_ENDS = new RegExp(`(?:${SECRET_NAMES})"`, 'i');

/**
 * JSON text that Postgres stores as jsonb. As JSON.stringify, but: U+0000 is dropped and a lone surrogate becomes U+FFFD
 * (jsonb refuses both; keys too), a bigint is its digits as a string, an Error is `{name, message}`, and nothing at all
 * (undefined, a function) is `null`.
 *
 * @throws E_NOT_JSON for a cycle, with its path, for what is nested too deeply, and for a value whose own toJSON fails.
 */
export function toJson(value: unknown): string {
  if (isPlain(value, PLAIN_DEPTH)) return wellFormed(JSON.stringify(value));
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_key, member: unknown) => {
      if (typeof member === 'bigint') return member.toString();
      if (member instanceof Error) return { name: member.name, message: member.message };
      return member;
    });
  } catch (error) {
    throw notJson(value, error);
  }
  return text === undefined ? 'null' : wellFormed(text);
}

function wellFormed(text: string): string {
  // JSON.stringify escapes control characters and lone surrogates only, and `\\` keeps `\\u0000` (a backslash) apart.
  if (!text.includes('\\u')) return text;
  return text.replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|[\s\S])/g, (sequence) => {
    if (sequence.length === 2) return sequence;
    return sequence === '\\u0000' ? '' : '\ufffd';
  });
}

/** How deep a small result is; what is deeper takes the long way. */
const PLAIN_DEPTH = 3;

/** Whether JSON.stringify by itself writes it as toJson must: with a function to ask for each member it takes three times as long. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value !== 'object')
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  if (value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.length <= PLAIN_MEMBERS && value.every((member) => isPlain(member, depth - 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  let count = 0;
  for (const key in value) {
    if (++count > PLAIN_MEMBERS || !isPlain((value as Record<string, unknown>)[key], depth - 1)) return false;
  }
  return true;
}

const PLAIN_MEMBERS = 32;

/**
 * `toJson(scrubJson(value))`. Most values hold no secret, which one look at their text tells: where nothing is escaped, each
 * string stands in it as it is, between quotes, which no pattern counts as a part of a word.
 *
 * @throws E_NOT_JSON as toJson does.
 */
export function scrubbedJson(value: unknown): string {
  const text = toJson(value);
  if (!text.includes('\\') && !SECRET_NAME_ENDS.test(text) && !holdsSecret(text)) return text;
  return toJson(scrubbed(JSON.parse(text)));
}

/**
 * A copy, as JSON would carry it, with every string and key scrubbed; a string under the name of a secret
 * (`password`, `api_key`, …) is redacted whole. For what is stored or sent: scrubbedJson.
 *
 * @throws E_NOT_JSON as toJson does.
 */
export function scrubJson(value: unknown): unknown {
  return scrubbed(JSON.parse(toJson(value)));
}

function scrubbed(value: unknown): unknown {
  if (typeof value === 'string') return scrub(value);
  if (Array.isArray(value)) return value.map(scrubbed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      scrub(key),
      typeof member === 'string' && SECRET_NAME.test(key) ? '[redacted]' : scrubbed(member),
    ]),
  );
}

function notJson(value: unknown, error: unknown): OpenClawError {
  const cycle = error instanceof TypeError ? cycleIn(value) : undefined;
  if (cycle) {
    return new OpenClawError('E_NOT_JSON', `a value refers to itself at ${cycle}`, {
      value: cycle,
      expected: 'a value without cycles',
      remedy: 'return plain data: ids instead of the objects that they name',
      cause: error,
    });
  }
  const why = error instanceof RangeError ? 'it is nested too deeply, or too long' : messageOf(error);
  return new OpenClawError('E_NOT_JSON', `a value cannot be written as JSON: ${why}`, {
    expected: 'plain data: objects, arrays, strings, numbers, booleans, null',
    cause: error,
  });
}

/** The path of the first value that holds itself, as `$.a[0].b`. */
function cycleIn(value: unknown, path = '$', above: readonly unknown[] = []): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (above.includes(value)) return path;
  const within = [...above, value];
  for (const [key, member] of Object.entries(value)) {
    const name = /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${Array.isArray(value) ? key : JSON.stringify(key)}]`;
    const found = cycleIn(member, path + name, within);
    if (found) return found;
  }
  return undefined;
}
