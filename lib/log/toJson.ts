import { messageOf, OpenClawError } from '../errors/index.ts';
import { scrub } from './secrets.ts';

/** Values under these names are redacted whatever they look like; `token` is not among them, as pages have tokens too. */
const SECRET_NAME = /(?:pass(?:word|wd|phrase)|secret|api[_-]?key|private[_-]?key|authorization)$/i;

/**
 * JSON text that Postgres stores as jsonb. As JSON.stringify, but: U+0000 is dropped and a lone surrogate becomes U+FFFD
 * (jsonb refuses both; keys too), a bigint is its digits as a string, an Error is `{name, message}`, and nothing at all
 * (undefined, a function) is `null`.
 *
 * @throws E_NOT_JSON for a cycle, with its path, for what is nested too deeply, and for a value whose own toJSON fails.
 */
export function toJson(value: unknown): string {
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
  if (text === undefined) return 'null';
  // JSON.stringify escapes control characters and lone surrogates only, and `\\` keeps `\\u0000` (a backslash) apart.
  if (!text.includes('\\u')) return text;
  return text.replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|[\s\S])/g, (sequence) => {
    if (sequence.length === 2) return sequence;
    return sequence === '\\u0000' ? '' : '\ufffd';
  });
}

/**
 * A copy, as JSON would carry it, with every string and key scrubbed; a string under the name of a secret
 * (`password`, `api_key`, …) is redacted whole. For what is stored or sent: `toJson(scrubJson(value))`.
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
