import { messageOf, OpenClawError } from '../errors/index.ts';
import { scrub } from '../log/index.ts';

const MESSAGE_LIMIT = 4000;
const CLASS_LIMIT = 100;

/** What a person reads of an error in a row: no stack, no secret, bounded. */
export function rowMessage(error: unknown): string {
  const text = error instanceof OpenClawError ? `${error.code}: ${error.message}` : messageOf(error);
  return storable(scrub(text).slice(0, MESSAGE_LIMIT));
}

/** What Postgres's text takes: a cut may have left half of a character. An error here would stop the worker, and its successor. */
function storable(text: string): string {
  return text.replaceAll(String.fromCharCode(0), '').toWellFormed();
}

/** A short word by which failures are told apart and counted. */
export function errorClassOf(error: unknown): string {
  return storable(classOf(error).slice(0, CLASS_LIMIT));
}

function classOf(error: unknown): string {
  if (error instanceof OpenClawError) return error.code;
  if (error instanceof Error) {
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code)) return code;
    if (error.name === 'TimeoutError') return 'timeout';
    return String(error.name);
  }
  return 'Error';
}
